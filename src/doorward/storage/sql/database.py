"""One way into the database: a serial writer, a few readers, and every driver's error as one of ours."""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, delete, exc, select, update

from doorward.errors import ConflictError, UnavailableError
from doorward.storage.sql.lanes import Connection, Lanes
from doorward.storage.sql.tables import revision, totals

_PURGE_STEP = 1000


@dataclass(slots=True)
class _Writing:
    open: bool = True


_writing: ContextVar[_Writing | None] = ContextVar("doorward_writing", default=None)


@contextmanager
def map_faults() -> Generator[None, None, None]:
    """Let nothing of the driver escape: a broken constraint is a ConflictError, all else an UnavailableError."""
    try:
        yield
    except exc.IntegrityError as error:
        raise ConflictError("the record exists already, or what it belongs to is gone") from error
    except exc.DBAPIError as error:
        raise UnavailableError(f"the database does not answer: {error.orig}") from error
    except exc.SQLAlchemyError as error:
        raise UnavailableError(f"the database does not answer: {type(error).__name__}") from error


class Database:
    """Two ways into one database. `writer` has a single connection: what a transaction read holds until it ends."""

    def __init__(self, writer: Lanes, reader: Lanes) -> None:
        self._writer = writer
        self._reader = reader

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Connection, None]:
        """Open a serial transaction: committed when the block ends, undone when it raises."""
        outer = _writing.get()
        if outer is not None and outer.open:
            # It would wait for itself until the pool gives up: a fault in the program, told at once.
            raise RuntimeError("a write inside a transaction: finish the transaction first")
        mark = _Writing()
        token = _writing.set(mark)
        try:
            with map_faults():
                async with self._writer.transaction() as connection:
                    yield connection
        finally:
            mark.open = False
            _writing.reset(token)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection, None]:
        """Open a snapshot to read from."""
        with map_faults():
            async with self._reader.transaction() as connection:
                yield connection

    async def purge(
        self,
        key: Column[Any],
        over: ColumnElement[bool],
        *,
        along: Column[Any] | None = None,
        total: str | None = None,
        is_told: bool = False,
    ) -> int:
        """Remove the rows of `key`'s table that are `over`, a few at a time: nobody waits long for the writer.

        `along`: a column of another table; rows that have the same key there go in the same transaction. `is_told`:
        every gate is told, as if they had been taken away.
        """
        removed = 0
        while True:
            async with self.write() as connection:
                few = (await connection.scalars(select(key).where(over).limit(_PURGE_STEP))).all()
                if few:
                    await connection.execute(delete(key.table).where(key.in_(few)))
                    if along is not None:
                        await connection.execute(delete(along.table).where(along.in_(few)))
                    if total is not None:
                        await change_total(connection, total, -len(few))
                    if is_told:
                        await raise_revision(connection)
            removed += len(few)
            if len(few) < _PURGE_STEP:
                return removed

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.close()
        await self._writer.close()


class InTransaction:
    """What every part of a transaction stands on: its one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


@contextmanager
def refused(message: str) -> Generator[None, None, None]:
    """Say in a ConflictError what a broken constraint means here."""
    try:
        with map_faults():
            yield
    except ConflictError as error:
        raise ConflictError(message) from error


async def advance(connection: Connection, table: Table, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Replace a row only if it still is exactly `old`: one UPDATE compares every column."""
    same = [table.c[name] == value for name, value in old.items()]
    return (await connection.execute(update(table).where(*same).values(new))).rowcount > 0


async def raise_revision(connection: Connection) -> None:
    """Tell every gate to forget what it remembers; part of the transaction that takes something away."""
    await connection.execute(update(revision).where(revision.c.id == 1).values(value=revision.c.value + 1))


async def change_total(connection: Connection, name: str, by: int) -> None:
    """Keep the number of rows of a table, in the transaction that changes it."""
    if by:
        await connection.execute(update(totals).where(totals.c.name == name).values(value=totals.c.value + by))


async def read_total(connection: Connection, name: str) -> int:
    """How many rows a table has, without counting them."""
    total: int = (await connection.execute(select(totals.c.value).where(totals.c.name == name))).scalar_one()
    return total
