"""Durable truth about people that is kept for a while: what the gate decided."""

from collections.abc import Sequence
from typing import Protocol

from doorward.rules.decision import Decision, Wanted
from doorward.rules.identity import UserId


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
