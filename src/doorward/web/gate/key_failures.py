"""Wrong keys, counted in memory by where they came from (E-15, L05).

They count against the network that sends them and never against the account whose key is tried: nobody can lock out a
key's owner, and a right key is let through whoever else fails beside it. A restart forgets them; a key is 256 random
bits, so what is kept down here is noise and load, not the chance of a hit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from doorward.rules.policy import Address
from doorward.rules.throttle import Window, address_key, spend

MOST_ADDRESSES: Final = 10_000


class KeyFailures:
    """Where wrong keys came from, and when. Bounded: when there are too many places, the oldest half is forgotten."""

    def __init__(self, windows: Sequence[Window] = (), *, most: int = MOST_ADDRESSES) -> None:
        self.windows = tuple(windows)
        self._kept = max((window.limit for window in windows), default=0)
        self._most = most
        self._noted: dict[str, list[datetime]] = {}

    def note(self, address: Address | None, now: datetime) -> None:
        """Count a wrong key."""
        if not self._kept:
            return
        place = address_key(address)
        noted = self._noted.pop(place, [])
        if len(self._noted) >= self._most:
            for oldest in list(self._noted)[: self._most // 2]:
                del self._noted[oldest]
        self._noted[place] = [*noted[1 - self._kept :], now] if self._kept > 1 else [now]

    def find_wait(self, address: Address | None, now: datetime) -> timedelta | None:
        """How long nothing more is said about wrong keys from there; None where one more may be tried."""
        noted = self._noted.get(address_key(address))
        if noted is None:
            return None
        spent = spend(noted, self.windows, now)
        return None if spent.allowed else spent.retry_after

    def __len__(self) -> int:
        return len(self._noted)
