"""A ticket: the state of something half-finished, single-purpose, short, single-use and bound to one browser.

A ticket can never answer a check: it lives in its own store, and nothing turns one into a session but
`flows.finishing` after taking it.
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
    TOTP = "totp"
    """An authenticator app that is being set up: its sealed secret, not confirmed yet."""
    PASSKEY = "passkey"
    """The challenge of a passkey that is being added."""
    RECOVERY_CODES = "recovery_codes"
    """New recovery codes, sealed, that wait to be acknowledged; until then the old ones hold."""
    RESET = "reset"
    """A link to set a new password."""
    EMAIL = "email"
    """A link that confirms a new e-mail address."""
    REGISTRATION = "registration"
    """A link that proves the address of somebody who registers."""
    PAIRING = "pairing"
    """A device that asks for a key, and how that stands."""
    PAIRING_CODE = "pairing_code"
    """The short code that somebody types for it: it leads to the other, until it is answered."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """`browser` is SHA-256 of the pre-session cookie of the browser that began (empty where none did: setup, mails)."""

    id: TicketId
    purpose: Purpose
    browser: bytes
    state: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
