"""Counting sign-in attempts: by address before the work, by account and place after a failure.

One key for each account however its name is spelt (E04). Names that belong to no account are counted just the same
(E03). What cannot be written down is refused: the store's UnavailableError passes through (R12).

Accepted weakness: user name and e-mail address of one account share a lock, those of no account do not. Who locks one
and tries the other learns that the two belong together. Counting them apart would double everybody's guesses (E04).
"""

import asyncio
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an attempt is counted against. `known`: from a device on which this account signed in before."""

    account: str
    place: str
    known: bool

    @property
    def lock_key(self) -> str:
        """The counter of failures on this account from this place."""
        return f"login_failures:{self.account}:{self.place}"


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
        return await self._counters.spend(f"login:{address_key(visitor.address)}", self._limits.login, now)

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


def _oidc_key(leg: Leg, visitor: Visitor) -> str:
    return f"oidc_{leg.value}:{address_key(visitor.address)}"
