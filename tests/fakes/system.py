"""A clock that stands until it is moved, and randomness that repeats itself."""

import hashlib
from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeClock:
    """`interfaces.Clock`."""

    def __init__(self, start: datetime = START) -> None:
        self._start = self._now = start

    def now(self) -> datetime:
        return self._now

    def elapsed(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        return self._now


class FakeRandom:
    """`interfaces.Random`: every call gives other bytes, every run the same."""

    def __init__(self, seed: str = "doorward") -> None:
        self._seed = seed
        self._calls = 0

    def token(self, size: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(f"{self._seed}:{self._calls}".encode()).digest(size)
