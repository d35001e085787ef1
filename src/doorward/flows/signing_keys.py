"""The key of session cookies: how old it is, and a new one, which ends every session at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from doorward.errors import TamperError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.ending_keys import end_all_keys
from doorward.flows.notify import Notify
from doorward.flows.rights import take_rights
from doorward.flows.stored_keys import find_key, find_master_since, replace_session_key
from doorward.interfaces import Keyring, Random, Records, Transaction
from doorward.rules.audit import Act
from doorward.rules.stored_key import ASSERTION, SESSION, StoredKey

_SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class KeyAges:
    """What is known of the keys, none of which is told.

    `masters`: the names of the master keys, the newest first; `master_since`: when that was first seen to seal here.
    """

    masters: tuple[str, ...]
    source: str
    stored: tuple[StoredKey, ...]
    master_since: datetime | None

    @property
    def signing_since(self) -> datetime | None:
        """When the present key of session cookies was made."""
        return self._find_since(SESSION)

    @property
    def asserting_since(self) -> datetime | None:
        """When the newest key of assertions to apps was made."""
        return self._find_since(ASSERTION)

    def _find_since(self, purpose: str) -> datetime | None:
        return max(
            (key.created_at for key in self.stored if key.purpose == purpose and not key.retired_at), default=None
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended with a key of session cookies: the sessions of so many accounts, and so many keys for apps."""

    accounts: int
    keys: int


class NamedKeys(Keyring, Protocol):
    """A keyring that says where its master keys come from."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The names of the master keys, the newest first."""
        ...

    @property
    def source(self) -> str:
        """Where they come from."""
        ...


class SigningKeys:
    """Looks at the keys and replaces the one of session cookies. `every`: how often by itself, None for never."""

    def __init__(
        self,
        *,
        records: Records,
        keyring: NamedKeys,
        random: Random,
        notify: Notify,
        every: timedelta | None = None,
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._random = random
        self._notify = notify
        self.every = every

    async def look(self, actor: Actor) -> KeyAges:
        """What there is, and since when."""
        masters = self._keyring.key_ids
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            stored = tuple(await transaction.list_keys())
            since = await find_master_since(transaction, masters[0])
        return KeyAges(masters, self._keyring.source, stored, since)

    async def list_ages(self, now: datetime) -> list[tuple[str, float]]:
        """The ages in seconds of the keys that should not grow too old, for the metrics."""
        ages = await self.look(_SYSTEM)
        since = (("master", ages.master_since), ("session", ages.signing_since), ("assertion", ages.asserting_since))
        return [(name, (now - at).total_seconds()) for name, at in since if at is not None]

    async def rotate(self, actor: Actor, *, keys_too: bool = False, now: datetime) -> Ended:
        """Replace it: all sessions end, with everything that hangs on a generation; `keys_too`: keys for apps as well.

        Everything of it is one transaction. A running server takes up the new key with its next check.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            keys = await end_all_keys(transaction, self._notify, actor, now) if keys_too else 0
            return Ended(await self._rotate(transaction, actor, now), keys)

    async def rotate_due(self, now: datetime) -> None:
        """An errand: replace it once it is as old as the configuration lets it get."""
        if self.every is None:
            return
        async with self._records.transaction() as transaction:
            key = await find_key(transaction, SESSION)
            if key is None:
                raise TamperError("the key of session cookies is gone")
            # Looked at in the transaction that replaces it: of several servers one does.
            if now - key.created_at >= self.every:
                await self._rotate(transaction, _SYSTEM, now)

    async def _rotate(self, transaction: Transaction, actor: Actor, now: datetime) -> int:
        key = await replace_session_key(transaction, self._keyring, self._random, now)
        users = await transaction.list_users()
        for user in users:
            await take_rights(transaction, user, user)
        public = {"accounts": str(len(users)), "number": str(key.number)}
        await append(transaction, actor, Act.SIGNING_KEY_ROTATED, "system", now, public)
        return len(users)
