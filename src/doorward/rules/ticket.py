"""A ticket: the state of something half-finished, single-purpose, short, single-use and bound to one browser.

A ticket can never answer a check: it lives in its own store, and nothing turns one into a session but
`flows.login.finish` after taking it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

TicketId = NewType("TicketId", bytes)
"""SHA-256 of the random ticket token, 32 bytes; the token is with the browser only."""


class Purpose(Enum):
    """What a ticket is for. A ticket of one purpose is unknown to every other."""

    LOGIN = "login"
    SETUP = "setup"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Ticket:
    """`browser` is SHA-256 of the pre-session cookie of the browser that began (empty where none began it: setup)."""

    id: TicketId
    purpose: Purpose
    browser: bytes
    state: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
