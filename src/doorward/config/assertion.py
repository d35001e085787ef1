"""The settings of the signed assertion to apps."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator

from doorward.config.modes import parse_header_name
from doorward.config.section import Section
from doorward.config.values import Duration, refuse
from doorward.rules.assertion import MOST_LIFETIME

_LEAST_LIFETIME: Final = timedelta(seconds=10)
_OURS: Final = "x-doorward-"


def parse_assertion_header(value: object) -> str:
    """The name of the header, as it is written: one of ours, or any that has no other meaning."""
    if not isinstance(value, str) or value.lower() in {"", _OURS}:
        raise refuse("this must be the name of a header", "write X-Doorward-Assertion")
    parse_header_name(value.lower().removeprefix(_OURS))
    return value


def _check_lifetime(value: timedelta) -> timedelta:
    if not _LEAST_LIFETIME <= value <= MOST_LIFETIME or value % timedelta(seconds=1):
        raise refuse("an assertion is good for 10 to 60 seconds", "write 60s")
    return value


class AssertionSection(Section):
    """The signed assertion of who asks for what, for apps that say `assertion: true`."""

    header: Annotated[str, PlainValidator(parse_assertion_header)] = Field(
        default="X-Doorward-Assertion",
        description="The header it stands in. Every app is sent it: empty where it asked for none, and for nobody.",
    )
    lifetime: Annotated[Duration, AfterValidator(_check_lifetime)] = Field(
        default=MOST_LIFETIME,
        description="How long one is good for, `60s` at most. One is used again for half of that, for the same "
        "address and method.",
    )
    algorithm: Literal["EdDSA", "ES256"] = Field(
        default="EdDSA", description="What it is signed with: `EdDSA` is Ed25519. Apps have to expect the same."
    )
