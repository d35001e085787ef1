"""Master keys as they are written down: a file of 64 hex digits or base64 a line, the newest first.

A key file is private from its first moment and is replaced as a whole: whoever is killed in between leaves the old one
or the new one, and never a half (A-07, T-13).
"""

import base64
import contextlib
import os
import re
import stat
from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from doorward.errors import ConfigError, InputError
from doorward.interfaces import Random
from doorward.rules.envelope import KEY_SIZE
from doorward.rules.private import check_private

FILE_NAME: Final = "encryption_key"
RETIRED_NAME: Final = f"{FILE_NAME}.retired"
MAX_KEYS_TEXT: Final = 4096
_DRAFT = re.compile(rf"{FILE_NAME}(\.retired)?\.[0-9a-f]{{16}}")
_MAKE_ONE = "make one with: doorward keys generate"
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
# 32 random bytes hold about 30 different values; fewer than 16 happens once in more keys than will ever be made.
_FEWEST_VALUES = 16
_STANDARD = str.maketrans("-_", "+/")


def parse_keys(text: str, what: str, *, separator: str = "\n") -> list[bytes]:
    """The keys in a text, the newest first. ConfigError for anything weak, malformed or doubled (E-01, E-03)."""
    # One newline at the end belongs to the file; anything else around a key is a mistake somewhere (Q08).
    keys = [_parse_key(part, what) for part in text.removesuffix("\n").split(separator)]
    if len(set(keys)) != len(keys):
        raise ConfigError(f"{what} holds the same key twice")
    return keys


def read_keys(path: Path, what: str, *, folder_too: bool) -> list[bytes]:
    """Read a key file, judging the very file that is read: there is no moment between look and use."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(f"{what}: {path} is not a file")
            problems = check_private(str(path), mode=found.st_mode, owner=found.st_uid, me=os.geteuid())
            if folder_too:
                beside = path.parent.stat()
                problems += check_private(str(path.parent), mode=beside.st_mode, owner=beside.st_uid, me=os.geteuid())
            content = file.read(MAX_KEYS_TEXT + 1)
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror}") from error
    if problems:
        raise ConfigError(f"{what}: " + "; ".join(problems), tuple(f"{what}: {each}" for each in problems))
    if len(content) > MAX_KEYS_TEXT:
        raise ConfigError(f"{what}: {path} is too long to be a key file")
    return parse_keys(content.decode("utf-8", "replace"), f"{what}: {path}")


def create_keys(path: Path, random: Random) -> None:
    """Make a key file with one new key; of several processes one wins."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _draft(path, [random.token(KEY_SIZE)], random)
        try:
            # A link appears whole or not at all, and never over an existing file.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync(path.parent)
    except OSError as error:
        raise ConfigError(f"the encryption key {path} cannot be made: {error.strerror}") from error


def replace_keys(path: Path, keys: Sequence[bytes], random: Random) -> None:
    """Put these keys in place of what the file holds, all at once, and on the disk when this returns."""
    try:
        draft = _draft(path, keys, random)
        draft.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise ConfigError(f"the encryption key {path} cannot be replaced: {error.strerror}") from error


def sweep_drafts(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote keys. Only for whoever holds `only_rotation`."""
    for path in folder.iterdir():
        if _DRAFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _whole_or_gone(path: Path) -> Generator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def export_keys(path: Path, keys: Sequence[bytes], *, away_from: Sequence[Path]) -> None:
    """Write the keys to a new file of our own (0600). InputError where there is one, or it would lie with the data.

    A copy beside the data or its backups is lost with them, and stolen with them (B-02, T-18).
    """
    place = path.resolve()
    for folder in away_from:
        if place.is_relative_to(folder.resolve()):
            raise InputError(f"{path} lies in {folder}, beside what the key opens: keep its copy somewhere else")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with _whole_or_gone(path), os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(_spell(keys))
            file.flush()
            os.fsync(descriptor)
        _sync(path.parent)
    except FileExistsError as error:
        raise InputError(f"{path} is there already; nothing is overwritten") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def only_rotation(folder: Path, *, waits: bool = False) -> Generator[None]:
    """Be the only one who seals anew in this folder; the system lets go with the process, however that ends."""
    import fcntl

    path = folder / "keys.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"keys are being rotated in {folder} already; wait for that to end") from error
        yield
    finally:
        os.close(descriptor)


def spell_key(key: bytes) -> str:
    """A key as it is written."""
    return key.hex()


def _spell(keys: Sequence[bytes]) -> bytes:
    return "".join(f"{spell_key(key)}\n" for key in keys).encode("ascii")


def _draft(path: Path, keys: Sequence[bytes], random: Random) -> Path:
    draft = path.with_name(f"{path.name}.{random.token(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(_spell(keys))
        file.flush()
        os.fsync(descriptor)
    return draft


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse_key(text: str, what: str) -> bytes:
    if _HEX.fullmatch(text):
        key = bytes.fromhex(text)
    elif _BASE64.fullmatch(text):
        key = base64.b64decode(text.rstrip("=").translate(_STANDARD) + "=")
    else:
        raise ConfigError(f"{what} is not a key of 32 bytes in hex or base64; {_MAKE_ONE}")
    if _looks_made_up(key):
        raise ConfigError(f"{what} is a placeholder, not a random key; {_MAKE_ONE}")
    return key


def _looks_made_up(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(set(key)) < _FEWEST_VALUES or len(steps) == 1 or (key.isascii() and key.decode("ascii").isprintable())
