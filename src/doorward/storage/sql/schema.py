"""Bring the schema up to date. Alembic is imported only where there is something to do: starts stay quick and small."""

import sqlite3
from pathlib import Path
from typing import Any, Final

from doorward.errors import ConfigError, UnavailableError

HEAD: Final = "0001"
"""The newest migration; a test holds it to the folder `migrations/versions`."""

_KNOWN: Final = frozenset({"0001"})
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
    _migrate(path)


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


def _migrate(path: Path) -> None:
    from alembic import command
    from sqlalchemy import URL, NullPool, create_engine, event, exc

    engine = create_engine(
        URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        # Waits for a process that is migrating just now; Alembic then reads the version it left.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
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
