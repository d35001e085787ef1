"""The settings of pairing: how an app that cannot show a sign-in page gets a key of its own."""

from datetime import timedelta

from pydantic import Field, field_validator

from doorward.config.section import Section
from doorward.config.values import Duration, Flag, Whole, refuse

_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(minutes=30)


class PairingSection(Section):
    """Pairing (RFC 8628): a device shows a short code, somebody approves it on a page, the device gets its own key."""

    enabled: Flag = Field(
        default=True, description="Whether devices may ask for a key by a code. Keys can be made by hand in any case."
    )
    lifetime: Duration = Field(default=timedelta(minutes=10), description="How long a code is good for, `1m` to `30m`.")
    waiting: Whole = Field(
        default=200, ge=1, le=10_000, description="How many devices may wait for an answer at a time, altogether."
    )

    @field_validator("lifetime")
    @classmethod
    def _check_lifetime(cls, value: timedelta) -> timedelta:
        if not _SHORTEST <= value <= _LONGEST:
            raise refuse("a code is good for 1m to 30m", "write 10m")
        return value
