"""Decisions of the gate as evidence: added up in memory, written by an errand, shown to administrators."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.flows.acting import Actor, Named, check_actor, get_user
from doorward.interfaces import Log, Pause, Records
from doorward.rules.decision import NOBODY, Decision, Wanted
from doorward.rules.identity import User

WRITE_EVERY: Final = timedelta(seconds=15)
"""What was decided since is lost where the process is killed; what was refused stands in the log all the same."""
MOST_WAITING: Final = 16_384
"""Kept for the next try where the store does not answer."""

Collect = Callable[[], Iterator[list[Decision]]]
"""Take out what the gate has noted, a few at a time."""


@dataclass(frozen=True, slots=True)
class DecisionShown:
    """A decision with whose account it is about; None where that is gone, or was nobody."""

    decision: Decision
    user: User | None


class Decisions:
    """Writing and reading. `most` bounds how many rows there are."""

    def __init__(self, *, records: Records, most: int) -> None:
        self._records = records
        self._most = most

    async def find(self, actor: Actor, wanted: Wanted, *, login: Named | None = None) -> list[DecisionShown]:
        """Those that fit, the last first. `login` names an account; NotFoundError where there is none."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if login is not None:
                wanted = replace(wanted, user_id=(await get_user(transaction, login)).id)
            found = await transaction.list_decisions(wanted)
            users = {
                user_id: await transaction.find_user(user_id)
                for user_id in {each.user_id for each in found if each.user_id != NOBODY}
            }
        return [DecisionShown(each, users.get(each.user_id)) for each in found]

    async def write(self, some: list[Decision]) -> int:
        """Add to what is stored, in one transaction, and keep it within its bound; how many were dropped for that."""
        async with self._records.transaction() as transaction:
            await transaction.add_decisions(some)
            return await transaction.bound_decisions(self._most)


class Gathering:
    """The errand that carries decisions from the gate to the store."""

    def __init__(self, *, collect: Collect, decisions: Decisions, pause: Pause, log: Log) -> None:
        self._collect = collect
        self._decisions = decisions
        self._pause = pause
        self._log = log
        self._waiting: dict[bytes, Decision] = {}
        self._written_at: datetime | None = None

    async def run_due(self, now: datetime) -> None:
        """Write what has come together, every quarter of a minute."""
        if self._written_at is None or now - self._written_at >= WRITE_EVERY:
            self._written_at = now
            await self.write()

    async def write(self) -> None:
        """Write all of it now. What fails is kept and tried again, as much of it as there is room for."""
        dropped = 0
        for some in self._collect():
            for decision in some:
                known = self._waiting.get(decision.id)
                if known is None and len(self._waiting) >= MOST_WAITING:
                    dropped += 1
                else:
                    self._waiting[decision.id] = decision if known is None else known.add(decision)
            # Thousands of paths are not brought into shape while a check waits.
            await self._pause(0)
        if dropped:
            self._log.warning("decisions_dropped", dropped=dropped)
        if not self._waiting:
            return
        some = list(self._waiting.values())
        surplus = await self._decisions.write(some)
        for decision in some:
            del self._waiting[decision.id]
        if surplus:
            self._log.debug("decisions_bounded", dropped=surplus)
