"""How often something may be tried (requirements 2.6): windows, locks, and the key a try is counted under."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network

_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` tries in any span of length `span` (sliding, so no double burst at an edge)."""

    limit: int
    span: timedelta


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """After `threshold` failures within `within`: locked for `first`, doubling with each further failure up to `most` (A-05)."""

    threshold: int = 3
    within: timedelta = timedelta(minutes=5)
    first: timedelta = timedelta(seconds=30)
    most: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Spent:
    """The answer of a counter. `retry_after` is zero when allowed, else the time until a further try can succeed."""

    allowed: bool
    retry_after: timedelta = timedelta(0)


def address_key(address: IPv4Address | IPv6Address | None) -> str:
    """Name the bucket of an address: IPv4 by itself, IPv6 by its /64, an unknown address by the word "unknown"."""
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def spend(earlier: Sequence[datetime], windows: Sequence[Window], now: datetime) -> Spent:
    """Judge one more try, given the instants of earlier ones in any order. All windows must have room."""
    wait = timedelta(0)
    for window in windows:
        inside = sorted(at for at in earlier if at > now - window.span)
        if len(inside) >= window.limit:
            wait = max(wait, inside[len(inside) - window.limit] + window.span - now)
    return Spent(allowed=wait <= timedelta(0), retry_after=max(wait, timedelta(0)))


def lock_left(failures: Sequence[datetime], policy: LockPolicy, now: datetime) -> timedelta:
    """How much longer an (account, address) pair is locked after these failures; zero when it is not."""
    ordered = sorted(at for at in failures if at <= now)
    left = timedelta(0)
    streak = 0
    previous: datetime | None = None
    for at in ordered:
        # A failure belongs to the streak while it comes within the window after the last one or during its lock.
        gap = policy.within + (_lock_length(streak, policy))
        streak = streak + 1 if previous is not None and at - previous <= gap else 1
        previous = at
        left = at + _lock_length(streak, policy) - now
    return max(left, timedelta(0))


def _lock_length(streak: int, policy: LockPolicy) -> timedelta:
    if streak < policy.threshold:
        return timedelta(0)
    doublings = min(streak - policy.threshold, 16)
    return min(policy.first * (1 << doublings), policy.most)
