"""Backups as things in a folder: what they are called, and which of them go (B-36, E-49)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from doorward.errors import InputError

BACKUP_CHORE: Final = "backup"
DRILL_CHORE: Final = "drill"
OFFSITE_CHORE: Final = "offsite"
PARTIAL: Final = ".partial"
"""What the name of a backup ends in until all of it is written."""

_NAME: Final = re.compile(
    r"(auto-backup|backup|pre-restore|pre-upgrade|brought)-([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{8})\.jsonl\.gz(\.age)?",
    re.ASCII,
)
_STAMP: Final = "%Y%m%dT%H%M%SZ"


MAX_SIZE: Final = 500 * 1024 * 1024
"""The largest backup that is uploaded, or put into storage that speaks S3 (B-36)."""
MAX_CONTENT: Final = 8 * 1024 * 1024 * 1024
"""The largest that any may be once it is open."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who is to read: the holder of the passphrase, or those of the public keys (32 bytes each); nobody: everybody."""

    passphrase: str = field(default="", repr=False)
    recipients: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.passphrase or self.recipients)


@dataclass(frozen=True, slots=True)
class Openers:
    """What opens: a passphrase, or private keys of 32 bytes each."""

    passphrase: str = field(default="", repr=False)
    identities: tuple[bytes, ...] = field(default=(), repr=False)

    def __or__(self, other: "Openers") -> "Openers":
        return Openers(self.passphrase or other.passphrase, (*self.identities, *other.identities))


NO_OPENERS: Final = Openers()


class Reason(Enum):
    """Why a backup was made; its name begins with it."""

    SCHEDULED = "auto-backup"
    ASKED = "backup"
    RESTORE = "pre-restore"
    UPGRADE = "pre-upgrade"
    BROUGHT = "brought"
    """From elsewhere."""


STAYING: Final = frozenset({Reason.RESTORE, Reason.UPGRADE})
"""Made before something else is done, and kept beside the database."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup in the folder, as far as its name and the folder tell."""

    name: str
    reason: Reason
    made_at: datetime
    encrypted: bool
    size: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long backups stay. `days`: all of that many days; 0 keeps all of them.

    `daily`, `weekly`, `monthly`: besides, the newest of each of so many days, weeks and months.
    """

    days: int = 7
    daily: int = 7
    weekly: int = 4
    monthly: int = 12


def name_backup(reason: Reason, at: datetime, *, entropy: bytes, encrypted: bool) -> str:
    """The name of a new backup. `entropy`: 4 random bytes, so that two of one second differ."""
    stamp = at.astimezone(UTC).strftime(_STAMP)
    return f"{reason.value}-{stamp}-{entropy.hex()}.jsonl.gz{'.age' if encrypted else ''}"


def read_name(name: str, *, size: int = 0) -> Backup | None:
    """The backup of this name; None where no backup of ours is called so."""
    shape = _NAME.fullmatch(name)
    if shape is None:
        return None
    try:
        made_at = datetime.strptime(shape[2], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Backup(name, Reason(shape[1]), made_at, shape[4] is not None, size)


def check_name(name: str) -> str:
    """A name that is one of ours and nothing else, no path least of all; InputError where it is not (D-39)."""
    if read_name(name) is None:
        raise InputError("that is not the name of a backup")
    return name


_REGULAR: Final = frozenset({Reason.SCHEDULED, Reason.ASKED})


def choose_gone(backups: Iterable[Backup], keeping: Keeping, now: datetime) -> list[Backup]:
    """The backups that need not stay, oldest first. The newest that was scheduled or asked for always stays."""
    if keeping.days == 0:
        return []
    ordered = sorted(backups, key=lambda backup: (backup.made_at, backup.name), reverse=True)
    regular = [backup for backup in ordered if backup.reason in _REGULAR]
    stays = {backup.name for backup in ordered if now - backup.made_at < timedelta(days=keeping.days)}
    stays.update(backup.name for backup in regular[:1])
    for spell, most in (("%Y%j", keeping.daily), ("%G%V", keeping.weekly), ("%Y%m", keeping.monthly)):
        stays.update(_newest_of_each(regular, spell, most))
    return [backup for backup in reversed(ordered) if backup.name not in stays]


def _newest_of_each(ordered: Sequence[Backup], spell: str, most: int) -> list[str]:
    found: dict[str, str] = {}
    for backup in ordered:
        found.setdefault(backup.made_at.strftime(spell), backup.name)
    return list(found.values())[:most]
