"""The audit chain and its checkpoints, on SQL.

Personal data stands sealed beside its salt: a stolen database tells nothing of it, and erasing takes both. Records of
older schemas hold theirs as plain JSON, until `seal_old_audit` has been over them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select, update

from doorward.errors import TamperError
from doorward.interfaces import Keyring, Random
from doorward.rules.audit import (
    GENESIS,
    Act,
    AuditEntry,
    AuditEvent,
    AuditQuery,
    AuditRecord,
    chain,
    pack_private,
    unpack_private,
)
from doorward.rules.checkpoint import Checkpoint, StoredCheckpoint
from doorward.rules.envelope import Place
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.rows import decode_state, encode_state
from doorward.storage.sql.tables import audit, checkpoints

_SALT_SIZE = 16
_ERASED = ""


class SqlEvidence(InTransaction):
    """`interfaces.AuditRecords` on one connection: a part of the transaction."""

    _keyring: Keyring
    _random: Random

    async def append_audit(self, event: AuditEvent) -> AuditRecord:
        """Append to the chain. The writer is serial, so the last record stays the last until we commit."""
        sequence, previous = await self.find_audit_head()
        record = chain(event, sequence=sequence + 1, previous=previous, entropy=self._random.token(_SALT_SIZE))
        row = {
            "sequence": record.sequence,
            "act": event.act.value,
            "actor": event.actor,
            "subject": event.subject,
            "at": event.at,
            "public": encode_state(event.public),
            "private": self._keyring.seal(_place(record.sequence), pack_private(dict(event.private), salt=record.salt)),
            "salt": b"",
            "private_digest": record.private_digest,
            "previous": record.previous,
            "hash": record.hash,
        }
        await self._connection.execute(insert(audit).values(row))
        return record

    async def find_audit_head(self) -> tuple[int, bytes]:
        """Number and hash of the last record; 0 and `GENESIS` where there is none."""
        query = select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
        last = (await self._connection.execute(query)).one_or_none()
        return (0, GENESIS) if last is None else (last[0], last[1])

    async def list_audit(self, *, limit: int = 100, before: int | None = None) -> list[AuditRecord]:
        """Records of the chain, newest first."""
        return [_judge(entry) for entry in await self.find_audit(AuditQuery(), limit=limit, before=before)]

    async def find_audit(self, query: AuditQuery, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Records that fit, newest first, as they are found."""
        chosen = select(audit).where(*_fitting(query)).order_by(audit.c.sequence.desc()).limit(limit)
        if before is not None:
            chosen = chosen.where(audit.c.sequence < before)
        return [self._read(row) for row in (await self._connection.execute(chosen)).mappings()]

    async def walk_audit(
        self, query: AuditQuery, *, after: int, limit: int, upto: int | None = None
    ) -> list[AuditEntry]:
        """Records that fit, oldest first, as they are found."""
        chosen = select(audit).where(*_fitting(query), audit.c.sequence > after).order_by(audit.c.sequence).limit(limit)
        if upto is not None:
            chosen = chosen.where(audit.c.sequence <= upto)
        return [self._read(row) for row in (await self._connection.execute(chosen)).mappings()]

    async def list_erasable(
        self, query: AuditQuery, *, limit: int, after: int = 0, upto: int | None = None
    ) -> list[int]:
        """The numbers of the oldest records that fit and still have personal data."""
        chosen = select(audit.c.sequence).where(audit.c.sequence > after, audit.c.private != _ERASED, *_fitting(query))
        if upto is not None:
            chosen = chosen.where(audit.c.sequence <= upto)
        return list((await self._connection.scalars(chosen.order_by(audit.c.sequence).limit(limit))).all())

    async def erase_private(self, sequences: Sequence[int]) -> int:
        """Erase the personal data of these records, and its salt; how many had any."""
        chosen = update(audit).where(audit.c.sequence.in_(sequences), audit.c.private != _ERASED)
        return (await self._connection.execute(chosen.values(private=_ERASED, salt=b""))).rowcount

    async def seal_old_audit(self, *, after: int, limit: int) -> tuple[int, int]:
        """Seal what stands readable among the next records; how many, and the last one looked at (0: no more)."""
        few = select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(limit)
        count, last = 0, 0
        for row in (await self._connection.execute(few)).mappings().all():
            last = row["sequence"]
            if _is_plain(row["private"]):
                packed = pack_private(decode_state(row["private"]), salt=row["salt"])
                sealed = self._keyring.seal(_place(last), packed)
                await self._connection.execute(
                    update(audit).where(audit.c.sequence == last).values(private=sealed, salt=b"")
                )
                count += 1
        return count, last

    async def put_checkpoint(self, stored: StoredCheckpoint) -> None:
        """Add a checkpoint, or note what became of sending it. ConflictError where another stands at this record."""
        point = stored.checkpoint
        outcome = {"sent_at": stored.sent_at, "trouble": stored.trouble}
        chosen = update(checkpoints).where(
            checkpoints.c.sequence == point.sequence, checkpoints.c.signature == point.signature
        )
        if not (await self._connection.execute(chosen.values(outcome))).rowcount:
            await self._connection.execute(insert(checkpoints).values(_encode(point) | outcome))

    async def find_checkpoint(self) -> StoredCheckpoint | None:
        """The newest one."""
        found = await self.list_checkpoints(limit=1)
        return found[0] if found else None

    async def list_checkpoints(
        self, *, limit: int = 100, after: int = 0, upto: int | None = None
    ) -> list[StoredCheckpoint]:
        """Checkpoints of records above `after` and not above `upto`, the newest first."""
        chosen = select(checkpoints).where(checkpoints.c.sequence > after).order_by(checkpoints.c.sequence.desc())
        if upto is not None:
            chosen = chosen.where(checkpoints.c.sequence <= upto)
        rows = (await self._connection.execute(chosen.limit(limit))).mappings()
        return [_decode(row) for row in rows]

    async def list_unsent_checkpoints(self, *, limit: int) -> list[StoredCheckpoint]:
        """Those that some place has not got yet, the oldest first."""
        chosen = select(checkpoints).where(checkpoints.c.sent_at.is_(None)).order_by(checkpoints.c.sequence)
        rows = (await self._connection.execute(chosen.limit(limit))).mappings()
        return [_decode(row) for row in rows]

    def _read(self, row: RowMapping) -> AuditEntry:
        private: Mapping[str, str] | None = None
        salt, wrong = row["salt"], False
        if _is_plain(row["private"]):
            private = _try_state(row["private"])
            wrong = private is None
        elif row["private"] != _ERASED:
            try:
                private, salt = unpack_private(self._keyring.unseal(_place(row["sequence"]), row["private"]))
            except TamperError:
                wrong = True
        public = _try_state(row["public"])
        return AuditEntry(
            sequence=row["sequence"],
            at=row["at"],
            act=row["act"],
            actor=row["actor"],
            subject=row["subject"],
            public={"": row["public"]} if public is None else public,
            private=private,
            salt=salt,
            digest=row["private_digest"],
            previous=row["previous"],
            hash=row["hash"],
            sealed_wrong=wrong,
        )


