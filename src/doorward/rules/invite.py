"""An invitation to make an account (B-13)."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

from doorward.rules.identity import UserId

InviteId = NewType("InviteId", str)
"""Public name of an invitation: 32 hex digits. Opens nothing."""


class InviteState(Enum):
    """What has become of an invitation."""

    ACTIVE = "active"
    USED_UP = "used_up"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Invite:
    """`digest`: SHA-256 of the token, which only the link holds. `max_uses` and `expires_at` None: without limit.

    `groups` and `email` are the inviter's word: whoever comes with the link cannot change them (E27). `email` "" lets
    the guest leave the address empty; set, the account gets exactly this one. `made_by` "" is the command line.
    """

    id: InviteId
    digest: bytes
    made_by: UserId
    made_at: datetime
    expires_at: datetime | None
    max_uses: int | None
    uses: int
    groups: frozenset[str]
    email: str
    note: str
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> InviteState:
        """What it is at `now`. It expires exactly at `expires_at` (E27)."""
        if self.revoked_at is not None:
            return InviteState.REVOKED
        if self.max_uses is not None and self.uses >= self.max_uses:
            return InviteState.USED_UP
        if self.expires_at is not None and now >= self.expires_at:
            return InviteState.EXPIRED
        return InviteState.ACTIVE
