"""The master keys, wherever they come from, and what is sealed under them.

Resolution (B-01, E-67): ENCRYPTION_KEY (keys with commas between), else ENCRYPTION_KEY_FILE (a file with one key a
line), else ENCRYPTION_KEY_COMMAND (a command that prints them so), else `encryption_key` in the data folder, made at
first start. The newest key stands first: it seals, all of them open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from doorward.errors import ConfigError, InputError, TamperError
from doorward.interfaces import Random
from doorward.outside import key_files
from doorward.rules import envelope
from doorward.rules.envelope import KEY_SIZE, NONCE_SIZE, Place

FILE_NAME: Final = key_files.FILE_NAME


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file that is read again when it was changed. `ours`: in the data folder, and rotated by us."""

    path: Path
    what: str
    ours: bool

    def read(self) -> list[bytes]:
        """What it holds now."""
        return key_files.read_keys(self.path, self.what, folder_too=self.ours)

    def look(self) -> tuple[int, ...] | None:
        """Differs after every replacement of the file; None where it is gone."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


class FileKeyring:
    """`interfaces.Keyring` over master keys held in memory, the newest first.

    Where they come from a file, a change of it is noticed before the next sealing, and when a value names a key that is
    not held: that is how a running server takes part in a rotation it does not run.
    """

    def __init__(self, keys: Sequence[bytes], random: Random, *, source: str = "", file: KeyFile | None = None) -> None:
        self._random = random
        self._file = file
        self._seen = file.look() if file is not None else None
        self._installation = ""
        self._reads_older = False
        self._root: bytes | None = None
        self._of_old: Mapping[str, bytes] = {}
        self.source = source or (str(file.path) if file is not None else "")
        self._hold(keys)

    @property
    def key_id(self) -> str:
        """The name of the key that seals: 16 hex digits that tell nothing about it."""
        return self._newest_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The names of all keys, the newest first."""
        return tuple(self._keys)

    @property
    def is_ours(self) -> bool:
        """Whether the keys stand in a file in the data folder: then we rotate them ourselves."""
        return self._file is not None and self._file.ours

    @property
    def reads_older(self) -> bool:
        """Whether values in the older form still open."""
        return self._reads_older

    def seal(self, place: Place, plaintext: bytes) -> str:
        """Seal for `place` under the newest key."""
        self._take_up()
        entropy = self._random.token(NONCE_SIZE)
        return envelope.seal(self._newest, place, plaintext, installation=self._installation, entropy=entropy)

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open what was sealed for `place` under any of our keys. TamperError when it does not open."""
        try:
            return self._unseal(place, sealed)
        except TamperError:
            if not self._take_up():
                raise
        return self._unseal(place, sealed)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, the same under every master key."""
        if self._root is None:
            raise RuntimeError("nothing can be derived before the stored keys are loaded")
        return self._of_old.get(purpose) or envelope.derive(self._root, purpose)

    def derive_from_master(self, purpose: str, key_id: str = "") -> bytes:
        """A 32-byte key for one purpose, from the newest master key or the one named: for what opens elsewhere.

        TamperError where that key is not held.
        """
        master = self._keys.get(key_id or self._newest_id)
        if master is None:
            raise TamperError(f"the master key {key_id} is not held here")
        return envelope.derive(master, purpose)

    def join(self, installation: str, *, reads_older: bool = False) -> None:
        """Seal and open for this installation from now on; also values of the older form, until that is done with."""
        self._installation = installation
        self._reads_older = reads_older

    def forget_older(self) -> None:
        """Open values of the older form no more."""
        self._reads_older = False

    def derive_from(self, root: bytes, of_old: Mapping[str, bytes]) -> None:
        """Derive from this root from now on, except the keys of purposes that are given as they were."""
        self._root, self._of_old = root, dict(of_old)

    def apart(self, more: Sequence[bytes] = ()) -> "FileKeyring":
        """A keyring of its own with these keys, and some more that only open: for what is of another database."""
        self._take_up()
        return FileKeyring([*self._keys.values(), *more], self._random)

    def begin_rotation(self) -> bool:
        """Put a new key before the present one, in the file; False where a rotation was begun before and goes on.

        InputError where the keys are not ours to change and no new one was put before the old.
        """
        self._take_up()
        file = self._own_file()
        if file is not None:
            key_files.sweep_drafts(file.path.parent)
        if len(self._keys) > 1:
            return False
        if file is None:
            raise InputError(
                f"the master key comes from {self.source}, where only you can change it: put a new key before the "
                "present one there (doorward keys generate prints one), restart every server, and run this again"
            )
        self._write(file.path, [self._random.token(KEY_SIZE), *self._keys.values()])
        return True

    def note_retired(self) -> None:
        """Write the old keys where no server looks: they open old backups, and nothing else any more."""
        file = self._own_file()
        if file is not None:
            self._write_retired(file.path.with_name(key_files.RETIRED_NAME))

    def drop_old(self) -> bool:
        """Take the old keys out of the file; False where that is not ours to do."""
        file = self._own_file()
        if file is None:
            return False
        self._write(file.path, [self._newest])
        return True

    def export(self, path: Path, *, away_from: Sequence[Path]) -> None:
        """Write all keys to a new file somewhere else."""
        key_files.export_keys(path, list(self._keys.values()), away_from=away_from)

    def _own_file(self) -> KeyFile | None:
        return self._file if self._file is not None and self._file.ours else None

    def _write(self, path: Path, keys: Sequence[bytes]) -> None:
        key_files.replace_keys(path, keys, self._random)
        self._take_up()

    def _write_retired(self, path: Path) -> None:
        before = key_files.read_keys(path, "the retired keys", folder_too=True) if path.exists() else []
        old = list(self._keys.values())[1:]
        key_files.replace_keys(path, [*old, *(key for key in before if key not in old)], self._random)

    def _unseal(self, place: Place, sealed: str) -> bytes:
        return envelope.unseal(
            self._keys, place, sealed, installation=self._installation, reads_older=self._reads_older
        )

    def _take_up(self) -> bool:
        """Read the file again where it was changed; whether it was. What cannot be read leaves everything as it is."""
        if self._file is None:
            return False
        seen = self._file.look()
        if seen is None or seen == self._seen:
            return False
        try:
            keys = self._file.read()
        except ConfigError:
            # SECURITY: the keys that are held are right; a start would refuse the file and say why
            # (test_a_file_that_cannot_be_used_any_more_changes_nothing_that_runs).
            return False
        self._seen = seen
        self._hold(keys)
        return True

    def _hold(self, keys: Sequence[bytes]) -> None:
        self._keys = {envelope.key_id(key): key for key in keys}
        self._newest = keys[0]
        self._newest_id = envelope.key_id(keys[0])