def _judge(entry: AuditEntry) -> AuditRecord:
    """The record, for who needs it as we wrote it. TamperError where it cannot be."""
    try:
        act = Act(entry.act)
    except ValueError as error:
        raise TamperError(f"audit record {entry.sequence} holds an act we do not know") from error
    if entry.sealed_wrong or "" in entry.public:
        raise TamperError(f"audit record {entry.sequence} was changed")
    event = AuditEvent(act, entry.actor, entry.subject, entry.at, entry.public, entry.private or {})
    return AuditRecord(entry.sequence, event, entry.salt, entry.digest, entry.previous, entry.hash)


def _fitting(query: AuditQuery) -> list[ColumnElement[bool]]:
    columns = audit.c
    wanted: list[ColumnElement[bool]] = []
    for column, words in ((columns.actor, query.actors), (columns.subject, query.subjects), (columns.act, query.acts)):
        if words:
            wanted.append(column.in_(words))
    if query.since is not None:
        wanted.append(columns.at >= query.since)
    if query.until is not None:
        wanted.append(columns.at < query.until)
    return wanted


def _place(sequence: int) -> Place:
    return Place("audit", "private", str(sequence))


def _is_plain(private: str) -> bool:
    return private.startswith("{")


def _try_state(text: str) -> dict[str, str] | None:
    try:
        return decode_state(text)
    except TamperError:
        return None


def _encode(point: Checkpoint) -> dict[str, Any]:
    return {
        "sequence": point.sequence,
        "at": point.at,
        "hash": point.hash,
        "signed_by": point.signed_by,
        "signature": point.signature,
    }


def _decode(row: RowMapping) -> StoredCheckpoint:
    point = Checkpoint(
        sequence=row["sequence"],
        at=row["at"],
        hash=row["hash"],
        signed_by=row["signed_by"],
        signature=row["signature"],
    )
    return StoredCheckpoint(checkpoint=point, sent_at=row["sent_at"], trouble=row["trouble"])
