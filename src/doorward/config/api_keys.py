"""The settings of keys for apps."""

import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from doorward.config.section import Section
from doorward.config.values import OFF, OptionalDuration, Whole, refuse

_MOST: Final = 10_000


def parse_optional_count(value: object) -> int | None:
    """A number, or `off` for any number."""
    if value is None or value == OFF:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise refuse(f"this must be a number from 1 to {_MOST}, or off", "write 20, or off for any number")
    return value


def parse_parameter(value: object) -> str:
    """The name of a parameter in an address."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", value):
        raise refuse("a parameter's name has 1 to 32 letters, digits, - or _", "write dw_key")
    return value


class ApiKeys(Section):
    """Keys that people make for phones, scripts and calendar feeds, and administrators for services."""

    hash: Literal["sha256", "bcrypt"] = Field(
        default="sha256",
        description="How keys are stored. A key is 256 random bits, which nobody guesses, so that a fast hash will do; "
        "`bcrypt` (cost 12) takes a quarter of a second at the first use of a key after every start.",
    )
    max: Whole = Field(default=10, ge=1, le=1000, description="Keys of one account, those that have expired aside.")
    max_per_app: Annotated[int | None, BeforeValidator(parse_optional_count)] = Field(
        default=None, description="Keys for one app, whosever they are, or `off` for any number."
    )
    max_lifetime: OptionalDuration = Field(
        default=None,
        description="How long a key may last, or `off`: its owner may choose one without an end. It counts from when a "
        "key was made, also for those that were made before it was set.",
    )
    default_lifetime: OptionalDuration = Field(
        default=timedelta(days=365),
        description="How long it lasts where nobody says otherwise, and never longer than `max_lifetime`; `off`: for "
        "ever.",
    )
    sleep_after: OptionalDuration = Field(
        default=timedelta(days=90),
        description="Keys that nobody has used for so long open nothing any more until their owner wakes them; `off` "
        "lets them be.",
    )
    url_parameter: Annotated[str, BeforeValidator(parse_parameter)] = Field(
        default="dw_key",
        description="The parameter of an address that a key may stand in, for clients that can send no header: only "
        "where an app has `url_keys`, the key allows it, and only to read.",
    )
