"""The settings that say how often and how much."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from doorward.config.patterns import WindowValue
from doorward.config.section import Section
from doorward.config.values import Duration, Many, Size, Whole
from doorward.rules.throttle import Window

_MINUTE: Final = timedelta(minutes=1)
_QUARTER: Final = timedelta(minutes=15)

Windows = Annotated[Many[WindowValue], Field(min_length=1)]


class LoginFailures(Section):
    """The lock on an account from one address after failed sign-ins."""

    threshold: Whole = Field(default=3, ge=1, le=100, description="Failures in a row before the first lock.")
    within: Duration = Field(
        default=timedelta(minutes=5), description="They belong together when no further apart than this."
    )
    first: Duration = Field(
        default=timedelta(seconds=30), description="Length of the first lock; it doubles with each failure."
    )
    most: Duration = Field(default=timedelta(minutes=15), description="The longest lock.")


class Limits(Section):
    """How often, how much. Each is counted by itself, per address; all of its windows must have room.

    An IPv6 address counts as its /64.
    """

    login: Many[WindowValue] = Field(
        default=(Window(5, _MINUTE), Window(10, _QUARTER)),
        description="Attempts to sign in with a password. `[]`: any number; the locks of `login_failures` stay.",
    )
    otp_verify: Windows = Field(
        default=(Window(5, _MINUTE), Window(5, _QUARTER)),
        description="Codes and passkeys shown as a second proof. One sign-in takes five wrong ones at most.",
    )
    mfa_manage: Windows = Field(
        default=(Window(10, _MINUTE), Window(5, _QUARTER)),
        description="Setting up, confirming and taking away second factors.",
    )
    password_change: Windows = Field(
        default=(Window(10, _MINUTE), Window(5, _QUARTER)),
        description="Changing one's own password; per account, too.",
    )
    registration: Windows = Field(default=(Window(10, _QUARTER),), description="Attempts to make an account.")
    invite: Windows = Field(default=(Window(10, _QUARTER),), description="Invitations looked at.")
    forgot: Windows = Field(
        default=(Window(3, _QUARTER),),
        description="Asking for a link to set a new password; per name or e-mail address that was given, too.",
    )
    reset: Windows = Field(default=(Window(5, _QUARTER),), description="Following such a link.")
    oidc: Windows = Field(
        default=(Window(10, _MINUTE), Window(20, _QUARTER)),
        description="The ways to a provider and back, counted apart, and logout tokens that are not genuine.",
    )
    admin: Windows = Field(default=(Window(30, _QUARTER),), description="Changes made by administrators.")
    export: Windows = Field(default=(Window(30, _QUARTER),), description="Copies of one's own data.")
    destructive: Windows = Field(
        default=(Window(3, _QUARTER),), description="What cannot be undone, such as deleting one's own account."
    )
    backup: Windows = Field(
        default=(Window(5, timedelta(hours=1)),),
        description="Backups made, and proven, by hand in the console or the API.",
    )
    imports: Windows = Field(
        default=(Window(20, _QUARTER),), description="Files of accounts that are looked at or taken in."
    )
    key_create: Windows = Field(
        default=(Window(5, timedelta(hours=1)), Window(5, _QUARTER)),
        description="Keys for apps that are made, pairing and access tokens among them.",
    )
    pairing: Windows = Field(default=(Window(10, _QUARTER),), description="Devices that ask to be paired.")
    pairing_code: Windows = Field(
        default=(Window(10, _MINUTE), Window(20, _QUARTER)),
        description="Codes of devices that are typed, seen through and answered, which each count; per account, too.",
    )
    key_failure: Windows = Field(
        default=(Window(20, _MINUTE), Window(60, _QUARTER)),
        description="Wrong keys shown at apps. Above it they are answered with 429; right ones are let through all the "
        "same, and nobody's key is ever locked. Counted in memory.",
    )
    count: Literal["all", "failed"] = Field(
        default="all",
        description="What counts of `login` and `otp_verify`: every try, or only those that were wrong. Each is "
        "counted before it is looked at, and given back when it was right.",
    )
    login_failures: LoginFailures = Field(default=LoginFailures(), description="The lock after failures.")
    body_size: Size = Field(
        default=64 * 1024,
        ge=4096,
        le=16 * 1024 * 1024,
        description="The largest request body we read, `4KiB` to `16MiB`.",
    )
