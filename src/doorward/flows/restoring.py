"""Restoring a backup: look at it, see what it would do, and do exactly that, or nothing.

All of the backup is read, proven and tried in a scratch place before anything is written. Then one transaction, online:
whoever asks meanwhile sees all of the old or all of the new. A copy of what is there now is made first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.alerts import Alarm
from doorward.flows.backup_reading import Unpacked, does_open, find_sealed, spell_counts, try_sealed, unpack
from doorward.flows.backups import Backups, no_progress
from doorward.interfaces import Log, Records, Transaction
from doorward.interfaces.backup import ArchiveKeys, ArchiveSeals, Progress, Replacement, Replacing, Restores, Shelf
from doorward.rules.alert import AlertKind
from doorward.rules.archive import Value
from doorward.rules.assertion import WITHDRAWN
from doorward.rules.audit import SEALED, Act
from doorward.rules.backup import NO_OPENERS, Backup, Openers, Reason
from doorward.rules.restore_effect import Effect, Named
from doorward.rules.restored_keys import Fields
from doorward.rules.restoring import (
    COMPARED,
    MADE_ANEW,
    MARKS_SINCE,
    STAYING,
    TAKEN,
    Plan,
    Tables,
    has_administrator,
    make_token,
    merge,
    retire_keys,
)
from doorward.rules.stored_key import INSTALLATION

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHAIN: Final = ("audit", "checkpoints")
_OTHERS: Final = ("settings", "signing_keys", "installation", "decisions", "app_secrets")
"""What only the restore of another installation puts in place, besides the chain."""

Head = tuple[int, bytes]
"""Number and hash of the last record of an audit log."""
Rotate = Callable[[Transaction, datetime], Awaitable[None]]
"""Put a new key of session cookies in place of the present one, in this transaction."""


class SealRecords(Protocol):
    """Seal what is readable in the audit log, where it was never seen to that nothing is."""

    async def __call__(self, records: Records, *, now: datetime) -> int:
        """How many records."""
        ...


class Rejoin(Protocol):
    """What follows when the database has become that of another installation."""

    def join(self, installation: str) -> None:
        """Seal and open for that one from now on."""
        ...

    async def reopen(self) -> None:
        """Take up its stored keys, and make those that are missing."""
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. `before`: the backup of what was here, by which it can be undone."""

    plan: Plan
    before: Backup


@dataclass(frozen=True, slots=True)
class _Decided:
    plan: Plan
    tables: Mapping[str, Sequence[Fields]]
    """The tables that were merged; those that are taken as they are come from the scratch database."""
    installation: str
    left: str
    """The installation that this was before."""


