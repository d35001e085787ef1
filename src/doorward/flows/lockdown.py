"""Containing an incident with one act, and lifting it again (E-90).

All of it is one transaction: every session ends and everything that hangs on a generation with it (links to set a
password, confirmations, sign-ins under way, device markers), the key of session cookies is replaced, and from then on
nobody registers, is invited, or adds a way of signing in, but for administrators; nobody makes a key for apps, and none
opens anything. Whoever asks in a transaction of their own reads the same row (`rules.lockdown.LOCKDOWN_SETTING`), so
that nothing slips through behind it, whichever process made it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError, InputError
from doorward.flows.acting import Actor, append, check_actor, get_present
from doorward.flows.alerts import Alarm
from doorward.flows.ending_keys import end_all_keys
from doorward.flows.letters import name_of
from doorward.flows.notify import Notify
from doorward.flows.opening import Opening
from doorward.flows.outcome import OpenWays, SignedIn
from doorward.flows.rights import take_rights
from doorward.flows.visitor import Visitor
from doorward.interfaces import Records, Transaction
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.key_limits import find_flaw
from doorward.rules.lockdown import LOCKDOWN_SETTING, MAX_REASON, Lockdown, parse_networks, read_lockdown
from doorward.rules.names import clean_text
from doorward.rules.session import Subject

KEPT_FOR: Final = timedelta(hours=1)
"""How long whoever locks down goes on without signing in anew."""


class FindWays(Protocol):
    """`flows.ways.Ways.find`."""

    async def __call__(self, *, last: str = "", user: User | None = None) -> OpenWays:
        """The ways that are open to an account."""
        ...


Rotate = Callable[[Transaction, datetime], Awaitable[None]]
"""Put a new key of session cookies in place of the present one, in this transaction."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What an enabled administrator has to come in with. `factor`: an authenticator app or a passkey."""

    user: User
    password: bool
    passkey: bool
    providers: tuple[str, ...]
    factor: bool

    @property
    def may_come(self) -> bool:
        """Whether any way is open to them."""
        return self.password or self.passkey or bool(self.providers)


@dataclass(frozen=True, slots=True)
class View:
    """How it stands, and who could sign in after a lockdown. `address`: where who looks is seen to come from.

    `keys`: how many keys for apps would open something but for a lockdown.
    """

    lockdown: Lockdown | None
    prospects: tuple[Prospect, ...]
    address: str
    keys: int


@dataclass(frozen=True, slots=True)
class Contained:
    """A lockdown that is in force. `signed_in`: the new session of who began it, where it was to go on.

    `keys`: how many keys for apps were revoked with it.
    """

    lockdown: Lockdown
    accounts: int
    keys: int
    signed_in: SignedIn | None


