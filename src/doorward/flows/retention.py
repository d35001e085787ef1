"""How long what is kept: removed by an errand when its time is over, and proved by looking for the oldest."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from doorward.flows.acting import Actor, check_actor
from doorward.flows.audit_erasure import erase_private
from doorward.interfaces import Log, Records, Transaction
from doorward.rules.audit import AuditQuery
from doorward.rules.chore import Chore
from doorward.rules.retention import AT_ONCE, Kept, Measured

NAME: Final = "retention"
"""The chore."""
EVERY: Final = timedelta(hours=1)
BATCH: Final = 500
"""Removed at once: nobody waits long for the writer."""
MOST_BATCHES: Final = 200
"""Of one kind in one round; the rest goes with the next."""
_LONG: Final = timedelta(days=30)

Limits = Mapping[Kept, timedelta | None]
"""None: for ever. What ends by itself is not named."""


class Retention:
    """Removing and measuring. `measured` is what the last round of this process found, for the metrics."""

    def __init__(self, *, records: Records, limits: Limits, log: Log) -> None:
        self._records = records
        self._limits = limits
        self._log = log
        self._run_at: datetime | None = None
        self.measured: list[Measured] = []
        self.measured_at: datetime | None = None

    async def run_due(self, now: datetime) -> None:
        """Remove what is over its time, once an hour, and look whether anything was left."""
        if self._run_at is not None and now - self._run_at < EVERY:
            return
        self._run_at = now
        removed = {kept: await self._remove(kept, now) for kept in Kept if not kept.ends_by_itself}
        self.measured, self.measured_at = await self._measure(), now
        late = [each.kept.value for each in self.measured if not each.holds(now)]
        if late:
            self._log.error("retention_overdue", kinds=",".join(late))
        async with self._records.transaction() as transaction:
            chore = await transaction.find_chore(NAME)
            facts = {kept.value: str(count) for kept, count in removed.items() if count}
            chore = chore.begun(now)
            trouble = "older than its limit: " + ", ".join(late)
            await transaction.put_chore(chore.failed(trouble) if late else chore.done(now, facts))

    async def report(self, actor: Actor) -> tuple[list[Measured], Chore]:
        """The oldest of each kind now, and how the last round went. ForbiddenError for who is no administrator."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            chore = await transaction.find_chore(NAME)
        return await self._measure(), chore

    def list_ages(self) -> list[tuple[str, float, float | None]]:
        """What the last round found, for the metrics: kind, age of the oldest, limit. Nothing before the first."""
        if self.measured_at is None:
            return []
        return [
            (
                each.kept.value,
                each.age(self.measured_at).total_seconds(),
                None if each.limit is None else each.limit.total_seconds(),
            )
            for each in self.measured
        ]

    async def _measure(self) -> list[Measured]:
        async with self._records.transaction() as transaction:
            return [Measured(kept, self._find_limit(kept), await transaction.find_oldest(kept)) for kept in Kept]

    def _find_limit(self, kept: Kept) -> timedelta | None:
        return AT_ONCE if kept.ends_by_itself else self._limits[kept]

    async def _remove(self, kept: Kept, now: datetime) -> int:
        limit = self._limits[kept]
        if limit is None:
            return 0
        count = 0
        for _ in range(MOST_BATCHES):
            async with self._records.transaction() as transaction:
                if kept is Kept.AUDIT_PRIVATE:
                    few = len(await _erase(transaction, _whole_days(now - limit, limit), now))
                else:
                    few = await transaction.purge_kept(kept, now - limit, limit=BATCH)
            count += few
            if few < BATCH:
                break
        return count


def _whole_days(before: datetime, limit: timedelta) -> datetime:
    """The end of that day, where a day more or less is little: one record of what was erased a day, not one an hour."""
    if limit < _LONG:
        return before
    return before.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


async def _erase(transaction: Transaction, before: datetime, now: datetime) -> list[int]:
    why = {"why": "age", "before": before.isoformat(timespec="seconds")}
    return await erase_private(
        transaction, Actor("system"), AuditQuery(until=before), subject="system", why=why, now=now, limit=BATCH
    )
