"""Keys that are replaced, connected: the master key, the form of what is sealed, the key of session cookies."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from doorward.app.backup import folder_of
from doorward.app.parts import Parts
from doorward.config.schema import Config
from doorward.flows.notify import Notify
from doorward.flows.signing_keys import SigningKeys
from doorward.interfaces import Clock, Log, Records, SealedStore
from doorward.outside.key_files import RETIRED_NAME
from doorward.outside.keyring import FileKeyring, read_retired
from doorward.storage.sqlite import SqliteStorage

__all__ = ["RETIRED_NAME"]

if TYPE_CHECKING:
    from doorward.flows.resealing import Tell
    from doorward.flows.rotation import Rotated


def connect_signing_keys(parts: Parts, notify: Notify) -> SigningKeys:
    """The flow of the key of session cookies."""
    every = parts.config.rotation.signing_key
    return SigningKeys(
        records=parts.storage.records, keyring=parts.keyring, random=parts.random, notify=notify, every=every
    )


async def renew_older_form(
    folder: Path, records: Records, sealed: SealedStore, keyring: FileKeyring, *, clock: Clock, log: Log
) -> None:
    """Once after an upgrade: seal anew what is sealed in the older form, and read that form no more."""
    from doorward.flows.resealing import Progress
    from doorward.flows.rotation import renew_form
    from doorward.flows.stored_keys import reads_older_form
    from doorward.outside.key_files import only_rotation

    def tell(progress: Progress) -> None:
        if progress.step == "pass":
            log.info("resealing", resealed=progress.resealed, failed=progress.failed)

    with only_rotation(folder, waits=True):
        # Another process that started at the same time may have done it while we waited.
        if await reads_older_form(records):
            log.info("resealing_begins", reason="an older version sealed in another form")
            outcome = await renew_form(records, sealed, keyring, clock=clock, tell=tell)
            if outcome.failed:
                log.error("values_do_not_open", columns=outcome.failed, left="as they are")
    keyring.forget_older()


async def rotate_master(
    config: Config, storage: SqliteStorage, keyring: FileKeyring, *, clock: Clock, settle: timedelta, tell: "Tell"
) -> "Rotated":
    """Rotate the master key; one at a time in one data folder."""
    from doorward.app.alerts import open_alerts
    from doorward.flows.rotation import Rotation
    from doorward.outside.key_files import only_rotation
    from doorward.outside.system import SystemRandom

    rotation = Rotation(
        records=storage.records,
        sealed=storage.sealed,
        keyring=keyring,
        clock=clock,
        pause=asyncio.sleep,
        alarm=open_alerts(config, keyring, SystemRandom()).raise_alert,
    )
    with only_rotation(Path(config.storage.path)):
        return await rotation.rotate("cli", settle=settle, tell=tell)


def make_key_text() -> str:
    """A new master key as it is written down."""
    from doorward.outside.key_files import spell_key
    from doorward.outside.system import SystemRandom
    from doorward.rules.envelope import KEY_SIZE

    return spell_key(SystemRandom().token(KEY_SIZE))


def folders_of(config: Config) -> list[Path]:
    """Where no copy of the master key may lie: with the data, or with its backups."""
    return [Path(config.storage.path), folder_of(config)]


def list_retired(config: Config) -> list[str]:
    """The names of the keys that were retired here."""
    from doorward.rules.envelope import key_id

    return [key_id(key) for key in read_retired(Path(config.storage.path))]
