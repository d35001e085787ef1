"""Bring the schema up to date.

An empty database gets the newest schema from the tables themselves; Alembic is imported only where an older one has to
be changed, so that starts, the first one included, stay quick and small. A test holds both ways to the same result.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, NullPool, create_engine, event, exc, insert

from doorward.errors import ConfigError, UnavailableError
from doorward.storage.sql.tables import metadata, revision, totals

HEAD: Final = "0005"
"""The newest migration; a test holds it to the folder `migrations/versions`."""

_KNOWN: Final = frozenset({"0001", "0002", "0003", "0004", "0005"})
_BUSY_SECONDS = 30.0


def upgrade(path: Path) -> None:
    """Migrate the database at `path`. However many processes start at once, one migrates and the others find it done.

    ConfigError when a newer version of ours wrote it (Q11). A migration that is interrupted leaves nothing behind:
    SQLite's DDL is part of the transaction.
    """
    found = _find_version(path)
    if found == HEAD:
        return
    if found is not None and found not in _KNOWN:
        raise ConfigError(
            f"{path} was written by a newer Doorward (schema {found}; this one knows {HEAD}): "
            "install that version again, or restore a backup from before"
        )
    if found is not None or not _create(path):
        _migrate(path)


def make(path: Path, version: str) -> bool:
    """Make a database of any schema there ever was, in an empty file; False where this one is not known."""
    if version not in _KNOWN:
        return False
    if version == HEAD:
        return _create(path)
    _migrate(path, version)
    return True


def find_older(path: Path) -> str | None:
    """The schema of a database that is about to be migrated; None where it need not be, or cannot be."""
    found = _find_version(path)
    return found if found in _KNOWN - {HEAD} else None


def _find_version(path: Path) -> str | None:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        try:
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UnavailableError(f"the database does not answer: {error}") from error
    return None if row is None else str(row[0])


def _create(path: Path) -> bool:
    """Make the newest schema where there is nothing at all yet; whether it stands now, by us or by another process."""
    with _transaction(path) as connection:
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
        if not names:
            metadata.create_all(connection)
            connection.execute(insert(revision).values(id=1, value=0))
            connection.execute(insert(totals), [{"name": name, "value": 0} for name in ("sessions", "tickets")])
            connection.exec_driver_sql(
                "CREATE TABLE alembic_version "
                "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.exec_driver_sql("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))
            return True
        return "alembic_version" in names and _find_version(path) == HEAD


def _migrate(path: Path, version: str = "head") -> None:
    from alembic import command

    with _transaction(path) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, version)


@contextmanager
def _transaction(path: Path) -> Generator[Connection]:
    """One writing transaction on a connection of its own."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        # Waits for a process that is at it just now; what it left is then seen.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            yield connection
    except exc.DBAPIError as error:
        raise UnavailableError(f"the database cannot be migrated: {error.orig}") from error
    finally:
        engine.dispose()


def alembic_config() -> Any:
    """Alembic's configuration, made here: there is no alembic.ini to find or to lose."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