def open_keyring(
    folder: Path,
    *,
    random: Random,
    key: str | None = None,
    key_file: Path | None = None,
    command: str | None = None,
    environ: Mapping[str, str] | None = None,
    create: bool = True,
) -> FileKeyring:
    """Find the master keys; make one in `folder` at first start.

    `key`, `key_file` and `command` are ENCRYPTION_KEY, ENCRYPTION_KEY_FILE and ENCRYPTION_KEY_COMMAND, None where
    unset; `environ` is what the command is run with. With `create` false a missing key is refused: there is data
    already that only the lost key opens. ConfigError with the command that mends it for anything weak, malformed, or
    readable by others.
    """
    if key is not None:
        return FileKeyring(key_files.parse_keys(key, "ENCRYPTION_KEY", separator=","), random, source="ENCRYPTION_KEY")
    if key_file is not None:
        file = KeyFile(key_file, "ENCRYPTION_KEY_FILE", ours=False)
        return FileKeyring(file.read(), random, file=file, source=f"ENCRYPTION_KEY_FILE ({key_file})")
    if command is not None:
        from doorward.outside.key_command import ask_command

        source = "ENCRYPTION_KEY_COMMAND"
        return FileKeyring(key_files.parse_keys(ask_command(command, environ or {}), source), random, source=source)
    path = folder / FILE_NAME
    if not path.exists():
        if not create:
            raise ConfigError(
                f"{path} is missing, and the data beside it opens with no other key: "
                "restore the file from where you keep its copy"
            )
        key_files.create_keys(path, random)
    file = KeyFile(path, "the encryption key", ours=True)
    return FileKeyring(file.read(), random, file=file)


def read_retired(folder: Path) -> list[bytes]:
    """The keys that were retired here: for old backups alone."""
    path = folder / key_files.RETIRED_NAME
    return key_files.read_keys(path, "the retired keys", folder_too=True) if path.exists() else []
