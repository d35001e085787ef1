"""Making backups, on schedule and when asked for; looking at them, and letting go of old ones."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from doorward.errors import DoorwardError, PeerError, UnavailableError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.alerts import Alarm
from doorward.flows.backup_reading import compare, unpack, unseal_all
from doorward.interfaces import Log, Records
from doorward.interfaces.backup import ArchiveKeys, Draft, Progress, Shelf, Snapshots
from doorward.rules.alert import AlertKind
from doorward.rules.archive import Encoder, Manifest, Row
from doorward.rules.audit import Act
from doorward.rules.backup import (
    BACKUP_CHORE,
    DRILL_CHORE,
    MAX_SIZE,
    NO_OPENERS,
    OFFSITE_CHORE,
    Backup,
    Keeping,
    Openers,
    Reason,
    choose_gone,
)
from doorward.rules.chore import Chore
from doorward.rules.schedule import Schedule
from doorward.rules.stored_key import INSTALLATION

SYSTEM: Final = Actor("system")

Carry = Callable[[Backup], Awaitable[None]]
"""Take a finished backup elsewhere. PeerError, with a sentence for the operator, where that fails."""


def no_progress(_table: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Terms:
    """When backups and drills are made, and how long they stay. None: only when asked for."""

    schedule: Schedule | None = None
    drill: Schedule | None = None
    keeping: Keeping = field(default_factory=Keeping)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a drill found: how many rows stood there as they were saved, and how many sealed values opened."""

    backup: Backup
    manifest: Manifest
    rows: int
    opened: int


@dataclass(frozen=True, slots=True)
class State:
    """How it stands with backups."""

    backups: tuple[Backup, ...]
    made: Chore
    proven: Chore
    carried: Chore
    terms: Terms


def _write_rows(draft: Draft, encoder: Encoder, rows: Sequence[Row]) -> None:
    """On a thread, all that it takes: checks go on meanwhile."""
    draft.write(encoder.rows(rows))


