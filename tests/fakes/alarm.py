"""An alarm that tells what it was rung for."""

from dataclasses import dataclass
from typing import Any

from doorward.rules.alert import AlertKind


@dataclass(frozen=True)
class Raised:
    kind: AlertKind
    about: str
    values: dict[str, str]
    transaction: Any


class FakeAlarm:
    """`flows.alerts.Alarm`."""

    def __init__(self):
        self.raised = []

    async def __call__(self, transaction, kind, about, values, now):
        assert now.tzinfo is not None
        self.raised.append(Raised(kind, about, dict(values), transaction))

    def rung(self):
        return [(each.kind.value, each.about) for each in self.raised]
