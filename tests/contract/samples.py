"""Values to store."""

from datetime import timedelta
from itertools import count

from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle
from doorward.rules.ticket import Purpose, Ticket, TicketId
from tests.fakes.system import START

_numbers = count(1)


def a_user(name="alice", **changes):
    values = {
        "id": UserId(f"{name:_<22}"),
        "name": name,
        "display_name": "Älice “A” 😀",
        "email": f"{name}@example.test",
        "groups": frozenset({"staff", "admins:eu/1"}),
        "is_admin": False,
        "enabled": True,
        "generation": 0,
        "created_at": START + timedelta(microseconds=123_457),
    }
    return User(**{**values, **changes})


def a_session(user, **changes):
    number = next(_numbers)
    values = {
        "fingerprint": Fingerprint(number.to_bytes(32, "big")),
        "handle": SessionHandle(f"{number:022d}"),
        "user_id": user.id,
        "generation": user.generation,
        "created_at": START,
        "authenticated_at": START + timedelta(microseconds=1),
        "expires_at": START + timedelta(hours=24),
        "idle_timeout": timedelta(minutes=120),
        "last_seen_at": START,
        "methods": frozenset({Method.PASSWORD, Method.TOTP}),
        "remembered": False,
        "user_agent": "Mozilla/5.0 (ünïcode)",
        "address": "2001:db8::1",
        "parent": None,
    }
    return Session(**{**values, **changes})


def a_ticket(**changes):
    number = next(_numbers)
    values = {
        "id": TicketId(number.to_bytes(32, "big")),
        "purpose": Purpose.LOGIN,
        "browser": b"b" * 32,
        "state": {"return": "https://app.example.test/?q=ü", "step": "1"},
        "created_at": START,
        "expires_at": START + timedelta(minutes=15),
    }
    return Ticket(**{**values, **changes})


def an_event(**changes):
    values = {
        "act": Act.LOGIN,
        "actor": "alice",
        "subject": "alice",
        "at": START + timedelta(microseconds=7),
        "public": {"session": "h"},
        "private": {"address": "2001:db8::1", "user_agent": "Ü"},
    }
    return AuditEvent(**{**values, **changes})


async def add(records, *users):
    async with records.transaction() as transaction:
        for user in users:
            await transaction.add_user(user)
