"""The log of refusals: one line each, until a flood, which is then counted instead of written (P15)."""

from collections.abc import Callable

from doorward.interfaces import Log
from doorward.rules.reason import Reason

LINES_PER_REASON = 20
"""Lines written for one reason before the rest of the span is only counted."""


class RefusalLog:
    """`flush` is to be called regularly (flows.upkeep): it writes what was held back and begins a new span."""

    def __init__(self, log: Log, *, lines: int = LINES_PER_REASON) -> None:
        self._log = log
        self._lines = lines
        self._counts: dict[Reason, int] = {}

    def note(self, event: str, reason: Reason, **fields: object) -> None:
        """Write one line, or count it when this reason had its share."""
        count = self._counts.get(reason, 0) + 1
        self._counts[reason] = count
        if count <= self._lines:
            self._writer(reason)(event, reason=reason.value, **fields)

    def flush(self) -> None:
        """Say how many lines were held back, and begin anew."""
        for reason, count in self._counts.items():
            if count > self._lines:
                self._writer(reason)("check_refused_more", reason=reason.value, held_back=count - self._lines)
        self._counts.clear()

    def _writer(self, reason: Reason) -> Callable[..., None]:
        if reason in _ORDINARY:
            return self._log.debug
        return self._log.error if reason is Reason.UNAVAILABLE else self._log.warning


_ORDINARY = frozenset(
    {
        Reason.NO_SESSION,
        Reason.SESSION_UNKNOWN,
        Reason.SESSION_EXPIRED,
        Reason.SESSION_IDLE,
        Reason.SESSION_REVOKED,
        Reason.NOT_FRESH,
        Reason.TWO_FACTOR_REQUIRED,
        Reason.PASSKEY_REQUIRED,
    }
)
