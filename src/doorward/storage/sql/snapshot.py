"""Snapshots to make backups from, and the transaction that puts a backup in place of what is there.

Logical on purpose: rows and not pages. What is restored are values in tables of ours; nothing else a database file may
hold (triggers, views, broken pages) can come along (N09), and one archive fits every database we run on.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TableClause,
    delete,
    func,
    insert,
    select,
    type_coerce,
)
from sqlalchemy import column as bare_column
from sqlalchemy import table as bare_table

from doorward.interfaces.backup import Replacing, Snapshot
from doorward.rules.archive import Column, Kind, Listed, Row, Value
from doorward.storage.sql.database import Database, change_total, raise_revision, read_total
from doorward.storage.sql.lanes import Connection
from doorward.storage.sql.records import SqlTransaction
from doorward.storage.sql.schema import HEAD
from doorward.storage.sql.tables import (
    Instant,
    alerts,
    audit,
    letters,
    metadata,
    sessions,
    tickets,
    upstream_sessions,
    users,
)

PAGE: Final = 500
LEFT_OUT: Final = frozenset(
    {
        # Perishable: a backup must not bring back a sign-in (N06).
        "sessions",
        "upstream_sessions",
        "tickets",
        "counters",
        "pending_ends",
        # What the database keeps about itself.
        "revision",
        "totals",
        "alembic_version",
        # What waits to be sent, and what this machine did when: of the moment, not of the accounts.
        "letters",
        "alerts",
        "chores",
    }
)


def list_tables(known: MetaData) -> list[Table]:
    """The tables that belong into a backup, each before those that refer to it."""
    return [table for table in known.sorted_tables if table.name not in LEFT_OUT]


def columns_of(table: Table) -> tuple[Column, ...]:
    """The columns and what stands in them."""
    return tuple(Column(column.name, _kind_of(column.type)) for column in table.columns)


def _kind_of(kind: object) -> Kind:
    match kind:
        case Boolean():
            return Kind.BOOL
        case Integer() | Instant():
            return Kind.INT
        case LargeBinary():
            return Kind.BLOB
        case _:
            return Kind.TEXT


def _plain(table: Table) -> list[ColumnElement[Any]]:
    """The columns as they are stored: instants as numbers."""
    return [type_coerce(each, BigInteger) if isinstance(each.type, Instant) else each for each in table.columns]


@dataclass(frozen=True, slots=True)
class SqlSnapshot:
    """`interfaces.backup.Snapshot` on a reading transaction."""

    schema: str
    tables: Sequence[Listed]
    _known: MetaData
    _connection: Connection

    async def read(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """A table's rows, some at a time."""
        found = self._known.tables[table]
        query = select(*_plain(found)).order_by(*found.primary_key.columns)
        async for page in self._connection.pages(query, size=PAGE):
            yield [tuple(row) for row in page]


class SqlSnapshots:
    """`interfaces.backup.Snapshots`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> AbstractAsyncContextManager[Snapshot]:
        """Take one: the first read holds the instant, and the counts are of that instant too."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Snapshot, None]:
        async with self._database.read() as connection:
            yield await read_snapshot(connection, metadata, HEAD)


async def read_snapshot(connection: Connection, known: MetaData, schema: str) -> SqlSnapshot:
    """A snapshot of the tables of `known`, on a connection that is in a reading transaction."""
    listed = [
        Listed(table.name, columns_of(table), (await connection.scalar(select(func.count()).select_from(table))) or 0)
        for table in list_tables(known)
    ]
    return SqlSnapshot(schema, listed, known, connection)


class SqlRestores:
    """`interfaces.backup.Restores`, on the records that everybody else uses."""

    def __init__(self, database: Database, transact: Callable[[Connection], SqlTransaction]) -> None:
        self._database = database
        self._transact = transact

    def transaction(self) -> AbstractAsyncContextManager[Replacing]:
        """Open one: serial with every other writer, and all of it or nothing."""
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Replacing, None]:
        async with self._database.write() as connection:
            yield Replacing(self._transact(connection), SqlReplacement(connection))


class SqlReplacement:
    """`interfaces.backup.Replacement`: whole tables at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list_rows(self, table: str) -> list[Mapping[str, Value]]:
        """A table's rows as they are stored."""
        found = metadata.tables[table]
        rows = await self._connection.execute(select(*_plain(found)).order_by(*found.primary_key.columns))
        return [dict(row) for row in rows.mappings()]

    async def find_audit_head(self) -> tuple[int, bytes] | None:
        """Number and hash of the last record of the audit log."""
        query = select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
        row = (await self._connection.execute(query)).first()
        return None if row is None else (row[0], row[1])

    async def replace_rows(self, content: Mapping[str, Iterable[Sequence[Mapping[str, Value]]]]) -> None:
        """Put these rows in place of all there are; mail that waits stays, unless its account goes."""
        tables = [table for table in metadata.sorted_tables if table.name in content]
        waiting = await self.list_rows("letters")
        for table in reversed(tables):
            await self._connection.execute(delete(table))
        for table in tables:
            pages = iter(content[table.name])
            # On a thread: they are read and sealed anew as they come, and checks go on meanwhile.
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                if page:
                    await self._connection.execute(insert(_bare(table)), list(page))
        await self._connection.execute(delete(letters))
        there = set(await self._connection.scalars(select(users.c.id)))
        kept = [letter for letter in waiting if letter["user_id"] is None or letter["user_id"] in there]
        if kept:
            await self._connection.execute(insert(_bare(letters)), kept)
        await raise_revision(self._connection)

    async def forget_waiting(self) -> None:
        """Drop mail and alerts that wait: they were sealed for the database that goes."""
        for table in (letters, alerts):
            await self._connection.execute(delete(table))

    async def forget_sessions(self) -> None:
        """Remove what is perishable here; sessions that live apart end by the generation of their accounts."""
        for table in (upstream_sessions, sessions, tickets):
            await self._connection.execute(delete(table))
        for total in ("sessions", "tickets"):
            await change_total(self._connection, total, -await read_total(self._connection, total))
        await raise_revision(self._connection)


def _bare(table: Table) -> TableClause:
    """The table without what converts values."""
    return bare_table(
        table.name,
        *(bare_column(each.name, BigInteger() if isinstance(each.type, Instant) else each.type) for each in table.c),
    )
