"""What is stored of somebody, for themselves: their sign-ins, a copy of everything, and "that was not me"."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from doorward.errors import NotFoundError
from doorward.flows.acting import Actor, Named, append_own, check_actor, get_present, get_user
from doorward.flows.copying import make_copy
from doorward.flows.lookout import read_place
from doorward.flows.outcome import Refused
from doorward.flows.rights import take_rights
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Records, Sessions, Tally
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.history import KEPT, SHOWN, SignInNote, choose_shown
from doorward.rules.identity import User
from doorward.rules.login import Failure
from doorward.rules.session import SessionHandle, Subject


@dataclass(frozen=True, slots=True)
class SignInShown:
    """One sign-in or try, readable. `is_this`: it made the session that asks."""

    note: SignInNote
    address: str
    agent: str
    is_this: bool = False
    place: str = ""
    """City, region and country, where both the operator and the person wanted it noted."""


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
            copy = await make_copy(transaction, user, sessions, self._keyring, now)
            await transaction.append_audit(AuditEvent(Act.EXPORTED, user.id, user.id, now, {}, visitor.private()))
        return copy

    async def disown(self, subject: Subject, handle: SessionHandle, visitor: Visitor, *, now: datetime) -> User:
        """Say that a sign-in was somebody else's: all sessions end, and the next sign-in asks for a new password.

        Keys for apps that were made since then are revoked: whoever it was can have made them, to stay.
        NotFoundError where one has none such: other people's look the same (L08).
        """
        session = await self._sessions.find_by_handle(handle)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            notes = await transaction.list_sign_ins(user.id, limit=KEPT)
            begun = [note.at for note in notes if note.session == handle]
            if session is not None and session.user_id == user.id:
                begun.append(session.created_at)
            if not begun:
                raise NotFoundError("you have no such session")
            has_password = await transaction.find_password(user.id) is not None
            changed = await take_rights(
                transaction, user, replace(user, must_change_password=user.must_change_password or has_password)
            )
            public = {"session": handle, "by": subject.session.handle}
            await transaction.append_audit(AuditEvent(Act.DISOWNED, user.id, user.id, now, public, visitor.private()))
            # SECURITY: a key outlives the session it was made in; tests/unit/test_own_record.py leaves one.
            keys = [key for key in await transaction.list_app_keys(user.id) if key.made_at >= min(begun)]
            await transaction.remove_app_keys([key.id for key in keys])
            for key in keys:
                said = {"key": key.id, "kind": key.kind.value}
                await append_own(transaction, Act.APP_KEY_REVOKED, user, visitor, now, said, {"name": key.name})
        return changed

    def _read(self, note: SignInNote, this: SessionHandle | None = None) -> SignInShown:
        sealed = self._keyring.unseal(Place("sign_ins", "sealed", note.id), note.sealed)
        said = json.loads(sealed)
        is_this = this is not None and note.session == this
        place = read_place(said.get("place"))
        where = place.words if place is not None else ""
        return SignInShown(note, str(said["address"]), str(said["agent"]), is_this, where)
