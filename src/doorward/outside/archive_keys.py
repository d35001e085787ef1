"""The keys of backups: derived from the master keys, those in use and those that were retired (B-02)."""

from collections.abc import Callable, Sequence
from typing import Final

from doorward.errors import InputError, TamperError
from doorward.outside.keyring import FileKeyring
from doorward.rules.envelope import Place, beginning

_PURPOSE: Final = "backup"
_READER: Final = "backup-reader"


class MasterArchiveKeys:
    """`interfaces.backup.ArchiveKeys`. `read_retired`: the master keys that open old backups and nothing else.

    Derived from the master key itself and not from a stored root: a backup has to open where there is no database yet.
    """

    def __init__(self, keyring: FileKeyring, read_retired: Callable[[], Sequence[bytes]]) -> None:
        self._keyring = keyring
        self._read_retired = read_retired

    def newest(self) -> tuple[str, bytes]:
        """Id of the master key that seals, and the key of its backups."""
        keyring = self._keyring.apart()
        return keyring.key_id, keyring.derive_from_master(_PURPOSE)

    def find(self, key_id: str) -> bytes:
        """The key of the backups made under this master key."""
        try:
            return self._keyring.apart(self._read_retired()).derive_from_master(_PURPOSE, key_id)
        except TamperError:
            raise InputError(
                f"the backup was made under another master key ({key_id}), without which nothing in it opens: "
                "put the copy of it into a line of its own in `encryption_key.retired`, in the data folder"
            ) from None

    def open(self, installation: str) -> "MasterArchiveSeals":
        """What opens and seals for the database of this installation."""
        keyring = self._keyring.apart(self._read_retired())
        keyring.join(installation, reads_older=True)
        return MasterArchiveSeals(keyring)

    def readers(self) -> tuple[bytes, ...]:
        """Private keys for backups that stay beside the database, while nobody is named who is to read them.

        The newest encrypts. Those of retired master keys open what was made before a rotation.
        """
        keyring = self._keyring.apart(self._read_retired())
        return tuple(keyring.derive_from_master(_READER, key_id) for key_id in keyring.key_ids)


class MasterArchiveSeals:
    """`interfaces.backup.ArchiveSeals`."""

    def __init__(self, keyring: FileKeyring) -> None:
        self._keyring = keyring
        self._present = beginning(keyring.key_id)

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open under any of the keys, in the older form too: who wrote it is proven by the backup."""
        return self._keyring.unseal(place, sealed)

    def renew(self, place: Place, sealed: str) -> str:
        """The same under the newest key and in the present form.

        What does not open stays as it is, and opens for nobody: one damaged value must not keep all others from being
        restored.
        """
        if sealed.startswith(self._present):
            return sealed
        try:
            return self._keyring.seal(place, self._keyring.unseal(place, sealed))
        except TamperError:
            return sealed
