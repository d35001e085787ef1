"""The master keys, from the environment or a file, and what is sealed or derived under them.

Resolution (B-01): the value of ENCRYPTION_KEY, else the file ENCRYPTION_KEY_FILE names, else `encryption_key` in the
data folder, made at first start. A key is 32 random bytes, written as 64 hex digits or base64. A key file holds one
key a line, the newest first: it seals, all of them open.
"""

import base64
import contextlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from doorward.errors import ConfigError
from doorward.interfaces import Random
from doorward.rules import envelope
from doorward.rules.envelope import KEY_SIZE, NONCE_SIZE, Place
from doorward.rules.private import check_private

FILE_NAME: Final = "encryption_key"
_MAKE_ONE = "make one with: openssl rand -hex 32"
_MAX_FILE = 4096
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
# 32 random bytes hold about 30 different values; fewer than 16 happens once in more keys than will ever be made.
_FEWEST_VALUES = 16


class FileKeyring:
    """`interfaces.Keyring` over master keys held in memory, the newest first."""

    def __init__(self, keys: Sequence[bytes], random: Random) -> None:
        self._keys = {envelope.key_id(key): key for key in keys}
        self._newest = keys[0]
        self._random = random
        self._installation = ""
        self._root: bytes | None = None
        self._of_old: Mapping[str, bytes] = {}

    @property
    def key_id(self) -> str:
        """The name of the key that seals: 16 hex digits that tell nothing about it."""
        return envelope.key_id(self._newest)

    def seal(self, place: Place, plaintext: bytes) -> str:
        """Seal for `place` under the newest key."""
        return envelope.seal(self._newest, place, plaintext, entropy=self._random.token(NONCE_SIZE))

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open what was sealed for `place` under any of our keys. TamperError when it does not open."""
        return envelope.unseal(self._keys, place, sealed)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, the same under every master key."""
        if self._root is None:
            raise RuntimeError("nothing can be derived before the stored keys are loaded")
        return self._of_old.get(purpose) or envelope.derive(self._root, purpose)

    def derive_from_master(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, from the newest master key: for what must open without our database."""
        return envelope.derive(self._newest, purpose)

    def join(self, installation: str) -> None:
        """Seal and open for this installation from now on."""
        self._installation = installation

    def derive_from(self, root: bytes, of_old: Mapping[str, bytes]) -> None:
        """Derive from this root from now on, except the keys of purposes that are given as they were."""
        self._root, self._of_old = root, dict(of_old)


def open_keyring(
    folder: Path, *, random: Random, key: str | None = None, key_file: Path | None = None, create: bool = True
) -> FileKeyring:
    """Find the master keys; make one in `folder` at first start.

    `key` and `key_file` are ENCRYPTION_KEY and ENCRYPTION_KEY_FILE, None where unset. With `create` false a missing key
    is refused: there is data already that only the lost key opens. ConfigError with the command that mends it for
    anything weak, malformed, or readable by others.
    """
    if key is not None:
        return FileKeyring([_parse_key(key, "ENCRYPTION_KEY")], random)
    if key_file is not None:
        return FileKeyring(_read(key_file, "ENCRYPTION_KEY_FILE", folder_too=False), random)
    path = folder / FILE_NAME
    if not path.exists():
        if not create:
            raise ConfigError(
                f"{path} is missing, and the data beside it opens with no other key: "
                "restore the file from where you keep its copy"
            )
        _create(path, random)
    return FileKeyring(_read(path, "the encryption key", folder_too=True), random)


def _create(path: Path, random: Random) -> None:
    """Make the key file complete and private from its first moment; of several processes one wins (A-07, T-13)."""
    draft = path.with_name(f"{path.name}.{random.token(8).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(random.token(KEY_SIZE).hex().encode() + b"\n")
                file.flush()
                os.fsync(descriptor)
            # A link appears whole or not at all, and never over an existing file.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync(path.parent)
    except OSError as error:
        raise ConfigError(f"the encryption key {path} cannot be made: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, what: str, *, folder_too: bool) -> list[bytes]:
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
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror}") from error
    if problems:
        raise ConfigError(f"{what}: " + "; ".join(problems), tuple(f"{what}: {each}" for each in problems))
    if len(content) > _MAX_FILE:
        raise ConfigError(f"{what}: {path} is too long to be a key file")
    # One newline at the end belongs to the file; anything else around a key is a mistake somewhere (Q08).
    lines = content.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return [_parse_key(line, f"{what}: {path}") for line in lines]


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


_STANDARD = str.maketrans("-_", "+/")


def _looks_made_up(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(set(key)) < _FEWEST_VALUES or len(steps) == 1 or (key.isascii() and key.decode("ascii").isprintable())
