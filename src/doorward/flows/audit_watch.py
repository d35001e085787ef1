"""The audit chain, looked after while the gateway runs: checkpoints made and sent, the chain walked, records copied."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import DoorwardError, TamperError
from doorward.flows.alerts import Alarm
from doorward.flows.audit_trail import PAGE, VERIFYING, AuditTrail
from doorward.interfaces import Log, Records
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act, AuditEvent, AuditQuery
from doorward.rules.checkpoint import StoredCheckpoint
from doorward.rules.chore import Chore

Send = Callable[[str], Awaitable[None]]
"""Takes a checkpoint, as the line of an export, to its other place. DoorwardError, with a sentence, where it cannot."""
CopyOut = Callable[[Sequence[str]], Awaitable[None]]
"""Adds lines to the copy. DoorwardError as well."""

COPYING: Final = "audit-copy"
EVERY: Final = timedelta(seconds=30)
AGAIN: Final = timedelta(minutes=15)
"""After which a checkpoint that could not be sent is tried again."""
ROUND: Final = timedelta(hours=24)
"""The chain is walked from the beginning this often; what is new is walked at once."""
FINISH_WITHIN: Final = timedelta(seconds=8)
"""All that is done at the end is done in this time: whoever stops the program kills it after a while."""
SENT_AT_ONCE: Final = 10
PAGES_AT_ONCE: Final = 4


class AuditWatch:
    """Errands about the chain. `places`: where checkpoints go, by name."""

    def __init__(
        self,
        *,
        records: Records,
        trail: AuditTrail,
        places: Mapping[str, Send],
        copy_out: CopyOut | None,
        alarm: Alarm,
        log: Log,
        finish_within: timedelta = FINISH_WITHIN,
    ) -> None:
        self._records = records
        self._trail = trail
        self._places = places
        self._copy_out = copy_out
        self._alarm = alarm
        self._log = log
        self._finish_within = finish_within
        self._next: datetime | None = None
        self._send_at: datetime | None = None
        self._sent: set[tuple[int, str]] = set()
        self._told = ""

    async def run_due(self, now: datetime) -> None:
        """Everything that is due."""
        if self._next is not None and now < self._next:
            return
        self._next = now + EVERY
        await self._sign(now, due=True)
        await self.send_waiting(now)
        await self.copy_new(now)
        await self.verify_on(now)

    async def stop(self, now: datetime) -> None:
        """Before the end: sign what there is, send and copy it. What takes too long is left for the next start."""
        try:
            async with asyncio.timeout(self._finish_within.total_seconds()):
                await self._sign(now)
                self._send_at = None
                await self.send_waiting(now)
                await self.copy_new(now)
        except TimeoutError:
            self._log.warning("audit_not_finished", error="it took too long")
        except DoorwardError as error:
            self._log.warning("audit_not_finished", error=str(error))

    async def _sign(self, now: datetime, *, due: bool = False) -> None:
        """Make a checkpoint. A chain that is not the one that was signed last is told of, once, and not signed."""
        try:
            await self._trail.make_checkpoint(now=now, due=due)
        except TamperError as error:
            if self._told != str(error):
                self._told = str(error)
                await self._tell(self._told, "checkpoint", now)

    async def send_waiting(self, now: datetime) -> int:
        """Send the checkpoints that some place has not got; how many are everywhere now."""
        if not self._places or (self._send_at is not None and now < self._send_at):
            return 0
        self._send_at = None
        async with self._records.transaction() as transaction:
            waiting = await transaction.list_unsent_checkpoints(limit=SENT_AT_ONCE)
        return sum([await self._send(stored, now) for stored in waiting])

    async def _send(self, stored: StoredCheckpoint, now: datetime) -> bool:
        from doorward.rules.audit_lines import write_line

        point, troubles = stored.checkpoint, []
        line = write_line(point, installation=await self._trail.find_installation())
        for name, send in self._places.items():
            if (point.sequence, name) in self._sent:
                continue
            try:
                await send(line)
            except DoorwardError as error:
                troubles.append(f"{name}: {error}")
            else:
                self._sent.add((point.sequence, name))
        trouble = "; ".join(troubles)
        async with self._records.transaction() as transaction:
            outcome = StoredCheckpoint(checkpoint=point, sent_at=None if trouble else now, trouble=trouble)
            await transaction.put_checkpoint(outcome)
            if trouble:
                values = {"what": f"record {point.sequence}", "reason": trouble}
                await self._alarm(transaction, AlertKind.CHECKPOINT_NOT_SENT, "audit", values, now)
        if trouble:
            self._send_at = now + AGAIN
            self._log.warning("checkpoint_not_sent", record=point.sequence, trouble=trouble)
            return False
        self._sent = {pair for pair in self._sent if pair[0] != point.sequence}
        return True

    async def copy_new(self, now: datetime) -> int:
        """Copy the records that are new; how many. After a crash some may be copied again, none is left out."""
        from doorward.rules.audit_lines import write_line

        count = 0
        while self._copy_out is not None:
            async with self._records.transaction() as transaction:
                chore = await transaction.find_chore(COPYING)
                after = int(chore.facts.get("upto", "0"))
                entries = await transaction.walk_audit(AuditQuery(), after=after, limit=PAGE)
            if not entries:
                break
            try:
                await self._copy_out([write_line(entry) for entry in entries])
            except DoorwardError as error:
                self._log.warning("audit_not_copied", error=str(error))
                async with self._records.transaction() as transaction:
                    await transaction.put_chore(chore.begun(now).failed(str(error)))
                break
            async with self._records.transaction() as transaction:
                await transaction.put_chore(chore.begun(now).done(now, {"upto": str(entries[-1].sequence)}))
            count += len(entries)
        return count

    async def verify_on(self, now: datetime) -> None:
        """Walk the chain on from where the last walk ended; tell of what does not hold."""
        async with self._records.transaction() as transaction:
            chore = await transaction.find_chore(VERIFYING)
            head, _ = await transaction.find_audit_head()
        facts = dict(chore.facts)
        begun = datetime.fromisoformat(facts["begun"]) if "begun" in facts else None
        if begun is None or now - begun >= ROUND:
            facts = {"upto": "0", "hash": "", "begun": now.isoformat(), "trouble": ""}
        after = int(facts["upto"])
        if head == after:
            return
        previous = bytes.fromhex(facts["hash"]) if after else None
        # An erasure may be recorded further on than we walk: the whole walk (`AuditTrail.verify`) looks for that.
        walk = await self._trail.begin_walk(after=after, previous=previous, has_private=False, now=now)
        if head < after:
            walk.note_cut(head, after)
            after = head
        for _ in range(PAGES_AT_ONCE):
            entries = await self._trail.walk_on(walk, after)
            if not entries:
                break
            after = entries[-1].sequence
        verdict = walk.finish()
        trouble = "; ".join(flaw.text for flaw in verdict.flaws[:3])
        facts |= {"upto": str(after), "hash": verdict.hash.hex()}
        if trouble:
            facts["trouble"] = facts["trouble"] or trouble
            await self._tell(trouble, str(verdict.flaws[0].first), now)
        await self._note(chore, facts, now, is_done=after >= head)

    async def _note(self, chore: Chore, facts: Mapping[str, str], now: datetime, *, is_done: bool) -> None:
        tried = chore.begun(now)
        if facts["trouble"]:
            noted = Chore(chore.name, now, chore.done_at, facts["trouble"], facts)
        elif is_done:
            noted = tried.done(now, facts)
        else:
            noted = Chore(chore.name, now, chore.done_at, chore.trouble, facts)
        async with self._records.transaction() as transaction:
            await transaction.put_chore(noted)

    async def _tell(self, trouble: str, position: str, now: datetime) -> None:
        self._log.error("audit_chain_broken", trouble=trouble)
        async with self._records.transaction() as transaction:
            event = AuditEvent(Act.AUDIT_BROKEN, "system", "system", now, {"position": position, "trouble": trouble})
            await transaction.append_audit(event)
            await self._alarm(transaction, AlertKind.CHAIN_BROKEN, "audit", {"reason": trouble}, now)
