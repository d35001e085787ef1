"""Running with nothing but a code: for the day when the data is down or broken (E-90).

The gate runs on a fresh folder that nobody else can read, with one administrator and the rules of the configuration.
What is recorded there is kept when it ends, beside the real data, and noted in the real record at its next start.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from doorward.app.emergency_record import PREFIX, encode_record
from doorward.app.house import open_house
from doorward.app.serve import serve
from doorward.config.load import Loaded
from doorward.errors import InputError
from doorward.flows.admin import CLI
from doorward.flows.opening import encode
from doorward.outside import system
from doorward.outside.kit_file import KitFile
from doorward.rules.audit import Act, AuditEvent
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


def begin(loaded: Loaded, environ: Mapping[str, str], code: str) -> Emergency:
    """Take the code, which is used up, and make the fresh folder. InputError where it opens nothing."""
    system.restrict_files()
    digest = parse_code(code)
    entry = None if digest is None else KitFile(Path(loaded.config.storage.path)).take(digest)
    if entry is None:
        raise InputError("that code opens nothing: it is not right, or it was used or taken back")
    folder = Path(tempfile.mkdtemp(prefix="doorward-emergency-"))
    config = loaded.config
    changed = config.model_copy(
        update={
            "storage": config.storage.model_copy(update={"path": str(folder), "type": "sqlite"}),
            "authn": config.authn.model_copy(update={"password": True}),
            "registration": config.registration.model_copy(update={"mode": "closed"}),
        }
    )
    # The master key may be what was lost, and must not seal what lies in a temporary folder.
    kept = {name: value for name, value in environ.items() if name not in _KEYS}
    return Emergency(entry, replace(loaded, config=changed), kept, folder)


def run(emergency: Emergency, *, data: Path, tell: Callable[[str], None]) -> Path | None:
    """Make the administrator, tell their link, serve until it ends, and keep the record in `data`; where it is."""
    tell(asyncio.run(_make_administrator(emergency)))
    try:
        serve(emergency.loaded, environ=emergency.environ, load=lambda: emergency.loaded)
    finally:
        kept = asyncio.run(_keep_record(emergency, data))
        shutil.rmtree(emergency.folder)
    return kept


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
        async with house.storage.records.transaction() as transaction:
            await transaction.claim_first_admin(user.id, now)
            await transaction.add_user(user)
            public = {"code": entry.digest.hex()}
            await transaction.append_audit(AuditEvent(Act.KIT_USED, "cli", user.id, now, public, {"name": user.name}))
        return (await house.flows.recovery.hand_out(CLI, user.name, now=now)).url
    finally:
        await house.close()


async def _keep_record(emergency: Emergency, data: Path) -> Path:
    house = await open_house(emergency.loaded.config, environ=emergency.environ)
    try:
        at = house.clock.now().strftime("%Y%m%dT%H%M%SZ")
        path = data / f"{PREFIX}{at}.jsonl"
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
    head = json.dumps({"emergency": at, "code": emergency.entry.digest.hex(), "name": emergency.entry.name})
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join([head, *reversed(lines)]) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path
