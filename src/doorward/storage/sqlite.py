"""The embedded default: SQLite in WAL mode, one file in a folder that is ours alone.

`synchronous=FULL`: what was acknowledged survives `kill -9` and a power cut. Readers never wait for the writer, and the
writer of another process (the CLI) is waited for, then refused with UnavailableError: "locked" is never read as "not
there" (R11).
"""

import fcntl
import mmap
import os
import sqlite3
from collections.abc import Generator, Hashable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, QueuePool, create_engine, event

from doorward.errors import ConfigError, UnavailableError
from doorward.interfaces import Keyring, Random, SecondProofs
from doorward.rules.app_key import AppKey, KeyId
from doorward.rules.identity import User, UserId
from doorward.rules.private import check_private
from doorward.rules.session import Fingerprint, Session, Subject
from doorward.rules.stored_key import StoredKey
from doorward.storage.sql.counters import SqlCounters
from doorward.storage.sql.database import Database
from doorward.storage.sql.lanes import Lanes
from doorward.storage.sql.live import (
    FIND_KEY,
    FIND_NAMED,
    FIND_SECRETS,
    FIND_SESSION_KEY,
    FIND_SETTING,
    FIND_SUBJECT,
    FIND_USER,
    HAS_FACTOR,
    KEY_COLUMNS,
    LIST_CONNECTED,
    LIST_KEYS,
    USER_WIDTH,
    read_user,
)
from doorward.storage.sql.pending import PendingEnd, SqlPendingEnds
from doorward.storage.sql.records import SqlRecords
from doorward.storage.sql.rows import decode_app_key, decode_methods
from doorward.storage.sql.schema import upgrade
from doorward.storage.sql.sealed import SqlSealed
from doorward.storage.sql.sessions import SqlSessions
from doorward.storage.sql.tables import from_micros
from doorward.storage.sql.tickets import SqlTickets

FILE_NAME: Final = "doorward.db"
_READERS = 2
_BUSY_SECONDS = 5.0
# The live view is read on the event loop: better an honest 503 than everybody waiting.
_LIVE_BUSY_SECONDS = 0.1
# The wal-index header: SQLite rewrites it with every commit of any process (https://sqlite.org/walformat.html, 2.1).
_STAMP_SIZE = 48


@dataclass(frozen=True, slots=True)
class SqliteStorage:
    """Everything that is stored in one data folder. `sessions` and `live_view` go unused where sessions live apart."""

    path: Path
    database: Database
    records: SqlRecords
    sessions: SqlSessions
    tickets: SqlTickets
    counters: SqlCounters
    pending_ends: SqlPendingEnds
    sealed: SqlSealed

    def open_live_view(self) -> "SqliteLiveView":
        """Open the synchronous view the gate reads; one per process, for its whole life."""
        return SqliteLiveView(self.path)

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()


def has_database(folder: Path) -> bool:
    """Whether there is a database already: then a missing master key is a loss, not a first start."""
    return (folder / FILE_NAME).exists()


def open_sqlite(folder: Path, *, random: Random, keyring: Keyring, sessions_apart: bool = False) -> SqliteStorage:
    """Open the database in `folder`, making both at first start and bringing the schema up to date.

    ConfigError when folder or file are open to others, belong to somebody else, or were written by a newer version.
    """
    path = folder / FILE_NAME
    _prepare(folder, path)
    with _alone(folder):
        _use_wal(path)
        upgrade(path)
    database = Database(
        _engine(path, begin="BEGIN IMMEDIATE", connections=1), _engine(path, begin="BEGIN", connections=_READERS)
    )
    return SqliteStorage(
        path=path,
        database=database,
        records=SqlRecords(database, random, keyring, sessions_apart=sessions_apart),
        sessions=SqlSessions(database),
        tickets=SqlTickets(database),
        counters=SqlCounters(database),
        pending_ends=SqlPendingEnds(database),
        sealed=SqlSealed(database),
    )


def _prepare(folder: Path, path: Path) -> None:
    """Make what is missing, private from its first moment; refuse what is not ours alone (A-45, T-13)."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        problems = _check(folder)
        if not problems:
            _create(path)
            problems = _check(path)
            for suffix in ("-wal", "-shm"):
                # Another process may be the last to close them, and remove them, just now.
                with suppress(FileNotFoundError):
                    problems += _check(path.with_name(path.name + suffix))
    except OSError as error:
        raise ConfigError(f"storage.path: {error.strerror}: {error.filename}") from error
    if problems:
        raise ConfigError("storage.path: " + "; ".join(problems), tuple(f"storage.path: {each}" for each in problems))


@contextmanager
def _alone(folder: Path) -> Generator[None, None, None]:
    """Let processes that start at once do so one after another: SQLite refuses to switch to WAL while others look."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise ConfigError(f"storage.path: {folder} cannot be locked: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)


def _use_wal(path: Path) -> None:
    with _mapped():
        connection = _connect(path, timeout=_BUSY_SECONDS)
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        finally:
            connection.close()
    if mode != "wal":
        raise ConfigError(f"storage.path: {path} is on a file system without WAL mode (is it a network share?)")


def _create(path: Path) -> None:
    # Only where there is none: closing a file that SQLite has open in this process would drop its locks
    # (https://sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check(path: Path) -> list[str]:
    found = path.stat()
    return check_private(str(path), mode=found.st_mode, owner=found.st_uid, me=os.geteuid())


def _engine(path: Path, *, begin: str, connections: int) -> Lanes:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        # Each is used by one thread at a time, though not always by the same.
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # We say ourselves when a transaction begins; the driver would begin one only before the first change.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return Lanes(engine, count=connections)


