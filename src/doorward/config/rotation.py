"""The settings of how often keys are replaced."""

from pydantic import Field

from doorward.config.section import Section
from doorward.config.values import OptionalDuration


class Rotation(Section):
    """How often keys are replaced by themselves. The master key never is: `doorward keys rotate master`."""

    signing_key: OptionalDuration = Field(
        default=None,
        description="The key of session cookies is replaced when it is this old, or `off`. Everybody is signed out "
        "then; `doorward keys rotate signing` does it at once.",
    )
