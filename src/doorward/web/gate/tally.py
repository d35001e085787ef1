"""Counters of the gate's work."""

from http import HTTPStatus

from doorward.rules.reason import Reason
from doorward.web.gate.dialect import Dialect

TallyKey = tuple[str, str, Reason, int, str]
"""Dialect, verdict, reason, status, method of the check."""


class Tally:
    """Plain counters of the gate's work, read by the metrics at scrape time: key to [number, seconds]."""

    def __init__(self) -> None:
        self.checks: dict[TallyKey, list[float]] = {}

    def count(self, key: TallyKey, seconds: float) -> None:
        """Count one answered check."""
        cell = self.cell(key)
        cell[0] += 1
        cell[1] += seconds

    def cell(self, key: TallyKey) -> list[float]:
        """The number and the seconds counted under a key, to be counted up in place."""
        return self.checks.setdefault(key, [0, 0.0])


def allow_key(dialect: Dialect, method: str) -> TallyKey:
    """What an allow is counted under."""
    return (dialect.name, "allow", Reason.RULE, HTTPStatus.OK, method)
