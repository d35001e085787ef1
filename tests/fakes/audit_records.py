"""The audit chain and its checkpoints in memory. Personal data is not sealed here; an erased record has no salt."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from doorward.errors import ConflictError
from doorward.interfaces import Random
from doorward.rules.audit import GENESIS, AuditEntry, AuditEvent, AuditQuery, AuditRecord, chain
from doorward.rules.checkpoint import StoredCheckpoint
from tests.fakes.state import State


class FakeAuditRecords:
    """`interfaces.AuditRecords`."""

    _state: State
    _check: Callable[[], None]
    _random: Random

    async def append_audit(self, event: AuditEvent) -> AuditRecord:
        sequence, previous = await self.find_audit_head()
        record = chain(event, sequence=sequence + 1, previous=previous, entropy=self._random.token(16))
        self._state.audit.append(record)
        return record

    async def find_audit_head(self) -> tuple[int, bytes]:
        self._check()
        trail = self._state.audit
        return (trail[-1].sequence, trail[-1].hash) if trail else (0, GENESIS)

    async def list_audit(self, *, limit: int = 100, before: int | None = None) -> list[AuditRecord]:
        self._check()
        wanted = [record for record in self._state.audit if before is None or record.sequence < before]
        return wanted[::-1][:limit]

    async def find_audit(self, query: AuditQuery, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        return [as_entry(record) for record in self._fitting(query) if before is None or record.sequence < before][
            : -limit - 1 : -1
        ]

    async def walk_audit(
        self, query: AuditQuery, *, after: int, limit: int, upto: int | None = None
    ) -> list[AuditEntry]:
        wanted = [as_entry(record) for record in self._fitting(query) if record.sequence > after]
        return [entry for entry in wanted if upto is None or entry.sequence <= upto][:limit]

    async def list_erasable(
        self, query: AuditQuery, *, limit: int, after: int = 0, upto: int | None = None
    ) -> list[int]:
        wanted = [record.sequence for record in self._fitting(query) if record.salt]
        return [sequence for sequence in wanted if sequence > after and (upto is None or sequence <= upto)][:limit]

    async def erase_private(self, sequences: Sequence[int]) -> int:
        self._check()
        count = 0
        for index, record in enumerate(self._state.audit):
            if record.sequence in sequences and record.salt:
                self._state.audit[index] = replace(record, salt=b"", event=replace(record.event, private={}))
                count += 1
        return count

    async def seal_old_audit(self, *, after: int, limit: int) -> tuple[int, int]:
        self._check()
        wanted = [record.sequence for record in self._state.audit if record.sequence > after][:limit]
        return 0, wanted[-1] if wanted else 0

    async def put_checkpoint(self, stored: StoredCheckpoint) -> None:
        self._check()
        there = self._state.checkpoints.get(stored.checkpoint.sequence)
        if there is not None and there.checkpoint.signature != stored.checkpoint.signature:
            raise ConflictError("another checkpoint stands at this record")
        self._state.checkpoints[stored.checkpoint.sequence] = stored

    async def find_checkpoint(self) -> StoredCheckpoint | None:
        found = await self.list_checkpoints(limit=1)
        return found[0] if found else None

    async def list_checkpoints(
        self, *, limit: int = 100, after: int = 0, upto: int | None = None
    ) -> list[StoredCheckpoint]:
        self._check()
        points = self._state.checkpoints
        wanted = [sequence for sequence in sorted(points, reverse=True) if sequence > after]
        return [points[sequence] for sequence in wanted if upto is None or sequence <= upto][:limit]

    async def list_unsent_checkpoints(self, *, limit: int) -> list[StoredCheckpoint]:
        self._check()
        points = self._state.checkpoints
        return [points[sequence] for sequence in sorted(points) if points[sequence].sent_at is None][:limit]

    def _fitting(self, query: AuditQuery) -> list[AuditRecord]:
        self._check()
        return [record for record in self._state.audit if _fits(query, record.event)]


def as_entry(record: AuditRecord) -> AuditEntry:
    event = record.event
    return AuditEntry(
        sequence=record.sequence,
        at=event.at,
        act=event.act.value,
        actor=event.actor,
        subject=event.subject,
        public=event.public,
        private=event.private if record.salt else None,
        salt=record.salt,
        digest=record.private_digest,
        previous=record.previous,
        hash=record.hash,
    )


def _fits(query: AuditQuery, event: AuditEvent) -> bool:
    return (
        (not query.actors or event.actor in query.actors)
        and (not query.subjects or event.subject in query.subjects)
        and (not query.acts or event.act.value in query.acts)
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at < query.until)
    )
