"""The steps of a sign-in that settle what an account owes: a new password, or a word that a factor comes later."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from doorward.flows.accepting import PasswordRules, accept_new_password
from doorward.flows.finishing import Finishing
from doorward.flows.letters import circumstances
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.notify import Notify
from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable
from doorward.flows.pending import Pending
from doorward.flows.rights import take_rights
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Tally, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.session import Fingerprint, Method

IsOpen = Callable[[], Awaitable[bool]]
"""Whether local passwords are taken at this moment (docs/adr 0022)."""


class OwedSteps:
    """Settles what is owed."""

    def __init__(
        self,
        *,
        throttle: Throttle,
        finishing: Finishing,
        password: PasswordMethod,
        rules: PasswordRules,
        notify: Notify,
        tally: Tally,
        is_password_open: IsOpen,
    ) -> None:
        self._throttle = throttle
        self._finishing = finishing
        self._password = password
        self._rules = rules
        self._notify = notify
        self._tally = tally
        self._is_password_open = is_password_open

    async def submit_new_password(
        self,
        token: str,
        visitor: Visitor,
        *,
        password: str,
        again: str,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused | Unacceptable:
        """Set a new password, which ends whatever the account had open."""
        standing = await self._finishing.look(token, visitor, Step.NEW_PASSWORD, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        user = standing.user
        spent = await self._throttle.spend(Bucket.PASSWORD_CHANGE, visitor, user=user, now=now)
        if not spent.allowed:
            self._tally.count_limited(Bucket.PASSWORD_CHANGE.value)
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        # Who proved otherwise who they are may settle what they owe; whoever has only a link comes in by the password.
        if standing.pending.demand is Demand.RESET and not await self._is_password_open():
            return self._finishing.refuse(Failure.PASSWORDS_CLOSED)
        accepted = accept_new_password(password, again, name=user.name, email=user.email, rules=self._rules)
        if isinstance(accepted, Unacceptable):
            return accepted
        if (await self._password.prove(user, accepted)).right:
            return Unacceptable((("password", "Please choose another password than the one you have."),))
        stored = await self._password.seal(user.id, accepted, now=now)

        async def set_password(transaction: Transaction, present: User) -> tuple[Pending, User]:
            await transaction.put_password(present.id, stored)
            changed = await take_rights(transaction, present, replace(present, must_change_password=False))
            resets = standing.pending.demand is Demand.RESET
            act = Act.PASSWORD_RESET if resets else Act.PASSWORD_CHANGED
            await transaction.append_audit(
                AuditEvent(act, present.id, present.id, now, {"at": "sign_in"}, visitor.private())
            )
            await self._notify(transaction, LetterKind.PASSWORD_CHANGED, changed, circumstances(visitor, now), now)
            # Who has just chosen it knows it, and the session says so.
            return replace(standing.pending, proven=standing.pending.proven | {Method.PASSWORD}), changed

        return await self._finishing.step(standing, visitor, set_password, previous=previous, now=now)

    async def postpone_enrolment(
        self, token: str, visitor: Visitor, *, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Go on without a second factor, while the grace lasts. The session ends with it."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        if not standing.owed.may_postpone:
            return self._finishing.refuse(Failure.ENROLMENT_DUE)

        async def postpone(_: Transaction, present: User) -> tuple[Pending, User]:
            return replace(standing.pending, postponed=True), present

        return await self._finishing.step(standing, visitor, postpone, previous=previous, now=now)
