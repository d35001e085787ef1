"""Break-glass codes in the fake store."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from doorward.errors import ConflictError
from doorward.rules.break_glass import Kit
from doorward.rules.identity import UserId
from tests.fakes.state import State


class FakeBreakGlassRecords:
    """`interfaces.BreakGlassRecords`."""

    _state: State
    _check: Callable[[], None]

    async def add_kit(self, kit: Kit) -> None:
        self._check()
        self._state.check_account(kit.user_id)
        if any(kit.id == each.id or kit.digest == each.digest for each in self._state.kits):
            raise ConflictError("the code is there already")
        self._state.kits.append(kit)

    async def list_kits(self) -> list[Kit]:
        self._check()
        return sorted(sorted(self._state.kits, key=lambda kit: kit.id), key=lambda kit: kit.made_at, reverse=True)

    async def spend_kit(self, digest: bytes, at: datetime) -> Kit | None:
        self._check()
        for index, kit in enumerate(self._state.kits):
            if kit.digest == digest and kit.used_at is None:
                self._state.kits[index] = replace(kit, used_at=at)
                return self._state.kits[index]
        return None

    async def remove_kits(self, user_id: UserId | None = None) -> int:
        self._check()
        kept = [kit for kit in self._state.kits if kit.used_at or (user_id is not None and kit.user_id != user_id)]
        count = len(self._state.kits) - len(kept)
        self._state.kits = kept
        return count
