"""The one place where sessions are made: at sign-in, at step-up, at setup (T-06)."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import ForbiddenError
from doorward.flows.visitor import Visitor
from doorward.interfaces import Random, Sessions
from doorward.rules.device import make_device_marker
from doorward.rules.identity import User
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle
from doorward.rules.token import TOKEN_SIZE, make_cookie

HANDLE_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How long sign-ins last (A-08, A-09, C-30). `remember_lifetime` None: there is no "remember me"."""

    lifetime: timedelta = timedelta(hours=24)
    idle_timeout: timedelta | None = timedelta(minutes=120)
    remember_lifetime: timedelta | None = timedelta(days=7)
    remember_idle_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is made but not stored yet, and the cookie values that go with it."""

    session: Session
    cookie: str
    device: str


class Opening:
    """Makes and stores sessions. `signing_key` tells what signs session cookies now; `device_key` signs markers."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        random: Random,
        signing_key: Callable[[], bytes],
        device_key: bytes,
        terms: SessionTerms,
    ) -> None:
        self._sessions = sessions
        self._random = random
        self._signing_key = signing_key
        self._terms = terms
        self.device_key = device_key

    def prepare(
        self,
        user: User,
        visitor: Visitor,
        *,
        methods: frozenset[Method],
        remember: bool,
        now: datetime,
        authenticated_at: datetime | None = None,
        ends_by: datetime | None = None,
        follows: Session | None = None,
    ) -> Opened:
        """Make a session for `user` as it is now; always with a new id, never one the browser brought (J01).

        `authenticated_at` is the last proof of identity where that is not now: a provider may have asked long ago.
        `ends_by`: when the session ends at the latest, where that may be sooner than the terms say. `follows`: the
        session it only continues, by less than a whole proof of identity, so that it counts for no younger.
        ForbiddenError for the account of a service, which has keys only.
        """
        # SECURITY: whatever way led here, there is no session for a program; tests/unit/test_services.py goes each.
        if user.is_service:
            raise ForbiddenError("an account of a service does not sign in")
        terms = self._terms
        lifetime, idle = terms.lifetime, terms.idle_timeout
        remembered = remember and terms.remember_lifetime is not None
        if remember and terms.remember_lifetime is not None:
            lifetime, idle = terms.remember_lifetime, terms.remember_idle_timeout
        cookie, fingerprint = make_cookie(self._random.token(TOKEN_SIZE), self._signing_key())
        session = Session(
            fingerprint=fingerprint,
            handle=SessionHandle(self._random.token(HANDLE_SIZE).hex()),
            user_id=user.id,
            generation=user.generation,
            created_at=now if follows is None else min(follows.created_at, now),
            authenticated_at=now if authenticated_at is None else min(authenticated_at, now),
            expires_at=now + lifetime if ends_by is None else min(now + lifetime, ends_by),
            idle_timeout=idle,
            last_seen_at=now,
            methods=methods,
            remembered=remembered,
            user_agent=visitor.agent_text,
            address=visitor.address_text,
        )
        return Opened(session, cookie, make_device_marker(self.device_key, user, now=now))

    async def find_previous(self, fingerprint: Fingerprint | None) -> Session | None:
        """The session this browser showed, which is to die."""
        return await self._sessions.find(fingerprint) if fingerprint is not None else None

    async def store(self, opened: Opened) -> None:
        """Store the session. What it replaces has ended before: a failure here leaves none, not two."""
        await self._sessions.put(opened.session)

    async def close(self, opened: Opened) -> None:
        """End a session that turned out, just after it was stored, not to be one. Nobody has its cookie yet."""
        await self._sessions.end(opened.session.handle)


def encode(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
