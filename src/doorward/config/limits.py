"""The settings that say how often and how much."""

from datetime import timedelta

from pydantic import Field

from doorward.config.patterns import WindowValue
from doorward.config.section import Section
from doorward.config.values import Duration, Many, Size, Whole
from doorward.rules.throttle import Window


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
    """How often, how much."""

    login: Many[WindowValue] = Field(
        default=(Window(5, timedelta(minutes=1)), Window(10, timedelta(minutes=15))),
        min_length=1,
        description="Sign-in attempts per address; all of these windows must have room.",
    )
    oidc: Many[WindowValue] = Field(
        default=(Window(10, timedelta(minutes=1)), Window(20, timedelta(minutes=15))),
        min_length=1,
        description="The same for the ways to a provider and back, counted apart, and for logout tokens that are not "
        "genuine.",
    )
    login_failures: LoginFailures = Field(default=LoginFailures(), description="The lock after failures.")
    body_size: Size = Field(
        default=64 * 1024,
        ge=4096,
        le=16 * 1024 * 1024,
        description="The largest request body we read, `4KiB` to `16MiB`.",
    )
