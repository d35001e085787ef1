"""What a session is, and whether it still counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple, NewType

from doorward.rules.app_key import AppKey
from doorward.rules.identity import User, UserId
from doorward.rules.reason import Reason

Fingerprint = NewType("Fingerprint", bytes)
"""SHA-256 of the session token: the store's key, 32 bytes. The token itself is stored nowhere."""

SessionHandle = NewType("SessionHandle", str)
"""Public name of a session in pages, API, CLI and audit: 32 hex digits. Opens nothing.

Not base64url: one in sixty-four would begin with a dash, and a command line would take it for an option.
"""


class Method(Enum):
    """A way of proving who one is; the value is the RFC 8176 `amr` word where there is one."""

    PASSWORD = "pwd"  # noqa: S105 -- a method's name
    TOTP = "otp"
    PASSKEY = "hwk"
    """A passkey that verified its user: by itself two factors."""
    SECURITY_KEY = "user"
    """A passkey or security key that was only touched: good as a second factor, not alone (G06)."""
    RECOVERY_CODE = "recovery"
    UPSTREAM = "fed"
    UPSTREAM_MFA = "mfa"
    """The provider says that there was a second factor, and its word on that counts (`mfa.trust_idp`)."""
    ASSERTED = "asserted"
    """A proxy of ours has signed them in, and names them in a header (docs/adr 0023). It does not say when."""
    BREAK_GLASS = "glass"
    """A code on paper, for when nothing else opens."""
    KEY = "key"
    """A key for apps: its owner made it, and nobody is there."""
    LINK = "link"
    """A link that was handed out or mailed to set a new password. It never makes a session by itself."""


NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`authenticated_at` where nobody says when: too long ago for any `require: fresh`."""

RECENT: Final = timedelta(minutes=15)
"""How long a sign-in, or its confirmation, allows changes to the account itself and to the ways of signing in."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one browser.

    `idle_timeout` is None where the session has no idle limit ("remember me"). `authenticated_at` is the instant of the
    last proof of identity: what `require: fresh` measures from. `parent` is the handle of the session this one was
    derived from, None for a sign-in of its own.
    """

    fingerprint: Fingerprint
    handle: SessionHandle
    user_id: UserId
    generation: int
    created_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    idle_timeout: timedelta | None
    last_seen_at: datetime
    methods: frozenset[Method]
    remembered: bool
    user_agent: str
    address: str
    parent: SessionHandle | None = None


class Subject(NamedTuple):
    """A session together with the account it belongs to: what a cookie stands for at a check.

    `key`: the key that was shown in place of a cookie; the session then is none that anybody signed in to
    (`rules.key_subject`).
    """

    user: User
    session: Session
    key: AppKey | None = None


def find_end(session: Session, user: User, now: datetime) -> Reason | None:
    """Say why the session no longer counts at `now`, or None while it lives (A-08, A-09, C-30)."""
    if not user.enabled:
        return Reason.USER_DISABLED
    if session.generation != user.generation or session.user_id != user.id:
        return Reason.SESSION_REVOKED
    if now >= session.expires_at:
        return Reason.SESSION_EXPIRED
    if session.idle_timeout is not None and now >= session.last_seen_at + session.idle_timeout:
        return Reason.SESSION_IDLE
    return None


def is_recent(session: Session, now: datetime, within: timedelta) -> bool:
    """Whether the sign-in, or its last confirmation, is young enough for what concerns the account itself.

    Every confirmation makes a new session. Weaker than `require: fresh` on purpose: providers that cannot be made to
    ask again would leave their people without a way to change anything.
    """
    return now - session.created_at < within
