"""What the fake store keeps about what is done at intervals."""

from collections.abc import Callable

from doorward.rules.chore import Chore
from tests.fakes.state import State


class FakeChoreRecords:
    """`interfaces.ChoreRecords`."""

    _state: State
    _check: Callable[[], None]

    async def find_chore(self, name: str) -> Chore:
        self._check()
        return self._state.chores.get(name, Chore(name))

    async def put_chore(self, chore: Chore) -> None:
        self._check()
        self._state.chores[chore.name] = chore
