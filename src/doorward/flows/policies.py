"""What administrators decide for everybody: who needs a second factor, and who may register."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from doorward.errors import ForbiddenError, InputError
from doorward.flows.acting import Actor, append, check_actor
from doorward.flows.rights import take_rights
from doorward.interfaces import Records, Sessions, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.factor import Factor
from doorward.rules.identity import User
from doorward.rules.login import SECOND_METHODS
from doorward.rules.mfa import MFA_IN_FORCE, MFA_SETTING, MfaRequired, MfaTerms
from doorward.rules.registration import MODE_SETTING, Mode, decide_mode
from doorward.rules.session import Method, Session
from doorward.rules.single_user import find_flaw

_SECOND = Factor.TOTP.methods | Factor.PASSKEY.methods | Factor.RECOVERY_CODE.methods
_PROVES_OWN = Factor.TOTP.methods | Factor.PASSKEY.methods

_Word = TypeVar("_Word", MfaRequired, Mode)


@dataclass(frozen=True, slots=True)
class Unasked:
    """Who comes in without showing anything, as the configuration file has it.

    `single_user` is whoever comes from `networks` (D-11). `header` is where a proxy says who signs in (A-28).
    `approval`: whether an administrator looks at whoever registers.
    """

    single_user: str = ""
    networks: tuple[str, ...] = ()
    header: str = ""
    approval: bool = False


NOBODY: Final = Unasked()


@dataclass(frozen=True, slots=True)
class PolicyView:
    """How it stands. `*_set_by`: "setting" for the console's or the command line's word, "file" for configuration's.

    `unprotected`: the enabled administrators without a second factor, by name. `flaw`: why the single user's account
    stands for nobody, "" where it does, or there is none. `takeable`: the header in which a proxy may name somebody
    whose name anybody can register before them, "" where nobody can.
    """

    mfa: MfaRequired
    mfa_set_by: str
    registration: Mode
    registration_set_by: str
    unprotected: tuple[User, ...]
    unasked: Unasked = NOBODY
    flaw: str = ""
    takeable: str = ""


class Policies:
    """Looking at them, and changing them."""

    def __init__(
        self,
        *,
        records: Records,
        sessions: Sessions,
        mfa_terms: Callable[[], MfaTerms],
        mode_in_file: Callable[[], Mode],
        unasked: Callable[[], Unasked] = lambda: NOBODY,
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._mfa_terms = mfa_terms
        self._mode_in_file = mode_in_file
        self._unasked = unasked

    async def find(self, actor: Actor) -> PolicyView:
        """How it stands."""
        unasked = self._unasked()
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            mfa = await transaction.find_setting(MFA_SETTING)
            registration = await transaction.find_setting(MODE_SETTING)
            protected = await transaction.list_protected()
            administrators = await transaction.list_administrators()
            single = await transaction.find_user_by_login(unasked.single_user) if unasked.single_user else None
        mode = decide_mode(registration, self._mode_in_file())
        is_takeable = mode is Mode.OPEN and not unasked.approval
        return PolicyView(
            self._mfa_terms().decide(mfa),
            "file" if mfa is None else "setting",
            mode,
            "file" if registration is None else "setting",
            tuple(user for user in administrators if user.enabled and user.id not in protected),
            unasked,
            find_flaw(single) if unasked.single_user else "",
            unasked.header if is_takeable else "",
        )

    async def set_mfa(
        self, actor: Actor, word: str | None, *, proven: frozenset[Method] = frozenset(), now: datetime
    ) -> MfaRequired:
        """Say who needs a second factor, or with None leave it to the file (B-12). How it stands then.

        In the console only by an administrator who has one and showed it in this session (`proven`): ForbiddenError
        otherwise. Nobody can lock everybody out without having tried it, and a stolen password cannot relax it. Those
        of whom it asks more than before sign in again; the actor's own sessions end where they had no second factor.
        """
        required = None if word is None else _read(MfaRequired, word)
        own = await self._sessions.list_of(actor.user_id) if actor.user_id is not None else []
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            protected = await transaction.list_protected()
            if actor.user_id is not None and not (actor.user_id in protected and proven & _PROVES_OWN):
                raise ForbiddenError("set up a second factor and sign in with it first")
            terms = self._mfa_terms()
            before = terms.decide(await transaction.find_setting(MFA_SETTING))
            await transaction.put_setting(MFA_SETTING, None if required is None else required.value)
            if required is not None:
                await transaction.put_setting(MFA_IN_FORCE, required.value)
            after = required or terms.required
            ended = 0
            for user in await transaction.list_users():
                has_one = user.id in protected
                if not _asks(after, user, has_one) or _asks(before, user, has_one):
                    continue
                ended += 1
                if user.id == actor.user_id:
                    await _end_weak(transaction, own)
                else:
                    await take_rights(transaction, user, user)
            public = {"mfa": word or "file", "before": before.value, "after": after.value, "signed_out": str(ended)}
            await append(transaction, actor, Act.POLICY_CHANGED, "system", now, public)
        return after

    async def settle_mfa(self, *, now: datetime) -> int:
        """At the start, see what the file says now: end the sessions that prove less than it asks for; how many.

        Only where it is not what was in force last; what cannot be read of that was the mildest. Whoever may put off
        enrolment is asked for it anew, and may put it off again.
        """
        async with self._records.transaction() as transaction:
            word = await transaction.find_setting(MFA_IN_FORCE)
            after = self._mfa_terms().decide(await transaction.find_setting(MFA_SETTING))
            if word == after.value:
                return 0
            before = next((each for each in MfaRequired if each.value == word), MfaRequired.PER_RULE)
            protected = await transaction.list_protected()
            users = await transaction.list_users()
        asked = [
            user
            for user in users
            if _asks(after, user, user.id in protected) and not _asks(before, user, user.id in protected)
        ]
        sessions = [session for user in asked for session in await self._sessions.list_of(user.id)]
        weak = [session for session in sessions if session.methods.isdisjoint(SECOND_METHODS)]
        async with self._records.transaction() as transaction:
            for session in weak:
                await transaction.end_session(session.handle)
            await transaction.put_setting(MFA_IN_FORCE, after.value)
            public = {"mfa": "file", "before": before.value, "after": after.value, "ended": str(len(weak))}
            if word is not None or weak:
                await transaction.append_audit(AuditEvent(Act.POLICY_CHANGED, "system", "system", now, public))
        return len(weak)

    async def set_registration(self, actor: Actor, word: str | None, *, now: datetime) -> Mode:
        """Say who may register, or with None leave it to the file. It counts with the next transaction (R02)."""
        mode = None if word is None else _read(Mode, word)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            await transaction.put_setting(MODE_SETTING, None if mode is None else mode.value)
            after = mode or self._mode_in_file()
            public = {"registration": word or "file", "after": after.value}
            await append(transaction, actor, Act.POLICY_CHANGED, "system", now, public)
        return after


def _asks(required: MfaRequired, user: User, has_one: bool) -> bool:
    """Whether no sign-in of this account is whole without a second factor."""
    return required.covers(user) or (has_one and required.asks_at_sign_in)


async def _end_weak(transaction: Transaction, sessions: list[Session]) -> None:
    for session in sessions:
        if not session.methods & _SECOND:
            await transaction.end_session(session.handle)


def _read(words: type[_Word], text: str) -> _Word:
    try:
        return words(text)
    except ValueError:
        raise InputError(f"that is none of: {', '.join(each.value for each in words)}") from None
