"""What is done at intervals without anybody asking (a backup, a drill, a checkpoint), and how it last went."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.rules.schedule import Schedule

PATIENCE: Final = timedelta(minutes=15)
"""How long after a try that failed the next one comes."""


@dataclass(frozen=True, slots=True)
class Chore:
    """`tried_at`: when it was last begun; `done_at`: when it last went well. `trouble`: why it did not, "" if it did.

    `facts` are what came of the last one that went well: counts, names, ids. Nothing secret or personal stands here.
    """

    name: str
    tried_at: datetime | None = None
    done_at: datetime | None = None
    trouble: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def is_due(self, schedule: Schedule, now: datetime) -> bool:
        """Whether to begin now: its turn has come, and a try that failed is a while ago."""
        return schedule.is_due(self.done_at, now) and self.may_try(now)

    def may_try(self, now: datetime) -> bool:
        """Whether a try that failed, or was cut off, is long enough ago."""
        tried = self.tried_at
        return tried is None or (self.done_at is not None and self.done_at >= tried) or now - tried >= PATIENCE

    def begun(self, now: datetime) -> "Chore":
        """It is being tried."""
        return replace(self, tried_at=now)

    def done(self, now: datetime, facts: Mapping[str, str]) -> "Chore":
        """It went well."""
        return replace(self, done_at=now, trouble="", facts=dict(facts))

    def failed(self, trouble: str) -> "Chore":
        """It did not."""
        return replace(self, trouble=trouble)
