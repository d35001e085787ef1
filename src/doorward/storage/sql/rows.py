"""Rows to values and back. A row that no version of us can have written is a TamperError, never a default."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import RowMapping

from doorward.errors import TamperError
from doorward.rules.audit import Act, AuditEvent, AuditRecord
from doorward.rules.identity import User, UserId
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle
from doorward.rules.ticket import Purpose, Ticket, TicketId

_MICROSECOND = timedelta(microseconds=1)


def encode_state(state: Mapping[str, str]) -> str:
    """Canonical JSON, so that equal mappings are equal text."""
    return json.dumps(dict(state), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def decode_state(text: str) -> dict[str, str]:
    """What `encode_state` wrote. TamperError for anything else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TamperError("a stored mapping is not JSON") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise TamperError("a stored mapping is not one of text to text")
    return found


def encode_methods(methods: frozenset[Method]) -> str:
    """The methods' words, sorted, joined by commas."""
    return ",".join(sorted(method.value for method in methods))


@lru_cache(maxsize=64)
def decode_methods(text: str) -> frozenset[Method]:
    """What `encode_methods` wrote. TamperError for anything else."""
    try:
        return frozenset(Method(word) for word in text.split(",") if word)
    except ValueError as error:
        raise TamperError("a stored session names a method we do not know") from error


def encode_user(user: User) -> dict[str, Any]:
    """The columns of `users`; the groups stand in their own table."""
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "is_admin": user.is_admin,
        "enabled": user.enabled,
        "generation": user.generation,
        "created_at": user.created_at,
    }


def decode_user(row: RowMapping, groups: frozenset[str]) -> User:
    """The account of a row of `users`."""
    return User(
        id=UserId(row["id"]),
        name=row["name"],
        display_name=row["display_name"],
        email=row["email"],
        groups=groups,
        is_admin=row["is_admin"],
        enabled=row["enabled"],
        generation=row["generation"],
        created_at=row["created_at"],
    )


def encode_session(session: Session) -> dict[str, Any]:
    """The columns of `sessions`."""
    idle = session.idle_timeout
    ends_at = session.expires_at if idle is None else min(session.expires_at, session.last_seen_at + idle)
    return {
        "fingerprint": session.fingerprint,
        "handle": session.handle,
        "user_id": session.user_id,
        "generation": session.generation,
        "created_at": session.created_at,
        "authenticated_at": session.authenticated_at,
        "expires_at": session.expires_at,
        "idle_micros": None if idle is None else idle // _MICROSECOND,
        "last_seen_at": session.last_seen_at,
        "ends_at": ends_at,
        "methods": encode_methods(session.methods),
        "remembered": session.remembered,
        "user_agent": session.user_agent,
        "address": session.address,
        "parent": session.parent,
    }


def decode_session(row: RowMapping) -> Session:
    """The session of a row of `sessions`."""
    idle = row["idle_micros"]
    return Session(
        fingerprint=Fingerprint(row["fingerprint"]),
        handle=SessionHandle(row["handle"]),
        user_id=UserId(row["user_id"]),
        generation=row["generation"],
        created_at=row["created_at"],
        authenticated_at=row["authenticated_at"],
        expires_at=row["expires_at"],
        idle_timeout=None if idle is None else timedelta(microseconds=idle),
        last_seen_at=row["last_seen_at"],
        methods=decode_methods(row["methods"]),
        remembered=row["remembered"],
        user_agent=row["user_agent"],
        address=row["address"],
        parent=None if row["parent"] is None else SessionHandle(row["parent"]),
    )


def encode_ticket(ticket: Ticket) -> dict[str, Any]:
    """The columns of `tickets`."""
    return {
        "id": ticket.id,
        "purpose": ticket.purpose.value,
        "browser": ticket.browser,
        "state": encode_state(ticket.state),
        "created_at": ticket.created_at,
        "expires_at": ticket.expires_at,
    }


def decode_ticket(row: RowMapping) -> Ticket:
    """The ticket of a row of `tickets`; its purpose is one that was asked for, so it is known."""
    return Ticket(
        id=TicketId(row["id"]),
        purpose=Purpose(row["purpose"]),
        browser=row["browser"],
        state=decode_state(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def encode_audit(record: AuditRecord) -> dict[str, Any]:
    """The columns of `audit`."""
    event = record.event
    return {
        "sequence": record.sequence,
        "act": event.act.value,
        "actor": event.actor,
        "subject": event.subject,
        "at": event.at,
        "public": encode_state(event.public),
        "private": encode_state(event.private),
        "salt": record.salt,
        "private_digest": record.private_digest,
        "previous": record.previous,
        "hash": record.hash,
    }


def decode_audit(row: RowMapping) -> AuditRecord:
    """The record of a row of `audit`, not yet verified: `rules.audit.verify_link` does that."""
    try:
        act = Act(row["act"])
    except ValueError as error:
        raise TamperError(f"audit record {row['sequence']} holds an act we do not know") from error
    event = AuditEvent(
        act=act,
        actor=row["actor"],
        subject=row["subject"],
        at=row["at"],
        public=decode_state(row["public"]),
        private=decode_state(row["private"]),
    )
    return AuditRecord(
        sequence=row["sequence"],
        event=event,
        salt=row["salt"],
        private_digest=row["private_digest"],
        previous=row["previous"],
        hash=row["hash"],
    )
