"""What a failed try leaves: a count, a record, a line in the history that the owner sees, and the same least time."""

from datetime import datetime, timedelta

from doorward.flows.finishing import Finishing
from doorward.flows.pace import even_out
from doorward.flows.throttle import Bucket, Target, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Records, Tally
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.login import Failure
from doorward.rules.session import Method


class Evidence:
    """Writes down what went wrong in a sign-in, or where a guess is as good as in one."""

    def __init__(
        self,
        *,
        records: Records,
        throttle: Throttle,
        finishing: Finishing,
        clock: Clock,
        pause: Pause,
        tally: Tally,
    ) -> None:
        self._records = records
        self._throttle = throttle
        self._finishing = finishing
        self._clock = clock
        self._pause = pause
        self._tally = tally

    async def fail(
        self,
        target: Target,
        visitor: Visitor,
        user: User | None,
        method: Method,
        failure: Failure,
        now: datetime,
        *,
        at: Bucket | None = None,
    ) -> timedelta:
        """Count a failure and write it down; how long the account is locked from there now.

        `at`: what it was tried for by whoever is signed in already, where it was no sign-in.
        """
        locked = await self._throttle.record_failure(target, now=now)
        subject = user.id if user else "unknown"
        public = {"method": method.value, "known_device": "yes" if target.known else "no"}
        actor = "anonymous"
        if at is not None:
            actor, public["at"] = subject, at.value
        async with self._records.transaction() as transaction:
            event = AuditEvent(Act.LOGIN_FAILED, actor, subject, now, public, visitor.private())
            await transaction.append_audit(event)
            if user is not None and await transaction.find_user(user.id) is not None:
                methods = frozenset({method})
                await self._finishing.note_failure(transaction, user, visitor, methods, failure, now)
            if locked > timedelta(0):
                seconds = {"seconds": str(int(locked.total_seconds()))}
                lock = AuditEvent(Act.LOGIN_LOCKED, "system", subject, now, seconds, visitor.private())
                await transaction.append_audit(lock)
            await self._finishing.report_failure(transaction, target.account, user, visitor, locked, now)
        return locked

    async def record_tampering(self, user: User | None, visitor: Visitor, where: str, now: datetime) -> None:
        """Write down that something stored is not what we wrote."""
        subject = user.id if user else "unknown"
        self._tally.count_login("tampered")
        async with self._records.transaction() as transaction:
            event = AuditEvent(Act.TAMPERED, "system", subject, now, {"where": where}, visitor.private())
            await transaction.append_audit(event)

    async def even_out(self, began: float) -> None:
        """Let a refusal take as long as any other."""
        await even_out(self._clock, self._pause, began)
