"""Invitations, the history of sign-ins and the queue of mail, on SQL."""

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, delete, insert, select

from doorward.errors import TamperError
from doorward.rules.history import KEPT_OF_EACH, SignInNote
from doorward.rules.identity import UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId, LetterKind, LetterState
from doorward.rules.session import SessionHandle
from doorward.storage.sql.database import InTransaction, advance, refused
from doorward.storage.sql.queue import decode_tries, encode_tries, select_due, select_newest
from doorward.storage.sql.rows import decode_methods, encode_methods
from doorward.storage.sql.tables import invites, letters, sign_ins

_PURGE_MOST: Final = 5000
"""Letters that one purge removes, so that nobody waits long for the writer."""


class SqlAccounts(InTransaction):
    """`interfaces.AccountRecords` on one connection: a part of the transaction."""

    async def list_invites(self) -> list[Invite]:
        """All invitations, the newest first."""
        rows = await self._connection.execute(select(invites).order_by(invites.c.made_at.desc(), invites.c.id.desc()))
        return [_decode_invite(row) for row in rows.mappings()]

    async def find_invite(self, digest: bytes) -> Invite | None:
        """The invitation whose token has this SHA-256."""
        rows = await self._connection.execute(select(invites).where(invites.c.digest == digest))
        row = rows.mappings().one_or_none()
        return None if row is None else _decode_invite(row)

    async def add_invite(self, invite: Invite) -> None:
        """Add one."""
        with refused("that invitation is there already"):
            await self._connection.execute(insert(invites).values(_encode_invite(invite)))

    async def advance_invite(self, old: Invite, new: Invite) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if (new.id, new.digest) != (old.id, old.digest):
            raise ValueError("an invitation's id and token never change")
        return await advance(self._connection, invites, _encode_invite(old), _encode_invite(new))

    async def remove_invite(self, invite_id: InviteId) -> bool:
        """Forget one; whether there was one."""
        return (await self._connection.execute(delete(invites).where(invites.c.id == invite_id))).rowcount > 0

    async def note_sign_in(self, note: SignInNote) -> None:
        """Add to the account's history, and drop what is too old to be kept."""
        with refused("that sign-in is noted already, or its account is gone"):
            await self._connection.execute(insert(sign_ins).values(_encode_note(note)))
        columns = sign_ins.c
        # Apart, so that no number of failures drops a sign-in that succeeded.
        alike = columns.failure != "" if note.failure else columns.failure == ""
        own = (columns.user_id == note.user_id) & alike
        newest = select(columns.at, columns.id).where(own).order_by(columns.at.desc(), columns.id.desc())
        eldest = (await self._connection.execute(newest.offset(KEPT_OF_EACH - 1).limit(1))).one_or_none()
        if eldest is not None:
            at, note_id = eldest
            older = (columns.at < at) | ((columns.at == at) & (columns.id < note_id))
            await self._connection.execute(delete(sign_ins).where(own, older))

    async def list_sign_ins(self, user_id: UserId, *, limit: int) -> list[SignInNote]:
        """The account's last sign-ins, the newest first."""
        query = select(sign_ins).where(sign_ins.c.user_id == user_id)
        rows = await self._connection.execute(query.order_by(sign_ins.c.at.desc(), sign_ins.c.id.desc()).limit(limit))
        return [_decode_note(row) for row in rows.mappings()]

    async def add_letter(self, letter: Letter) -> None:
        """Queue a mail."""
        with refused("that mail is queued already, or the account it is about is gone"):
            await self._connection.execute(insert(letters).values(_encode_letter(letter)))

    async def list_due_letters(self, now: datetime, *, limit: int) -> list[Letter]:
        """Waiting mails whose next try is due, the most overdue first."""
        query = select_due(letters, LetterState.WAITING, now, limit)
        return [_decode_letter(row) for row in (await self._connection.execute(query)).mappings()]

    async def list_letters(self, *, limit: int = 100, state: LetterState | None = None) -> list[Letter]:
        """Mails of any state, or of one, the newest first."""
        query = select_newest(letters, state, limit)
        return [_decode_letter(row) for row in (await self._connection.execute(query)).mappings()]

    async def advance_letter(self, old: Letter, new: Letter) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if (new.id, new.user_id) != (old.id, old.user_id):
            raise ValueError("a mail's id and account never change")
        return await advance(self._connection, letters, _encode_letter(old), _encode_letter(new))

    async def find_letter(self, letter_id: LetterId) -> Letter | None:
        """One mail."""
        rows = await self._connection.execute(select(letters).where(letters.c.id == letter_id))
        row = rows.mappings().one_or_none()
        return None if row is None else _decode_letter(row)

    async def purge_letters(self, before: datetime) -> int:
        """Forget mails that were done with before then, a bounded number; the rest goes with the next call."""
        few = select(letters.c.id).where(letters.c.done_at < before).limit(_PURGE_MOST).scalar_subquery()
        return (await self._connection.execute(delete(letters).where(letters.c.id.in_(few)))).rowcount


def _encode_invite(invite: Invite) -> dict[str, Any]:
    return {
        "id": invite.id,
        "digest": invite.digest,
        "made_by": invite.made_by,
        "made_at": invite.made_at,
        "expires_at": invite.expires_at,
        "max_uses": invite.max_uses,
        "uses": invite.uses,
        # Nobody looks for an invitation by its groups: text that is the same for the same groups will do.
        "groups": json.dumps(sorted(invite.groups), separators=(",", ":")),
        "email": invite.email,
        "note": invite.note,
        "revoked_at": invite.revoked_at,
    }


def _decode_invite(row: RowMapping) -> Invite:
    return Invite(
        id=InviteId(row["id"]),
        digest=row["digest"],
        made_by=UserId(row["made_by"]),
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        max_uses=row["max_uses"],
        uses=row["uses"],
        groups=_decode_groups(row["groups"]),
        email=row["email"],
        note=row["note"],
        revoked_at=row["revoked_at"],
    )


def _decode_groups(text: str) -> frozenset[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TamperError("an invitation's groups are not JSON") from error
    if not isinstance(found, list) or not all(isinstance(group, str) for group in found):
        raise TamperError("an invitation's groups are not a list of names")
    return frozenset(found)


def _encode_note(note: SignInNote) -> dict[str, Any]:
    return {
        "user_id": note.user_id,
        "at": note.at,
        "id": note.id,
        "failure": note.failure,
        "methods": encode_methods(note.methods),
        "session": note.session,
        "new_device": note.new_device,
        "sealed": note.sealed,
    }


def _decode_note(row: RowMapping) -> SignInNote:
    return SignInNote(
        id=row["id"],
        user_id=UserId(row["user_id"]),
        at=row["at"],
        failure=row["failure"],
        methods=decode_methods(row["methods"]),
        session=None if row["session"] is None else SessionHandle(row["session"]),
        new_device=row["new_device"],
        sealed=row["sealed"],
    )


def _encode_letter(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind.value,
        "user_id": letter.user_id or None,
        "state": letter.state.value,
        **encode_tries(letter),
    }


def _decode_letter(row: RowMapping) -> Letter:
    try:
        kind, state = LetterKind(row["kind"]), LetterState(row["state"])
    except ValueError as error:
        raise TamperError("a stored mail is of a kind or state we do not know") from error
    return Letter(
        id=LetterId(row["id"]),
        kind=kind,
        user_id=UserId(row["user_id"] or ""),
        state=state,
        **decode_tries(row),
    )
