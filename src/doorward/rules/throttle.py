"""How often something may be tried: windows, locks, and the key a try is counted under."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network

_IPV6_PREFIX = 64
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` tries in any span of length `span` (sliding, so no double burst at an edge)."""

    limit: int
    span: timedelta

    def __post_init__(self) -> None:
        if self.limit < 1 or self.span <= timedelta(0):
            raise ValueError("a window allows at least one try in a span longer than nothing")


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """After `threshold` failures in `within`: locked for `first`, doubled by each further one to `most` (A-05)."""

    threshold: int = 3
    within: timedelta = timedelta(minutes=5)
    first: timedelta = timedelta(seconds=30)
    most: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Spent:
    """The answer of a counter. `retry_after` is zero when allowed, else the time until a further try can succeed."""

    allowed: bool
    retry_after: timedelta = timedelta(0)


def address_key(address: IPv4Address | IPv6Address | None, *, prefix: int = _IPV6_PREFIX) -> str:
    """Name the bucket of an address: IPv4 by itself, IPv6 by its network, an unknown one by the word "unknown"."""
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, prefix), strict=False))
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
    """How much longer an (account, address) pair is locked after these failures; zero when it is not.

    The failure that makes `threshold` of them within `within` locks. Each further one before the end of the lock and a
    calm of `within` after it locks for twice as long; after that calm, counting begins anew. An instant after `now`
    (the clock was set back) counts like any other, so that no change of the clock opens a lock early.
    """
    ordered = sorted(failures)
    locked_until: datetime | None = None
    locks = 0
    for position, at in enumerate(ordered):
        if locked_until is not None and at <= locked_until + policy.within:
            locks += 1
        else:
            first = position + 1 - policy.threshold
            # Failures from before an earlier lock are too long ago to count here: the calm was as long as `within`.
            reached = first >= 0 and at - ordered[first] < policy.within
            locked_until, locks = None, int(reached)
        if locks:
            locked_until = at + _lock_length(locks, policy)
    return timedelta(0) if locked_until is None else max(locked_until - now, timedelta(0))


def _lock_length(locks: int, policy: LockPolicy) -> timedelta:
    # The exponent is bounded, for a timedelta is.
    return min(policy.first * (1 << min(locks - 1, _MOST_DOUBLINGS)), policy.most)
