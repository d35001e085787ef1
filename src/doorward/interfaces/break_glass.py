"""The part of a transaction that is about break-glass codes."""

from datetime import datetime
from typing import Protocol

from doorward.rules.break_glass import Kit
from doorward.rules.identity import UserId


class BreakGlassRecords(Protocol):
    """Codes on paper. They go with their account."""

    async def add_kit(self, kit: Kit) -> None:
        """Add a code. ConflictError when it is there already, or its account is gone."""
        ...

    async def list_kits(self) -> list[Kit]:
        """All codes, used ones too, the newest first."""
        ...

    async def spend_kit(self, digest: bytes, at: datetime) -> Kit | None:
        """Mark the unused code with this digest as used, once however many ask; None where there is none."""
        ...

    async def remove_kits(self, user_id: UserId | None = None) -> int:
        """Forget the unused codes of an account, or all; how many."""
        ...
