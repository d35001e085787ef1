"""Tickets on SQL."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select

from doorward.rules.ticket import Purpose, Ticket, TicketId
from doorward.storage.sql.database import Database, advance, change_total, read_total
from doorward.storage.sql.rows import decode_ticket, encode_ticket
from doorward.storage.sql.tables import tickets

_NAME = "tickets"


class SqlTickets:
    """`interfaces.Tickets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, ticket: Ticket) -> None:
        """Store a new ticket."""
        async with self._database.write() as connection:
            await connection.execute(insert(tickets).values(encode_ticket(ticket)))
            await change_total(connection, _NAME, 1)

    async def find(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """The ticket, if it is of this purpose and has not expired."""
        async with self._database.read() as connection:
            query = select(tickets).where(_valid(ticket_id, purpose, now))
            row = (await connection.execute(query)).mappings().one_or_none()
            return None if row is None else decode_ticket(row)

    async def advance(self, old: Ticket, new: Ticket) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if new.id != old.id:
            raise ValueError("a ticket's id never changes")
        async with self._database.write() as connection:
            return await advance(connection, tickets, encode_ticket(old), encode_ticket(new))

    async def take(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """Return the ticket and remove it: one DELETE, so at most one asker gets it."""
        async with self._database.write() as connection:
            query = delete(tickets).where(_valid(ticket_id, purpose, now)).returning(tickets)
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                return None
            await change_total(connection, _NAME, -1)
            return decode_ticket(row)

    async def count(self) -> int:
        """How many tickets are stored."""
        async with self._database.read() as connection:
            return await read_total(connection, _NAME)

    async def purge(self, now: datetime) -> int:
        """Remove expired tickets."""
        return await self._database.purge(tickets.c.id, tickets.c.expires_at <= now, total=_NAME)


def _valid(ticket_id: TicketId, purpose: Purpose, now: datetime) -> ColumnElement[bool]:
    return (tickets.c.id == ticket_id) & (tickets.c.purpose == purpose.value) & (tickets.c.expires_at > now)
