"""Values to store."""

from datetime import timedelta
from itertools import count

from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.provider import ProviderId
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle
from doorward.rules.ticket import Purpose, Ticket, TicketId
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession
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


def an_identity(user, **changes):
    number = next(_numbers)
    values = {
        "id": IdentityId(f"{number:022d}"),
        "user_id": user.id,
        "issuer": "https://id.example.test/",
        "subject": f"subject-{number}",
        "provider": ProviderId("main"),
        "email": "Somebody@Example.test",
        "name": "Älice “A” 😀",
        "owns_profile": False,
        "groups": frozenset(),
        "is_admin": False,
        "linked_at": START + timedelta(microseconds=number),
        "used_at": None,
    }
    return Identity(**{**values, **changes})


def an_upstream_session(identity, **changes):
    values = {
        "handle": SessionHandle(f"{next(_numbers):022d}"),
        "identity": identity.id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "sid": "",
        "id_token": "gcm1:id",
        "refresh_token": "gcm1:refresh",
        "check_at": START + timedelta(minutes=5, microseconds=1),
        "expires_at": START + timedelta(hours=24),
    }
    return UpstreamSession(**{**values, **changes})


def a_provider(name="main", **changes):
    values = {
        "id": ProviderId(name),
        "settings": '{"name":"Ä"}',
        "client_secret": "gcm1:secret",
        "private_key": "gcm1:key",
        "enabled": True,
        "changed_at": START + timedelta(microseconds=9),
    }
    return StoredProvider(**{**values, **changes})


async def link(records, *identities):
    async with records.transaction() as transaction:
        for identity in identities:
            await transaction.add_identity(identity)


async def add(records, *users):
    async with records.transaction() as transaction:
        for user in users:
            await transaction.add_user(user)
