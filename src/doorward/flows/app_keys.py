"""Keys for apps: seeing them, taking them back, and what becomes of those that nobody uses.

Their owners do so, and administrators for everybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, Named, append, append_own, check_actor, get_present, get_user
from doorward.flows.ending_keys import tell_owners
from doorward.flows.key_making import (
    KeyHasher,
    KeyMaking,
    NewKey,
    check_in_person,
    check_name,
    check_not_by_key,
)
from doorward.flows.key_uses import find_place
from doorward.flows.letters import tell_time
from doorward.flows.visitor import Visitor
from doorward.interfaces import Transaction
from doorward.rules.app_key import AppKey, KeyId, KeyKind
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.key_limits import find_flaw
from doorward.rules.key_use import KeyPlace
from doorward.rules.key_wish import parse_key_name
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.session import Subject

__all__ = ["AppKeys", "KeyHasher", "KeyPlace", "KeyQuery", "NewKey"]

SLEEP_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which keys are meant: everything that is given must fit.

    `asleep`: whether it is disabled. `made_before` and `unused_since` are for what is old.
    """

    login: Named | None = None
    app: str = ""
    kind: KeyKind | None = None
    asleep: bool | None = None
    made_before: datetime | None = None
    unused_since: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether every key fits."""
        return self == KeyQuery()

    def fits(self, key: AppKey) -> bool:
        """Whether this key is meant, its owner aside."""
        return (
            (not self.app or self.app in key.apps)
            and (self.kind is None or key.kind is self.kind)
            and (self.asleep is None or (key.disabled_at is not None) is self.asleep)
            and (self.made_before is None or key.made_at < self.made_before)
            and (self.unused_since is None or (key.last_used_at or key.made_at) < self.unused_since)
        )


class AppKeys(KeyMaking):
    """Keys for apps.

    Who makes, wakes or changes keys is a person: a key never does (ForbiddenError). Making and waking ask for recent
    proof (`rules.session.RECENT`), which the doors have seen to before: ForbiddenError here.
    """

    async def list_of(self, subject: Subject) -> list[AppKey]:
        """One's own keys, the newest first."""
        async with self._records.transaction() as transaction:
            return [self._ends_in_time(key) for key in await transaction.list_app_keys(subject.user.id)]

    async def has_working(self, user: User, *, now: datetime) -> bool:
        """Whether any of an account's keys opens anything at this moment."""
        async with self._records.transaction() as transaction:
            keys = await transaction.list_app_keys(user.id)
        return any(find_flaw(self._ends_in_time(key), user, now) is None for key in keys)

    def find_last_use(self, key: AppKey) -> KeyPlace:
        """From where a key was used last. TamperError where that was changed in the records."""
        return find_place(self._keyring, key)

    async def rename(self, subject: Subject, which: str, name: str, visitor: Visitor, *, now: datetime) -> AppKey:
        """Give one of one's own keys another name. ConflictError (TAKEN) where it is in use."""
        check_not_by_key(subject)
        named = parse_key_name(name)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            keys = await transaction.list_app_keys(user.id)
            key = _pick(keys, which)
            changed = replace(key, name=named)
            if changed == key:
                return key
            check_name(keys, named)
            await _advance(transaction, key, changed)
            private = {"name": named, "old_name": key.name}
            await append_own(transaction, Act.APP_KEY_RENAMED, user, visitor, now, {"key": key.id}, private)
        return changed

    async def revoke(self, subject: Subject, which: str, visitor: Visitor, *, now: datetime) -> AppKey:
        """Take one of one's own keys back, by its id or its name (A-21). NotFoundError where there is none such."""
        check_not_by_key(subject)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            key = _pick(await transaction.list_app_keys(user.id), which)
            await transaction.remove_app_keys([key.id])
            public = {"key": key.id, "kind": key.kind.value}
            await append_own(transaction, Act.APP_KEY_REVOKED, user, visitor, now, public, {"name": key.name})
        return key

    async def revoke_all(self, subject: Subject, visitor: Visitor, *, now: datetime) -> int:
        """Take all of one's own keys back; how many there were."""
        check_not_by_key(subject)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            keys = await transaction.list_app_keys(user.id)
            if keys:
                await transaction.remove_app_keys([key.id for key in keys])
                public = {"key": "all", "count": str(len(keys))}
                await append_own(transaction, Act.APP_KEY_REVOKED, user, visitor, now, public)
        return len(keys)

    async def wake(self, subject: Subject, which: str, visitor: Visitor, *, now: datetime) -> AppKey:
        """Let a key of one's own that was put to sleep count again. ConflictError where it is awake, or in a lockdown.

        It sleeps anew when it is not used for as long again.
        """
        check_in_person(subject, now)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            key = _pick(await transaction.list_app_keys(user.id), which)
            actor = Actor(user.id, user.id, visitor.private())
            return await _wake(transaction, key, actor, now)

    async def list_all(self, actor: Actor, query: KeyQuery = KeyQuery()) -> list[tuple[AppKey, User]]:
        """Everybody's keys, the newest first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            return [(self._ends_in_time(key), owner) for key, owner in await _find(transaction, query)]

    async def revoke_any(self, actor: Actor, key_ids: Sequence[KeyId], *, now: datetime) -> int:
        """Take keys back, whosever they are; how many of them there were. Their owners are told."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            pairs = [pair for pair in await _find(transaction, KeyQuery()) if pair[0].id in key_ids]
            await self._revoke_pairs(transaction, actor, pairs, now)
        return len(pairs)

    async def revoke_where(self, actor: Actor, query: KeyQuery, *, everything: bool = False, now: datetime) -> int:
        """Take all keys back that fit; how many there were. InputError where nothing is given and not `everything`."""
        if query.is_everything and not everything:
            raise InputError("say which keys are to be revoked")
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            pairs = await _find(transaction, query)
            await self._revoke_pairs(transaction, actor, pairs, now)
        return len(pairs)

    async def wake_any(self, actor: Actor, key_id: KeyId, *, now: datetime) -> AppKey:
        """Let somebody's key that was put to sleep count again."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            key = await transaction.find_app_key(key_id)
            if key is None:
                raise NotFoundError("there is no such key")
            return await _wake(transaction, key, actor, now)

    async def count(self) -> dict[tuple[KeyKind, bool], int]:
        """How many there are of each kind, awake and (True) put to sleep, for who watches from outside."""
        async with self._records.transaction() as transaction:
            return await transaction.count_app_keys()

    async def sleep_due(self, now: datetime) -> None:
        """Put keys to sleep that nobody has used for long, and tell their owners; as an errand."""
        if self._sleep_after is None or (self._looked_at is not None and now - self._looked_at < SLEEP_EVERY):
            return
        self._looked_at = now
        async with self._records.transaction() as transaction:
            for key in await transaction.list_sleeping_keys(now - self._sleep_after):
                user = await transaction.find_user(key.user_id)
                if user is None or not await transaction.advance_app_key(key, replace(key, disabled_at=now)):
                    continue
                private = {"name": key.name}
                await append(transaction, Actor("system"), Act.APP_KEY_ASLEEP, user.id, now, {"key": key.id}, private)
                said = {"key": key.name, "days": str(self._sleep_after.days), "at": tell_time(now)}
                await self._notify(transaction, LetterKind.KEY_ASLEEP, user, said, now)

    async def _revoke_pairs(
        self, transaction: Transaction, actor: Actor, pairs: Sequence[tuple[AppKey, User]], now: datetime
    ) -> None:
        await transaction.remove_app_keys([key.id for key, _ in pairs])
        for key, owner in pairs:
            public = {"key": key.id, "kind": key.kind.value}
            await append(transaction, actor, Act.APP_KEY_REVOKED, owner.id, now, public, {"name": key.name})
        await tell_owners(transaction, self._notify, actor, pairs, now)


async def _find(transaction: Transaction, query: KeyQuery) -> list[tuple[AppKey, User]]:
    if query.login is None:
        users = {user.id: user for user in await transaction.list_users()}
        keys = await transaction.list_app_keys()
    else:
        user = await get_user(transaction, query.login)
        users, keys = {user.id: user}, await transaction.list_app_keys(user.id)
    return [(key, users[key.user_id]) for key in keys if query.fits(key)]


async def _wake(transaction: Transaction, key: AppKey, actor: Actor, now: datetime) -> AppKey:
    if await transaction.find_setting(LOCKDOWN_SETTING) is not None:
        raise ConflictError("no key is woken in a lockdown", Clash.LOCKDOWN)
    if key.disabled_at is None:
        raise ConflictError("this key is awake")
    awake = replace(key, disabled_at=None, woken_at=now)
    await _advance(transaction, key, awake)
    await append(transaction, actor, Act.APP_KEY_WOKEN, key.user_id, now, {"key": key.id}, {"name": key.name})
    return awake


async def _advance(transaction: Transaction, old: AppKey, new: AppKey) -> None:
    if not await transaction.advance_app_key(old, new):
        raise ConflictError("the key was changed meanwhile")


def _pick(keys: Sequence[AppKey], which: str) -> AppKey:
    """The key of this id, or else of this name; NotFoundError."""
    for key in keys:
        if key.id == which:
            return key
    for key in keys:
        if key.name == which.strip():
            return key
    raise NotFoundError("there is no such key")
