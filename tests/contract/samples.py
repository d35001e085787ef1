"""Values to store."""

from datetime import timedelta
from itertools import count

from doorward.rules.alert import Alert, AlertId, AlertKind, AlertState
from doorward.rules.app_key import AppKey, KeyId, KeyKind
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.factor import FactorId, Passkey, RecoveryCode, Totp
from doorward.rules.history import SignInNote
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId, LetterKind, LetterState
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


def a_totp(user, **changes):
    values = {
        "user_id": user.id,
        "sealed": "gcm1:totp",
        "last_step": 63_116_640,
        "created_at": START + timedelta(microseconds=11),
        "last_used_at": None,
    }
    return Totp(**{**values, **changes})


def a_passkey(user, **changes):
    number = next(_numbers)
    values = {
        "id": FactorId(f"{number:032x}"),
        "user_id": user.id,
        "digest": number.to_bytes(32, "big"),
        "sealed": "gcm1:passkey",
        "name": "Älice’s 🔑",
        "sign_count": 0,
        "verifies": True,
        "backup_eligible": True,
        "backed_up": False,
        "created_at": START + timedelta(microseconds=number),
        "last_used_at": None,
    }
    return Passkey(**{**values, **changes})


def a_recovery_code(user, position=0, **changes):
    values = {
        "id": FactorId(f"{next(_numbers):032x}"),
        "user_id": user.id,
        "position": position,
        "sealed": f"gcm1:code {position}",
        "created_at": START + timedelta(microseconds=13),
        "used_at": None,
    }
    return RecoveryCode(**{**values, **changes})


def an_invite(**changes):
    number = next(_numbers)
    values = {
        "id": InviteId(f"{number:032x}"),
        "digest": number.to_bytes(32, "big"),
        "made_by": UserId(""),
        "made_at": START + timedelta(microseconds=number),
        "expires_at": START + timedelta(days=7, microseconds=1),
        "max_uses": 1,
        "uses": 0,
        "groups": frozenset({"staff", "Ä, “B”"}),
        "email": "guest@example.test",
        "note": "für Zoë",
        "revoked_at": None,
    }
    return Invite(**{**values, **changes})


def a_sign_in(user, **changes):
    number = next(_numbers)
    values = {
        "id": f"{number:032x}",
        "user_id": user.id,
        "at": START + timedelta(microseconds=number),
        "failure": "",
        "methods": frozenset({Method.PASSWORD, Method.SECURITY_KEY}),
        "session": SessionHandle(f"{number:022d}"),
        "new_device": False,
        "sealed": "gcm1:note",
    }
    return SignInNote(**{**values, **changes})


def a_letter(**changes):
    number = next(_numbers)
    values = {
        "id": LetterId(f"{number:032x}"),
        "kind": LetterKind.RESET,
        "user_id": UserId(""),
        "sealed": "gcm1:letter",
        "state": LetterState.WAITING,
        "queued_at": START + timedelta(microseconds=number),
        "next_try_at": START + timedelta(microseconds=number),
        "tries": 0,
        "done_at": None,
        "trouble": "",
    }
    return Letter(**{**values, **changes})


async def link(records, *identities):
    async with records.transaction() as transaction:
        for identity in identities:
            await transaction.add_identity(identity)


async def add(records, *users):
    async with records.transaction() as transaction:
        for user in users:
            await transaction.add_user(user)


async def queue(records, *letters):
    async with records.transaction() as transaction:
        for letter in letters:
            await transaction.add_letter(letter)


def an_alert(**changes):
    number = next(_numbers)
    values = {
        "id": AlertId(f"{number:032x}"),
        "kind": AlertKind.BACKUP_FAILED,
        "about": "",
        "sealed": "gcm1:alert",
        "state": AlertState.WAITING,
        "queued_at": START + timedelta(microseconds=number),
        "next_try_at": START + timedelta(microseconds=number),
        "tries": 0,
        "done_at": None,
        "trouble": "",
    }
    return Alert(**{**values, **changes})


def an_app_key(user, **changes):
    number = next(_numbers)
    values = {
        "id": KeyId(f"{number:012d}"),
        "user_id": user.id,
        "name": f"Älices Telefon {number}",
        "kind": KeyKind.KEY,
        "digest": f"sha256:{number}",
        "preview": "dw_00000…0000",
        "made_at": START + timedelta(microseconds=number),
        "made_by": user.id,
    }
    return AppKey(**{**values, **changes})


async def give_keys(records, *keys):
    async with records.transaction() as transaction:
        for key in keys:
            await transaction.add_app_key(key)
