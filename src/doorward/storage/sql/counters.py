"""Tries and failures on SQL: a log of instants per key, judged by `rules.throttle`. Restarts forget nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from doorward.errors import InputError
from doorward.rules.throttle import Spent, Window, spend
from doorward.storage.sql.database import Database
from doorward.storage.sql.tables import counters

_MAX_KEY = 512
# A key's instants are few by design (a refused try is not counted); this bounds what nobody refused.
_MAX_NOTED = 256


class SqlCounters:
    """`interfaces.Counters`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend(self, key: str, windows: Sequence[Window], now: datetime) -> Spent:
        """Count one try if every window has room. The writer is serial: nobody spends between reading and writing."""
        _check_key(key)
        longest = max((window.span for window in windows), default=timedelta(0))
        async with self._database.write() as connection:
            earlier = await connection.scalars(
                select(counters.c.at).where(counters.c.key == key, counters.c.at > now - longest)
            )
            spent = spend(earlier.all(), windows, now)
            if spent.allowed and windows:
                await connection.execute(insert(counters).values(key=key, at=now, expires_at=now + longest))
            return spent

    async def give_back(self, key: str, at: datetime) -> None:
        """Uncount one try that was spent at this instant; nothing where there is none."""
        _check_key(key)
        async with self._database.write() as connection:
            one = select(counters.c.id).where(counters.c.key == key, counters.c.at == at).limit(1).scalar_subquery()
            await connection.execute(delete(counters).where(counters.c.id == one))

    async def record(self, key: str, now: datetime, *, keep: timedelta) -> None:
        """Note an instant under `key`; of very many, the newest stay."""
        _check_key(key)
        async with self._database.write() as connection:
            await connection.execute(insert(counters).values(key=key, at=now, expires_at=now + keep))
            newest = (
                select(counters.c.id).where(counters.c.key == key).order_by(counters.c.at.desc(), counters.c.id.desc())
            )
            surplus = newest.offset(_MAX_NOTED).limit(_MAX_NOTED).scalar_subquery()
            await connection.execute(delete(counters).where(counters.c.id.in_(surplus)))

    async def recall(self, key: str, *, since: datetime) -> list[datetime]:
        """The instants noted under `key` after `since`, in order."""
        _check_key(key)
        async with self._database.read() as connection:
            query = select(counters.c.at).where(counters.c.key == key, counters.c.at > since).order_by(counters.c.at)
            return list((await connection.scalars(query)).all())

    async def forget(self, key: str) -> None:
        """Drop everything under `key`."""
        _check_key(key)
        async with self._database.write() as connection:
            await connection.execute(delete(counters).where(counters.c.key == key))

    async def purge(self, now: datetime) -> int:
        """Drop what no window needs any more."""
        return await self._database.purge(counters.c.id, counters.c.expires_at <= now)


def _check_key(key: str) -> None:
    if not key or len(key) > _MAX_KEY:
        raise InputError(f"a counter's key has 1 to {_MAX_KEY} characters")
