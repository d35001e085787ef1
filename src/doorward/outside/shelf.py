"""The folder of the backups: private, written whole or not at all, read by name and never through a link.

A backup is JSON Lines (`rules.archive`) in gzip in age: `age -d FILE | gunzip` shows it without Doorward.
"""

import fcntl
import os
import shutil
import stat
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from doorward.errors import ConfigError, ConflictError, InputError, NotFoundError, UnavailableError
from doorward.interfaces import Random
from doorward.interfaces.backup import Scratch
from doorward.outside.age import INTRO, AgeWriter, public_of, read_age
from doorward.rules.backup import (
    PARTIAL,
    STAYING,
    Backup,
    Openers,
    Readers,
    Reason,
    check_name,
    name_backup,
    read_name,
)
from doorward.rules.private import check_private

_LOCK: Final = ".lock"
_SCRATCH: Final = ".scratch-"
_PIECE: Final = 64 * 1024
_UNPACKED: Final = 1024 * 1024
_GZIP: Final = 31  # zlib's word for a gzip header and the widest window
_DAMAGED: Final = "the backup is damaged: it does not unpack"

OpenScratch = Callable[[Path, str], AbstractContextManager[Scratch]]


class FolderShelf:
    """`interfaces.backup.Shelf` over a folder.

    `readers`: for whom backups are encrypted; nobody where they need not be, None where that was never said. `own`:
    private keys that never leave this machine, for the backups that stay here while nobody else is named; the first
    encrypts, all of them open.
    """

    def __init__(
        self,
        folder: Path,
        *,
        readers: Readers | None,
        openers: Openers,
        own: Callable[[], Sequence[bytes]],
        random: Random,
        open_scratch: OpenScratch,
    ) -> None:
        self._folder = folder
        self._readers = readers
        self._own = own
        self._openers = openers
        self._random = random
        self._open_scratch = open_scratch

    @contextmanager
    def alone(self) -> Generator[None]:
        """Be the only one at it; what a killed one left behind is removed."""
        with _disk():
            self._prepare()
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError("a backup or a restore is under way") from None
            with _disk():
                self._clean()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def draft(self, reason: Reason, at: datetime) -> Generator["FolderDraft"]:
        """Begin a backup."""
        readers = self._readers
        if readers is None:
            if reason not in STAYING:
                raise ConfigError(
                    "nobody could read the backup: set backup.recipients or backup.passphrase, "
                    "or say that it need not be encrypted with `backup.encryption: none`"
                )
            readers = Readers(recipients=(public_of(self._own()[0]),))
        name = name_backup(reason, at, entropy=self._random.token(4), encrypted=bool(readers))
        with self._begin(name) as file:
            yield FolderDraft(name, file, readers, self._random, self._settle)

    def take_in(self, parts: Iterable[bytes], at: datetime, most: int | None = None) -> Backup:
        """Put a backup from elsewhere beside the others."""
        pieces = iter(parts)
        first = b""
        while len(first) < len(INTRO) and (piece := next(pieces, b"")):
            first += piece
        encrypted = first.startswith(INTRO)
        name = name_backup(Reason.BROUGHT, at, entropy=self._random.token(4), encrypted=encrypted)
        with self._begin(name) as file:
            size = 0
            for piece in _chain(first, pieces):
                size += len(piece)
                if most is not None and size > most:
                    raise InputError(f"a backup may have at most {most // 1024 // 1024} MiB")
                with _disk():
                    file.write(piece)
            return self._settle(name, file)

    def list(self) -> list[Backup]:
        """The backups, newest first."""
        if not self._folder.exists():
            return []
        found = []
        with _disk(), os.scandir(self._folder) as entries:
            for entry in entries:
                backup = read_name(entry.name)
                if backup is not None and entry.is_file(follow_symlinks=False):
                    size = entry.stat(follow_symlinks=False).st_size
                    found.append(Backup(backup.name, backup.reason, backup.made_at, backup.encrypted, size))
        return sorted(found, key=lambda backup: (backup.made_at, backup.name), reverse=True)

    @contextmanager
    def open(self, name: str, openers: Openers) -> Generator[Iterator[bytes]]:
        """Read what is inside."""
        with self._open(name) as file:
            encrypted = file.read(len(INTRO)) == INTRO
            file.seek(0)
            found = openers | self._openers
            if encrypted:  # whatever is configured now: it was made when nobody was named
                found |= Openers(identities=tuple(self._own()))
            yield _unpack(read_age(file, found) if encrypted else _pieces(file))

    def digest(self, name: str) -> str:
        """The SHA-256 of the file."""
        digest = sha256()
        with self._open(name) as file:
            for piece in _pieces(file):
                digest.update(piece)
        return digest.hexdigest()

    def path_of(self, name: str) -> Path:
        """Where a backup lies, for the command that carries it elsewhere."""
        return self._folder / check_name(name)

    def remove(self, name: str) -> None:
        """Remove a backup."""
        with _disk(), _named(name):
            (self._folder / check_name(name)).unlink()

    @contextmanager
    def scratch(self, schema: str) -> Generator[Scratch]:
        """A scratch database in a folder of its own."""
        folder = self._folder / f"{_SCRATCH}{self._random.token(8).hex()}"
        with _disk():
            self._prepare()
            folder.mkdir(mode=0o700)
        try:
            path = folder / "scratch.db"
            with _disk():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with self._open_scratch(path, schema) as scratch:
                yield scratch
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _begin(self, name: str) -> Generator[BinaryIO]:
        path = self._folder / (name + PARTIAL)
        with _disk():
            self._prepare()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with _disk():
                    fcntl.flock(descriptor, fcntl.LOCK_EX)  # `_clean` leaves it alone: somebody is at it
                yield file
        finally:
            with suppress(FileNotFoundError):  # it has its own name by now
                path.unlink()

    def _settle(self, name: str, file: BinaryIO) -> Backup:
        """What is acknowledged is on the disk under its name, or is not there at all."""
        with _disk():
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
            (self._folder / (name + PARTIAL)).rename(self._folder / name)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        backup = read_name(name, size=size)
        assert backup is not None  # noqa: S101 -- the name is one of ours
        return backup

    @contextmanager
    def _open(self, name: str) -> Generator[BinaryIO]:
        """SECURITY: only a file of its own, by a name of ours: a link leads elsewhere.

        tests/attacks/test_backups.py would fail (N02).
        """
        path = self._folder / check_name(name)
        with _disk(), _named(name):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputError(f"{name} is not a file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _prepare(self) -> None:
        """The folder, ours alone (D-34, D-39)."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.stat()
        problems = check_private(str(self._folder), mode=found.st_mode, owner=found.st_uid, me=os.geteuid())
        if problems:
            raise ConfigError("; ".join(problems), tuple(problems))

    def _clean(self) -> None:
        for path in self._folder.glob(f"*{PARTIAL}"):
            if read_name(path.name.removesuffix(PARTIAL)) is not None and not _is_held(path):
                path.unlink()
        for path in self._folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(path, ignore_errors=True)


class FolderDraft:
    """`interfaces.backup.Draft`."""

    def __init__(
        self,
        name: str,
        file: BinaryIO,
        readers: Readers,
        random: Random,
        settle: Callable[[str, BinaryIO], Backup],
    ) -> None:
        self._name, self._file, self._settle = name, file, settle
        self._gzip = zlib.compressobj(wbits=_GZIP)
        self._age = None
        if readers:
            with _disk():
                self._age = AgeWriter(file.write, readers, random)

    @property
    def name(self) -> str:
        """What it will be called."""
        return self._name

    def write(self, data: bytes) -> None:
        """Pack, encrypt, write."""
        self._put(self._gzip.compress(data))

    def finish(self) -> Backup:
        """Write what is left, and make it last."""
        self._put(self._gzip.flush())
        with _disk():
            if self._age is not None:
                self._age.finish()
        return self._settle(self._name, self._file)

    def _put(self, packed: bytes) -> None:
        with _disk():
            if self._age is not None:
                self._age.write(packed)
            else:
                self._file.write(packed)


@contextmanager
def _disk() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"the folder of the backups does not do: {error.strerror}: {error.filename}") from error


@contextmanager
def _named(name: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError(f"there is no backup {name}") from None
    except OSError as error:
        raise InputError(f"{name} is not a file of its own: {error.strerror}") from None


def _is_held(path: Path) -> bool:
    """Whether a process that runs is writing it: what is brought from elsewhere comes in while others are at work."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def _chain(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _unpack(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack, never more at once than fits; one gzip member and nothing after it."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        for piece in packed:
            if unpacker.eof and piece:
                raise InputError(_DAMAGED)
            left = piece
            while left:
                yield unpacker.decompress(left, _UNPACKED)
                left = unpacker.unconsumed_tail
        while not unpacker.eof and (rest := unpacker.decompress(b"", _UNPACKED)):
            yield rest
    except zlib.error:
        raise InputError(_DAMAGED) from None
    if not unpacker.eof or unpacker.unused_data:
        raise InputError(_DAMAGED)
