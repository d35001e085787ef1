"""Durable evidence: the audit chain and its checkpoints, a part of every transaction."""

from collections.abc import Sequence
from typing import Protocol

from doorward.rules.audit import AuditEntry, AuditEvent, AuditQuery, AuditRecord
from doorward.rules.checkpoint import StoredCheckpoint


class AuditRecords(Protocol):
    """The part of a transaction that is about the audit chain and its checkpoints."""

    async def append_audit(self, event: AuditEvent) -> AuditRecord:
        """Append to the audit chain."""
        ...

    async def find_audit_head(self) -> tuple[int, bytes]:
        """Number and hash of the last record; 0 and `GENESIS` where there is none."""
        ...

    async def list_audit(self, *, limit: int = 100, before: int | None = None) -> list[AuditRecord]:
        """Records of the chain, newest first, with a sequence below `before`. TamperError where one is not ours."""
        ...

    async def find_audit(self, query: AuditQuery, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Records that fit, newest first, with a sequence below `before`, as they are found: nothing is verified."""
        ...

    async def walk_audit(
        self, query: AuditQuery, *, after: int, limit: int, upto: int | None = None
    ) -> list[AuditEntry]:
        """Records that fit, oldest first, with a sequence above `after` and not above `upto`, as they are found."""
        ...

    async def list_erasable(
        self, query: AuditQuery, *, limit: int, after: int = 0, upto: int | None = None
    ) -> list[int]:
        """The oldest records that fit and still have personal data: numbers above `after` and not above `upto`."""
        ...

    async def erase_private(self, sequences: Sequence[int]) -> int:
        """Erase the personal data of these records, and its salt; how many had any. The chain holds (B-38)."""
        ...

    async def seal_old_audit(self, *, after: int, limit: int) -> tuple[int, int]:
        """Seal what an older version left readable in the next records after `after`.

        How many there were, and the last record looked at: 0 when there are no more.
        """
        ...

    async def put_checkpoint(self, stored: StoredCheckpoint) -> None:
        """Add a checkpoint, or note what became of sending it. ConflictError where another stands at its record."""
        ...

    async def find_checkpoint(self) -> StoredCheckpoint | None:
        """The newest one."""
        ...

    async def list_checkpoints(
        self, *, limit: int = 100, after: int = 0, upto: int | None = None
    ) -> list[StoredCheckpoint]:
        """Those of records above `after` and not above `upto`, the newest first."""
        ...

    async def list_unsent_checkpoints(self, *, limit: int) -> list[StoredCheckpoint]:
        """Those that some place has not got yet, the oldest first."""
        ...
