"""A scratch database: a backup is tried here before anything of ours is touched (E-54, N08, N09).

Whatever it holds goes through the constraints of the schema it says it is of, and then through our migrations; it is
read back as rows. SQLite always, whatever the real database is.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from doorward.errors import InputError, UnavailableError
from doorward.rules.archive import Column, Kind, Listed, Row
from doorward.storage.sql import schema
from doorward.storage.sql.snapshot import LEFT_OUT, PAGE

_KINDS: Final = {
    "TEXT": Kind.TEXT,
    "BIGINT": Kind.INT,
    "INTEGER": Kind.INT,
    "SMALLINT": Kind.INT,
    "BOOLEAN": Kind.BOOL,
    "BLOB": Kind.BLOB,
}


class SqliteScratch:
    """`interfaces.backup.Scratch` in one file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """What belongs into a backup of this schema."""
        names = [row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: tuple(
                Column(column, _KINDS[kind])
                for column, kind in self._connection.execute("SELECT name, type FROM pragma_table_info(?)", (name,))
            )
            for name in names
            if name not in LEFT_OUT and not name.startswith("sqlite_")
        }

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 -- names of ours

    def take(self, table: Listed, rows: Sequence[Row]) -> None:
        """Put rows in; names were compared with `columns` before."""
        names = ", ".join(column.name for column in table.columns)
        marks = ", ".join("?" for _ in table.columns)
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 -- names of ours only
        try:
            self._connection.executemany(statement, rows)
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise InputError(f"the backup holds rows that do not belong together: {table.name}: {error}") from None
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"there is no room to try the backup: {error}") from error

    def settle(self) -> None:
        """Check what is in, and migrate it."""
        broken = self._connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise InputError(f"the backup holds rows that do not belong together: {broken[0]} without {broken[2]}")
        self._connection.execute("COMMIT")
        schema.upgrade(self._path)
        self._connection.execute("BEGIN")

    def read(self, table: str) -> Iterator[Sequence[Row]]:
        """A table's rows, some at a time."""
        columns = self.columns[table]
        flags = [place for place, column in enumerate(columns) if column.kind is Kind.BOOL]
        keys = "SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk)"
        order = self._connection.execute(keys, (table,)).fetchone()[0]
        names = ", ".join(column.name for column in columns)
        cursor = self._connection.execute(f"SELECT {names} FROM {table} ORDER BY {order}")  # noqa: S608 -- as above
        while page := cursor.fetchmany(PAGE):
            yield [_with_flags(row, flags) for row in page]

    def find_audit(self, sequence: int) -> tuple[bytes | None, int]:
        """A record's hash, and the number of the last."""
        found = self._connection.execute("SELECT hash FROM audit WHERE sequence = ?", (sequence,)).fetchone()
        return (
            None if found is None else bytes(found[0]),
            int(self._connection.execute("SELECT coalesce(max(sequence), 0) FROM audit").fetchone()[0]),
        )


def _with_flags(row: Row, flags: Sequence[int]) -> Row:
    """SQLite keeps what is true as 1."""
    values = list(row)
    for place in flags:
        values[place] = None if values[place] is None else bool(values[place])
    return tuple(values)


@contextmanager
def open_scratch(path: Path, version: str) -> Generator[SqliteScratch]:
    """A database of this schema in a new file. InputError for a schema that is not known."""
    if not schema.make(path, version):
        raise InputError("this backup was made by a newer Doorward")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        # What is lost with the power is lost with the process too: it is made again from the backup.
        for pragma in ("synchronous=OFF", "journal_mode=MEMORY", "trusted_schema=OFF", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        yield SqliteScratch(path, connection)


@contextmanager
def open_older(path: Path) -> Generator[SqliteScratch]:
    """A database of an older schema as it is at this moment, to be read before it is migrated."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        yield SqliteScratch(path, connection)
