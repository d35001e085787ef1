"""What is stored of somebody, for themselves: their sign-ins, a copy of everything, and "that was not me"."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from doorward.errors import NotFoundError
from doorward.flows.acting import Actor, Named, check_actor, get_present, get_user
from doorward.flows.outcome import Refused
from doorward.flows.rights import take_rights
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Records, Sessions, Tally
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.factor import Factors
from doorward.rules.history import KEPT, SHOWN, SignInNote, choose_shown
from doorward.rules.identity import User
from doorward.rules.login import Failure
from doorward.rules.session import Session, SessionHandle, Subject
from doorward.rules.upstream import Identity


@dataclass(frozen=True, slots=True)
class SignInShown:
    """One sign-in or try, readable. `is_this`: it made the session that asks."""

    note: SignInNote
    address: str
    agent: str
    is_this: bool = False


class OwnRecord:
    """Looking at what is stored of an account, and disowning a sign-in."""

    def __init__(
        self, *, records: Records, sessions: Sessions, keyring: Keyring, throttle: Throttle, tally: Tally
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._keyring = keyring
        self._throttle = throttle
        self._tally = tally

    async def list_sign_ins(self, subject: Subject, *, limit: int = SHOWN) -> list[SignInShown]:
        """One's own last sign-ins and tries, the newest first, the last five that succeeded among them."""
        async with self._records.transaction() as transaction:
            notes = await transaction.list_sign_ins(subject.user.id, limit=KEPT)
        return [self._read(note, subject.session.handle) for note in choose_shown(notes, limit)]

    async def list_history(self, actor: Actor, login: Named, *, limit: int = KEPT) -> list[SignInShown]:
        """The same of anybody, for administrators. Errors as in `flows.people`."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            notes = await transaction.list_sign_ins(user.id, limit=KEPT)
        return [self._read(note) for note in choose_shown(notes, max(limit, 1))]

    async def export(self, subject: Subject, visitor: Visitor, *, now: datetime) -> Mapping[str, object] | Refused:
        """Everything that is stored of the account, fit for JSON; nothing of it opens anything (L11)."""
        spent = await self._throttle.spend(Bucket.EXPORT, visitor, user=subject.user, now=now)
        if not spent.allowed:
            self._tally.count_limited(Bucket.EXPORT.value)
            return Refused(Failure.THROTTLED, spent.retry_after)
        sessions = await self._sessions.list_of(subject.user.id)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            identities = await transaction.list_identities(user.id)
            factors = await transaction.find_factors(user.id)
            password = await transaction.find_password(user.id)
            notes = await transaction.list_sign_ins(user.id, limit=KEPT)
            await transaction.append_audit(AuditEvent(Act.EXPORTED, user.id, user.id, now, {}, visitor.private()))
        return {
            "exported_at": now.isoformat(),
            "account": _account(user),
            "password_changed_at": None if password is None else password.changed_at.isoformat(),
            "second_factors": _factors(factors),
            "providers": [_identity(each) for each in identities],
            "sessions": [_session(each) for each in sessions],
            "sign_ins": [_sign_in(self._read(note)) for note in notes],
        }

    async def disown(self, subject: Subject, handle: SessionHandle, visitor: Visitor, *, now: datetime) -> User:
        """Say that a sign-in was somebody else's: all sessions end, and the next sign-in asks for a new password.

        NotFoundError where one has none such: other people's look the same (L08).
        """
        session = await self._sessions.find_by_handle(handle)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            notes = await transaction.list_sign_ins(user.id, limit=KEPT)
            own = session is not None and session.user_id == user.id
            if not own and all(note.session != handle for note in notes):
                raise NotFoundError("you have no such session")
            has_password = await transaction.find_password(user.id) is not None
            changed = await take_rights(
                transaction, user, replace(user, must_change_password=user.must_change_password or has_password)
            )
            public = {"session": handle, "by": subject.session.handle}
            await transaction.append_audit(AuditEvent(Act.DISOWNED, user.id, user.id, now, public, visitor.private()))
        return changed

    def _read(self, note: SignInNote, this: SessionHandle | None = None) -> SignInShown:
        sealed = self._keyring.unseal(Place("sign_ins", "sealed", note.id), note.sealed)
        said = json.loads(sealed)
        is_this = this is not None and note.session == this
        return SignInShown(note, str(said["address"]), str(said["agent"]), is_this)


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


def _sign_in(shown: SignInShown) -> dict[str, object]:
    return {
        "at": shown.note.at.isoformat(),
        "outcome": shown.note.failure or "success",
        "methods": sorted(method.value for method in shown.note.methods),
        "address": shown.address,
        "user_agent": shown.agent,
    }