def _connect(path: Path, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)


@contextmanager
def _mapped() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(f"the database does not answer: {error}") from error


class SqliteLiveView:
    """`interfaces.LiveView` and the reader that sessions kept elsewhere ask: synchronous, on a connection of its own.

    The stamp is the header of SQLite's shared wal-index.

    SECURITY: our own descriptor of that file stays open as long as this process has the database open, for closing it
    drops SQLite's locks on it, and the next process would take the file for left behind. So it is closed last, in
    `close`; test_mapping_the_wal_index_leaves_the_locks_on_it_in_place holds this.
    """

    def __init__(self, path: Path) -> None:
        with _mapped():
            self._connection = _connect(path, timeout=_LIVE_BUSY_SECONDS)
            self._connection.execute("PRAGMA query_only=ON")
            # Kibibytes: room for the inner pages of a million sessions, so that a check reads one page of the file.
            self._connection.execute("PRAGMA cache_size=-8192")
            # The first read is what makes SQLite open the wal-index.
            self._connection.execute("SELECT value FROM revision").fetchone()
        shm = os.open(path.with_name(path.name + "-shm"), os.O_RDONLY)
        self._map = mmap.mmap(shm, mmap.PAGESIZE, prot=mmap.PROT_READ)
        self._descriptor = shm

    def stamp(self) -> Hashable:
        """48 bytes that differ after every commit of any process. A torn read differs too, which is as good."""
        return self._map[:_STAMP_SIZE]

    def revision(self) -> int:
        """How often something was taken away or an account altered."""
        try:
            value: int = self._connection.execute("SELECT value FROM revision WHERE id = 1").fetchone()[0]
        except sqlite3.Error as error:
            raise UnavailableError(f"the database does not answer: {error}") from error
        return value

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        """The session and its account as they are now."""
        try:
            row = self._connection.execute(FIND_SUBJECT, (fingerprint,)).fetchone()
        except sqlite3.Error as error:
            raise UnavailableError(f"the database does not answer: {error}") from error
        if row is None:
            return None
        user = read_user(row)
        (
            handle,
            generation,
            created,
            authenticated,
            expires,
            idle,
            seen,
            methods,
            remembered,
            agent,
            address,
            parent,
        ) = row[USER_WIDTH:]
        return Subject(
            user,
            Session(
                fingerprint,
                handle,
                user.id,
                generation,
                from_micros(created),
                from_micros(authenticated),
                from_micros(expires),
                None if idle is None else timedelta(microseconds=idle),
                from_micros(seen),
                decode_methods(methods),
                remembered != 0,
                agent,
                address,
                parent,
            ),
        )

    def find_key_owner(self, key_id: KeyId) -> tuple[AppKey, User] | None:
        """The key for apps with this id, and its owner, as they are now."""
        with _mapped():
            row = self._connection.execute(FIND_KEY, (key_id,)).fetchone()
        if row is None:
            return None
        user = read_user(row)
        found: dict[str, Any] = {"user_id": user.id, **dict(zip(KEY_COLUMNS, row[USER_WIDTH:], strict=True))}
        for name in ("made_at", "expires_at", "disabled_at", "woken_at", "last_used_at"):
            found[name] = None if found[name] is None else from_micros(found[name])
        return decode_app_key(found), user

    def find_second_proofs(self, user_id: UserId) -> SecondProofs:
        """What this account could show as a second proof now."""
        with _mapped():
            own = self._connection.execute(HAS_FACTOR, (user_id,)).fetchone()[0] != 0
            return SecondProofs(own, tuple(self._connection.execute(LIST_CONNECTED, (user_id,)).fetchall()))

    def list_app_secrets(self) -> dict[str, str]:
        """The secrets we show apps, sealed, by name."""
        with _mapped():
            return dict(self._connection.execute(FIND_SECRETS).fetchall())

    def find_user(self, user_id: UserId) -> User | None:
        """The account as it is now."""
        with _mapped():
            row = self._connection.execute(FIND_USER, (user_id,)).fetchone()
        return None if row is None else read_user(row)

    def find_user_by_name(self, name: str) -> User | None:
        """The account with this user name as it is now."""
        with _mapped():
            row = self._connection.execute(FIND_NAMED, (name,)).fetchone()
        return None if row is None else read_user(row)

    def list_pending_ends(self, after: int) -> list[PendingEnd]:
        """Ends of sessions that the store of sessions has to be told of, oldest first, numbered above `after`."""
        with _mapped():
            rows = self._connection.execute(
                "SELECT id, user_id, keep, handle FROM pending_ends WHERE id > ? ORDER BY id", (after,)
            ).fetchall()
        return [PendingEnd(*row) for row in rows]

    def find_session_key(self) -> tuple[int, str] | None:
        """Number and sealed secret of the key that signs session cookies."""
        with _mapped():
            row: tuple[int, str] | None = self._connection.execute(FIND_SESSION_KEY).fetchone()
        return row

    def list_keys(self, purpose: str) -> list[StoredKey]:
        """The keys of a purpose, the newest first; retired ones too."""
        with _mapped():
            rows = self._connection.execute(LIST_KEYS, (purpose,)).fetchall()
        return [
            StoredKey(number, name, sealed, from_micros(made), public, None if gone is None else from_micros(gone))
            for number, name, sealed, made, public, gone in rows
        ]

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody."""
        with _mapped():
            row: tuple[str] | None = self._connection.execute(FIND_SETTING, (name,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Close; after `SqliteStorage.close`, for the reason given above."""
        self._connection.close()
        self._map.close()
        os.close(self._descriptor)
