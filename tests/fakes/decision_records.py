"""What the fake store keeps of the gate's decisions."""

from collections import Counter
from collections.abc import Callable, Sequence

from doorward.rules.decision import Decision, Wanted
from doorward.rules.identity import UserId
from tests.fakes.state import State


class FakeDecisionRecords:
    """`interfaces.DecisionRecords`."""

    _state: State
    _check: Callable[[], None]

    async def add_decisions(self, some: Sequence[Decision]) -> None:
        self._check()
        for decision in some:
            known = self._state.decisions.get(decision.id)
            self._state.decisions[decision.id] = decision if known is None else known.add(decision)

    async def list_decisions(self, wanted: Wanted) -> list[Decision]:
        self._check()
        found = [
            each
            for each in self._state.decisions.values()
            if wanted.user_id in {None, each.user_id}
            and wanted.host in {None, each.host}
            and wanted.verdict in {None, each.verdict}
            and wanted.reason in {None, each.reason}
            and each.shape.startswith(wanted.shape)
            and (wanted.since is None or each.last_at >= wanted.since)
        ]
        found.sort(key=lambda each: each.id)
        found.sort(key=lambda each: each.last_at, reverse=True)
        return found[: wanted.limit]

    async def bound_decisions(self, most: int) -> int:
        self._check()
        dropped = 0
        while len(self._state.decisions) > most:
            busiest, _ = Counter(each.user_id for each in self._state.decisions.values()).most_common(1)[0]
            theirs = [each for each in self._state.decisions.values() if each.user_id == busiest]
            oldest = min(theirs, key=lambda each: (each.last_at, each.id))
            del self._state.decisions[oldest.id]
            dropped += 1
        return dropped

    async def forget_decisions(self, user_id: UserId) -> int:
        self._check()
        gone = [key for key, each in self._state.decisions.items() if each.user_id == user_id]
        for key in gone:
            del self._state.decisions[key]
        return len(gone)
