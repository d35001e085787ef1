"""A copy of everything that is stored of an account, fit for JSON. Nothing of it opens anything (L11)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from doorward.flows.key_uses import find_place
from doorward.interfaces import Belongings, Keyring, Transaction
from doorward.rules.app_key import AppKey, tell_reach
from doorward.rules.audit import AuditEntry, AuditQuery
from doorward.rules.decision import Decision, Wanted
from doorward.rules.envelope import Place
from doorward.rules.factor import Factors
from doorward.rules.history import KEPT, SignInNote
from doorward.rules.identity import User, UserId
from doorward.rules.session import Session
from doorward.rules.upstream import Identity

MOST: Final = 10_000
"""Rows of one kind in a copy; nobody has more of what is bounded, and of the rest the newest are there."""


async def make_copy(
    transaction: Transaction, user: User, sessions: Sequence[Session], keyring: Keyring, now: datetime
) -> Mapping[str, object]:
    """Everything that is stored of `user`, as it is in this transaction."""
    password = await transaction.find_password(user.id)
    notes = await transaction.list_sign_ins(user.id, limit=KEPT)
    belongings = await transaction.find_belongings(user.id)
    return {
        "exported_at": now.isoformat(),
        "account": _account(user),
        "password_changed_at": None if password is None else password.changed_at.isoformat(),
        "second_factors": _factors(await transaction.find_factors(user.id)),
        "providers": [_identity(each) for each in await transaction.list_identities(user.id)],
        "sessions": [_session(each) for each in sessions],
        "sign_ins": [_sign_in(note, keyring) for note in notes],
        "app_keys": [_own_key(key, keyring) for key in await transaction.list_app_keys(user.id)],
        "decisions": [
            _decision(each) for each in await transaction.list_decisions(Wanted(user_id=user.id, limit=MOST))
        ],
        "audit": [_entry(each, user.id) for each in await _find_audit(transaction, user.id)],
        **_belongings(belongings),
    }


def describe_key(key: AppKey) -> dict[str, object]:
    """What is stored of a key for apps, but neither its hash nor from where it was used."""
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "preview": key.preview,
        "made_at": key.made_at.isoformat(),
        **tell_reach(key),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "asleep_since": None if key.disabled_at is None else key.disabled_at.isoformat(),
        "uses": key.uses,
        "last_used_at": None if key.last_used_at is None else key.last_used_at.isoformat(),
    }


async def _find_audit(transaction: Transaction, user_id: UserId) -> list[AuditEntry]:
    """The records by and about an account, the newest first."""
    by = await transaction.find_audit(AuditQuery(actors=(user_id,)), limit=MOST)
    about = await transaction.find_audit(AuditQuery(subjects=(user_id,)), limit=MOST)
    found = {entry.sequence: entry for entry in (*by, *about)}
    return [found[sequence] for sequence in sorted(found, reverse=True)]


def _account(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "language": user.language,
        "groups": sorted(user.groups),
        "groups_from_providers": sorted(user.granted_groups),
        "administrator": user.administers,
        "console_only": user.console_only,
        "created_at": user.created_at.isoformat(),
    }


def _factors(factors: Factors) -> dict[str, object]:
    return {
        "authenticator_app": None if factors.totp is None else factors.totp.created_at.isoformat(),
        "passkeys": [
            {
                "name": passkey.name,
                "created_at": passkey.created_at.isoformat(),
                "last_used_at": None if passkey.last_used_at is None else passkey.last_used_at.isoformat(),
                "synced": passkey.backed_up,
            }
            for passkey in factors.passkeys
        ],
        "recovery_codes_left": factors.unused_codes,
    }


def _identity(identity: Identity) -> dict[str, object]:
    return {
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "email": identity.email,
        "name": identity.name,
        "groups": sorted(identity.groups),
    }


def _session(session: Session) -> dict[str, object]:
    return {
        "handle": session.handle,
        "created_at": session.created_at.isoformat(),
        "last_seen_at": session.last_seen_at.isoformat(),
        "expires_at": session.expires_at.isoformat(),
        "address": session.address,
        "user_agent": session.user_agent,
        "methods": sorted(method.value for method in session.methods),
    }


def _sign_in(note: SignInNote, keyring: Keyring) -> dict[str, object]:
    said = json.loads(keyring.unseal(Place("sign_ins", "sealed", note.id), note.sealed))
    place = {"location": said["location"]} if said.get("location") else {}
    return {
        "at": note.at.isoformat(),
        "outcome": note.failure or "success",
        "methods": sorted(method.value for method in note.methods),
        "address": str(said["address"]),
        "user_agent": str(said["agent"]),
        "place": said.get("place"),
        **place,
    }


def _own_key(key: AppKey, keyring: Keyring) -> dict[str, object]:
    place = find_place(keyring, key)
    return {
        **describe_key(key),
        "made_by": "you" if key.made_by == key.user_id else "somebody else",
        "address": place.address,
        "user_agent": place.agent,
        "earlier_networks": list(place.networks),
    }


def _decision(decision: Decision) -> dict[str, object]:
    return {
        "host": decision.host,
        "method": decision.method,
        "path": decision.shape,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "count": decision.count,
        "first_at": decision.first_at.isoformat(),
        "last_at": decision.last_at.isoformat(),
    }


def _entry(entry: AuditEntry, user_id: UserId) -> dict[str, object]:
    # SECURITY: what is personal in a record is of whoever acted: somebody else's is not in this copy.
    # tests/unit/test_erasure.py would fail.
    own = entry.actor == user_id
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "act": entry.act,
        "by": "you" if own else "somebody else",
        "facts": dict(entry.public),
        "personal": dict(entry.private or {}) if own else {},
    }


def _belongings(belongings: Belongings) -> dict[str, object]:
    return {
        "preferences": dict(belongings.preferences),
        "mails": [
            {"kind": kind, "state": state, "queued_at": at.isoformat()} for kind, state, at in belongings.letters
        ],
        "alerts": [
            {"kind": kind, "state": state, "queued_at": at.isoformat()} for kind, state, at in belongings.alerts
        ],
        "emergency_kits": [
            {"made_at": made.isoformat(), "used_at": None if used is None else used.isoformat()}
            for made, used in belongings.kits
        ],
    }
