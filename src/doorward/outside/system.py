"""The clock, the operating system's randomness and the environment: read here and nowhere else."""

import os
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial


class SystemClock:
    """`interfaces.Clock` on the machine's clocks. Functions of C, for every check asks."""

    now = staticmethod(partial(datetime.now, UTC))
    """The present instant, aware, in UTC."""
    elapsed = staticmethod(time.monotonic)
    """Seconds on the monotonic clock; only differences mean anything."""


class SystemRandom:
    """`interfaces.Random` on the operating system's generator."""

    def token(self, size: int) -> bytes:
        """`size` unpredictable bytes."""
        return secrets.token_bytes(size)


def read_environment() -> Mapping[str, str]:
    """Copy the environment as it is now."""
    return dict(os.environ)


def restrict_files() -> None:
    """Let nobody but us read what this process creates from now on: umask 077 (A-45)."""
    os.umask(0o077)
