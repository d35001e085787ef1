"""Backups, connected: the folder, the database, the keys, and what happens with a backup that is made."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from doorward import __version__
from doorward.app.alerts import build_alerts
from doorward.app.audit import seal_old_records
from doorward.app.parts import Parts
from doorward.app.settings import open_fetch
from doorward.config.backup import BackupDrill, BackupSection
from doorward.config.schema import Config
from doorward.flows.backups import Backups, Carry, Terms
from doorward.flows.restoring import Restoring
from doorward.flows.stored_keys import open_keys, replace_session_key
from doorward.interfaces import Log, Random, Transaction
from doorward.outside.archive_keys import MasterArchiveKeys
from doorward.outside.keyring import FileKeyring, read_retired
from doorward.outside.shelf import FolderShelf
from doorward.outside.system import read_environment
from doorward.rules.age_key import parse_identity, parse_recipient
from doorward.rules.archive import Encoder, Listed, Manifest
from doorward.rules.backup import Keeping, Openers, Readers, Reason
from doorward.rules.schedule import Interval, Schedule
from doorward.storage.sql.scratch import open_older, open_scratch
from doorward.storage.sql.snapshot import SqlRestores, SqlSnapshots


def folder_of(config: Config) -> Path:
    """Where backups are kept."""
    return Path(config.backup.folder) if config.backup.folder else Path(config.storage.path) / "backups"


def save_before_upgrade(
    config: Config, database: Path, version: str, keyring: FileKeyring, random: Random, *, now: datetime, log: Log
) -> None:
    """Save a database of an older schema before it is migrated (D-45). Nothing is migrated where that fails."""
    keys = MasterArchiveKeys(keyring, tuple)
    shelf = _shelf_of(config, keys, random)
    key_id, key = keys.newest()
    with shelf.alone(), open_older(database) as older:
        listed = tuple(Listed(table, columns, older.count(table)) for table, columns in older.columns.items())
        encoder = Encoder(Manifest(__version__, version, now, "", key_id, listed), key)
        with shelf.draft(Reason.UPGRADE, now) as draft:
            draft.write(encoder.begin())
            for table in listed:
                for rows in older.read(table.name):
                    draft.write(encoder.rows(rows))
            draft.write(encoder.end())
            log.info("backup_before_upgrade", backup=draft.finish().name, schema=version)


def _shelf_of(config: Config, keys: MasterArchiveKeys, random: Random) -> FolderShelf:
    return FolderShelf(
        folder_of(config),
        readers=_readers_of(config.backup),
        openers=_openers_of(config.backup),
        own=keys.readers,
        random=random,
        open_scratch=open_scratch,
    )


@dataclass(frozen=True, slots=True)
class _Rejoin:
    """`flows.restoring.Rejoin`."""

    parts: Parts

    def join(self, installation: str) -> None:
        """Seal and open for that installation."""
        self.parts.keyring.join(installation)
        self.parts.same.join(installation)
        self.parts.signing_key.forget()
        self.parts.assertion_keys.forget()

    async def reopen(self) -> None:
        """Take up its stored keys."""
        parts = self.parts
        await open_keys(parts.storage.records, parts.keyring, parts.random, now=parts.clock.now())
        parts.signing_key.forget()
        parts.assertion_keys.forget()
        await parts.assertion_keys.tend(parts.clock.now())


def connect_backups(parts: Parts) -> tuple[Backups, Restoring]:
    """The flows of backups, and of restoring them."""
    config, storage = parts.config, parts.storage
    keys = MasterArchiveKeys(parts.keyring, lambda: read_retired(Path(config.storage.path)))
    shelf = _shelf_of(config, keys, parts.random)
    alarm = build_alerts(parts).raise_alert
    backups = Backups(
        records=storage.records,
        snapshots=SqlSnapshots(storage.database),
        shelf=shelf,
        keys=keys,
        alarm=alarm,
        log=parts.log,
        version=__version__,
        terms=lambda: _terms_of(config.backup),
        carry=_carry_of(parts, shelf),
    )

    async def rotate(transaction: Transaction, now: datetime) -> None:
        await replace_session_key(transaction, parts.keyring, parts.random, now)

    restoring = Restoring(
        records=storage.records,
        restores=SqlRestores(storage.database, storage.records.join),
        backups=backups,
        shelf=shelf,
        keys=keys,
        rejoin=_Rejoin(parts),
        rotate=rotate,
        seal_records=seal_old_records,
        alarm=alarm,
        log=parts.log,
    )
    return backups, restoring


def _carry_of(parts: Parts, shelf: FolderShelf) -> Carry | None:
    """Where a backup is taken, None for nowhere. Made only where it is: most have none of it."""
    backup = parts.config.backup
    if not backup.command and not backup.s3.url:
        return None
    from doorward.outside.offsite import Bucket, Command, Everywhere
    from doorward.rules.sigv4 import Signer

    ways: list[Carry] = []
    if backup.command:
        ways.append(Command(backup.command, backup.command_timeout, read_environment(), shelf.path_of))
    if backup.s3.url:
        secret = backup.s3.secret_key.reveal() if backup.s3.secret_key is not None else ""
        fetch = open_fetch(parts.config, backup.command_timeout)
        signer = Signer(backup.s3.access_key, secret, backup.s3.region)
        ways.append(Bucket(backup.s3.url, backup.s3.prefix, signer, fetch, shelf.path_of, parts.clock.now))
    return Everywhere(ways)


def _terms_of(backup: BackupSection) -> Terms:
    schedule = _schedule_of(backup)
    can_open = backup.encryption == "none" or backup.passphrase is not None or backup.identity is not None
    return Terms(
        schedule=schedule,
        drill=_schedule_of(backup.drill) if schedule is not None and can_open else None,
        keeping=Keeping(backup.keep_days, backup.keep_daily, backup.keep_weekly, backup.keep_monthly),
    )


def _schedule_of(section: BackupSection | BackupDrill) -> Schedule | None:
    if section.schedule == "off":
        return None
    return Schedule(Interval(section.schedule), section.hour, section.weekday, section.day)


def _readers_of(backup: BackupSection) -> Readers | None:
    """For whom; nobody in particular with `none`, and None where it was never said."""
    if backup.encryption == "none":
        return Readers()
    passphrase = backup.passphrase.reveal() if backup.passphrase is not None else ""
    return Readers(passphrase, tuple(parse_recipient(each) for each in backup.recipients)) or None


def _openers_of(backup: BackupSection) -> Openers:
    passphrase = backup.passphrase.reveal() if backup.passphrase is not None else ""
    identity = (parse_identity(backup.identity.reveal()),) if backup.identity is not None else ()
    return Openers(passphrase, identity)
