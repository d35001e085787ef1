"""Counting sign-in attempts: by address before the work, by account and place after a failure.

One key for each account however its name is spelt (E04). Names that belong to no account are counted just the same
(E03). What cannot be written down is refused: the store's UnavailableError passes through (R12).

Accepted weakness: user name and e-mail address of one account share a lock, those of no account do not. Who locks one
and tries the other learns that the two belong together. Counting them apart would double everybody's guesses (E04).
"""

import asyncio
import hmac
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from weakref import WeakValueDictionary

from doorward.flows.visitor import Visitor
from doorward.interfaces import Counters
from doorward.rules.device import is_known_device, name_device
from doorward.rules.identity import User
from doorward.rules.throttle import LockPolicy, Spent, Window, address_key, lock_left, spend

_KEEP_LOCKS: Final = 6
"""Failures are remembered for so many of the longest locks with their calm (two hours, unless set otherwise): long
enough for the doubling to reach it, short enough for an innocent typist to be forgiven."""


class Leg(Enum):
    """A part of what goes on with a provider. Each is counted by itself, so that a whole trip costs one of each."""

    DEPARTURE = "departure"
    CALLBACK = "callback"
    LOGOUT_TOKEN = "logout_token"  # noqa: S105 -- a part's name
    LOGOUT_FRAME = "logout_frame"
    ASSERTED = "asserted"


class Bucket(Enum):
    """What is counted by itself: one budget for each purpose (2.6)."""

    LOGIN = "login"
    OTP_VERIFY = "otp_verify"
    MFA_MANAGE = "mfa_manage"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 -- a purpose's name
    REGISTER = "register"
    INVITE = "invite"
    FORGOT = "forgot"
    RESET = "reset"
    ADMIN = "admin"
    EXPORT = "export"
    DESTRUCTIVE = "destructive"
    BACKUP = "backup"
    IMPORT = "imports"
    KEY_CREATE = "key_create"
    PAIRING = "pairing"
    PAIRING_CODE = "pairing_code"


@dataclass(frozen=True, slots=True)
class Budget:
    """The windows of a bucket. `account` counts for each account, however many addresses try."""

    address: tuple[Window, ...]
    account: tuple[Window, ...] = ()


