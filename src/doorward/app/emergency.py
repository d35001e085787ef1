"""Running with nothing but a code: for the day when the data is down or broken (E-90).

The gate runs on a fresh folder that nobody else can read, with one administrator and the rules of the configuration.
What is recorded there is kept when it ends, beside the real data, and noted in the real record at its next start.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from doorward.app.emergency_record import encode_record
from doorward.app.house import open_house, read_clock
from doorward.app.serve import serve
from doorward.config.audit import AuditSection
from doorward.config.backup import BackupSection
from doorward.config.load import Loaded
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.opening import encode
from doorward.outside import system
from doorward.outside.kit_file import EMERGENCY, KitFile
from doorward.rules.break_glass import KitEntry, parse_code
from doorward.rules.identity import User, UserId

_PAGE: Final = 500
_ID_SIZE: Final = 16
_KEYS: Final = ("ENCRYPTION_KEY", "ENCRYPTION_KEY_FILE", "ENCRYPTION_KEY_COMMAND")


@dataclass(frozen=True, slots=True)
class Emergency:
    """What was begun: for whom, and with which configuration."""

    entry: KitEntry
    loaded: Loaded
    environ: Mapping[str, str]
    folder: Path
    record: Path


def begin(loaded: Loaded, environ: Mapping[str, str], code: str) -> Emergency:
    """Take the code, which is used up, and make the fresh folder. InputError where it opens nothing."""
    system.restrict_files()
    digest = parse_code(code)
    entry = None if digest is None else KitFile(Path(loaded.config.storage.path)).take(digest)
    if entry is None:
        raise InputError("that code opens nothing: it is not right, or it was used or taken back")
    # Killed at any moment, it leaves word that the code was used: the data, once it is back, knows nothing of it.
    # tests/cli/test_incident.py kills it.
    record = Path(loaded.config.storage.path) / f"{EMERGENCY}{read_clock().strftime('%Y%m%dT%H%M%SZ')}.jsonl"
    _write(record, [_head_of(entry, record)])
    folder = Path(tempfile.mkdtemp(prefix="doorward-emergency-"))
    config = loaded.config
    changed = config.model_copy(
        update={
            "storage": config.storage.model_copy(update={"path": str(folder), "type": "sqlite"}),
            "authn": config.authn.model_copy(update={"password": True}),
            # Backups of nothing must not stand among those of the data, nor checkpoints of another chain.
            "backup": BackupSection(),
            "audit": AuditSection(),
            "registration": config.registration.model_copy(update={"mode": "closed"}),
        }
    )
    # The master key may be what was lost, and must not seal what lies in a temporary folder.
    kept = {name: value for name, value in environ.items() if name not in _KEYS}
    return Emergency(entry, replace(loaded, config=changed), kept, folder, record)


def run(emergency: Emergency, *, tell: Callable[[str], None]) -> Path:
    """Make the administrator, tell their link, serve until it ends, and keep the record; where it is."""
    tell(asyncio.run(_make_administrator(emergency)))
    try:
        serve(emergency.loaded, environ=emergency.environ, load=lambda: emergency.loaded)
    finally:
        asyncio.run(_keep_record(emergency))
        shutil.rmtree(emergency.folder)
    return emergency.record


async def _make_administrator(emergency: Emergency) -> str:
    house = await open_house(emergency.loaded.config, environ=emergency.environ)
    try:
        now, entry = house.clock.now(), emergency.entry
        user = User(
            id=UserId(encode(house.random.token(_ID_SIZE))),
            name=entry.name,
            display_name=entry.name,
            email="",
            groups=frozenset(entry.groups),
            is_admin=True,
            enabled=True,
            generation=1,
            created_at=now,
        )
        await house.flows.break_glass.open_emergency(user, entry.digest, now=now)
        return (await house.flows.recovery.hand_out(CLI, user.name, now=now)).url
    finally:
        await house.close()


async def _keep_record(emergency: Emergency) -> None:
    house = await open_house(emergency.loaded.config, environ=emergency.environ)
    try:
        lines: list[str] = []
        before: int | None = None
        while True:
            async with house.storage.records.transaction() as transaction:
                page = await transaction.list_audit(limit=_PAGE, before=before)
            if not page:
                break
            lines += [json.dumps(encode_record(record), sort_keys=True) for record in page]
            before = page[-1].sequence
    finally:
        await house.close()
    _write(emergency.record, [_head_of(emergency.entry, emergency.record), *reversed(lines)])


def _head_of(entry: KitEntry, record: Path) -> str:
    at = record.stem.removeprefix(EMERGENCY)
    return json.dumps({"emergency": at, "code": entry.digest.hex(), "name": entry.name})


def _write(path: Path, lines: Sequence[str]) -> None:
    """Put these lines in place of what stands there."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
