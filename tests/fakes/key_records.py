"""What the fake store keeps of the keys that are made here."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from doorward.rules.stored_key import StoredKey
from tests.fakes.state import State


class FakeKeyRecords:
    """`interfaces.KeyRecords`."""

    _state: State
    _check: Callable[[], None]

    async def list_keys(self, purpose: str | None = None) -> list[StoredKey]:
        self._check()
        return [each for each in reversed(self._state.keys) if purpose in {None, each.purpose}]

    async def next_key_number(self) -> int:
        self._check()
        return len(self._state.keys) + 1

    async def add_key(self, key: StoredKey) -> None:
        self._check()
        self._state.keys.append(key)
        self._state.revision += 1

    async def retire_keys(self, purpose: str, at: datetime, *, forget: bool, below: int | None = None) -> int:
        self._check()
        due = [
            each
            for each in self._state.keys
            if each.purpose == purpose and each.retired_at is None and (below is None or each.number < below)
        ]
        self._state.keys = [
            replace(each, retired_at=at, sealed="" if forget else each.sealed) if each in due else each
            for each in self._state.keys
        ]
        return len(due)
