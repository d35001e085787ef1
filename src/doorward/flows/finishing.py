"""The one place where a sign-in ends: on to the next step, or with a session (docs/security-flow.md).

Whatever was proven, and in whichever way: the ticket is taken once; one transaction looks at the account again, says
what it still owes, and writes the evidence; only then is there a session, or a new ticket for the next step.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.flows.letters import circumstances
from doorward.flows.lookout import Lookout
from doorward.flows.notify import Notify
from doorward.flows.opening import Opened, Opening, encode
from doorward.flows.outcome import Continued, Refused, SignedIn, Started
from doorward.flows.owing import Owed, Owing, note_grace
from doorward.flows.pending import Pending
from doorward.flows.tickets import TICKET_SIZE, ParseReturn, find_bound, ticket_id, vet
from doorward.flows.visitor import Visitor
from doorward.flows.vouching import Vouched, Vouching
from doorward.interfaces import Random, Records, Tally, Tickets, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.device import is_known_device
from doorward.rules.factor import Factor
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.login import Demand, Failure, Step, methods_for
from doorward.rules.session import Fingerprint, Method, Session, find_end
from doorward.rules.ticket import Purpose, Ticket

SECOND_PROOF_LIFETIME: Final = timedelta(minutes=5)
"""How long a page that asks for a second proof is good (2.1)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sign-in under way is: its ticket, and the account as it is at this moment."""

    ticket: Ticket
    pending: Pending
    user: User
    owed: Owed


@dataclass(frozen=True, slots=True)
class Decided:
    """What the transaction decided. `opened` is made but not stored yet; None where there is more to do."""

    user: User
    visitor: Visitor
    pending: Pending
    owed: Owed
    opened: Opened | None
    vouched: Vouched | None


StepAct = Callable[[Transaction, User], Awaitable[tuple[Pending, User] | None]]
"""What a step does in the transaction: what is proven then and the account as it is then, or None for a failure."""


class Finishing:
    """Ends steps and sign-ins."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        opening: Opening,
        owing: Owing,
        vouching: Vouching,
        notify: Notify,
        lookout: Lookout,
        random: Random,
        tally: Tally,
        parse_return: ParseReturn,
        ticket_lifetime: timedelta = timedelta(minutes=10),
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._opening = opening
        self._owing = owing
        self._vouching = vouching
        self._notify = notify
        self._lookout = lookout
        self._random = random
        self._tally = tally
        self._parse_return = parse_return
        self._ticket_lifetime = ticket_lifetime

    async def put(self, pending: Pending, visitor: Visitor, step: Step, now: datetime, vouched: Vouched | None) -> str:
        """Make the ticket of a step; its token."""
        token = encode(self._random.token(TICKET_SIZE))
        new = ticket_id(token)
        sealed = self._vouching.seal(vouched, new) if vouched is not None else ""
        lifetime = self._ticket_lifetime
        if step is Step.SECOND_PROOF:
            lifetime = min(lifetime, SECOND_PROOF_LIFETIME)
        state = replace(pending, upstream=sealed, challenge="", wrong=0).write()
        await self._tickets.put(Ticket(new, Purpose.LOGIN, visitor.browser, state, now, now + lifetime))
        return token

    async def begin(self, pending: Pending, visitor: Visitor, *, now: datetime) -> Started:
        """Make the first ticket of a sign-in in which nothing is proven but what the running session has proven."""
        if pending.account is None:
            token = await self.put(pending, visitor, Step.FIRST_PROOF, now, None)
            return self._show(token, pending, None, None)
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(pending.account)
            owed = None if user is None else await self._owing.find(transaction, user, pending, now)
        token = await self.put(pending, visitor, owed.step if owed else Step.FIRST_PROOF, now, None)
        return self._show(token, pending, user, owed)

    async def find(self, token: str, visitor: Visitor, *, now: datetime) -> Started | None:
        """What a page needs to show the step again; None when the ticket is gone, dead, or another browser's."""
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if ticket is None:
            return None
        pending = Pending.read(ticket.state)
        if pending.account is None:
            return self._show(token, pending, None, None)
        standing = await self._stand(ticket, pending, now)
        return None if standing is None else self._show(token, pending, standing.user, standing.owed)

    async def look(self, token: str, visitor: Visitor, *steps: Step, now: datetime) -> Standing | None:
        """Where a sign-in is whose account is known; None also where it is at none of these steps."""
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if ticket is None:
            return None
        standing = await self._stand(ticket, Pending.read(ticket.state), now)
        return standing if standing is not None and standing.owed.step in steps else None

    async def _stand(self, ticket: Ticket, pending: Pending, now: datetime) -> Standing | None:
        if pending.account is None:
            return None
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(pending.account)
            if user is None or not user.enabled or not pending.is_of(user):
                return None
            owed = await self._owing.find(transaction, user, pending, now)
        return Standing(ticket, pending, user, owed)

    async def take(self, ticket: Ticket, now: datetime) -> bool:
        """Take the ticket of a step, which answers once however many ask."""
        return await self._tickets.take(ticket.id, Purpose.LOGIN, now) is not None

    async def give_back(self, ticket: Ticket, pending: Pending) -> None:
        """Let the same page try again."""
        await self._tickets.put(replace(ticket, state=pending.write()))

    async def advance(
        self,
        standing: Standing,
        visitor: Visitor,
        act: StepAct,
        *,
        previous: Fingerprint | None,
        now: datetime,
        settled: bool = False,
    ) -> Decided | Failure | None:
        """Do what a step does, of an account that is known, with its ticket taken already. None where `act` says no.

        TICKET_GONE where the account, or what it owes, is not what the step began with (E24, E25, J04). `settled`: what
        was owed was settled since then by whoever calls, so that it cannot be the same.
        """
        pending = standing.pending
        vouched = self._vouching.unseal(pending.upstream, standing.ticket.id) if pending.upstream else None
        old = await self._opening.find_previous(previous)
        async with self._records.transaction() as transaction:
            present = await transaction.find_user(standing.user.id)
            if present is None or not present.enabled or not pending.is_of(present):
                return Failure.TICKET_GONE
            if await self._lookout.miss_factors(transaction, present, visitor, now):
                return Failure.FACTORS_LOST
            owed = await self._owing.find(transaction, present, pending, now)
            if owed.step is not standing.owed.step and not settled:
                return Failure.TICKET_GONE
            done = await act(transaction, present)
            if done is None:
                return None
            after, user = done
            return await self._decide(transaction, after, visitor, user, old, now=now, vouched=vouched)

    async def step(
        self,
        standing: Standing,
        visitor: Visitor,
        act: StepAct,
        *,
        previous: Fingerprint | None,
        now: datetime,
        settled: bool = False,
    ) -> SignedIn | Continued | Refused:
        """Take a step that cannot be wrong, only too late."""
        if not await self.take(standing.ticket, now):
            return self.refuse(Failure.TICKET_GONE)
        decided = await self.advance(standing, visitor, act, previous=previous, now=now, settled=settled)
        if isinstance(decided, Decided):
            return await self.conclude(decided, now=now)
        return self.refuse(decided or Failure.TICKET_GONE)

    async def decide(
        self,
        transaction: Transaction,
        pending: Pending,
        visitor: Visitor,
        user: User,
        old: Session | None,
        *,
        now: datetime,
        vouched: Vouched | None = None,
    ) -> Decided | Failure:
        """In the transaction: what comes next for an account that was looked at in it and, at the end, its session."""
        # SECURITY: before anything is asked for or set up, or whoever removes a row in the database would be let in by
        # the password alone, or by a factor of their own (M10). tests/attacks/test_lost_factors.py removes each.
        if await self._lookout.miss_factors(transaction, user, visitor, now):
            return Failure.FACTORS_LOST
        return await self._decide(transaction, pending, visitor, user, old, now=now, vouched=vouched)

    async def _decide(
        self,
        transaction: Transaction,
        pending: Pending,
        visitor: Visitor,
        user: User,
        old: Session | None,
        *,
        now: datetime,
        vouched: Vouched | None,
    ) -> Decided | Failure:
        if user.is_service:
            return Failure.NOBODY
        pending = replace(pending, account=user.id, generation=user.generation)
        owed = await self._owing.find(transaction, user, pending, now)
        if owed.step in {Step.ENROL, Step.FINISHED}:
            user = await note_grace(transaction, user, owed)
        if owed.step is not Step.FINISHED:
            return Decided(user, visitor, pending, owed, None, vouched)
        if vouched is not None and not await self._vouching.holds(transaction, vouched, user):
            return Failure.UPSTREAM_GONE
        ended = old is not None and await transaction.end_session(old.handle)
        if pending.session is not None and not _is_still(pending, user, old, now, ended=ended):
            # SECURITY: what the running session had proven is worth nothing once it has ended. The proof that was
            # added to it is used up all the same. tests/unit/test_added_proof.py ends it meanwhile.
            return Failure.TICKET_GONE
        limits = [end for end in (pending.ends_by, owed.enrol_by) if end is not None]
        opened = self._opening.prepare(
            user,
            visitor,
            methods=pending.proven - {Method.LINK},
            remember=pending.remember,
            now=now,
            authenticated_at=pending.authenticated_at,
            ends_by=min(limits, default=None),
            # SECURITY: who only adds a factor has not proven anew who they are; tests/unit/test_added_proof.py would
            # find the session recent otherwise.
            follows=old if pending.session is not None else None,
        )
        if vouched is not None:
            await self._vouching.note(transaction, vouched, opened.session, now)
        await transaction.append_audit(_signed_in(pending, visitor, user, opened.session, old, vouched, now))
        known = self._knows(visitor, user, now)
        methods = opened.session.methods
        await self._lookout.note(transaction, user, visitor, methods, now, session=opened.session.handle, known=known)
        # Whoever has just made the account knows of this device.
        if not known and user.created_at != now and not pending.demand.is_of_someone:
            await self._notify(transaction, LetterKind.NEW_DEVICE, user, circumstances(visitor, now), now)
            await self._lookout.report_device(transaction, user, visitor, now)
        return Decided(user, visitor, pending, owed, opened, vouched)

    async def conclude(self, decided: Decided, *, now: datetime) -> SignedIn | Continued | Refused:
        """After the transaction: store the session, or make the ticket of the next step."""
        await self.store(decided)
        opened, vouched = decided.opened, decided.vouched
        if opened is not None and vouched is not None and not await self._holds_still(vouched, opened.session):
            await self._withdraw(decided, opened, now)
            return self.refuse(Failure.UPSTREAM_GONE)
        return await self.hand_over(decided, now=now)

    async def store(self, decided: Decided) -> None:
        """Store the session, where there is one. Nobody has its cookie before `hand_over`."""
        if decided.opened is not None:
            await self._opening.store(decided.opened)

    async def discard(self, decided: Decided) -> None:
        """End a session that turned out, just after it was stored, not to be one."""
        if decided.opened is not None:
            await self._opening.close(decided.opened)

    async def hand_over(self, decided: Decided, *, now: datetime) -> SignedIn | Continued:
        """What the browser gets: the session that is stored by now, or the ticket of the next step."""
        opened, pending = decided.opened, decided.pending
        if opened is None:
            token = await self.put(pending, decided.visitor, decided.owed.step, now, decided.vouched)
            return Continued(self._show(token, pending, decided.user, decided.owed))
        self._tally.count_login("success")
        return_url, _ = vet(self._parse_return, pending.return_url)
        return SignedIn(decided.user, opened.session, opened.cookie, opened.device, return_url)

    async def note_failure(
        self,
        transaction: Transaction,
        user: User,
        visitor: Visitor,
        methods: frozenset[Method],
        failure: Failure,
        now: datetime,
    ) -> None:
        """Put a failed try into the history that the account's owner sees."""
        known = self._knows(visitor, user, now)
        await self._lookout.note(transaction, user, visitor, methods, now, failure=failure.value, known=known)

    async def report_failure(
        self,
        transaction: Transaction,
        account: str,
        user: User | None,
        visitor: Visitor,
        locked: timedelta,
        now: datetime,
    ) -> None:
        """Have operators told of a failure that is one too many."""
        await self._lookout.report_failure(transaction, account, user, visitor, locked, now)

    def refuse(self, failure: Failure, retry_after: timedelta = timedelta(0)) -> Refused:
        """Refuse, and count it."""
        self._tally.count_login(failure.value)
        return Refused(failure, retry_after)

    async def _holds_still(self, vouched: Vouched, session: Session) -> bool:
        # SECURITY: whoever closed the provider, or signed this person out there, while the session was being stored
        # found none to end (H21). tests/unit/test_upstream_second_proof.py does both.
        return await self._vouching.is_open(vouched) and await self._vouching.is_noted(session)

    async def _withdraw(self, decided: Decided, opened: Opened, now: datetime) -> None:
        async with self._records.transaction() as transaction:
            await transaction.end_session(opened.session.handle)
            public = {"method": Method.UPSTREAM.value, "failure": Failure.UPSTREAM_GONE.value}
            event = AuditEvent(Act.LOGIN_FAILED, "anonymous", decided.user.id, now, public, decided.visitor.private())
            await transaction.append_audit(event)
        await self.discard(decided)

    def _show(self, token: str, pending: Pending, user: User | None, owed: Owed | None) -> Started:
        return_url, _ = vet(self._parse_return, pending.return_url)
        step = owed.step if owed is not None else Step.FIRST_PROOF
        first = methods_for(pending.demand, Step.FIRST_PROOF)
        kinds = owed.kinds(pending.demand) if owed is not None else frozenset[Factor]()
        if step is Step.FIRST_PROOF:
            passkey = Method.PASSKEY in first and (owed is None or bool(owed.factors.passkeys))
        else:
            passkey = step is Step.SECOND_PROOF and Factor.PASSKEY in kinds
        return Started(
            token=token,
            step=step,
            return_url=return_url,
            return_refused=pending.return_refused,
            account=user,
            demand=pending.demand,
            factors=kinds if step is Step.SECOND_PROOF else frozenset(),
            passkey=passkey,
            may_postpone=step is Step.ENROL and owed is not None and owed.may_postpone,
            enrol_by=owed.enrol_by if step is Step.ENROL and owed is not None else None,
        )

    def _knows(self, visitor: Visitor, user: User, now: datetime) -> bool:
        return is_known_device(visitor.device, self._opening.device_key, user, now=now)


def _is_still(pending: Pending, user: User, old: Session | None, now: datetime, *, ended: bool) -> bool:
    """Whether the session that the sign-in builds on was there until this moment."""
    return ended and old is not None and old.handle == pending.session and find_end(old, user, now) is None


def _signed_in(
    pending: Pending,
    visitor: Visitor,
    user: User,
    session: Session,
    old: Session | None,
    vouched: Vouched | None,
    now: datetime,
) -> AuditEvent:
    public = {
        "session": session.handle,
        "methods": ",".join(sorted(method.value for method in session.methods)),
        "remembered": "yes" if session.remembered else "no",
    }
    private = visitor.private()
    if vouched is not None:
        public |= vouched.public()
        private |= vouched.private()
    if old is not None:
        public["replaced"] = old.handle
    if pending.return_refused:
        public["return_refused"] = "yes"
    if pending.demand is Demand.RESET:
        public["after"] = "reset"
    act = Act.REAUTHENTICATED if pending.demand.is_of_someone else Act.LOGIN
    return AuditEvent(act, user.id, user.id, now, public, private)
