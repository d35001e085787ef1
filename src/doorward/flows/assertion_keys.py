"""The key that signs assertions to apps: made when an app first asks for them, replaced, published; and the minter."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import UnavailableError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.following import Followed, Following
from doorward.flows.stored_keys import SameInstallation, make_key
from doorward.interfaces import Keyring, Random, Records, Transaction
from doorward.rules.assertion import (
    JTI_SIZE,
    MOST_LIFETIME,
    WITHDRAWN,
    Algorithm,
    Due,
    encode_claims,
    encode_header,
    find_due,
    find_signer,
    find_turn,
    kid_of,
    make_claims,
    write_key_set,
)
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.policy import App
from doorward.rules.session import Subject
from doorward.rules.stored_key import ASSERTION, StoredKey, place_of

_SYSTEM: Final = Actor("system")


class AssertionView(Followed, Protocol):
    """The durable side, read without awaiting."""

    def list_keys(self, purpose: str) -> Sequence[StoredKey]:
        """The keys of a purpose, the newest first; retired ones too."""
        ...

    def find_setting(self, name: str) -> str | None:
        """What is decided for everybody."""
        ...


class Signatures(Protocol):
    """The mathematics."""

    def draw_secret(self, algorithm: Algorithm, random: Random) -> bytes:
        """The 32 bytes of a new key."""
        ...

    def write_public_part(self, algorithm: Algorithm, secret: bytes) -> str:
        """What everybody may know of it, as it is stored."""
        ...

    def open_signer(self, algorithm: Algorithm, secret: bytes) -> Callable[[bytes], bytes]:
        """What signs with it."""
        ...


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now. `until`: when another one begins to, None where none waits."""

    number: int
    sealed: str
    header: bytes
    sign: Callable[[bytes], bytes]
    until: datetime | None


