"""What stands beside the data of break-glass codes: digests, so that a code can be told when the data cannot be read.

SHA-256 of 256 random bits, so whoever reads the file gains nothing; whoever can write it is the operator, who
could do anything. It is 0600 all the same, like everything beside it.
"""

import hmac
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from doorward.errors import ConfigError, UnavailableError
from doorward.rules.break_glass import KitEntry
from doorward.rules.private import check_private

FILE_NAME: Final = "break-glass.json"
EMERGENCY: Final = "emergency-"
"""Begins the name of the record of an emergency, whose first line says which code began it."""
_MOST_HEAD: Final = 4096


class KitFile:
    """`flows.break_glass.KitNote`: one file in the data folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def write(self, entries: Sequence[KitEntry]) -> None:
        """Replace the file as a whole; with nothing to note there is none."""
        draft = self.path.with_name(FILE_NAME + ".new")
        try:
            if not entries:
                self.path.unlink(missing_ok=True)
                return
            with suppress(FileNotFoundError):
                draft.unlink()  # left by somebody who was killed
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump([_encode(entry) for entry in entries], file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise UnavailableError(f"{self.path} cannot be written: {error.strerror}") from error

    def take(self, digest: bytes) -> KitEntry | None:
        """The entry of this digest, which is gone from the file then; None where there is none."""
        entries = self.read()
        found = next((each for each in entries if hmac.compare_digest(each.digest, digest)), None)
        if found is not None:
            self.write([each for each in entries if each != found])
        return found

    def find_spent(self) -> frozenset[bytes]:
        """What emergencies have used up that the data may know nothing of yet. UnavailableError where it is unreadable.

        A record that is damaged names none; it is told of when it is noted.
        """
        spent: set[bytes] = set()
        try:
            for path in self.path.parent.glob(f"{EMERGENCY}*.jsonl"):
                with suppress(ValueError, TypeError, KeyError), path.open("rb") as file:
                    spent.add(bytes.fromhex(json.loads(file.readline(_MOST_HEAD))["code"]))
        except OSError as error:
            raise UnavailableError(f"a record of an emergency cannot be read: {error.strerror}") from error
        return frozenset(spent)

    def read(self) -> list[KitEntry]:
        """What stands there. ConfigError where it cannot be read, or others may."""
        try:
            stat = self.path.stat()
            problems = check_private(str(self.path), mode=stat.st_mode, owner=stat.st_uid, me=os.geteuid())
            if problems:
                raise ConfigError("; ".join(problems))
            return [_decode(each) for each in json.loads(self.path.read_text("utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}") from error


def _encode(entry: KitEntry) -> dict[str, object]:
    return {
        "digest": entry.digest.hex(),
        "name": entry.name,
        "groups": list(entry.groups),
        "made_at": entry.made_at.isoformat(),
    }


def _decode(value: dict[str, str]) -> KitEntry:
    made_at = datetime.fromisoformat(value["made_at"])
    return KitEntry(bytes.fromhex(value["digest"]), str(value["name"]), tuple(map(str, value["groups"])), made_at)
