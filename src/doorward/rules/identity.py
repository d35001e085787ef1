"""Who somebody is: the account as every decision sees it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType

UserId = NewType("UserId", str)
"""22 characters of unpadded base64url over 16 random bytes. Never used again after the account is deleted."""
_USER_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")


def is_user_id(text: str) -> bool:
    """Whether this can be an account's id: "cli", "system" and the like, who act as well, have none."""
    return _USER_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    `name` is the canonical ASCII user name (`rules.names.parse_user_name`), `email` lower case and "" when there is
    none, `display_name` any text without control characters. `generation` is the session generation: a session made
    under an older one is dead (docs/adr 0007). `groups` and `is_admin` are the account's own; what providers grant
    stands beside them, for it comes and goes with their word (docs/adr 0019). Decisions go by both together:
    `every_group` and `administers`.

    `must_change_password`: the next sign-in asks for a new one before anything opens (A-17). `awaits_approval`: it was
    registered and nobody has let it in yet; it is not enabled until then. `console_only`: it may use our own pages, and
    no app (D-06). `language` is the one its owner chose ("" leaves it to the browser). `enrol_by`: until when it may
    sign in without the second factor that policy asks for; None where nothing was asked yet. `is_service`: no person
    but a program; it has keys only, and no way to sign in.
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
    granted_groups: frozenset[str] = frozenset()
    granted_admin: bool = False
    must_change_password: bool = False
    awaits_approval: bool = False
    console_only: bool = False
    language: str = ""
    enrol_by: datetime | None = None
    is_service: bool = False

    @property
    def every_group(self) -> frozenset[str]:
        """The account's own groups and those granted by providers."""
        return self.groups | self.granted_groups if self.granted_groups else self.groups

    @property
    def administers(self) -> bool:
        """Whether the account is an administrator, by itself or by a provider's word."""
        return self.is_admin or self.granted_admin