class AssertionKeys:
    """Makes, replaces and publishes the keys, and knows the one that signs.

    `every`: how old a key may grow, None for any age. `is_wanted`: whether any app is told anything signed.
    """

    def __init__(
        self,
        *,
        records: Records,
        view: AssertionView,
        keyring: Keyring,
        signatures: Signatures,
        random: Random,
        is_wanted: Callable[[], bool],
        algorithm: Algorithm = Algorithm.EDDSA,
        every: timedelta | None = None,
        same: SameInstallation | None = None,
    ) -> None:
        self._records = records
        self._view = view
        self._keyring = keyring
        self._signatures = signatures
        self._random = random
        self.is_wanted = is_wanted
        self._algorithm = algorithm
        self.every = every
        self._check_same = same.check if same is not None else None
        self._following = Following(view)
        self._signer: Signer | None = None

    def find_signer(self, now: datetime) -> Signer:
        """The key that signs, whoever made it: this process or another. UnavailableError where there is none yet.

        SECURITY: the stamp is compared at every use, so nothing is signed with a key that was taken back;
        tests/unit/test_assertion_keys.py would fail.
        """
        self._following.follow(lambda: self._take_up(now), first=self._check_same)
        signer = self._signer
        if signer is not None and signer.until is not None and now >= signer.until:
            self._take_up(now)
            signer = self._signer
        if signer is None:
            raise UnavailableError("there is no key to sign assertions with yet")
        return signer

    def forget(self) -> None:
        """Take it up anew: the database became that of another installation, where numbers mean other keys."""
        self._following.forget()
        self._signer = None

    def publish(self, now: datetime) -> bytes:
        """The JWK set."""
        withdrawn = int(self._view.find_setting(WITHDRAWN) or "0")
        return write_key_set(self._view.list_keys(ASSERTION), now, withdrawn=withdrawn)

    async def tend(self, now: datetime, *, wanted: bool = False) -> None:
        """An errand, and done before anything is served: make, replace and retire what is due.

        Of several servers one does. Where no app is told anything signed, the keys stay as they are, unless `wanted`:
        one is about to be.
        """
        if not (wanted or self.is_wanted()) or not self._find_due(self._view.list_keys(ASSERTION), now).is_anything:
            return
        async with self._records.transaction() as transaction:
            due = self._find_due(await transaction.list_keys(ASSERTION), now)
            if due.retire_below:
                await self._retire(transaction, now, below=due.retire_below)
                signs = {"number": str(due.retire_below)}
                await append(transaction, _SYSTEM, Act.ASSERTION_KEY_RETIRED, "system", now, signs)
            if due.make:
                await self._make(transaction, _SYSTEM, now, at_once=False)

    async def rotate(self, actor: Actor, *, at_once: bool, now: datetime) -> str:
        """Make a new key; its name. It is published now, signs after a while, and the old one is retired then.

        `at_once`: the old ones may be known to somebody. They are gone from the set in this moment, and apps refuse
        what is signed by them as soon as they look at the set.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if at_once:
                await self._retire(transaction, now, below=None)
                # Retired ones, too: what is stolen may be older than what is known of it.
                await transaction.put_setting(WITHDRAWN, str(await transaction.next_key_number() - 1))
            return await self._make(transaction, actor, now, at_once=at_once)

    def _find_due(self, keys: Sequence[StoredKey], now: datetime) -> Due:
        return find_due(keys, self._algorithm, self.every, now)

    async def _retire(self, transaction: Transaction, at: datetime, *, below: int | None) -> None:
        # SECURITY: the secret is forgotten, so that no restored memory or backup signs with it;
        # tests/unit/test_assertion_keys.py would fail.
        await transaction.retire_keys(ASSERTION, at, forget=True, below=below)

    async def _make(self, transaction: Transaction, actor: Actor, now: datetime, *, at_once: bool) -> str:
        def public_of(secret: bytes) -> str:
            return self._signatures.write_public_part(self._algorithm, secret)

        secret = self._signatures.draw_secret(self._algorithm, self._random)
        key, _ = await make_key(transaction, self._keyring, secret, ASSERTION, now=now, public_of=public_of)
        kid = kid_of(key.public)
        public = {"kid": kid, "algorithm": self._algorithm.value, "at_once": "yes" if at_once else "no"}
        await append(transaction, actor, Act.ASSERTION_KEY_ROTATED, "system", now, public)
        return kid

    def _take_up(self, now: datetime) -> None:
        keys = self._view.list_keys(ASSERTION)
        found, before = find_signer(keys, self._algorithm, now), self._signer
        if found is None:
            self._signer = None
            return
        until = find_turn(keys, self._algorithm, now)
        if before is not None and (before.number, before.sealed) == (found.number, found.sealed):
            header, sign = before.header, before.sign
        else:
            secret = self._keyring.unseal(place_of(found.number), found.sealed)
            header, sign = encode_header(found.public), self._signatures.open_signer(self._algorithm, secret)
        self._signer = Signer(found.number, found.sealed, header, sign, until)


class Minter:
    """Says, signed, to one app who asks it for what. `groups_of`: what somebody is in, as rules and headers have it."""

    def __init__(
        self,
        *,
        keys: AssertionKeys,
        random: Random,
        issuer: str,
        groups_of: Callable[[User], Iterable[str]],
        lifetime: timedelta = MOST_LIFETIME,
    ) -> None:
        self._keys = keys
        self._random = random
        self._issuer = issuer
        self._groups_of = groups_of
        self.lifetime = lifetime

    def mint(self, subject: Subject, app: App, method: str, url: str, now: datetime) -> bytes:
        """The assertion, as the value of a header. UnavailableError or TamperError where there is no key that signs."""
        signer = self._keys.find_signer(now)
        claims = make_claims(
            subject,
            self._groups_of(subject.user),
            issuer=self._issuer,
            audience=app.assertion_audience,
            method=method,
            url=url,
            jti=self._random.token(JTI_SIZE),
            now=now,
            lifetime=self.lifetime,
        )
        signed = signer.header + encode_claims(claims)
        return signed + b"." + base64.urlsafe_b64encode(signer.sign(signed)).rstrip(b"=")
