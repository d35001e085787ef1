"""The keys that are made here: loaded at the start, replaced while running, and taken up by whoever runs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from doorward.errors import TamperError, UnavailableError
from doorward.flows.following import Followed, Following
from doorward.flows.methods.upstream import FLOW_KEY
from doorward.interfaces import Keyring, Log, Random, Records, Transaction
from doorward.rules.envelope import FORM, KEY_SIZE
from doorward.rules.stored_key import DERIVE, INSTALLATION, OF_OLD, SEALING, SESSION, StoredKey, place_of

_INSTALLATION_SIZE = 16
_MASTER_SINCE: Final = "master_key_since"
# What was derived from the master key before there was a root, and is known elsewhere: stored recovery codes, cookies.
_DERIVED_OF_OLD: Final = ("companion", "csrf", "device-marker", "login-names", "recovery-codes", FLOW_KEY)


class HouseKeyring(Keyring, Protocol):
    """The keyring as the program itself opens it."""

    @property
    def key_id(self) -> str:
        """The name of the master key that seals."""
        ...

    def derive_from_master(self, purpose: str) -> bytes:
        """A key for one purpose from the master key that seals: it changes with the master key."""
        ...

    def join(self, installation: str, *, reads_older: bool = False) -> None:
        """Seal and open for this installation from now on; also values of the older form, until that is done with."""
        ...

    def derive_from(self, root: bytes, of_old: Mapping[str, bytes]) -> None:
        """Derive from this root from now on, except the keys of purposes that are given as they were."""
        ...


def no_public_part(_secret: bytes) -> str:
    """What may be known of a key that is secret as a whole."""
    return ""


async def load_key(
    transaction: Transaction,
    keyring: Keyring,
    random: Random,
    purpose: str,
    *,
    now: datetime,
    public_of: Callable[[bytes], str] = no_public_part,
) -> tuple[StoredKey, bytes]:
    """The present key of a purpose and its 32 secret bytes, made now where there was none.

    However many processes start at once, they get the same. TamperError when it does not open.
    """
    found = await find_key(transaction, purpose)
    if found is not None:
        return found, keyring.unseal(place_of(found.number), found.sealed)
    return await make_key(transaction, keyring, random.token(KEY_SIZE), purpose, now=now, public_of=public_of)


async def find_key(transaction: Transaction, purpose: str) -> StoredKey | None:
    """The present key of a purpose."""
    return next((key for key in await transaction.list_keys(purpose) if key.retired_at is None), None)


async def make_key(
    transaction: Transaction,
    keyring: Keyring,
    secret: bytes,
    purpose: str,
    *,
    now: datetime,
    public_of: Callable[[bytes], str] = no_public_part,
) -> tuple[StoredKey, bytes]:
    """Store a key. Whoever replaces one retires the old one first."""
    number = await transaction.next_key_number()
    sealed = keyring.seal(place_of(number), secret)
    key = StoredKey(number, purpose, sealed, now, public_of(secret))
    await transaction.add_key(key)
    return key, secret


async def replace_session_key(transaction: Transaction, keyring: Keyring, random: Random, now: datetime) -> StoredKey:
    """Put a new key of session cookies in place of the present one.

    SECURITY: the secret of the old one is forgotten, so that no restored memory or backup signs with it;
    tests/unit/test_signing_keys.py would fail.
    """
    await transaction.retire_keys(SESSION, now, forget=True)
    key, _ = await make_key(transaction, keyring, random.token(KEY_SIZE), SESSION, now=now)
    return key


async def open_keys(records: Records, keyring: HouseKeyring, random: Random, *, now: datetime) -> None:
    """Make what is missing and bind the keyring to this installation; TamperError when a stored key does not open."""
    async with records.transaction() as transaction:
        installation = await transaction.find_setting(INSTALLATION)
        if installation is None:
            installation = random.token(_INSTALLATION_SIZE).hex()
            await transaction.put_setting(INSTALLATION, installation)
        is_first = await find_key(transaction, SESSION) is None
        if is_first:
            await transaction.put_setting(SEALING, FORM)
        keyring.join(installation, reads_older=not await _is_renewed(transaction))
        is_older = not is_first and await find_key(transaction, DERIVE) is None
        if is_older:
            # SECURITY: their keys go on as they are, or every stored recovery code would be worthless; the master key
            # itself is never stored. tests/contract/test_upgrade.py would fail.
            for purpose in _DERIVED_OF_OLD:
                secret = keyring.derive_from_master(purpose)
                await make_key(transaction, keyring, secret, OF_OLD + purpose, now=now)
        await note_master(transaction, keyring.key_id, now)
        await load_key(transaction, keyring, random, SESSION, now=now)
        _, root = await load_key(transaction, keyring, random, DERIVE, now=now)
        of_old = [key for key in await transaction.list_keys() if key.purpose.startswith(OF_OLD)]
        keyring.derive_from(
            root,
            {key.purpose.removeprefix(OF_OLD): keyring.unseal(place_of(key.number), key.sealed) for key in of_old},
        )


async def reads_older_form(records: Records) -> bool:
    """Whether what is sealed in the older form was not sealed anew yet."""
    async with records.transaction() as transaction:
        return not await _is_renewed(transaction)


async def _is_renewed(transaction: Transaction) -> bool:
    return await transaction.find_setting(SEALING) == FORM


async def note_master(transaction: Transaction, key_id: str, now: datetime) -> None:
    """Remember when a master key was first seen to seal here: the key itself does not tell its age."""
    if await find_master_since(transaction, key_id) is None:
        await transaction.put_setting(_MASTER_SINCE, f"{key_id} {now.isoformat()}")


async def find_master_since(transaction: Transaction, key_id: str) -> datetime | None:
    """When this master key was first seen to seal here, if it is the last that was."""
    name, _, since = (await transaction.find_setting(_MASTER_SINCE) or "").partition(" ")
    return datetime.fromisoformat(since).astimezone(UTC) if name == key_id else None


class KeyView(Followed, Protocol):
    """The durable side, read without awaiting."""

    def find_session_key(self) -> tuple[int, str] | None:
        """Number and sealed secret of the key that signs session cookies."""
        ...

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody."""
        ...


