"""Whom a key stands for at a check: its owner, with a session that nobody signed in to."""

import hashlib
from datetime import datetime
from typing import Final

from doorward.rules.app_key import AppKey, KeyId
from doorward.rules.identity import User
from doorward.rules.session import NEVER, Fingerprint, Method, Session, SessionHandle, Subject

_FAR: Final = datetime.max.replace(tzinfo=NEVER.tzinfo)


def handle_of(key_id: KeyId) -> SessionHandle:
    """What a key is called where sessions are: in assertions, logs, decisions."""
    return SessionHandle(f"key-{key_id}")


def subject_of(key: AppKey, user: User) -> Subject:
    """Who asks by a key, with a session that was never signed in to, and proves nothing but the key.

    SECURITY: never recent and never fresh, whatever is asked of it; tests/unit/test_key_subject.py would fail.
    """
    session = Session(
        fingerprint=Fingerprint(hashlib.sha256(b"doorward-app-key-session-v1" + key.id.encode()).digest()),
        handle=handle_of(key.id),
        user_id=user.id,
        generation=user.generation,
        created_at=NEVER,
        authenticated_at=NEVER,
        expires_at=key.expires_at if key.expires_at is not None else _FAR,
        idle_timeout=None,
        last_seen_at=key.last_used_at or key.made_at,
        methods=frozenset({Method.KEY}),
        remembered=False,
        user_agent="",
        address="",
    )
    return Subject(user, session, key)
