"""Signing in: begin, prove, finish (docs/security-flow.md).

The order is the point. Counted before it is tried; refused alike whether or not the account exists; the ticket taken
once; one transaction that looks at the account again and writes the evidence; only then the session.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import InputError, TamperError
from doorward.flows.accepting import PasswordRules
from doorward.flows.evidence import Evidence
from doorward.flows.finishing import Decided, Finishing
from doorward.flows.methods.password import Proof
from doorward.flows.notify import Notify
from doorward.flows.opening import Opening
from doorward.flows.outcome import Continued, Refused, SignedIn, Started, Unacceptable
from doorward.flows.owed_steps import IsOpen, OwedSteps
from doorward.flows.passkey_entry import PasskeyEntry
from doorward.flows.pending import Pending
from doorward.flows.proving import Methods, Proving
from doorward.flows.throttle import Bucket, Target, Throttle
from doorward.flows.tickets import ParseReturn, find_bound, vet
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Random, Records, Tally, Tickets
from doorward.rules.identity import User, UserId
from doorward.rules.login import SECOND_METHODS, Demand, Failure, Step, methods_for, next_step
from doorward.rules.names import parse_login
from doorward.rules.password import parse_password
from doorward.rules.session import Fingerprint, Method, Subject
from doorward.rules.ticket import Purpose, Ticket

MAX_LOGIN: Final = 1024
"""Characters of the login field; more was not typed (E13)."""


class SignIn:
    """The sign-in of people."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        opening: Opening,
        finishing: Finishing,
        methods: Methods,
        rules: PasswordRules,
        notify: Notify,
        parse_return: ParseReturn,
        clock: Clock,
        pause: Pause,
        random: Random,
        tally: Tally,
        is_password_open: IsOpen,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._opening = opening
        self._finishing = finishing
        self._password = methods.password
        self._parse_return = parse_return
        self._clock = clock
        self._pause = pause
        self._random = random
        self._tally = tally
        self._is_password_open = is_password_open
        self._evidence = Evidence(
            records=records, throttle=throttle, finishing=finishing, clock=clock, pause=pause, tally=tally
        )
        self._proving = Proving(
            throttle=throttle,
            finishing=finishing,
            evidence=self._evidence,
            methods=methods,
            clock=clock,
            tally=tally,
        )
        self._passkeys = PasskeyEntry(
            records=records,
            tickets=tickets,
            throttle=throttle,
            opening=opening,
            finishing=finishing,
            evidence=self._evidence,
            method=methods.passkey,
            clock=clock,
            random=random,
            tally=tally,
        )
        self._owed = OwedSteps(
            throttle=throttle,
            finishing=finishing,
            password=methods.password,
            rules=rules,
            notify=notify,
            tally=tally,
            is_password_open=is_password_open,
        )

    async def begin(
        self,
        visitor: Visitor,
        *,
        return_to: str | None,
        now: datetime,
        subject: Subject | None = None,
        demand: Demand = Demand.SIGN_IN,
    ) -> Started | Refused:
        """Make a ticket. `return_to` is the raw `rd` parameter, None when absent.

        With `subject` (somebody is signed in already) only the same account may answer, and `demand` says with what;
        nothing said, it is a step-up. Without one it is a sign-in, whatever was asked for.
        Refused (THROTTLED) when one address begins without end.
        """
        spent = await self._throttle.spend_begin(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("begin")
            return Refused(Failure.THROTTLED, spent.retry_after)
        return_url, refused = vet(self._parse_return, return_to)
        pending = Pending(demand=Demand.SIGN_IN, return_url=return_url, return_refused=refused)
        if subject is not None:
            asked = demand if demand.is_of_someone else Demand.STEP_UP
            pending = _again(pending, subject, asked)
        return await self._finishing.begin(pending, visitor, now=now)

    async def find(self, token: str, visitor: Visitor, *, now: datetime) -> Started | None:
        """What a page needs to show the step again; None when the ticket is gone or another browser's."""
        return await self._finishing.find(token, visitor, now=now)

    async def continue_as(
        self,
        user: User,
        visitor: Visitor,
        *,
        proven: frozenset[Method],
        demand: Demand = Demand.SIGN_IN,
        return_to: str | None = None,
        remember: bool = False,
        previous: Fingerprint | None,
        now: datetime,
        authenticated_at: datetime | None = None,
    ) -> SignedIn | Continued | Refused:
        """Go on with what somebody has proven elsewhere: by registering, or with a link to set a new password.

        `user` is the account as it was when that was proven; with anything taken from it since, nothing comes of it.
        """
        return_url, refused = vet(self._parse_return, return_to)
        pending = Pending(
            demand=demand,
            return_url=return_url,
            return_refused=refused,
            account=user.id,
            generation=user.generation,
            proven=proven,
            remember=remember,
            authenticated_at=authenticated_at,
        )
        old = await self._opening.find_previous(previous)
        async with self._records.transaction() as transaction:
            present = await transaction.find_user(user.id)
            if present is None or not pending.is_of(present):
                return self._finishing.refuse(Failure.TICKET_GONE)
            if not present.enabled:
                waits = present.awaits_approval
                return self._finishing.refuse(Failure.AWAITS_APPROVAL if waits else Failure.TICKET_GONE)
            decided = await self._finishing.decide(transaction, pending, visitor, present, old, now=now)
        if isinstance(decided, Failure):
            return self._finishing.refuse(decided)
        return await self._finishing.conclude(decided, now=now)

    async def submit_code(
        self, token: str, visitor: Visitor, *, code: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Try a code of the account's authenticator app as the second proof."""
        return await self._proving.submit_code(token, visitor, code=code, previous=previous, now=now)

    async def submit_recovery_code(
        self, token: str, visitor: Visitor, *, code: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Try a recovery code in its place."""
        return await self._proving.submit_recovery_code(token, visitor, code=code, previous=previous, now=now)

    async def ask_passkey(self, token: str, visitor: Visitor, *, now: datetime) -> str | Refused:
        """The options for the browser, as JSON, for the step the sign-in is at."""
        return await self._passkeys.ask(token, visitor, now=now)

    async def submit_passkey(
        self,
        token: str,
        visitor: Visitor,
        *,
        answer: str,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Try what a passkey signed. `remember` counts only where it begins a sign-in."""
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if ticket is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        if _is_at_first(Pending.read(ticket.state), Method.PASSKEY):
            return await self._passkeys.submit(
                ticket, visitor, answer=answer, remember=remember, previous=previous, now=now
            )
        return await self._proving.submit_passkey(token, visitor, answer=answer, previous=previous, now=now)

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
        """Set the new password that the account owes, or that a link was handed out for."""
        return await self._owed.submit_new_password(
            token, visitor, password=password, again=again, previous=previous, now=now
        )

    async def postpone_enrolment(
        self, token: str, visitor: Visitor, *, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Go on without a second factor, while the grace lasts."""
        return await self._owed.postpone_enrolment(token, visitor, previous=previous, now=now)

    async def submit_password(
        self,
        token: str,
        visitor: Visitor,
        *,
        login: str,
        password: str,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Try a password. `previous` is the session this browser showed, which dies with success (J01).

        InputError (400) when a field is too long to be meant (E13). In a step-up `login` and `remember` are ignored.
        TamperError, audited, when the stored hash is not what we wrote.
        """
        began = self._clock.elapsed()
        if len(login) > MAX_LOGIN:
            raise InputError("the user name is too long")
        secret = parse_password(password)
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        pending = Pending.read(ticket.state) if ticket is not None else None
        if ticket is None or pending is None or not _is_at_first(pending, Method.PASSWORD):
            return self._finishing.refuse(Failure.TICKET_GONE)
        spent = await self._throttle.spend_login(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("login")
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        # SECURITY: asked when the form arrives, not when the page was shown, and before anything is known of the
        # account: the refusal is the same for everybody (docs/adr 0022). tests/unit/test_closed_passwords.py compares.
        if not await self._is_password_open():
            return self._finishing.refuse(Failure.PASSWORDS_CLOSED)
        if pending.account is not None:
            name, user = None, await self._find_account(pending.account)
        else:
            pending = replace(pending, remember=remember)
            name = parse_login(login)
            user = await self._find_user(name)
        target = self._throttle.aim(user, name, visitor, now=now)
        async with self._throttle.turn(target):
            outcome = await self._try(ticket, pending, visitor, target, user, secret, previous, now)
        if isinstance(outcome, Refused):
            await self._evidence.even_out(began)
        else:
            await self._throttle.give_back(Bucket.LOGIN, visitor, now=now)
        return outcome

    async def _try(
        self,
        ticket: Ticket,
        pending: Pending,
        visitor: Visitor,
        target: Target,
        user: User | None,
        secret: str,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        locked = await self._throttle.find_lock(target, now=now)
        if locked > timedelta(0):
            self._tally.count_limited("login_failures")
            return self._finishing.refuse(Failure.LOCKED, locked)
        delay = await self._throttle.find_delay(target, now=now)
        if delay > timedelta(0):
            self._tally.count_limited("login_account")
            await self._pause(delay.total_seconds())
        try:
            proof = await self._password.prove(user, secret)
        except TamperError:
            await self._evidence.record_tampering(user, visitor, "passwords.sealed", now)
            raise
        if user is None or not proof.right or not (user.enabled or user.awaits_approval):
            return await self._fail(visitor, target, user, now)
        if pending.account is not None and not pending.is_of(user):
            return self._finishing.refuse(Failure.TICKET_GONE)
        if user.awaits_approval:
            return self._finishing.refuse(Failure.AWAITS_APPROVAL)
        if not await self._finishing.take(ticket, now):
            return self._finishing.refuse(Failure.TICKET_GONE)
        # SECURITY: cleared before anything is granted, so that a store which cannot write refuses (R12).
        await self._throttle.clear(target)
        return await self._finish(pending, visitor, target, user, proof, previous, now)

    async def _finish(
        self,
        pending: Pending,
        visitor: Visitor,
        target: Target,
        user: User,
        proof: Proof,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        after = replace(pending, proven=pending.proven | {self._password.method})
        decided: Decided | Failure
        old = await self._opening.find_previous(previous)
        async with self._records.transaction() as transaction:
            # SECURITY: the account as it is now, not as it was before the slow hash (E24, E25, J04).
            present = await transaction.find_user(user.id)
            if present is None or not present.enabled or present.generation != user.generation:
                decided = Failure.WRONG
            else:
                if proof.upgrade is not None:
                    await proof.upgrade(transaction)
                decided = await self._finishing.decide(transaction, after, visitor, present, old, now=now)
        if decided is Failure.WRONG:
            return await self._fail(visitor, target, user, now)
        if isinstance(decided, Failure):
            return self._finishing.refuse(decided)
        return await self._finishing.conclude(decided, now=now)

    async def _fail(self, visitor: Visitor, target: Target, user: User | None, now: datetime) -> Refused:
        locked = await self._evidence.fail(target, visitor, user, self._password.method, Failure.WRONG, now)
        # Told with the try that locks: whoever reads only "not right" would try the next one in vain.
        return self._finishing.refuse(Failure.LOCKED if locked > timedelta(0) else Failure.WRONG, locked)

    async def _find_account(self, account: UserId) -> User | None:
        async with self._records.transaction() as transaction:
            return await transaction.find_user(account)

    async def _find_user(self, login: str | None) -> User | None:
        async with self._records.transaction() as transaction:
            # Looked up even where it can be nobody, so that the two take the same steps.
            return await transaction.find_user_by_login(login or "")


def _is_at_first(pending: Pending, method: Method) -> bool:
    """Whether nothing says yet who it is, and `method` may."""
    first = next_step(pending.proven, pending.demand) is Step.FIRST_PROOF
    return first and method in methods_for(pending.demand, Step.FIRST_PROOF)


def _again(pending: Pending, subject: Subject, demand: Demand) -> Pending:
    """What it takes of somebody who is signed in. Only where a second factor is added does what they proved count."""
    user, session, _ = subject
    asked = replace(
        pending,
        demand=demand,
        account=user.id,
        generation=session.generation,
        remember=session.remembered,
        had_second=not session.methods.isdisjoint(SECOND_METHODS),
    )
    if demand is not Demand.SECOND_FACTOR:
        return asked
    return replace(
        asked,
        proven=session.methods,
        session=session.handle,
        authenticated_at=session.authenticated_at,
        ends_by=session.expires_at,
    )
