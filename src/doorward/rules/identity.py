"""Who somebody is: the account as every decision sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

UserId = NewType("UserId", str)
"""22 characters of unpadded base64url over 16 random bytes. Never used again after the account is deleted."""


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    `name` is the canonical ASCII user name (`rules.names.parse_user_name`), `email` lower case and "" when there is
    none, `display_name` any text without control characters. `generation` is the session generation: a session made
    under an older one is dead (docs/adr 0007).
    """

    id: UserId
    name: str
    display_name: str
    email: str
    groups: frozenset[str]
    is_admin: bool
    enabled: bool
    generation: int
    created_at: datetime
