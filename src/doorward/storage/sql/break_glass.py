"""Break-glass codes, on SQL."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from doorward.rules.break_glass import Kit
from doorward.rules.identity import UserId
from doorward.storage.sql.database import InTransaction, refused
from doorward.storage.sql.tables import break_glass


class SqlBreakGlass(InTransaction):
    """`interfaces.BreakGlassRecords` on one connection: a part of the transaction."""

    async def add_kit(self, kit: Kit) -> None:
        """Add a code."""
        row = {
            "id": kit.id,
            "digest": kit.digest,
            "user_id": kit.user_id,
            "made_by": kit.made_by,
            "made_at": kit.made_at,
            "used_at": kit.used_at,
        }
        with refused("the account is gone, or the code is there already"):
            await self._connection.execute(insert(break_glass).values(row))

    async def list_kits(self) -> list[Kit]:
        """All codes, the newest first."""
        query = select(break_glass).order_by(break_glass.c.made_at.desc(), break_glass.c.id)
        return [Kit(**row) for row in (await self._connection.execute(query)).mappings()]

    async def spend_kit(self, digest: bytes, at: datetime) -> Kit | None:
        """Mark a code as used."""
        unused = break_glass.c.used_at.is_(None)
        query = update(break_glass).where(break_glass.c.digest == digest, unused).values(used_at=at)
        row = (await self._connection.execute(query.returning(*break_glass.c))).mappings().one_or_none()
        return None if row is None else Kit(**row)

    async def remove_kits(self, user_id: UserId | None = None) -> int:
        """Forget the unused codes of an account, or all."""
        query = delete(break_glass).where(break_glass.c.used_at.is_(None))
        if user_id is not None:
            query = query.where(break_glass.c.user_id == user_id)
        return (await self._connection.execute(query)).rowcount