class SameInstallation:
    """Whether the database still is that of the installation this process seals and opens for.

    SECURITY: another process (the CLI) may have restored a backup of another installation meanwhile. What was sealed
    here after that would open nowhere, and what was derived at the start is no longer right: nothing is served and
    nothing written until this process is started anew; tests/cli/test_backups.py would fail.
    """

    def __init__(self, view: KeyView, log: Log) -> None:
        self._view = view
        self._log = log
        self._following = Following(view)
        self._joined = view.find_setting(INSTALLATION)
        self._is_told = False

    def check(self) -> None:
        """UnavailableError where it is not. The stamp is compared at every call, the rest only after a change."""
        self._following.follow(self._compare)

    def join(self, installation: str) -> None:
        """This process itself makes it that of another one: refused, without a word, until that is committed."""
        self._following.forget()
        self._joined, self._is_told = installation, True

    def _compare(self) -> None:
        if self._view.find_setting(INSTALLATION) != self._joined:
            self._tell()
            raise UnavailableError("the database became that of another installation: restart the gateway")
        self._is_told = False

    def _tell(self) -> None:
        if not self._is_told:
            self._log.error("installation_replaced", remedy="restart the gateway; it serves nothing until then")
        self._is_told = True


class SessionKey:
    """The key of session cookies as it is now, whoever replaced it: this process or another (the CLI).

    SECURITY: the stamp is compared at every use, so no cookie is taken or made under a key that was replaced;
    tests/unit/test_stored_keys.py and tests/cli/test_keys.py would fail. What a gate remembers is forgotten with the
    same commit (web/gate/table.py).
    """

    def __init__(self, view: KeyView, keyring: Keyring, same: SameInstallation | None = None) -> None:
        self._view = view
        self._keyring = keyring
        self._check_same = same.check if same is not None else None
        self._following = Following(view)
        self._number = 0
        self._key = b""

    def __call__(self) -> bytes:
        """The key. UnavailableError or TamperError where it cannot be read: then nobody is let in."""
        self._following.follow(self._take_up, first=self._check_same)
        return self._key

    def forget(self) -> None:
        """Take it up anew: the database became that of another installation, where numbers mean other keys."""
        self._following.forget()
        self._number, self._key = 0, b""

    def _take_up(self) -> None:
        found = self._view.find_session_key()
        if found is None:
            raise TamperError("the key of session cookies is gone")
        number, sealed = found
        if number != self._number:
            self._key = self._keyring.unseal(place_of(number), sealed)
            self._number = number
