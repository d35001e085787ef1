"""The keys that are made here, on SQL."""

from datetime import datetime

from sqlalchemy import RowMapping, func, insert, select, update

from doorward.rules.stored_key import StoredKey
from doorward.storage.sql.database import InTransaction, raise_revision
from doorward.storage.sql.tables import signing_keys


class SqlKeys(InTransaction):
    """`interfaces.KeyRecords` on one connection: a part of the transaction."""

    async def list_keys(self, purpose: str | None = None) -> list[StoredKey]:
        """Those of a purpose, or all, the newest first."""
        query = select(signing_keys).order_by(signing_keys.c.id.desc())
        if purpose is not None:
            query = query.where(signing_keys.c.purpose == purpose)
        return [_decode(row) for row in (await self._connection.execute(query)).mappings()]

    async def next_key_number(self) -> int:
        """The number of the next key: rows are never removed, and the writer is serial."""
        highest = await self._connection.scalar(select(func.max(signing_keys.c.id)))
        return (highest or 0) + 1

    async def add_key(self, key: StoredKey) -> None:
        """Add one; gates take it up with their next check."""
        await self._connection.execute(
            insert(signing_keys).values(
                id=key.number,
                purpose=key.purpose,
                sealed=key.sealed,
                created_at=key.created_at,
                public=key.public,
                retired_at=key.retired_at,
            )
        )
        await raise_revision(self._connection)

    async def retire_keys(self, purpose: str, at: datetime, *, forget: bool, below: int | None = None) -> int:
        """Retire those of a purpose that are in use; with `below`, the ones of a lower number alone."""
        values: dict[str, object] = {"retired_at": at}
        if forget:
            values["sealed"] = ""
        query = update(signing_keys).where(signing_keys.c.purpose == purpose, signing_keys.c.retired_at.is_(None))
        if below is not None:
            query = query.where(signing_keys.c.id < below)
        retired = await self._connection.execute(query.values(values))
        return retired.rowcount


def _decode(row: RowMapping) -> StoredKey:
    return StoredKey(
        number=row["id"],
        purpose=row["purpose"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        public=row["public"],
        retired_at=row["retired_at"],
    )
