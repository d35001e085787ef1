"""The log of requests that were refused or failed: line by line, until a flood, which is only counted (attack P15)."""

from doorward.interfaces import Clock, Log

LINES_PER_STATUS = 20
"""Lines written for one status before the rest of the span is only counted."""
SPAN = 60.0
"""Seconds."""
_SERVER_FAULT = 500


class RefusedRequests:
    """What was held back is told when the next line of a later span is written."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._began = clock.elapsed()
        self._counts: dict[int, int] = {}

    def note(self, status: int, **fields: object) -> None:
        """Write a line, or count it when this status had its share."""
        if self._clock.elapsed() - self._began >= SPAN:
            self._begin_anew()
        count = self._counts[status] = self._counts.get(status, 0) + 1
        if count > LINES_PER_STATUS:
            return
        if status < _SERVER_FAULT:
            self._log.info("request_refused", status=status, **fields)
        else:
            self._log.error("request_failed", status=status, **fields)

    def _begin_anew(self) -> None:
        for status, count in self._counts.items():
            if count > LINES_PER_STATUS:
                self._log.warning("requests_refused_more", status=status, held_back=count - LINES_PER_STATUS)
        self._counts.clear()
        self._began = self._clock.elapsed()
