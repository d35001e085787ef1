"""The steps of a sign-in after the first proof, and passkeys at either (docs/security-flow.md).

The order is the point here too: counted before it is tried, for the address and for the account however many tickets
and addresses there are (F04); refused while locked, right or not; the ticket taken once, and given back only after a
failure.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import TamperError
from doorward.flows.evidence import Evidence
from doorward.flows.finishing import Decided, Finishing, Standing
from doorward.flows.methods.passkey import Copied, PasskeyMethod
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.methods.recovery_code import RecoveryCodeMethod
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.pending import Pending
from doorward.flows.throttle import Bucket, Target, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Tally, Transaction
from doorward.rules.factor import Factor
from doorward.rules.identity import User
from doorward.rules.login import Failure, Step, methods_for
from doorward.rules.passkey import parse_base64url
from doorward.rules.session import Fingerprint, Method

MAX_WRONG: Final = 5
"""So many wrong answers end a ticket (2.6)."""

ProveSecond = Callable[[Transaction, User, Pending], Awaitable[Method | Failure | None]]
"""What is proven by an answer, looked at in the transaction that uses it up.

None where it is wrong, or a failure that has words of its own.
"""
_USUAL: Final = {
    Factor.TOTP: Method.TOTP,
    Factor.PASSKEY: Method.SECURITY_KEY,
    Factor.RECOVERY_CODE: Method.RECOVERY_CODE,
}
"""The name in the evidence of what somebody failed to prove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """The ways of proving something. They do not know each other."""

    password: PasswordMethod
    totp: TotpMethod
    recovery_code: RecoveryCodeMethod
    passkey: PasskeyMethod


class Proving:
    """The second proof, by a code or a passkey."""

    def __init__(
        self,
        *,
        throttle: Throttle,
        finishing: Finishing,
        evidence: Evidence,
        methods: Methods,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._throttle = throttle
        self._finishing = finishing
        self._evidence = evidence
        self._methods = methods
        self._clock = clock
        self._tally = tally

    async def submit_code(
        self, token: str, visitor: Visitor, *, code: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Try a code of the account's authenticator app."""

        async def prove(transaction: Transaction, user: User, _: Pending) -> Method | None:
            return Method.TOTP if await self._methods.totp.prove(transaction, user, code, now=now) else None

        return await self._try_second(token, visitor, Factor.TOTP, prove, previous=previous, now=now)

    async def submit_recovery_code(
        self, token: str, visitor: Visitor, *, code: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Try a recovery code in its place. Only the account's own count (F08)."""

        async def prove(transaction: Transaction, user: User, _: Pending) -> Method | None:
            right = await self._methods.recovery_code.prove(transaction, user, visitor, code, now=now)
            return Method.RECOVERY_CODE if right else None

        return await self._try_second(token, visitor, Factor.RECOVERY_CODE, prove, previous=previous, now=now)

    async def submit_passkey(
        self, token: str, visitor: Visitor, *, answer: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Try what one of the account's own passkeys signed (G07)."""

        async def prove(transaction: Transaction, user: User, pending: Pending) -> Method | Failure | None:
            if not pending.challenge:
                return None
            challenge = parse_base64url(pending.challenge)
            proven = await self._methods.passkey.prove(
                transaction, answer, challenge, user=user, visitor=visitor, verify=False, now=now
            )
            if isinstance(proven, Copied):
                return Failure.PASSKEY_COPIED
            return proven[1] if proven is not None else None

        return await self._try_second(token, visitor, Factor.PASSKEY, prove, previous=previous, now=now)

    async def _try_second(
        self,
        token: str,
        visitor: Visitor,
        factor: Factor,
        prove: ProveSecond,
        *,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        began = self._clock.elapsed()
        standing = await self._finishing.look(token, visitor, Step.SECOND_PROOF, now=now)
        if standing is None or factor not in standing.owed.kinds(standing.pending.demand):
            return self._finishing.refuse(Failure.TICKET_GONE)
        spent = await self._throttle.spend(Bucket.OTP_VERIFY, visitor, user=standing.user, now=now)
        if not spent.allowed:
            self._tally.count_limited(Bucket.OTP_VERIFY.value)
            return self._finishing.refuse(Failure.THROTTLED, spent.retry_after)
        target = self._throttle.aim_second(standing.user, visitor, now=now)
        async with self._throttle.turn(target):
            # Looked for again: whoever had the turn before may have used it up.
            current = await self._finishing.look(token, visitor, Step.SECOND_PROOF, now=now)
            if current is None:
                return self._finishing.refuse(Failure.TICKET_GONE)
            outcome = await self._try(current, visitor, target, factor, prove, previous, now)
        if isinstance(outcome, Refused):
            await self._evidence.even_out(began)
        else:
            await self._throttle.give_back(Bucket.OTP_VERIFY, visitor, user=standing.user, now=now)
        return outcome

    async def _try(
        self,
        standing: Standing,
        visitor: Visitor,
        target: Target,
        factor: Factor,
        prove: ProveSecond,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        locked = await self._throttle.find_lock(target, now=now)
        if locked > timedelta(0):
            self._tally.count_limited("otp_failures")
            return self._finishing.refuse(Failure.LOCKED, locked)
        if not await self._finishing.take(standing.ticket, now):
            return self._finishing.refuse(Failure.TICKET_GONE)

        failure = Failure.WRONG_PASSKEY if factor is Factor.PASSKEY else Failure.WRONG_CODE

        async def add(transaction: Transaction, user: User) -> tuple[Pending, User] | None:
            nonlocal failure
            method = await prove(transaction, user, standing.pending)
            if isinstance(method, Failure):
                failure = method
                return None
            if method is None or method not in methods_for(standing.pending.demand, Step.SECOND_PROOF):
                return None
            return replace(standing.pending, proven=standing.pending.proven | {method}), user

        try:
            decided = await self._finishing.advance(standing, visitor, add, previous=previous, now=now)
        except TamperError:
            await self._evidence.record_tampering(standing.user, visitor, factor.value, now)
            raise
        if decided is None:
            return await self._fail(standing, visitor, target, factor, failure, now)
        if not isinstance(decided, Decided):
            return self._finishing.refuse(decided)
        # SECURITY: cleared before anything is granted, so that a store which cannot write refuses (R12).
        await self._throttle.clear(target)
        return await self._finishing.conclude(decided, now=now)

    async def _fail(
        self,
        standing: Standing,
        visitor: Visitor,
        target: Target,
        factor: Factor,
        failure: Failure,
        now: datetime,
    ) -> Refused:
        locked = await self._evidence.fail(target, visitor, standing.user, _USUAL[factor], failure, now)
        pending = replace(standing.pending, wrong=standing.pending.wrong + 1, challenge="")
        if pending.wrong >= MAX_WRONG:
            return self._finishing.refuse(Failure.TICKET_GONE)
        await self._finishing.give_back(standing.ticket, pending)
        return self._finishing.refuse(Failure.LOCKED if locked > timedelta(0) else failure, locked)
