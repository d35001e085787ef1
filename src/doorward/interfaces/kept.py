"""Durable truth about people that is kept for a while: what the gate decided, and how long what stays."""

from collections.abc import Sequence
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


class RetentionRecords(Protocol):
    """The part of a transaction that is about how long what is kept."""

    async def find_oldest(self, kept: Kept) -> datetime | None:
        """From when the time of the oldest of a kind is counted; in the future where each has an end of its own."""
        ...

    async def purge_kept(self, kept: Kept, before: datetime, *, limit: int) -> int:
        """Remove the oldest whose time began before then; how many. Not for what ends by itself, nor for the audit."""
        ...

    async def forget_counters(self, user_id: UserId) -> int:
        """Drop all that is counted of one account; how many instants."""
        ...

    async def forget_invites_to(self, email: str) -> int:
        """Drop invitations that were addressed to one address; how many."""
        ...
