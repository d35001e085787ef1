"""Ends of sessions that a store outside this database has to be told of (docs/adr 0014)."""

from dataclasses import dataclass

from sqlalchemy import delete

from doorward.rules.identity import UserId
from doorward.rules.session import SessionHandle
from doorward.storage.sql.database import Database
from doorward.storage.sql.tables import pending_ends


@dataclass(frozen=True, slots=True)
class PendingEnd:
    """All sessions of `user_id` end, except `keep`; or that of `handle`. `number` grows and never comes again."""

    number: int
    user_id: UserId | None
    keep: SessionHandle | None
    handle: SessionHandle | None


class SqlPendingEnds:
    """The rows that `SqlTransaction.end_sessions_of` leaves where sessions live apart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def clear(self, through: int) -> int:
        """Remove rows up to number `through`, once the store of sessions has done what they say; how many."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(pending_ends).where(pending_ends.c.id <= through))).rowcount