class Restoring:
    """Restores backups. One thing at a time: whoever comes second gets a ConflictError."""

    def __init__(
        self,
        *,
        records: Records,
        restores: Restores,
        backups: Backups,
        shelf: Shelf,
        keys: ArchiveKeys,
        rejoin: Rejoin,
        rotate: Rotate,
        seal_records: SealRecords,
        alarm: Alarm,
        log: Log,
    ) -> None:
        self._records = records
        self._restores = restores
        self._backups = backups
        self._shelf = shelf
        self._keys = keys
        self._rejoin = rejoin
        self._rotate = rotate
        self._seal_records = seal_records
        self._alarm = alarm
        self._log = log

    async def preview(
        self,
        actor: Actor,
        name: str,
        openers: Openers = NO_OPENERS,
        *,
        now: datetime,
        progress: Progress = no_progress,
    ) -> Plan:
        """What restoring it would do. InputError or TamperError where it does not hold. Changes nothing."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        with self._shelf.alone(), ExitStack() as stack:
            unpacked, digest = await self._unpack(stack, name, openers, progress)
            async with self._restores.transaction() as replacing:
                last = await replacing.tables.find_audit_head()
                return (await self._decide(replacing.tables, name, unpacked, digest, last, now)).plan

    async def apply(
        self,
        actor: Actor,
        name: str,
        token: str,
        openers: Openers = NO_OPENERS,
        *,
        now: datetime,
        progress: Progress = no_progress,
    ) -> Restored:
        """Restore it, as the preview with this token said. ConflictError where that is not what it would do now."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        with self._shelf.alone(), ExitStack() as stack:
            unpacked, digest = await self._unpack(stack, name, openers, progress)
            async with self._restores.transaction() as replacing:
                head = await replacing.tables.find_audit_head()
                # Refused before anything is made: a token that is not the preview's leaves no copy behind.
                _check((await self._decide(replacing.tables, name, unpacked, digest, head, now)).plan, token)
            before = await self._backups.save_before(actor, Reason.RESTORE, now=now, progress=progress)
            with ExitStack() as undo:
                async with self._restores.transaction() as replacing:
                    await check_actor(replacing.records, actor)
                    # The copy that was just made is recorded: that alone is nothing the preview did not show.
                    last = await replacing.tables.find_audit_head()
                    is_only = last is not None and last[0] == (head[0] if head is not None else 0) + 1
                    last = head if is_only else last
                    decided = await self._decide(replacing.tables, name, unpacked, digest, last, now)
                    _check(decided.plan, token)
                    await self._replace(replacing, unpacked, decided, undo, now)
                    public = {
                        "backup": name,
                        "made_at": decided.plan.manifest.created_at.isoformat(),
                        "before": before.name,
                        "audit": "kept" if decided.plan.keeps_audit else "replaced",
                    }
                    await append(replacing.records, actor, Act.RESTORED, "backup", now, public)
                    await self._alarm(replacing.records, AlertKind.RESTORED, "backup", {"what": name}, now)
                undo.pop_all()
            if not decided.plan.is_ours:
                await self._rejoin.reopen()
            await self._seal_records(self._records, now=now)
        self._log.warning("backup_restored", backup=name, before=before.name)
        return Restored(decided.plan, before)

    async def _unpack(self, stack: ExitStack, name: str, openers: Openers, progress: Progress) -> tuple[Unpacked, str]:
        """Prove all of it, and bring it to the present schema; and what it is, byte by byte."""

        def read() -> tuple[Unpacked, str]:
            digest = self._shelf.digest(name)
            unpacked = stack.enter_context(unpack(self._shelf, self._keys, name, openers, progress))
            unpacked.scratch.settle()
            _, damaged = try_sealed(unpacked, self._keys)
            return replace(unpacked, damaged=damaged), digest

        return await asyncio.to_thread(read)

    async def _decide(
        self, tables: Replacement, name: str, unpacked: Unpacked, digest: str, last: Head | None, now: datetime
    ) -> _Decided:
        """What comes of this backup and of what is here at this moment. `last`: where the audit log here ends."""
        present = {table: await tables.list_rows(table) for table in COMPARED}
        saved = {table: unpacked.all_rows(table) for table in COMPARED}
        here = next((str(row["value"]) for row in present["settings"] if row["name"] == INSTALLATION), "")
        installation = unpacked.manifest.installation or here
        is_set_up = bool(await tables.list_rows("installation"))
        is_ours = is_set_up and installation == here
        keeps_audit, chain = await asyncio.to_thread(_compare_chains, unpacked, last, is_ours=is_ours)
        taken = [*TAKEN, *(() if keeps_audit else _CHAIN)]
        seals = self._keys.open(installation)
        if is_ours:
            staying, gone = await asyncio.to_thread(_drop_damaged, present, seals)
            merged = merge(staying, saved, (now - _EPOCH) // timedelta(microseconds=1))
            content, effects = merged.tables, [*merged.effects, *chain]
        else:
            _check_keys(unpacked, seals)
            taken += _OTHERS
            content, gone = {table: saved[table] for table in TAKEN}, {}
            effects = [*([Named(Effect.OTHER_INSTALLATION)] if is_set_up else []), *chain]
            effects += [Named(Effect.KEYS_RETURN)] if saved["app_keys"] else []
        damaged = {table: count for table, count in unpacked.damaged.items() if table in taken}
        for effect, counts in ((Effect.DAMAGED_RETURN, damaged), (Effect.DAMAGED_GO, gone)):
            effects += [Named(effect, spell_counts(counts))] if counts else []
        plan = Plan(
            backup=name,
            manifest=unpacked.manifest,
            is_ours=is_ours,
            counts=tuple((table, len(present[table]), len(content[table])) for table in TAKEN),
            effects=tuple(effects),
            keeps_audit=keeps_audit,
            has_administrator=has_administrator(content["users"], content["identities"]),
            token=make_token(digest, present, effects),
        )
        return _Decided(plan, content, installation, here)

    async def _replace(
        self, replacing: Replacing, unpacked: Unpacked, decided: _Decided, undo: ExitStack, now: datetime
    ) -> None:
        records, tables = replacing
        seals = self._keys.open(decided.installation)
        content: dict[str, Iterable[Sequence[Fields]]] = {
            table: [[_renew(table, row, seals) for row in rows]] for table, rows in decided.tables.items()
        }
        taken = () if decided.plan.keeps_audit else _CHAIN
        if not decided.plan.is_ours:
            taken = (*taken, *_OTHERS)
        for table in taken:
            content[table] = _pages(unpacked, table, seals)
        if not decided.plan.is_ours:
            keys = [_renew("signing_keys", row, seals) for row in unpacked.all_rows("signing_keys")]
            content["signing_keys"] = [retire_keys(keys, (now - _EPOCH) // timedelta(microseconds=1))]
            await tables.forget_waiting()
        for user in await records.list_users():
            await records.end_sessions_of(user.id)
        await tables.replace_rows(content)
        await tables.forget_sessions()
        if decided.plan.is_ours:
            await self._rotate(records, now)
        else:
            await records.put_setting(INSTALLATION, decided.installation)
            # No app is to trust what that installation signs with them.
            await records.put_setting(WITHDRAWN, str(await records.next_key_number() - 1))
            # Where nothing is committed, we go on as what we were.
            undo.callback(self._rejoin.join, decided.left)
            self._rejoin.join(decided.installation)
        if unpacked.manifest.schema < MARKS_SINCE:
            await records.mark_factors()
            # What is readable in the record of such a backup is sealed right after this, or by the next start.
            await records.put_setting(SEALED, "")


def _compare_chains(unpacked: Unpacked, last: Head | None, *, is_ours: bool) -> tuple[bool, list[Named]]:
    """Whether the audit log that is here stays: it does, unless it is another's, or the backup's goes on from it.

    SECURITY: never rolled back, or a restore would be how to be rid of what is written there;
    tests/attacks/test_backups.py would fail.
    """
    if last is None or not is_ours:
        return False, [Named(Effect.AUDIT_REPLACED)] if last is not None else []
    there, newest = unpacked.scratch.find_audit(last[0])
    if there == last[1] and newest > last[0]:
        return False, [Named(Effect.AUDIT_REPLACED)]
    return True, [Named(Effect.AUDIT_STAYS)]


def _drop_damaged(present: Tables, seals: ArchiveSeals) -> tuple[Tables, Mapping[str, int]]:
    """What is here without the rows that would stay though they do not open; and how many those are, by table."""
    whole = {
        table: [
            row
            for row in present[table]
            if all(does_open(seals, place, value) for _, place, value in find_sealed(table, row))
        ]
        for table in STAYING
    }
    gone = {table: len(present[table]) - len(rows) for table, rows in whole.items()}
    return {**present, **whole}, {table: count for table, count in gone.items() if count}


def _check_keys(unpacked: Unpacked, seals: ArchiveSeals) -> None:
    """The keys that an installation cannot be without, but for those that are made anew."""
    for row in unpacked.all_rows("signing_keys"):
        if row["purpose"] not in MADE_ANEW and not row["retired_at"]:
            for _, place, value in find_sealed("signing_keys", row):
                seals.unseal(place, value)


def _check(plan: Plan, token: str) -> None:
    if plan.token != token:
        raise ConflictError("this is not what the preview showed: something was changed since; look at it again")
    if not plan.has_administrator:
        raise ConflictError("nobody could administer the gateway afterwards", Clash.LAST_ADMINISTRATOR)


def _pages(unpacked: Unpacked, table: str, seals: ArchiveSeals) -> Iterator[Sequence[Fields]]:
    for page in unpacked.rows(table):
        yield [_renew(table, row, seals) for row in page]


def _renew(table: str, row: Fields, seals: ArchiveSeals) -> Fields:
    """The row with its sealed values under the newest key: what was sealed under an older one would not open here."""
    renewed: dict[str, Value] = {column: seals.renew(place, value) for column, place, value in find_sealed(table, row)}
    return {**row, **renewed} if renewed else row
