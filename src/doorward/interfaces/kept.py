"""Durable truth about people that is kept for a while: what the gate decided, and how long what stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from doorward.rules.decision import Decision, Wanted
from doorward.rules.identity import UserId
from doorward.rules.retention import Kept


class DecisionRecords(Protocol):
    """The part of a transaction that is about what the gate decided."""

    async def add_decisions(self, some: Sequence[Decision]) -> None:
        """Add each to what was counted alike on its day. Two of `some` are never alike."""
        ...

    async def list_decisions(self, wanted: Wanted) -> list[Decision]:
        """Those that fit, the last first."""
        ...

    async def bound_decisions(self, most: int) -> int:
        """Where there are more than `most`, drop the oldest of whoever has the most of them; how many."""
        ...

    async def forget_decisions(self, user_id: UserId) -> int:
        """Drop all about one account; how many."""
        ...


@dataclass(frozen=True, slots=True)
class Belongings:
    """What else is stored of an account, as far as its owner may have a copy of it.

    `letters` and `alerts`: kind, state, when it was queued. `kits`: when one was made, and used.
    """

    preferences: tuple[tuple[str, str], ...] = ()
    letters: tuple[tuple[str, str, datetime], ...] = ()
    alerts: tuple[tuple[str, str, datetime], ...] = ()
    kits: tuple[tuple[datetime, datetime | None], ...] = ()


class RetentionRecords(Protocol):
    """The part of a transaction that is about how long what is kept."""

    async def find_oldest(self, kept: Kept) -> datetime | None:
        """From when the time of the oldest of a kind is counted; in the future where each has an end of its own."""
        ...

    async def purge_kept(self, kept: Kept, before: datetime, *, limit: int) -> int:
        """Remove the oldest whose time began before then; how many. Not for what ends by itself, nor for the audit."""
        ...

    async def find_belongings(self, user_id: UserId) -> Belongings:
        """What else is stored of an account."""
        ...

    async def forget_alerts_of(self, user_id: UserId) -> int:
        """Drop what operators were told of one account; how many."""
        ...

    async def forget_counters(self, user_id: UserId) -> int:
        """Drop all that is counted of one account; how many instants."""
        ...

    async def forget_invites_to(self, email: str) -> int:
        """Drop invitations that were addressed to one address; how many."""
        ...
