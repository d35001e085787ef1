"""Time, chance, and what we tell of ourselves: clock, pause, randomness, log, tally."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The instant, read once per operation and then passed on."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def elapsed(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""
        ...


class Pause(Protocol):
    """Waiting without holding up anybody else (`asyncio.sleep`)."""

    async def __call__(self, seconds: float, /) -> None:
        """Return after so many seconds."""
        ...


class Random(Protocol):
    """Unpredictable bytes."""

    def token(self, size: int) -> bytes:
        """`size` bytes from the operating system's generator."""
        ...


class Log(Protocol):
    """Structured log: a constant event name and fields. Secrets and query strings never stand in a field."""

    def debug(self, event: str, **fields: object) -> None:
        """For the curious."""
        ...

    def info(self, event: str, **fields: object) -> None:
        """Something happened as it should."""
        ...

    def warning(self, event: str, **fields: object) -> None:
        """Something an operator may want to mend."""
        ...

    def error(self, event: str, **fields: object) -> None:
        """Something an operator must mend."""
        ...


class Tally(Protocol):
    """What the flows report to the metrics. Words come from enums, so the number of labels is bounded."""

    def count_login(self, result: str) -> None:
        """A sign-in ended: "success" or the word of a failure."""
        ...

    def count_limited(self, bucket: str) -> None:
        """A limit refused something."""
        ...
