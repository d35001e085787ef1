"""What backups are made from, kept in, and restored through."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from doorward.interfaces.records import Transaction
from doorward.rules.archive import Column, Listed, Row, Value
from doorward.rules.backup import Backup, Openers, Reason
from doorward.rules.envelope import Place


class Snapshot(Protocol):
    """Everything durable as it was at one instant, whatever is written meanwhile."""

    @property
    def schema(self) -> str:
        """The migration the tables are of."""
        ...

    @property
    def tables(self) -> Sequence[Listed]:
        """What belongs into a backup, each before what refers to it."""
        ...

    def read(self, table: str) -> AsyncIterator[Sequence[Row]]:
        """A table's rows by primary key, some at a time."""
        ...


class Snapshots(Protocol):
    """Where snapshots come from."""

    def open(self) -> AbstractAsyncContextManager[Snapshot]:
        """Take one."""
        ...


class Replacement(Protocol):
    """What a restore does to whole tables, within a transaction."""

    async def list_rows(self, table: str) -> list[Mapping[str, Value]]:
        """A table's rows as they are stored."""
        ...

    async def find_audit_head(self) -> tuple[int, bytes] | None:
        """Number and hash of the last record of the audit log; None where there is none."""
        ...

    async def replace_rows(self, content: Mapping[str, Iterable[Sequence[Mapping[str, Value]]]]) -> None:
        """Put these rows, some at a time, in place of all there are in these tables."""
        ...

    async def forget_waiting(self) -> None:
        """Drop mail and alerts that wait to be sent."""
        ...

    async def forget_sessions(self) -> None:
        """Remove every session and everything half-finished."""
        ...


class Replacing(NamedTuple):
    """One transaction, and what it may do to whole tables besides."""

    records: Transaction
    tables: Replacement


class Restores(Protocol):
    """Where such transactions come from."""

    def transaction(self) -> AbstractAsyncContextManager[Replacing]:
        """Open one."""
        ...


class Scratch(Protocol):
    """A database beside the real one, for what a backup holds. Synchronous: to be used on a thread."""

    @property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """What belongs into a backup, by table, each before what refers to it."""
        ...

    def take(self, table: Listed, rows: Sequence[Row]) -> None:
        """Put rows in. InputError where they do not fit."""
        ...

    def settle(self) -> None:
        """All are in: check that they belong together, and bring them to the present schema. InputError."""
        ...

    def read(self, table: str) -> Iterator[Sequence[Row]]:
        """A table's rows by primary key, some at a time."""
        ...

    def find_audit(self, sequence: int) -> tuple[bytes | None, int]:
        """The hash of this record of the audit log, None where it is not there; and the number of the last."""
        ...


class Draft(Protocol):
    """A backup that is being written."""

    @property
    def name(self) -> str:
        """What it will be called."""
        ...

    def write(self, data: bytes) -> None:
        """Write some more."""
        ...

    def finish(self) -> Backup:
        """All is written: make it last, and give it its name."""
        ...


class Shelf(Protocol):
    """The folder of the backups. Synchronous: to be used on a thread. UnavailableError where the disk does not do."""

    def alone(self) -> AbstractContextManager[None]:
        """Be the only one at it, in any process. ConflictError where somebody is."""
        ...

    def draft(self, reason: Reason, at: datetime) -> AbstractContextManager[Draft]:
        """Begin a backup; what is not finished is gone."""
        ...

    def take_in(self, parts: Iterable[bytes], at: datetime, most: int | None = None) -> Backup:
        """Put a backup from elsewhere beside the others, unread. InputError where it has more than `most` bytes."""
        ...

    def list(self) -> list[Backup]:
        """The backups, newest first."""
        ...

    def open(self, name: str, openers: Openers) -> AbstractContextManager[Iterator[bytes]]:
        """Read what is inside a backup. NotFoundError where there is none of this name; InputError."""
        ...

    def digest(self, name: str) -> str:
        """The SHA-256 of a backup as it lies there, in hex. NotFoundError."""
        ...

    def remove(self, name: str) -> None:
        """Remove a backup. NotFoundError."""
        ...

    def scratch(self, schema: str) -> AbstractContextManager[Scratch]:
        """A scratch database of this schema, gone afterwards. InputError for a schema that is not known."""
        ...


class ArchiveSeals(Protocol):
    """Opens and seals what stands in the database of one installation."""

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open it under any key there is, also in the older form. TamperError where it does not open."""
        ...

    def renew(self, place: Place, sealed: str) -> str:
        """The same under the newest key and in the present form; as it is where it does not open."""
        ...


class ArchiveKeys(Protocol):
    """The keys that backups are authenticated with, and that what they hold was sealed under."""

    def newest(self) -> tuple[str, bytes]:
        """Id of the master key that seals, and the key of the backups made under it."""
        ...

    def find(self, key_id: str) -> bytes:
        """The key of the backups made under this master key, in use or retired. InputError where it is not held."""
        ...

    def open(self, installation: str) -> ArchiveSeals:
        """What opens and seals for the database of this installation."""
        ...


Progress = Callable[[str, int, int], None]
"""Told what is done, how far it is, and how far it goes."""
