"""What is done at intervals, and how it last went, on SQL."""

import json

from sqlalchemy import delete, insert, select

from doorward.rules.chore import Chore
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.tables import chores


class SqlChores(InTransaction):
    """`interfaces.ChoreRecords` on one connection: a part of the transaction."""

    async def find_chore(self, name: str) -> Chore:
        """How it last went; a fresh one where it was never tried."""
        row = (await self._connection.execute(select(chores).where(chores.c.name == name))).mappings().one_or_none()
        if row is None:
            return Chore(name)
        return Chore(name, row["tried_at"], row["done_at"], row["trouble"], json.loads(row["facts"]))

    async def put_chore(self, chore: Chore) -> None:
        """Note how it went."""
        await self._connection.execute(delete(chores).where(chores.c.name == chore.name))
        row = {
            "name": chore.name,
            "tried_at": chore.tried_at,
            "done_at": chore.done_at,
            "trouble": chore.trouble,
            "facts": json.dumps(dict(chore.facts), sort_keys=True),
        }
        await self._connection.execute(insert(chores).values(row))