class Lockdowns:
    """Looking, beginning, lifting."""

    def __init__(
        self,
        *,
        records: Records,
        opening: Opening,
        find_ways: FindWays,
        rotate: Rotate,
        alarm: Alarm,
        notify: Notify,
    ) -> None:
        self._records = records
        self._opening = opening
        self._find_ways = find_ways
        self._rotate = rotate
        self._alarm = alarm
        self._notify = notify

    async def find(self) -> Lockdown | None:
        """The lockdown in force at this moment, whoever asks and whichever process began it."""
        async with self._records.transaction() as transaction:
            return await find_lockdown(transaction)

    async def look(self, actor: Actor, visitor: Visitor | None = None, *, now: datetime) -> View:
        """How it stands, and which administrators have a way in: look before you lock."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            lockdown = await find_lockdown(transaction)
            users = [each for each in await transaction.list_administrators() if each.enabled and not each.is_service]
            factors = [await transaction.find_factors(user.id) for user in users]
            owners = {user.id: user for user in await transaction.list_users()}
            keys = await transaction.list_app_keys()
        counting = sum(find_flaw(key, owners[key.user_id], now) is None for key in keys)
        prospects: list[Prospect] = []
        for user, own in zip(users, factors, strict=True):
            ways = await self._find_ways(user=user)
            passkey = any(each.verifies for each in own.passkeys)
            names = tuple(provider.name for provider in ways.providers)
            prospects.append(Prospect(user, ways.password, passkey, names, own.protects))
        return View(lockdown, tuple(prospects), "" if visitor is None else visitor.address_text, counting)

    async def begin(
        self,
        actor: Actor,
        *,
        networks: Sequence[str] = (),
        reason: str = "",
        keys_too: bool = False,
        subject: Subject | None = None,
        visitor: Visitor | None = None,
        now: datetime,
    ) -> Contained:
        """Lock down; again, to change networks or reason, which ends all sessions once more.

        With `subject` and `visitor` this browser gets a new session in place of its old one; everybody else, and every
        other session of theirs, is signed out. Keys for apps open nothing while it holds; with `keys_too` they are
        revoked. InputError for what is no network, and where the visitor is in none of them. ConflictError (LAST_WAY)
        where no administrator could sign in afterwards, for who is not at the machine.
        """
        lockdown = Lockdown(now, actor.id, clean_text(reason, MAX_REASON), parse_networks(networks))
        if visitor is not None:
            _check_stays_in(lockdown, visitor.address)
        if actor.user_id is not None and not any(each.may_come for each in (await self.look(actor, now=now)).prospects):
            raise ConflictError("no administrator could sign in again", Clash.LAST_WAY)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if subject is not None:
                await get_present(transaction, subject)
            await transaction.put_setting(LOCKDOWN_SETTING, lockdown.write())
            users = await transaction.list_users()
            for user in users:
                await take_rights(transaction, user, user)
            await self._rotate(transaction, now)
            keys = await end_all_keys(transaction, self._notify, actor, now) if keys_too else 0
            public = {
                "accounts": str(len(users)),
                "kept": "no" if subject is None else "yes",
            }
            # A reason names people and networks name places: both can be erased.
            private = {"networks": ",".join(map(str, lockdown.networks)), "reason": lockdown.reason}
            await append(transaction, actor, Act.LOCKDOWN, "system", now, public, private)
            told = {"by": await name_of(transaction, actor), "reason": lockdown.reason}
            await self._alarm(transaction, AlertKind.LOCKDOWN, "", told, now)
        signed_in = None
        if subject is not None and visitor is not None:
            signed_in = await self._go_on(subject, visitor, now)
        return Contained(lockdown, len(users), keys, signed_in)

    async def lift(self, actor: Actor, *, now: datetime) -> Lockdown | None:
        """Lift it; what there was, None where there was none. What it ended stays ended."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            lockdown = await find_lockdown(transaction)
            if lockdown is not None:
                await transaction.put_setting(LOCKDOWN_SETTING, None)
                public = {"since": lockdown.since.isoformat(timespec="seconds"), "by": lockdown.by}
                await append(transaction, actor, Act.LOCKDOWN_LIFTED, "system", now, public)
                told = {"by": await name_of(transaction, actor)}
                await self._alarm(transaction, AlertKind.LOCKDOWN_LIFTED, "", told, now)
        return lockdown

    async def _go_on(self, subject: Subject, visitor: Visitor, now: datetime) -> SignedIn | None:
        """A new session for this browser under the new key, worth what its old one was, for an hour at most."""
        session = subject.session
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(subject.user.id)
        # SECURITY: one generation further is our own act; any more of it is somebody else's word about this account.
        # tests/unit/test_lockdown.py takes its rights meanwhile.
        if user is None or not user.enabled or user.generation != session.generation + 1:
            return None
        opened = self._opening.prepare(
            user,
            visitor,
            methods=session.methods,
            remember=session.remembered,
            now=now,
            authenticated_at=session.authenticated_at,
            # What tied it to a provider ended with the old one, so it does not last.
            ends_by=min(session.expires_at, now + KEPT_FOR),
            follows=session,
        )
        await self._opening.store(opened)
        return SignedIn(user, opened.session, opened.cookie, opened.device)


async def find_lockdown(transaction: Transaction) -> Lockdown | None:
    """The lockdown in force as this transaction sees it."""
    return read_lockdown(await transaction.find_setting(LOCKDOWN_SETTING))


async def is_shut_to(transaction: Transaction, user: User) -> bool:
    """Whether a lockdown keeps this account from adding a way of signing in: administrators may still mend theirs."""
    return not user.administers and await transaction.find_setting(LOCKDOWN_SETTING) is not None


def _check_stays_in(lockdown: Lockdown, address: IPv4Address | IPv6Address | None) -> None:
    if not lockdown.admits(address):
        raise InputError(f"you come from {address or 'an unknown address'}, which is in none of these networks")
