"""What is known of an incident, in one encrypted file: for whoever looks into it, on another machine.

Everything is streamed through the encryption: nothing of it ever stands readable on a disk.
"""

import json
import os
import platform
import sqlite3
import zipfile
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import IO, Final, cast

from doorward import __version__
from doorward.app.house import House
from doorward.config.load import Loaded
from doorward.config.show import list_settings
from doorward.errors import ConfigError, InputError, TamperError
from doorward.flows.admin import CLI
from doorward.flows.audit_trail import Wish
from doorward.flows.copying import describe_key
from doorward.outside.age import AgeWriter
from doorward.rules.app_key import AppKey
from doorward.rules.audit import Act
from doorward.rules.backup import Readers
from doorward.rules.decision import Wanted

MOST_DECISIONS: Final = 10_000
MOST_SESSIONS: Final = 10_000
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@contextmanager
def new_file(path: Path) -> Generator[Callable[[bytes], object]]:
    """A new file that only we may read, to write to; gone again where not all of it could be written.

    InputError where there is such a file already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{path} is there already; evidence overwrites nothing") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)  # half of it would pass for all
        raise


async def write_evidence(
    house: House, loaded: Loaded, sink: Callable[[bytes], object], readers: Readers
) -> tuple[str, ...]:
    """Write the bundle, recording first that it is taken; the names within. InputError where nobody is to read it."""
    if not readers:
        raise InputError("say who may read it: name a passphrase or a recipient")
    await house.record(Act.EVIDENCE_TAKEN, {"version": __version__})
    age = AgeWriter(sink, readers, house.random)
    # What asks for no `seek` and `tell` gets an archive that can be written from front to back.
    with zipfile.ZipFile(cast("IO[bytes]", _Stream(age.write)), "w", zipfile.ZIP_DEFLATED) as archive:
        async for name, piece in _collect(house, loaded):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as opened:
                async for text in piece:
                    opened.write(text.encode("utf-8"))
        names = tuple(archive.namelist())
    age.finish()
    return names


async def _collect(house: House, loaded: Loaded) -> AsyncIterator[tuple[str, AsyncIterator[str]]]:
    now, flows = house.clock.now(), house.flows
    yield "audit.jsonl", flows.audit.export(CLI, Wish(), private=True, now=now)
    yield "configuration.json", _write(list_settings(loaded))
    yield "versions.json", _write(_list_versions(now))
    view = await flows.lockdowns.look(CLI, now=now)
    kits = await flows.break_glass.list_kits(CLI)
    state = {
        "lockdown": None if view.lockdown is None else json.loads(view.lockdown.write()),
        "administrators": [{"name": each.user.name, "second_factor": each.factor} for each in view.prospects],
        "kits": [{"user": user.name, "made_at": kit.made_at, "used_at": kit.used_at} for kit, user in kits],
    }
    yield "incident.json", _write(state)
    decisions = await flows.decisions.find(CLI, Wanted(limit=MOST_DECISIONS))
    yield (
        "decisions.json",
        _write([{"user": each.user.name if each.user else "", **asdict(each.decision)} for each in decisions]),
    )
    # Where sessions are in the server's memory, none are seen from here.
    sessions = await flows.administration.list_sessions(CLI, now=now, limit=MOST_SESSIONS)
    listed = [
        {
            "handle": session.handle,
            "user": user.name,
            "address": session.address,
            "user_agent": session.user_agent,
            "created_at": session.created_at,
            "last_seen_at": session.last_seen_at,
            "methods": sorted(method.value for method in session.methods),
        }
        for session, user in sessions
    ]
    yield "sessions.json", _write(listed)
    keys = [
        {"user": user.name, "made_by": key.made_by, **describe_key(key), **_describe_use(house, key)}
        for key, user in await flows.app_keys.list_all(CLI)
    ]
    yield "app-keys.json", _write(keys)


def _describe_use(house: House, key: AppKey) -> dict[str, object]:
    try:
        place = house.flows.app_keys.find_last_use(key)
    except TamperError:
        # Nothing keeps evidence from being taken: that this was changed is part of it.
        return {"address": "damaged"}
    return {"address": place.address, "user_agent": place.agent, "earlier_networks": place.networks}


def _list_versions(now: datetime) -> dict[str, object]:
    return {
        "doorward": __version__,
        "taken_at": now,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(sorted((each.metadata["Name"], each.version) for each in distributions())),
    }


async def _write(value: object) -> AsyncIterator[str]:
    yield json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


class _Stream:
    """As much of a file as an archive needs that is written from front to back."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def write(self, data: bytes) -> int:
        """Hand it on."""
        self._write(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""
