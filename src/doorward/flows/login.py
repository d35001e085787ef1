"""Signing in: begin, prove, finish (docs/security-flow.md).

The order is the point. Counted before it is tried; refused alike whether or not the account exists; the ticket taken
once; one transaction that looks at the account again and writes the evidence; only then the session.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import InputError, TamperError
from doorward.flows.method import Proof, SecretMethod
from doorward.flows.opening import Opened, Opening, encode
from doorward.flows.outcome import Refused, SignedIn, Started
from doorward.flows.throttle import Target, Throttle
from doorward.flows.tickets import TICKET_SIZE, ParseReturn, find_bound, ticket_id, vet
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Random, Records, Tally, Tickets, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.login import Demand, Failure, next_step
from doorward.rules.names import parse_login
from doorward.rules.password import parse_password
from doorward.rules.session import Fingerprint, Session, Subject
from doorward.rules.ticket import Purpose, Ticket

MAX_LOGIN: Final = 1024
"""Characters of the login field; more was not typed (E13)."""
MIN_FAILURE_TIME: Final = timedelta(milliseconds=350)
"""No refusal that depends on an account comes back sooner (E01)."""

IsOpen = Callable[[], Awaitable[bool]]
"""Whether local passwords are taken at this moment (docs/adr 0022)."""


class SignIn:
    """The sign-in of people."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        opening: Opening,
        password: SecretMethod,
        parse_return: ParseReturn,
        clock: Clock,
        pause: Pause,
        random: Random,
        tally: Tally,
        is_password_open: IsOpen,
        ticket_lifetime: timedelta = timedelta(minutes=10),
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._opening = opening
        self._password = password
        self._parse_return = parse_return
        self._clock = clock
        self._pause = pause
        self._random = random
        self._tally = tally
        self._is_password_open = is_password_open
        self._ticket_lifetime = ticket_lifetime

    async def begin(
        self,
        visitor: Visitor,
        *,
        return_to: str | None,
        now: datetime,
        subject: Subject | None = None,
        confirm: bool = False,
    ) -> Started | Refused:
        """Make a ticket. `return_to` is the raw `rd` parameter, None when absent.

        With `subject` (somebody is signed in already) this is a step-up: only the same account may answer. With
        `confirm`, too, any way that this account has will do; otherwise only one that is certain to ask anew.
        Refused (THROTTLED) when one address begins without end.
        """
        spent = await self._throttle.spend_begin(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("begin")
            return Refused(Failure.THROTTLED, spent.retry_after)
        demand = Demand.SIGN_IN
        if subject is not None:
            demand = Demand.CONFIRM if confirm else Demand.STEP_UP
        return_url, refused = vet(self._parse_return, return_to)
        token = encode(self._random.token(TICKET_SIZE))
        state = {"demand": demand.value, "return": return_url}
        if refused:
            state["return_refused"] = "yes"
        if subject is not None:
            state["account"] = subject.user.id
            state["remember"] = "yes" if subject.session.remembered else ""
        await self._tickets.put(
            Ticket(ticket_id(token), Purpose.LOGIN, visitor.browser, state, now, now + self._ticket_lifetime)
        )
        account = subject.user if subject else None
        return Started(token, next_step(frozenset(), demand), return_url, refused, account, demand)

    async def find(self, token: str, visitor: Visitor, *, now: datetime) -> Started | None:
        """What a page needs to show the step again; None when the ticket is gone or another browser's."""
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if ticket is None:
            return None
        account = await self._find_account(ticket)
        if account is None and "account" in ticket.state:
            return None
        return_url, _ = vet(self._parse_return, ticket.state["return"])
        demand = Demand(ticket.state["demand"])
        step = next_step(frozenset(), demand)
        return Started(token, step, return_url, "return_refused" in ticket.state, account, demand)

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
    ) -> SignedIn | Refused:
        """Try a password. `previous` is the session this browser showed, which dies with success (J01).

        InputError (400) when a field is too long to be meant (E13). In a step-up `login` and `remember` are ignored.
        TamperError, audited, when the stored hash is not what we wrote.
        """
        began = self._clock.elapsed()
        if len(login) > MAX_LOGIN:
            raise InputError("the user name is too long")
        secret = parse_password(password)
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if ticket is None:
            return self._refuse(Failure.TICKET_GONE)
        spent = await self._throttle.spend_login(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("login")
            return self._refuse(Failure.THROTTLED, spent.retry_after)
        # SECURITY: asked when the form arrives, not when the page was shown, and before anything is known of the
        # account: the refusal is the same for everybody (docs/adr 0022). tests/unit/test_closed_passwords.py compares.
        if not await self._is_password_open():
            return self._refuse(Failure.PASSWORDS_CLOSED)
        if "account" in ticket.state:
            name, user = None, await self._find_account(ticket)
            remember = ticket.state["remember"] == "yes"
        else:
            name = parse_login(login)
            user = await self._find_user(name)
        target = self._throttle.aim(user, name, visitor, now=now)
        async with self._throttle.turn(target):
            outcome = await self._try(ticket, visitor, target, user, secret, remember, previous, now)
        if isinstance(outcome, Refused):
            await self._even_out(began)
        return outcome

    async def _try(
        self,
        ticket: Ticket,
        visitor: Visitor,
        target: Target,
        user: User | None,
        secret: str,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Refused:
        locked = await self._throttle.find_lock(target, now=now)
        if locked > timedelta(0):
            self._tally.count_limited("login_failures")
            return self._refuse(Failure.LOCKED, locked)
        delay = await self._throttle.find_delay(target, now=now)
        if delay > timedelta(0):
            self._tally.count_limited("login_account")
            await self._pause(delay.total_seconds())
        try:
            proof = await self._password.prove(user, secret)
        except TamperError:
            await self._record_tampering(user, visitor, now)
            raise
        if user is None or not proof.right:
            return await self._fail(visitor, target, user, now)
        if await self._tickets.take(ticket.id, Purpose.LOGIN, now) is None:
            return self._refuse(Failure.TICKET_GONE)
        # SECURITY: cleared before anything is granted, so that a store which cannot write refuses (R12).
        await self._throttle.clear(target)
        return await self._finish(ticket, visitor, target, user, proof, remember, previous, now)

    async def _finish(
        self,
        ticket: Ticket,
        visitor: Visitor,
        target: Target,
        user: User,
        proof: Proof,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Refused:
        opened = self._opening.prepare(
            user, visitor, methods=frozenset({self._password.method}), remember=remember, now=now
        )
        old = await self._opening.find_previous(previous)
        async with self._records.transaction() as transaction:
            # SECURITY: the account as it is now, not as it was before the slow hash (E24, E25, J04).
            present = await transaction.find_user(user.id)
            intact = present is not None and present.enabled and present.generation == user.generation
            if intact:
                if proof.upgrade is not None:
                    await proof.upgrade(transaction)
                if old is not None:
                    await transaction.end_session(old.handle)
                await transaction.append_audit(_signed_in(ticket, visitor, user, opened, old, now))
        if present is None or not intact:
            return await self._fail(visitor, target, user, now)
        await self._opening.store(opened)
        self._tally.count_login("success")
        return_url, _ = vet(self._parse_return, ticket.state["return"])
        return SignedIn(present, opened.session, opened.cookie, opened.device, return_url)

    async def _fail(self, visitor: Visitor, target: Target, user: User | None, now: datetime) -> Refused:
        locked = await self._throttle.record_failure(target, now=now)
        subject = user.id if user else "unknown"
        async with self._records.transaction() as transaction:
            await transaction.append_audit(
                AuditEvent(
                    Act.LOGIN_FAILED,
                    "anonymous",
                    subject,
                    now,
                    {"method": self._password.method.value, "known_device": "yes" if target.known else "no"},
                    visitor.private(),
                )
            )
            if locked > timedelta(0):
                await _append_lock(transaction, subject, visitor, locked, now)
        # Told with the try that locks: whoever reads only "not right" would try the next one in vain.
        return self._refuse(Failure.LOCKED if locked > timedelta(0) else Failure.WRONG, locked)

    async def _record_tampering(self, user: User | None, visitor: Visitor, now: datetime) -> None:
        subject = user.id if user else "unknown"
        self._tally.count_login("tampered")
        async with self._records.transaction() as transaction:
            await transaction.append_audit(
                AuditEvent(Act.TAMPERED, "system", subject, now, {"where": "passwords.sealed"}, visitor.private())
            )

    def _refuse(self, failure: Failure, retry_after: timedelta = timedelta(0)) -> Refused:
        self._tally.count_login(failure.value)
        return Refused(failure, retry_after)

    async def _even_out(self, began: float) -> None:
        left = MIN_FAILURE_TIME.total_seconds() - (self._clock.elapsed() - began)
        if left > 0:
            await self._pause(left)

    async def _find_account(self, ticket: Ticket) -> User | None:
        account = ticket.state.get("account")
        if account is None:
            return None
        async with self._records.transaction() as transaction:
            return await transaction.find_user(UserId(account))

    async def _find_user(self, login: str | None) -> User | None:
        async with self._records.transaction() as transaction:
            # Looked up even where it can be nobody, so that the two take the same steps.
            return await transaction.find_user_by_login(login or "")


def _signed_in(
    ticket: Ticket, visitor: Visitor, user: User, opened: Opened, old: Session | None, now: datetime
) -> AuditEvent:
    public = {
        "session": opened.session.handle,
        "methods": ",".join(sorted(method.value for method in opened.session.methods)),
        "remembered": "yes" if opened.session.remembered else "no",
    }
    if old is not None:
        public["replaced"] = old.handle
    if "return_refused" in ticket.state:
        public["return_refused"] = "yes"
    act = Act.REAUTHENTICATED if "account" in ticket.state else Act.LOGIN
    return AuditEvent(act, user.id, user.id, now, public, visitor.private())


async def _append_lock(
    transaction: Transaction, subject: str, visitor: Visitor, locked: timedelta, now: datetime
) -> None:
    seconds = str(int(locked.total_seconds()))
    await transaction.append_audit(
        AuditEvent(Act.LOGIN_LOCKED, "system", subject, now, {"seconds": seconds}, visitor.private())
    )
