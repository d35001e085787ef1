"""Decisions of the gate, added up: who asked for what kind of thing where, what came of it, how often and when."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from doorward.rules.identity import UserId

NOBODY: Final = UserId("")
"""Whom a decision is about where nobody was signed in."""
VERDICTS: Final = ("allow", "challenge", "deny", "error")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided alike on one day. `host` is "" for one that is not served here, which anybody may make up."""

    user_id: UserId
    host: str
    method: str
    shape: str
    verdict: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def id(self) -> bytes:
        """SHA-256 of what makes two decisions one; the day (UTC) is part of it, so that retention can end them."""
        day = self.first_at.astimezone(UTC).date().isoformat()
        alike = [self.user_id, self.host, self.method, self.shape, self.verdict, self.reason, day]
        return hashlib.sha256(b"doorward-decision-v1" + json.dumps(alike).encode()).digest()

    def add(self, other: "Decision") -> "Decision":
        """The two as one."""
        return replace(
            self,
            count=self.count + other.count,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions are asked for: all that fit everything that is given. `shape` is the beginning of one."""

    user_id: UserId | None = None
    host: str | None = None
    verdict: str | None = None
    reason: str | None = None
    shape: str = ""
    since: datetime | None = None
    limit: int = 100
