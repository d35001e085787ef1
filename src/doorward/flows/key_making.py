"""Making keys for apps: who may have which, and how many.

The text of a key leaves with the answer of the call that made it, and is nowhere else: not in the records, not in the
audit, not in a letter. Whatever makes one looks at its owner, the lockdown and the limits in one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError, ForbiddenError
from doorward.flows.acting import CLI, Actor, Named, actor_of, append, check_actor, get_intact, get_present, get_user
from doorward.flows.ending_keys import MOST_NAMES
from doorward.flows.letters import circumstances, signature
from doorward.flows.notify import Notify
from doorward.flows.outcome import Refused
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Random, Records, Tally, Transaction
from doorward.rules.app_key import (
    SECRET_SIZE,
    SHA256,
    ApiScope,
    AppKey,
    KeyId,
    KeyKind,
    hash_secret,
    matches,
    preview_of,
    write_key,
    write_key_id,
)
from doorward.rules.audit import Act
from doorward.rules.identity import User, UserId
from doorward.rules.key_limits import end_in_time
from doorward.rules.key_wish import (
    AcceptedWish,
    KeyTerms,
    KeyWish,
    WishError,
    accept_wish,
    check_openable,
    list_openable,
)
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.login import Failure
from doorward.rules.policy import Policy
from doorward.rules.session import RECENT, Subject, is_recent

_ID_RANDOM: Final = 16
_NOT_RECENT: Final = "show again who you are before you do this"


class KeyHasher(Protocol):
    """A slow hash for keys, off the event loop (A-20)."""

    async def hash_key(self, secret: bytes) -> str:
        """Hash with bcrypt at cost 12."""
        ...

    async def verify_key(self, secret: bytes, hashed: str) -> bool:
        """Whether this is the secret."""
        ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made, and its text: to be shown once, and nowhere kept."""

    key: AppKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A key before its owner was looked at."""

    kind: KeyKind
    wish: AcceptedWish
    write: Callable[[AppKey], tuple[str, bytes]] | None = None


class KeyMaking:
    """Making keys.

    Who does so is a person: a key never does (ForbiddenError). It asks for recent proof (`rules.session.RECENT`), which
    the doors have seen to before: ForbiddenError here.
    """

    def __init__(
        self,
        *,
        records: Records,
        throttle: Throttle,
        keyring: Keyring,
        random: Random,
        hasher: KeyHasher,
        notify: Notify,
        tally: Tally,
        policy: Callable[[], Policy],
        terms: KeyTerms,
        draw_qr: Callable[[str, str], str],
        slow_hash: bool = False,
        sleep_after: timedelta | None = None,
    ) -> None:
        """`slow_hash`: bcrypt in place of SHA-256. `sleep_after` None: unused keys are let be."""
        self._records = records
        self._throttle = throttle
        self._keyring = keyring
        self._random = random
        self._hasher = hasher
        self._notify = notify
        self._tally = tally
        self._policy = policy
        self._draw_qr = draw_qr
        self._slow_hash = slow_hash
        self._sleep_after = sleep_after
        self._looked_at: datetime | None = None
        self.terms = terms

    async def create(self, subject: Subject, wish: KeyWish, visitor: Visitor, *, now: datetime) -> NewKey | Refused:
        """Make a key for oneself. InputError for what cannot be had; ConflictError (TAKEN): the name is in use.

        Refused: THROTTLED (A-23, B-28), LOCKDOWN.
        """
        check_in_person(subject, now)
        return await self._create_own(
            subject, _Draft(KeyKind.KEY, accept_wish(wish, self.terms, now=now)), visitor, now
        )

    async def create_token(
        self, subject: Subject, wish: KeyWish, sign: Callable[[AppKey], str], visitor: Visitor, *, now: datetime
    ) -> NewKey | Refused:
        """Make an access token for oneself: `sign` writes it for its row, whose digest is of the whole text.

        It dies when all sessions of its owner are ended. For the rest as `create`.
        """
        check_in_person(subject, now)

        def write(key: AppKey) -> tuple[str, bytes]:
            text = sign(key)
            return text, text.encode("ascii")

        draft = _Draft(KeyKind.TOKEN, accept_wish(wish, self.terms, now=now), write)
        return await self._create_own(subject, draft, visitor, now)

    async def check_for_device(self, subject: Subject, wish: KeyWish, *, now: datetime) -> Refused | None:
        """Whether somebody may approve a device that is to have this key, which is made when it fetches it.

        Errors as for `create`, which asks all of this again. Refused: LOCKDOWN.
        """
        check_in_person(subject, now)
        accepted = accept_wish(wish, self.terms, now=now)
        async with self._records.transaction() as transaction:
            if await transaction.find_setting(LOCKDOWN_SETTING) is not None:
                return Refused(Failure.LOCKDOWN)
            owner = await get_present(transaction, subject)
            keys = [self._ends_in_time(key) for key in await transaction.list_app_keys(owner.id)]
            await self._check(transaction, owner, accepted, keys, now)
        return None

    async def create_for_device(
        self, user_id: UserId, generation: int, wish: KeyWish, visitor: Visitor, *, now: datetime
    ) -> NewKey | Refused:
        """Make the key of a device that its owner has approved, with recent proof, while at this `generation`.

        `visitor` is the device, which fetches it. ForbiddenError where the owner lost a right since. A name that is in
        use gets a number, for a device cannot choose another.
        """
        draft = _Draft(KeyKind.DEVICE, accept_wish(wish, self.terms, now=now))

        async def find_owner(transaction: Transaction) -> tuple[User, Actor]:
            user = await get_intact(transaction, user_id, generation)
            return user, Actor(user.id, user.id, visitor.private())

        return await self._spend_and_make(draft, find_owner, visitor, now)

    async def create_for(
        self, by: Subject | None, login: Named, wish: KeyWish, visitor: Visitor | None = None, *, now: datetime
    ) -> NewKey | Refused:
        """Make a key for somebody, or for a service: an administrator does, or with None the command line.

        NotFoundError where there is no such account, ConflictError (DISABLED) where it is disabled.
        """
        actor = CLI
        if by is not None:
            check_in_person(by, now)
            # SECURITY: only who is at the machine comes from nowhere; tests/unit/test_app_keys_flow.py leaves it out.
            if visitor is None:
                raise ForbiddenError("an administrator comes from somewhere")
            actor = actor_of(by, visitor)
        draft = _Draft(KeyKind.KEY, accept_wish(wish, self.terms, now=now))

        async def find_owner(transaction: Transaction) -> tuple[User, Actor]:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            if not user.enabled:
                raise ConflictError("this account is disabled", Clash.DISABLED)
            return user, actor

        return await self._spend_and_make(draft, find_owner, visitor, now)

    def list_openable(self, user: User) -> tuple[str, ...]:
        """The names of the apps that a key of this account can be for."""
        return list_openable(self._policy(), user)

    def draw(self, text: str) -> str:
        """A key as a picture for a camera."""
        return self._draw_qr(text, "QR code")

    async def verify_key(self, secret: bytes, digest: str) -> bool:
        """Whether this is the secret of a key with this stored hash, whichever kind of hash it is."""
        if digest.startswith(SHA256):
            return matches(secret, digest)
        return await self._hasher.verify_key(secret, digest)

    def _ends_in_time(self, key: AppKey) -> AppKey:
        return end_in_time(key, self.terms.max_lifetime)

    async def _create_own(self, subject: Subject, draft: _Draft, visitor: Visitor, now: datetime) -> NewKey | Refused:
        async def find_owner(transaction: Transaction) -> tuple[User, Actor]:
            user = await get_present(transaction, subject)
            return user, Actor(user.id, user.id, visitor.private())

        return await self._spend_and_make(draft, find_owner, visitor, now)

    async def _spend_and_make(
        self, draft: _Draft, find_owner: "_FindOwner", visitor: Visitor | None, now: datetime
    ) -> NewKey | Refused:
        if visitor is not None:
            spent = await self._throttle.spend(Bucket.KEY_CREATE, visitor, now=now)
            if not spent.allowed:
                self._tally.count_limited(Bucket.KEY_CREATE.value)
                return Refused(Failure.THROTTLED, spent.retry_after)
        key, text, secret = self._draw(draft, now)
        # The slow hash first: no transaction waits for it.
        key = replace(key, digest=await self._hasher.hash_key(secret) if self._slow_hash else hash_secret(secret))
        async with self._records.transaction() as transaction:
            if await transaction.find_setting(LOCKDOWN_SETTING) is not None:
                return Refused(Failure.LOCKDOWN)
            owner, actor = await find_owner(transaction)
            keys = [self._ends_in_time(key) for key in await transaction.list_app_keys(owner.id)]
            await self._check(transaction, owner, draft.wish, keys, now)
            if draft.kind is KeyKind.DEVICE:
                key = replace(key, name=_free_name(keys, key.name))
            check_name(keys, key.name)
            await transaction.remove_app_keys(self._find_surplus(keys, now))
            generation = owner.generation if draft.kind is KeyKind.TOKEN else None
            key = replace(key, user_id=owner.id, made_by=actor.id, generation=generation)
            await transaction.add_app_key(key)
            await self._record(transaction, actor, owner, key, visitor, now)
        return NewKey(key, text)

    def _draw(self, draft: _Draft, now: datetime) -> tuple[AppKey, str, bytes]:
        wish = draft.wish
        key = AppKey(
            id=write_key_id(self._random.token(_ID_RANDOM)),
            user_id=UserId(""),
            name=wish.name,
            kind=draft.kind,
            digest="",
            preview="",
            made_at=now,
            made_by="",
            apps=wish.apps,
            hosts=wish.hosts,
            paths=wish.paths,
            methods=wish.methods,
            networks=wish.networks,
            scopes=wish.scopes,
            read_only=wish.read_only,
            in_url=wish.in_url,
            expires_at=wish.expires_at,
        )
        if draft.write is not None:
            text, secret = draft.write(key)
        else:
            secret = self._random.token(SECRET_SIZE)
            text = write_key(key.id, secret)
        return replace(key, preview=preview_of(text)), text, secret

    async def _check(
        self, transaction: Transaction, owner: User, wish: AcceptedWish, keys: Sequence[AppKey], now: datetime
    ) -> None:
        """InputError where the owner may not have this key, or has too many."""
        check_openable(self._policy(), owner, wish)
        if ApiScope.ADMIN in wish.scopes and not owner.administers:
            raise WishError("only an administrator's key may administer")
        # One that is over opens nothing, and is in nobody's way.
        if sum(not _is_over(key, now) for key in keys) >= self.terms.max_keys:
            raise WishError("this account has %(count)s keys already: revoke one first", count=self.terms.max_keys)
        if self.terms.max_per_app is not None and wish.apps:
            all_keys = map(self._ends_in_time, await transaction.list_app_keys())
            everybodys = [key for key in all_keys if not _is_over(key, now)]
            for app in wish.apps:
                if sum(app in key.apps for key in everybodys) >= self.terms.max_per_app:
                    raise WishError(
                        "%(app)s has %(count)s keys already, which is as many as it may",
                        app=app,
                        count=self.terms.max_per_app,
                    )

    def _find_surplus(self, keys: Sequence[AppKey], now: datetime) -> list[KeyId]:
        """Those that are over for longest, beyond as many as may be live: a program that renews its own leaves many."""
        over = sorted((key.expires_at, key.id) for key in keys if key.expires_at is not None and _is_over(key, now))
        return [key_id for _, key_id in over[: max(0, len(over) - self.terms.max_keys)]]

    async def _record(
        self, transaction: Transaction, actor: Actor, owner: User, key: AppKey, visitor: Visitor | None, now: datetime
    ) -> None:
        own = actor.user_id == owner.id
        public = {
            "key": key.id,
            "kind": key.kind.value,
            "apps": ",".join(key.apps),
            "hosts": ",".join(key.hosts),
            "scopes": ",".join(sorted(scope.value for scope in key.scopes)),
            "expires": key.expires_at.isoformat(timespec="seconds") if key.expires_at else "",
        }
        await append(transaction, actor, Act.APP_KEY_MADE, owner.id, now, public, {"name": key.name})
        if own and visitor is not None:
            said = circumstances(visitor, now)
        else:
            said = await signature(transaction, actor, now)
        opens = ", ".join((*key.apps, *key.hosts)[:MOST_NAMES])
        await self._notify(transaction, LetterKind.KEY_MADE, owner, {"key": key.name, "opens": opens, **said}, now)


class _FindOwner(Protocol):
    async def __call__(self, transaction: Transaction) -> tuple[User, Actor]: ...


def check_not_by_key(subject: Subject) -> None:
    """ForbiddenError where a key was shown in place of a sign-in."""
    # SECURITY: whoever has a key of somebody's must not make themselves another, or rid themselves of a narrower one.
    # tests/unit/test_app_keys_flow.py tries each.
    if subject.key is not None:
        raise ForbiddenError("keys are not managed with a key")


def check_in_person(subject: Subject, now: datetime) -> None:
    """ForbiddenError where nobody has shown recently enough who they are."""
    check_not_by_key(subject)
    if not is_recent(subject.session, now, RECENT):
        raise ForbiddenError(_NOT_RECENT)


def check_name(keys: Sequence[AppKey], name: str) -> None:
    """ConflictError (TAKEN) where one of these keys has the name."""
    if any(key.name == name for key in keys):
        raise ConflictError("there is a key of this name already", Clash.TAKEN)


def _free_name(keys: Sequence[AppKey], name: str) -> str:
    taken = {key.name for key in keys}
    names = (name, *(f"{name[:44]} ({number})" for number in range(2, len(keys) + 3)))
    return next(each for each in names if each not in taken)


def _is_over(key: AppKey, now: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= now
