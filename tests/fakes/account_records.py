"""What the fake store keeps about second factors, invitations, sign-ins and mail."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from doorward.errors import ConflictError
from doorward.rules.factor import UNREADABLE, FactorId, Factors, Passkey, RecoveryCode, Totp, list_marks
from doorward.rules.history import KEPT_OF_EACH, SignInNote
from doorward.rules.identity import UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId, LetterState
from tests.fakes.state import State

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class FakeFactorRecords:
    """`interfaces.FactorRecords`."""

    _state: State
    _check: Callable[[], None]

    async def find_factors(self, user_id: UserId) -> Factors:
        self._check()
        passkeys = [each for each in self._state.passkeys.values() if each.user_id == user_id]
        codes = [each for each in self._state.recovery_codes.values() if each.user_id == user_id]
        return Factors(
            totp=self._state.totps.get(user_id),
            passkeys=tuple(sorted(passkeys, key=lambda each: (each.created_at, each.id))),
            recovery_codes=tuple(sorted(codes, key=lambda each: each.position)),
        )

    async def find_lost_factors(self, user_id: UserId) -> frozenset[str]:
        marks = self._state.factor_marks.get(user_id)
        return frozenset({UNREADABLE}) if marks is None else marks - list_marks(await self.find_factors(user_id))

    async def clear_factors(self, user_id: UserId) -> None:
        await self.remove_totp(user_id)
        for passkey in (await self.find_factors(user_id)).passkeys:
            await self.remove_passkey(passkey.id)
        await self.put_recovery_codes(user_id, ())
        if user_id in self._state.users:
            self._state.factor_marks[user_id] = frozenset()

    async def mark_factors(self) -> int:
        unmarked = self._state.users.keys() - self._state.factor_marks.keys()
        for user_id in unmarked:
            self._state.factor_marks[user_id] = list_marks(await self.find_factors(user_id))
        return len(unmarked)

    def _change_marks(self, user_id: UserId, drop: str, add: str = "") -> None:
        marks = self._state.factor_marks.get(user_id)
        if marks is not None:
            kept = {mark for mark in marks if not mark.startswith(drop)}
            self._state.factor_marks[user_id] = frozenset(kept | ({add} if add else set()))

    async def list_protected(self) -> frozenset[UserId]:
        self._check()
        return frozenset(self._state.totps) | {each.user_id for each in self._state.passkeys.values()}

    async def put_totp(self, totp: Totp) -> None:
        self._check()
        self._state.check_account(totp.user_id)
        self._state.totps[totp.user_id] = totp
        self._change_marks(totp.user_id, "totp", "totp")

    async def advance_totp(self, old: Totp, new: Totp) -> bool:
        self._check()
        if new.user_id != old.user_id:
            raise ValueError("an authenticator app's owner never changes")
        return _advance(self._state.totps, old.user_id, old, new)

    async def remove_totp(self, user_id: UserId) -> bool:
        self._check()
        self._change_marks(user_id, "totp")
        return self._state.totps.pop(user_id, None) is not None

    async def find_passkey(self, digest: bytes) -> Passkey | None:
        self._check()
        return next((each for each in self._state.passkeys.values() if each.digest == digest), None)

    async def add_passkey(self, passkey: Passkey) -> None:
        self._check()
        self._state.check_account(passkey.user_id)
        if passkey.id in self._state.passkeys or await self.find_passkey(passkey.digest) is not None:
            raise ConflictError("that passkey is registered already")
        self._state.passkeys[passkey.id] = passkey
        self._change_marks(passkey.user_id, f"passkey:{passkey.id}", f"passkey:{passkey.id}")

    async def advance_passkey(self, old: Passkey, new: Passkey) -> bool:
        self._check()
        if (new.id, new.user_id, new.digest) != (old.id, old.user_id, old.digest):
            raise ValueError("a passkey's id, owner and credential never change")
        return _advance(self._state.passkeys, old.id, old, new)

    async def remove_passkey(self, passkey_id: FactorId) -> bool:
        self._check()
        passkey = self._state.passkeys.pop(passkey_id, None)
        if passkey is not None:
            self._change_marks(passkey.user_id, f"passkey:{passkey_id}")
        return passkey is not None

    async def put_recovery_codes(self, user_id: UserId, codes: Sequence[RecoveryCode]) -> None:
        self._check()
        if any(code.user_id != user_id for code in codes):
            raise ValueError("a set of recovery codes belongs to one account")
        kept = {each.id: each for each in self._state.recovery_codes.values() if each.user_id != user_id}
        if codes:
            self._state.check_account(user_id)
        if len({code.position for code in codes}) < len(codes):
            raise ConflictError("these recovery codes are there already")
        for code in codes:
            if code.id in kept:
                raise ConflictError("these recovery codes are there already")
            kept[code.id] = code
        self._state.recovery_codes = kept
        self._change_marks(user_id, "codes:", f"codes:{len(codes)}" if codes else "")

    async def spend_recovery_code(self, code_id: FactorId, at: datetime) -> bool:
        self._check()
        code = self._state.recovery_codes.get(code_id)
        if code is None or code.used_at is not None:
            return False
        self._state.recovery_codes[code_id] = replace(code, used_at=at)
        return True


class FakeAccountRecords:
    """`interfaces.AccountRecords`."""

    _state: State
    _check: Callable[[], None]

    async def list_invites(self) -> list[Invite]:
        self._check()
        return sorted(self._state.invites.values(), key=lambda each: (each.made_at, each.id), reverse=True)

    async def find_invite(self, digest: bytes) -> Invite | None:
        self._check()
        return next((each for each in self._state.invites.values() if each.digest == digest), None)

    async def add_invite(self, invite: Invite) -> None:
        self._check()
        if invite.id in self._state.invites or await self.find_invite(invite.digest) is not None:
            raise ConflictError("that invitation is there already")
        self._state.invites[invite.id] = invite

    async def advance_invite(self, old: Invite, new: Invite) -> bool:
        self._check()
        if (new.id, new.digest) != (old.id, old.digest):
            raise ValueError("an invitation's id and token never change")
        return _advance(self._state.invites, old.id, old, new)

    async def remove_invite(self, invite_id: InviteId) -> bool:
        self._check()
        return self._state.invites.pop(invite_id, None) is not None

    async def note_sign_in(self, note: SignInNote) -> None:
        self._check()
        self._state.check_account(note.user_id)
        if any((each.user_id, each.at, each.id) == (note.user_id, note.at, note.id) for each in self._state.sign_ins):
            raise ConflictError("that sign-in is noted already")
        every = sorted([*self._state.sign_ins, note], key=lambda each: (each.at, each.id))
        alike = [each for each in every if (each.user_id, not each.failure) == (note.user_id, not note.failure)]
        dropped = alike[:-KEPT_OF_EACH]
        self._state.sign_ins = [each for each in every if each not in dropped]

    async def list_sign_ins(self, user_id: UserId, *, limit: int) -> list[SignInNote]:
        self._check()
        return [each for each in reversed(self._state.sign_ins) if each.user_id == user_id][:limit]

    async def add_letter(self, letter: Letter) -> None:
        self._check()
        if letter.user_id:
            self._state.check_account(letter.user_id)
        if letter.id in self._state.letters:
            raise ConflictError("that mail is queued already")
        self._state.letters[letter.id] = letter

    async def list_due_letters(self, now: datetime, *, limit: int) -> list[Letter]:
        self._check()
        due = [
            each
            for each in self._state.letters.values()
            if each.state is LetterState.WAITING and each.next_try_at <= now
        ]
        return sorted(due, key=lambda each: (each.next_try_at, each.queued_at, each.id))[:limit]

    async def list_letters(self, *, limit: int = 100, state: LetterState | None = None) -> list[Letter]:
        self._check()
        found = [each for each in self._state.letters.values() if state is None or each.state is state]
        return sorted(found, key=lambda each: (each.queued_at, each.id), reverse=True)[:limit]

    async def advance_letter(self, old: Letter, new: Letter) -> bool:
        self._check()
        if (new.id, new.user_id) != (old.id, old.user_id):
            raise ValueError("a mail's id and account never change")
        return _advance(self._state.letters, old.id, old, new)

    async def find_letter(self, letter_id: LetterId) -> Letter | None:
        self._check()
        return self._state.letters.get(letter_id)

    async def purge_letters(self, before: datetime) -> int:
        self._check()
        done = [each.id for each in self._state.letters.values() if each.done_at is not None and each.done_at < before]
        for letter_id in done:
            del self._state.letters[letter_id]
        return len(done)


def _advance(rows: dict[_Key, _Value], key: _Key, old: _Value, new: _Value) -> bool:
    if rows.get(key) != old:
        return False
    rows[key] = new
    return True
