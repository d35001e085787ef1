"""The settings of how often keys are replaced."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from doorward.config.section import Section
from doorward.config.values import OptionalDuration, refuse

_LEAST: Final = timedelta(hours=1)


def _check_span(value: timedelta | None) -> timedelta | None:
    if value is not None and value < _LEAST:
        raise refuse("apps would not keep up with keys that change this often", "write 90d")
    return value


class Rotation(Section):
    """How often keys are replaced by themselves. The master key never is: `doorward keys rotate master`."""

    signing_key: OptionalDuration = Field(
        default=None,
        description="The key of session cookies is replaced when it is this old, or `off`. Everybody is signed out "
        "then; `doorward keys rotate signing` does it at once.",
    )
    assertion_key: Annotated[OptionalDuration, AfterValidator(_check_span)] = Field(
        default=timedelta(days=90),
        description="The key that signs assertions to apps is replaced when it is this old, or `off`. Nobody notices: "
        "the new one is published before it signs. `doorward keys rotate assertion` does it now.",
    )
