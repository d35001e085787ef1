"""Signing in with a passkey alone: one that verified its user is both proofs at once (G06, G07)."""

from dataclasses import replace
from datetime import datetime

from doorward.errors import TamperError
from doorward.flows.evidence import Evidence
from doorward.flows.finishing import Decided, Finishing, Standing
from doorward.flows.methods.passkey import Copied, PasskeyMethod
from doorward.flows.opening import Opening, encode
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.pending import Pending
from doorward.flows.proving import MAX_WRONG
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.tickets import find_bound
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Random, Records, Tally, Tickets, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.login import Failure, Step, methods_for, next_step
from doorward.rules.passkey import CHALLENGE_SIZE, parse_base64url
from doorward.rules.session import Fingerprint, Method, Session
from doorward.rules.ticket import Purpose, Ticket


class PasskeyEntry:
    """Asks for passkeys at either proof, and takes their answers at the first."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        opening: Opening,
        finishing: Finishing,
        evidence: Evidence,
        method: PasskeyMethod,
        clock: Clock,
        random: Random,
        tally: Tally,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._opening = opening
        self._finishing = finishing
        self._evidence = evidence
        self._method = method
        self._clock = clock
        self._random = random
        self._tally = tally

    async def ask(self, token: str, visitor: Visitor, *, now: datetime) -> str | Refused:
        """The options for the browser: any passkey for us, or the account's where it is known whose sign-in it is.

        Each has a challenge of its own, which takes the place of any before.
        """
        spent = await self._throttle.spend_begin(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("begin")
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        ticket = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        standing = await self._finishing.look(token, visitor, Step.FIRST_PROOF, Step.SECOND_PROOF, now=now)
        if ticket is None or not _may_answer(Pending.read(ticket.state), standing):
            return self._finishing.refuse(Failure.TICKET_GONE)
        pending = Pending.read(ticket.state)
        passkeys = standing.owed.factors.passkeys if standing is not None else ()
        challenge = self._random.token(CHALLENGE_SIZE)
        verify = standing is None or standing.owed.step is Step.FIRST_PROOF
        options = self._method.ask(passkeys, challenge, verify=verify)
        asked = replace(ticket, state=replace(pending, challenge=encode(challenge)).write())
        if not await self._tickets.advance(ticket, asked):
            return self._finishing.refuse(Failure.TICKET_GONE)
        return options

    async def submit(
        self,
        ticket: Ticket,
        visitor: Visitor,
        *,
        answer: str,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Try what a passkey signed as the first proof, with the ticket found but not taken yet."""
        began = self._clock.elapsed()
        spent = await self._throttle.spend_login(visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited("login")
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        pending = Pending.read(ticket.state)
        if not pending.challenge or not await self._finishing.take(ticket, now):
            return self._finishing.refuse(Failure.TICKET_GONE)
        if pending.account is None:
            pending = replace(pending, remember=remember)
        old = await self._opening.find_previous(previous)
        try:
            decided = await self._decide(pending, answer, visitor, old, now)
        except TamperError:
            await self._evidence.record_tampering(None, visitor, "passkeys.sealed", now)
            raise
        if isinstance(decided, Decided):
            await self._throttle.give_back(Bucket.LOGIN, visitor, now=now)
            return await self._finishing.conclude(decided, now=now)
        again = replace(pending, wrong=pending.wrong + 1, challenge="")
        if again.wrong < MAX_WRONG:
            await self._finishing.give_back(ticket, again)
        await self._evidence.even_out(began)
        return self._finishing.refuse(decided)

    async def _decide(
        self, pending: Pending, answer: str, visitor: Visitor, old: Session | None, now: datetime
    ) -> Decided | Failure:
        challenge = parse_base64url(pending.challenge)
        async with self._records.transaction() as transaction:
            asked = await transaction.find_user(pending.account) if pending.account is not None else None
            proven = await self._method.prove(
                transaction, answer, challenge, user=asked, visitor=visitor, verify=True, now=now
            )
            copied = isinstance(proven, Copied)
            decided: Decided | Failure = Failure.PASSKEY_COPIED if copied else Failure.WRONG_PASSKEY
            user = await transaction.find_user(_owner_of(proven)) if proven is not None else None
            # SECURITY: a touch is no first proof (G06). tests/unit/test_passkey_sign_in.py only touches.
            if user is not None and isinstance(proven, tuple) and proven[1] is Method.PASSKEY:
                decided = await self._enter(transaction, pending, user, visitor, old, now)
            if isinstance(decided, Failure):
                await self._write_down(transaction, user, visitor, decided, now)
        return decided

    async def _enter(
        self,
        transaction: Transaction,
        pending: Pending,
        user: User,
        visitor: Visitor,
        old: Session | None,
        now: datetime,
    ) -> Decided | Failure:
        if not user.enabled:
            return Failure.AWAITS_APPROVAL if user.awaits_approval else Failure.WRONG_PASSKEY
        if pending.account is not None and not pending.is_of(user):
            return Failure.TICKET_GONE
        after = replace(pending, proven=pending.proven | {Method.PASSKEY})
        return await self._finishing.decide(transaction, after, visitor, user, old, now=now)

    async def _write_down(
        self, transaction: Transaction, user: User | None, visitor: Visitor, failure: Failure, now: datetime
    ) -> None:
        public = {"method": Method.PASSKEY.value, "failure": failure.value}
        subject = user.id if user is not None else "unknown"
        await transaction.append_audit(
            AuditEvent(Act.LOGIN_FAILED, "anonymous", subject, now, public, visitor.private())
        )
        if user is not None:
            methods = frozenset({Method.PASSKEY})
            await self._finishing.note_failure(transaction, user, visitor, methods, failure, now)


def _owner_of(proven: tuple[UserId, Method] | Copied) -> UserId:
    return proven.user_id if isinstance(proven, Copied) else proven[0]


def _may_answer(pending: Pending, standing: Standing | None) -> bool:
    """Whether a passkey may answer the step the sign-in is at."""
    if standing is None:
        known_by_none = pending.account is None
        step = next_step(pending.proven, pending.demand)
        return known_by_none and Method.PASSKEY in methods_for(pending.demand, step)
    may = Method.PASSKEY in methods_for(pending.demand, standing.owed.step)
    return may and bool(standing.owed.factors.passkeys)
