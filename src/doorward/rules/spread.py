"""Failures that spread over many accounts: what one account's lock cannot see, because each of them fails only once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MOST: Final = 500
"""Accounts that are kept in mind: enough to say that it is many, and few enough to forget."""


@dataclass(frozen=True, slots=True)
class Spread:
    """From how many accounts on within what time it is told."""

    accounts: int = 20
    within: timedelta = timedelta(minutes=10)


def remember(seen: Mapping[bytes, datetime], account: bytes, now: datetime, spread: Spread) -> dict[bytes, datetime]:
    """The accounts that failed lately, `account` among them now: the oldest go first where there are too many."""
    since = now - spread.within
    # A clock that was set back leaves instants to come, which count as now.
    recent = {key: min(at, now) for key, at in seen.items() if at > since and key != account}
    kept = sorted(recent.items(), key=lambda each: each[1])[-(MOST - 1) :]
    return {**dict(kept), account: now}