_QUARTER: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
BUDGETS: Final[Mapping[Bucket, Budget]] = {
    Bucket.LOGIN: Budget((Window(5, _MINUTE), Window(10, _QUARTER))),
    # An account's codes are a million, of which three are right at a time: a day's tries must stay a tiny part (F04).
    Bucket.OTP_VERIFY: Budget(
        (Window(5, _MINUTE), Window(5, _QUARTER)), (Window(10, _QUARTER), Window(30, timedelta(days=1)))
    ),
    Bucket.MFA_MANAGE: Budget((Window(10, _MINUTE), Window(5, _QUARTER))),
    Bucket.PASSWORD_CHANGE: Budget((Window(10, _MINUTE), Window(5, _QUARTER)), (Window(5, _QUARTER),)),
    Bucket.REGISTER: Budget((Window(10, _QUARTER),)),
    Bucket.INVITE: Budget((Window(10, _QUARTER),)),
    Bucket.FORGOT: Budget((Window(3, _QUARTER),), (Window(3, _QUARTER),)),
    Bucket.RESET: Budget((Window(5, _QUARTER),), (Window(5, _QUARTER),)),
    Bucket.ADMIN: Budget((Window(30, _QUARTER),)),
    Bucket.EXPORT: Budget((Window(30, _QUARTER),)),
    Bucket.DESTRUCTIVE: Budget((Window(3, _QUARTER),)),
    Bucket.BACKUP: Budget((Window(5, timedelta(hours=1)),)),
    Bucket.IMPORT: Budget((Window(20, _QUARTER),)),
    Bucket.KEY_CREATE: Budget((Window(5, timedelta(hours=1)), Window(5, _QUARTER))),
    Bucket.PAIRING: Budget((Window(10, _QUARTER),)),
    # A code of 34 bits, of at most a few hundred that wait: twenty guesses of an account leave it a secret (RFC 8628).
    Bucket.PAIRING_CODE: Budget((Window(10, _MINUTE), Window(20, _QUARTER)), (Window(20, _QUARTER),)),
}
"""What holds where nothing else is set."""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """`login` counts every attempt of an address; `begin` opened sign-in pages; `lock` failures.

    `oidc` counts round trips to providers, departures and callbacks apart.

    `account` counts attempts on one account from unfamiliar devices, wherever they come from. Above it each further one
    waits `slow_by`. It never refuses, so that nobody can be locked out by strangers; the price is that attackers with
    many addresses get their attempts in, each address within its own limits and each attempt slowed.
    """

    login: tuple[Window, ...] = (Window(5, timedelta(minutes=1)), Window(10, timedelta(minutes=15)))
    begin: tuple[Window, ...] = (Window(120, timedelta(minutes=1)),)
    account: tuple[Window, ...] = (Window(10, timedelta(minutes=15)),)
    slow_by: timedelta = timedelta(seconds=3)
    oidc: tuple[Window, ...] = (Window(10, timedelta(minutes=1)), Window(20, timedelta(minutes=15)))
    lock: LockPolicy = field(default_factory=LockPolicy)
    only_failed: bool = False
    """Whether a try that turned out right is given back. It is spent before it is looked at, all the same."""
    budgets: Mapping[Bucket, Budget] = field(default_factory=dict[Bucket, Budget])
    """Those that differ from `BUDGETS`."""

    def find_budget(self, bucket: Bucket) -> Budget:
        """The windows of a bucket."""
        return Budget(self.login) if bucket is Bucket.LOGIN else self.budgets.get(bucket, BUDGETS[bucket])


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an attempt is counted against. `known`: from a device on which this account signed in before."""

    account: str
    place: str
    known: bool
    kind: str = "login"

    @property
    def lock_key(self) -> str:
        """The counter of failures on this account from this place."""
        return f"{self.kind}_failures:{self.account}:{self.place}"


class Throttle:
    """The limits of the sign-in. `name_key` hides the names of accounts that do not exist, which may be passwords."""

    def __init__(self, *, counters: Counters, limits: LoginLimits, name_key: bytes, device_key: bytes) -> None:
        self._counters = counters
        self._limits = limits
        self._name_key = name_key
        self._device_key = device_key
        self._keep = _KEEP_LOCKS * (limits.lock.within + max(limits.lock.first, limits.lock.most))
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def spend_begin(self, visitor: Visitor, *, now: datetime) -> Spent:
        """Count an opened sign-in page, so that one address cannot fill the store with tickets."""
        return await self._counters.spend(f"begin:{address_key(visitor.address)}", self._limits.begin, now)

    async def spend_login(self, visitor: Visitor, *, now: datetime) -> Spent:
        """Count an attempt of this address, right or wrong. Nothing clears it but time (E10)."""
        return await self.spend(Bucket.LOGIN, visitor, now=now)

    async def spend(
        self, bucket: Bucket, visitor: Visitor, *, user: User | None = None, name: str | None = None, now: datetime
    ) -> Spent:
        """Count one try before it is looked at: for the address and, where the bucket says so, for the account.

        `user` is the account it is about, or `name` what was typed for one (canonical), whether or not there is such an
        account. A device the account knows has room of its own there, so that strangers cannot use up its owner's.
        """
        budget = self._limits.find_budget(bucket)
        spent = await self._counters.spend(_bucket_key(bucket, visitor), budget.address, now)
        if not spent.allowed or not budget.account or (user is None and name is None):
            return spent
        return await self._counters.spend(self._account_key(bucket, visitor, user, name, now), budget.account, now)

    async def give_back(self, bucket: Bucket, visitor: Visitor, *, user: User | None = None, now: datetime) -> None:
        """Uncount one try of this bucket that turned out right, where only failed ones are to count.

        SECURITY: only ever the very try that was spent at `now`. Whoever may succeed somewhere gets none of their
        failures back by it; tests/property/test_throttle.py alternates the two.
        """
        if not self._limits.only_failed:
            return
        await self._counters.give_back(_bucket_key(bucket, visitor), now)
        if user is not None and self._limits.find_budget(bucket).account:
            await self._counters.give_back(self._account_key(bucket, visitor, user, None, now), now)

    def _account_key(self, bucket: Bucket, visitor: Visitor, user: User | None, name: str | None, now: datetime) -> str:
        target = self.aim(user, name, visitor, now=now)
        return f"{bucket.value}:{target.account}:{target.place if target.known else 'anywhere'}"

    async def spend_oidc(self, leg: Leg, visitor: Visitor, *, now: datetime) -> Spent:
        """Count a departure to a provider, or a callback, of this address. Before anything is looked up or asked."""
        return await self._counters.spend(_oidc_key(leg, visitor), self._limits.oidc, now)

    async def look_oidc(self, leg: Leg, visitor: Visitor, *, now: datetime) -> Spent:
        """Whether this address has room for one more failure, without counting one."""
        longest = max(window.span for window in self._limits.oidc)
        failures = await self._counters.recall(_oidc_key(leg, visitor), since=now - longest)
        return spend(failures, self._limits.oidc, now)

    async def record_oidc(self, leg: Leg, visitor: Visitor, *, now: datetime) -> None:
        """Count a failure of this address. What succeeds is never counted there."""
        longest = max(window.span for window in self._limits.oidc)
        await self._counters.record(_oidc_key(leg, visitor), now, keep=longest)

    def aim(self, user: User | None, login: str | None, visitor: Visitor, *, now: datetime) -> Target:
        """Find the counters of an attempt. `login` is canonical, None where it can be no account's name."""
        known = user is not None and is_known_device(visitor.device, self._device_key, user, now=now)
        if user is not None:
            account = f"id:{user.id}"
        else:
            # All spellings that can be nobody's share one key for each place: they guess nothing, and fill no memory.
            account = f"name:{hmac.digest(self._name_key, (login or '').encode(), 'sha256').hex()[:32]}"
        # A known device has a counter of its own, so that a neighbour behind the same address cannot lock it.
        place = f"device:{name_device(visitor.device)}" if known else f"address:{address_key(visitor.address)}"
        return Target(account, place, known)

    def aim_second(self, user: User, visitor: Visitor, *, now: datetime) -> Target:
        """Find the counters of an attempt at a second proof.

        Whoever gets here has proven something already and may have any number of addresses, so that all devices that
        the account does not know share one lock (F04). One that it knows has its own.
        """
        target = self.aim(user, None, visitor, now=now)
        return replace(target, kind="otp", place=target.place if target.known else "anywhere")

    @asynccontextmanager
    async def turn(self, target: Target) -> AsyncGenerator[None]:
        """One attempt at a time on one account from one place, so that parallel tries cannot outrun the lock."""
        lock = self._turns.get(target.lock_key)
        if lock is None:
            lock = self._turns[target.lock_key] = asyncio.Lock()
        async with lock:
            yield

    async def find_lock(self, target: Target, *, now: datetime) -> timedelta:
        """How much longer the account is locked from this place; zero when it is not."""
        failures = await self._counters.recall(target.lock_key, since=now - self._keep)
        return lock_left(failures, self._limits.lock, now)

    async def find_delay(self, target: Target, *, now: datetime) -> timedelta:
        """How long the attempt has to wait because strangers try this account from everywhere."""
        if target.known:
            return timedelta(0)
        spent = await self._counters.spend(f"login_account:{target.account}", self._limits.account, now)
        return timedelta(0) if spent.allowed else self._limits.slow_by

    async def record_failure(self, target: Target, *, now: datetime) -> timedelta:
        """Count a failure; how long the account is locked from this place now."""
        await self._counters.record(target.lock_key, now, keep=self._keep)
        return await self.find_lock(target, now=now)

    async def clear(self, target: Target) -> None:
        """Forget the failures on this account from this place after a success there, and nothing else (E10)."""
        await self._counters.forget(target.lock_key)


def _bucket_key(bucket: Bucket, visitor: Visitor) -> str:
    return f"{bucket.value}:{address_key(visitor.address)}"


def _oidc_key(leg: Leg, visitor: Visitor) -> str:
    return f"oidc_{leg.value}:{address_key(visitor.address)}"
