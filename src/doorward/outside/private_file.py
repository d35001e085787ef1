"""Files that are written whole or not at all: new ones for their owner alone, others in place of what was there."""

import contextlib
import os
import stat
from pathlib import Path

from doorward.errors import InputError
from doorward.interfaces import Random


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, from its first moment for its owner alone. InputError where it cannot be."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise InputError(f"{path} is there already; name another file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    try:
        _fill(descriptor, content)
    except OSError as error:
        path.unlink()
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    _sync(path.parent)


def replace(path: Path, content: bytes, *, backup: Path, seen: bytes, random: Random) -> None:
    """Put `content` in the place of a file, whose mode stays, and keep what was there as `backup`.

    InputError where it is not `seen` any more, or cannot be written; nothing is changed then. Whoever reads the file
    meanwhile reads all of the old one, or all of the new one.
    """
    draft = path.with_name(f".{path.name}.{random.token(8).hex()}")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.read_bytes() != seen:
            raise InputError(f"{path} was changed meanwhile; look at the preview again")
        write_new(backup, seen)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, mode)
            _fill(descriptor, content)
            draft.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be replaced: {error.strerror}") from error


def _fill(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
