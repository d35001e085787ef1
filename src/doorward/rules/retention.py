"""How long what is kept of people: the kinds, and whether a limit holds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

GRACE: Final = timedelta(hours=3)
"""Housekeeping comes once an hour; what is older than its limit by more than this was left over."""
AT_ONCE: Final = timedelta(0)
"""The limit of what has an end of its own, and goes with it."""


class Kept(Enum):
    """What is kept. Each is measured by its oldest; none is listed that nothing removes."""

    SIGN_INS = "sign_ins"
    DECISIONS = "decisions"
    LETTERS = "letters"
    ALERTS = "alerts"
    INVITES = "invites"
    AUDIT_PRIVATE = "audit_private"
    SESSIONS = "sessions"
    TICKETS = "tickets"
    COUNTERS = "counters"
    UPSTREAM_SESSIONS = "upstream_sessions"
    MARKS = "marks"

    @property
    def meaning(self) -> str:
        """What it is, and from when on its time is counted."""
        return _MEANINGS[self]

    @property
    def ends_by_itself(self) -> bool:
        """Whether each has an end of its own, which no setting moves."""
        return self in _ENDING


_ENDING: Final = frozenset({Kept.SESSIONS, Kept.TICKETS, Kept.COUNTERS, Kept.UPSTREAM_SESSIONS, Kept.MARKS})
_MEANINGS: Final = {
    Kept.SIGN_INS: "Sign-ins and tries of each account, with address and browser.",
    Kept.DECISIONS: "What the gate decided, added up by day, since it was last decided so.",
    Kept.LETTERS: "Mails that were sent or given up, since then.",
    Kept.ALERTS: "Alerts that were told or given up, since then.",
    Kept.INVITES: "Invitations that were taken back or have expired, since then.",
    Kept.AUDIT_PRIVATE: "Addresses, browsers and names in the audit trail. The records themselves stay.",
    Kept.SESSIONS: "Sessions, since they ended.",
    Kept.TICKETS: "Sign-ins that nobody finished, since they expired.",
    Kept.COUNTERS: "Counted tries, since no limit looks at them any more.",
    Kept.UPSTREAM_SESSIONS: "The provider's side of sessions, since they ended.",
    Kept.MARKS: "Logout notices of providers, since they may be forgotten.",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """How old the oldest of a kind is. `limit` None: kept for ever. `oldest` None: there is none."""

    kept: Kept
    limit: timedelta | None
    oldest: datetime | None

    def age(self, now: datetime) -> timedelta:
        """Of the oldest; nothing where there is none, or where it ends in the future."""
        return timedelta(0) if self.oldest is None else max(now - self.oldest, timedelta(0))

    def holds(self, now: datetime) -> bool:
        """Whether nothing is older than it may be."""
        return self.limit is None or self.age(now) <= self.limit + GRACE
