"""The least time of an answer that must not tell whether there is an account (E01)."""

from datetime import timedelta
from typing import Final

from doorward.interfaces import Clock, Pause

MIN_FAILURE_TIME: Final = timedelta(milliseconds=350)
"""No answer that depends on an account comes back sooner."""


async def even_out(clock: Clock, pause: Pause, began: float) -> None:
    """Let an answer to what `began` then, by `clock.elapsed`, take as long as any other."""
    left = MIN_FAILURE_TIME.total_seconds() - (clock.elapsed() - began)
    if left > 0:
        await pause(left)
