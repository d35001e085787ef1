"""Who is asked for a second factor, and who has to set one up (2.11)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple

from doorward.rules.identity import User

MFA_SETTING: Final = "mfa.required"
"""The name of the setting that is made in the console, which wins over the file."""
MFA_IN_FORCE: Final = "mfa.in_force"
"""The name under which is kept what was in force last, so that a stricter file is noticed at the start."""


class MfaRequired(Enum):
    """Who needs a second factor. Values are the words of `mfa.required`, from the mildest to the strictest."""

    PER_RULE = "per_rule"
    """Only where a rule asks for it, and then in place: nobody is asked when signing in."""
    NONE = "none"
    """Nobody needs one; whoever has one is asked for it at every sign-in."""
    ADMINS = "admins"
    ALL = "all"

    def covers(self, user: User) -> bool:
        """Whether this account has to have a second factor."""
        return self is MfaRequired.ALL or (self is MfaRequired.ADMINS and user.administers)

    @property
    def asks_at_sign_in(self) -> bool:
        """Whether an account that has a factor is asked for it at every sign-in."""
        return self is not MfaRequired.PER_RULE


class Standing(NamedTuple):
    """Whether an account owes a second factor, so that nothing opens without, and until when that can be relied on."""

    owes: bool
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class MfaTerms:
    """The policy at this moment. `grace`: how long enrolment may be put off once it was asked for; None: not at all."""

    required: MfaRequired = MfaRequired.NONE
    grace: timedelta | None = timedelta(days=7)

    def decide(self, setting: str | None) -> MfaRequired:
        """What holds, given the word set in the console. One that we never wrote is taken for the strictest."""
        if setting is None:
            return self.required
        try:
            return MfaRequired(setting)
        except ValueError:
            return MfaRequired.ALL

    def end_of_grace(self, user: User, now: datetime) -> datetime:
        """Until when this account may sign in without the factor it has to have; asked for the first time, from now."""
        if self.grace is None:
            return now
        asked = user.enrol_by
        # A grace that was shortened since then counts for those who were asked before.
        return now + self.grace if asked is None else min(asked, now + self.grace)