class Backups:
    """Backups of everything durable. One thing at a time: whoever comes second gets a ConflictError."""

    def __init__(
        self,
        *,
        records: Records,
        snapshots: Snapshots,
        shelf: Shelf,
        keys: ArchiveKeys,
        alarm: Alarm,
        log: Log,
        version: str,
        terms: Callable[[], Terms],
        carry: Carry | None = None,
    ) -> None:
        self._records = records
        self._snapshots = snapshots
        self._shelf = shelf
        self._keys = keys
        self._alarm = alarm
        self._log = log
        self._version = version
        self._terms = terms
        self._carry = carry

    async def look(self, actor: Actor) -> State:
        """The backups there are, newest first, and how the chores went."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            made = await transaction.find_chore(BACKUP_CHORE)
            proven = await transaction.find_chore(DRILL_CHORE)
            carried = await transaction.find_chore(OFFSITE_CHORE)
        backups = await asyncio.to_thread(self._shelf.list)
        return State(tuple(backups), made, proven, carried, self._terms())

    async def create(self, actor: Actor, *, now: datetime, progress: Progress = no_progress) -> Backup:
        """Make one now. ConflictError while another is made, or one is restored; ConfigError where none may be made."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        with self._shelf.alone():
            return await self._keep_note(actor, Reason.ASKED, now, progress)

    async def take_in(
        self, actor: Actor, parts: Iterable[bytes], *, now: datetime, most: int | None = MAX_SIZE
    ) -> Backup:
        """Put a backup from elsewhere beside the others, unread; nothing is believed of it yet.

        `most`: how many bytes it may have; None for one that is on this machine already.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        backup = await asyncio.to_thread(self._shelf.take_in, parts, now, most)
        async with self._records.transaction() as transaction:
            await append(transaction, actor, Act.BACKUP_TAKEN_IN, "backup", now, {"backup": backup.name})
        return backup

    async def verify(
        self,
        actor: Actor,
        name: str,
        openers: Openers = NO_OPENERS,
        *,
        progress: Progress = no_progress,
    ) -> Proof:
        """Restore one into a scratch place and look at all of it. InputError or TamperError where it does not hold.

        ConflictError while another is made, tried or restored.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        with self._shelf.alone():  # whoever begins something removes the scratch places of those that were killed
            return await asyncio.to_thread(self._prove, name, openers, progress)

    async def drill(self, actor: Actor, *, now: datetime, progress: Progress = no_progress) -> Proof:
        """Prove that the newest backup restores, making one where there is none; the proof is noted, and audited."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            await transaction.put_chore((await transaction.find_chore(DRILL_CHORE)).begun(now))
        try:
            with self._shelf.alone():
                newest = await self._newest() or await self._keep_note(actor, Reason.ASKED, now, progress)
                proof = await asyncio.to_thread(self._prove, newest.name, NO_OPENERS, progress)
        except DoorwardError as error:
            await self._note_failure(DRILL_CHORE, AlertKind.DRILL_FAILED, error, now)
            raise
        facts = {"backup": proof.backup.name, "rows": str(proof.rows), "opened": str(proof.opened)}
        async with self._records.transaction() as transaction:
            await transaction.put_chore((await transaction.find_chore(DRILL_CHORE)).done(now, facts))
            await append(transaction, actor, Act.BACKUP_PROVEN, "backup", now, facts)
        self._log.info("backup_proven", **facts)
        return proof

    async def remove(self, actor: Actor, name: str, *, now: datetime) -> None:
        """Remove one."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            await append(transaction, actor, Act.BACKUP_REMOVED, "backup", now, {"backup": name})
            await asyncio.to_thread(self._shelf.remove, name)

    async def list_ages(self, now: datetime) -> list[tuple[str, float]]:
        """How many seconds ago a backup was last made, and last proven to restore; nothing for what never was."""
        async with self._records.transaction() as transaction:
            made = await transaction.find_chore(BACKUP_CHORE)
            proven = await transaction.find_chore(DRILL_CHORE)
        found = (("doorward_backup_last_success_seconds", made), ("doorward_restore_last_proven_seconds", proven))
        return [(name, (now - chore.done_at).total_seconds()) for name, chore in found if chore.done_at is not None]

    async def run_due(self, now: datetime) -> None:
        """Make what is due: an errand of the upkeep."""
        terms = self._terms()
        async with self._records.transaction() as transaction:
            made = await transaction.find_chore(BACKUP_CHORE)
            proven = await transaction.find_chore(DRILL_CHORE)
        if terms.schedule is not None and made.is_due(terms.schedule, now):
            await self._make_due(now)
        if terms.drill is not None and proven.is_due(terms.drill, now):
            try:
                await self.drill(SYSTEM, now=now, progress=self._tell)
            except DoorwardError as error:
                self._log.error("backup_drill_failed", error=str(error))

    async def save_before(self, actor: Actor, reason: Reason, *, now: datetime, progress: Progress) -> Backup:
        """Make one before something else is done, by who is alone at the folder already."""
        return await self._make(actor, reason, now, progress)

    async def _make_due(self, now: datetime) -> None:
        try:
            with self._shelf.alone():
                await self._keep_note(SYSTEM, Reason.SCHEDULED, now, self._tell)
        except DoorwardError as error:
            self._log.error("backup_failed", error=str(error))

    async def _keep_note(self, actor: Actor, reason: Reason, now: datetime, progress: Progress) -> Backup:
        """Make one, note how that went, and do what comes after."""
        async with self._records.transaction() as transaction:
            await transaction.put_chore((await transaction.find_chore(BACKUP_CHORE)).begun(now))
        try:
            backup = await self._make(actor, reason, now, progress)
        except DoorwardError as error:
            await self._note_failure(BACKUP_CHORE, AlertKind.BACKUP_FAILED, error, now)
            raise
        async with self._records.transaction() as transaction:
            facts = {"backup": backup.name, "size": str(backup.size)}
            await transaction.put_chore((await transaction.find_chore(BACKUP_CHORE)).done(now, facts))
        await self._let_go(now)
        await self._carry_away(backup, now)
        return backup

    async def _make(self, actor: Actor, reason: Reason, now: datetime, progress: Progress) -> Backup:
        async with self._records.transaction() as transaction:
            installation = await transaction.find_setting(INSTALLATION) or ""
        key_id, key = self._keys.newest()
        async with self._snapshots.open() as snapshot:
            manifest = Manifest(self._version, snapshot.schema, now, installation, key_id, tuple(snapshot.tables))
            encoder = Encoder(manifest, key)
            done = 0
            with ExitStack() as stack:
                draft = await asyncio.to_thread(stack.enter_context, self._shelf.draft(reason, now))
                await asyncio.to_thread(draft.write, encoder.begin())
                for table in manifest.tables:
                    async for rows in snapshot.read(table.name):
                        await asyncio.to_thread(_write_rows, draft, encoder, rows)
                        done += len(rows)
                        progress(table.name, done, manifest.rows)
                await asyncio.to_thread(draft.write, encoder.end())
                backup = await asyncio.to_thread(draft.finish)
        async with self._records.transaction() as transaction:
            public = {"backup": backup.name, "rows": str(manifest.rows), "reason": reason.value}
            await append(transaction, actor, Act.BACKUP_MADE, "backup", now, public)
        self._log.info("backup_made", backup=backup.name, rows=manifest.rows, size=backup.size)
        return backup

    async def _let_go(self, now: datetime) -> None:
        for backup in choose_gone(await asyncio.to_thread(self._shelf.list), self._terms().keeping, now):
            try:
                await asyncio.to_thread(self._shelf.remove, backup.name)
                self._log.info("backup_let_go", backup=backup.name)
            except DoorwardError as error:  # the new one is made all the same
                self._log.warning("backup_stays", backup=backup.name, error=str(error))

    async def _carry_away(self, backup: Backup, now: datetime) -> None:
        if self._carry is None:
            return
        async with self._records.transaction() as transaction:
            await transaction.put_chore((await transaction.find_chore(OFFSITE_CHORE)).begun(now))
        try:
            await self._carry(backup)
        except (PeerError, UnavailableError) as error:
            self._log.error("backup_not_carried", backup=backup.name, error=str(error))
            await self._note_failure(OFFSITE_CHORE, AlertKind.BACKUP_FAILED, error, now)
            return
        async with self._records.transaction() as transaction:
            chore = (await transaction.find_chore(OFFSITE_CHORE)).done(now, {"backup": backup.name})
            await transaction.put_chore(chore)

    async def _note_failure(self, name: str, kind: AlertKind, error: DoorwardError, now: datetime) -> None:
        async with self._records.transaction() as transaction:
            await transaction.put_chore((await transaction.find_chore(name)).failed(str(error)))
            await self._alarm(transaction, kind, name, {"reason": str(error), "what": name}, now)

    async def _newest(self) -> Backup | None:
        ordered = await asyncio.to_thread(self._shelf.list)
        return next((each for each in ordered if each.reason in {Reason.SCHEDULED, Reason.ASKED}), None)

    def _prove(self, name: str, openers: Openers, progress: Progress) -> Proof:
        with unpack(self._shelf, self._keys, name, openers, progress) as unpacked:
            rows = compare(unpacked)
            unpacked.scratch.settle()
            opened = unseal_all(unpacked, self._keys)
            backup = next(each for each in self._shelf.list() if each.name == name)
            return Proof(backup, unpacked.manifest, rows, opened)

    def _tell(self, table: str, done: int, total: int) -> None:
        self._log.debug("backup_progress", table=table, done=done, total=total)
