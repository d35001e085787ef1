"""A mail on its way: what it is about, to whom, and what has become of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

from doorward.rules.identity import UserId

LetterId = NewType("LetterId", str)
"""32 hex digits."""


class LetterKind(Enum):
    """What a mail is about. The words of each are in `outside.letters.wording`."""

    RESET = "reset"
    EMAIL_CONFIRM = "email_confirm"
    EMAIL_CHANGED = "email_changed"
    INVITE = "invite"
    REGISTRATION_CONFIRM = "registration_confirm"
    REGISTRATION_KNOWN = "registration_known"
    REGISTRATION_WAITS = "registration_waits"
    REGISTRATION_APPROVED = "registration_approved"
    NEW_DEVICE = "new_device"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- a letter's name
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    PROVIDER_CONNECTED = "provider_connected"
    PROVIDER_DISCONNECTED = "provider_disconnected"
    ACCOUNT_DELETED = "account_deleted"
    RECOVERY_CODE_USED = "recovery_code_used"
    PASSKEY_REFUSED = "passkey_refused"
    KEY_MADE = "key_made"
    KEY_REVOKED = "key_revoked"
    KEY_ASLEEP = "key_asleep"
    KEY_NEW_PLACE = "key_new_place"
    ALERT = "alert"
    TEST = "test"


class LetterState(Enum):
    """What has become of it."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail in the queue.

    `sealed`: canonical JSON of `to`, `language` and the template's `values`, for Place("letters", "sealed", id). It may
    hold a link that opens something, so it is made "" the moment the mail is sent or given up. `trouble` is what the
    server said last, cleaned and bounded. `user_id` is the account it is about, "" for none.
    """

    id: LetterId
    kind: LetterKind
    user_id: UserId
    sealed: str
    state: LetterState
    queued_at: datetime
    next_try_at: datetime
    tries: int = 0
    done_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A mail in words."""

    subject: str
    text: str
    html: str
