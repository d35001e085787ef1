"""Proving a password, and storing one: hashed slowly, then sealed for its row (docs/adr 0008, 0009)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from doorward.interfaces import Keyring, PasswordHasher, Records, StoredPassword, Transaction
from doorward.rules.envelope import Place
from doorward.rules.identity import User, UserId
from doorward.rules.session import Method


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of a proof. `upgrade`, if any, is carried out in the transaction that finishes the sign-in."""

    right: bool
    upgrade: Callable[[Transaction], Awaitable[None]] | None = None


class PasswordMethod:
    """The password as a method of signing in."""

    def __init__(self, *, records: Records, hasher: PasswordHasher, keyring: Keyring) -> None:
        self._records = records
        self._hasher = hasher
        self._keyring = keyring

    @property
    def method(self) -> Method:
        """`pwd`."""
        return Method.PASSWORD

    async def prove(self, user: User | None, secret: str) -> Proof:
        """Check a password that `rules.password.parse_password` has read. It may be a disabled account's.

        TamperError when the stored hash is not what we wrote; UnavailableError when too many hashes wait (P12).
        """
        stored = await self._find(user)
        if user is None or stored is None:
            # SECURITY: the same work as for an account that exists (E01); tests/unit/test_sign_in.py counts it.
            await self._hasher.verify(secret, None)
            return Proof(right=False)
        hashed = self._keyring.unseal(place_of(user.id), stored.sealed).decode("utf-8")
        outcome = await self._hasher.verify(secret, hashed)
        if not outcome.right:
            return Proof(right=False)
        if not outcome.needs_rehash or not user.enabled:
            return Proof(right=True)
        renewed = await self.seal(user.id, secret, now=stored.changed_at)
        user_id = user.id

        async def upgrade(transaction: Transaction) -> None:
            # Compare-and-set: a password changed meanwhile stays changed (E24).
            await transaction.advance_password(user_id, stored, renewed)

        return Proof(right=True, upgrade=upgrade)

    async def seal(self, user_id: UserId, password: str, *, now: datetime) -> StoredPassword:
        """Hash and seal a password for an account. `now` is kept as the instant at which it was chosen."""
        hashed = await self._hasher.hash(password)
        return StoredPassword(self._keyring.seal(place_of(user_id), hashed.encode("utf-8")), now)

    async def _find(self, user: User | None) -> StoredPassword | None:
        if user is None:
            return None
        async with self._records.transaction() as transaction:
            return await transaction.find_password(user.id)


def place_of(user_id: UserId) -> Place:
    """Where an account's password hash stands; sealed for there, it opens nowhere else."""
    return Place("passwords", "sealed", user_id)
