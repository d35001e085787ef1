"""How old the oldest of each kind is, and removing what is too old, on SQL."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, tuple_

from doorward.rules.identity import UserId
from doorward.rules.retention import Kept
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.tables import (
    alerts,
    audit,
    counters,
    decisions,
    invites,
    letters,
    marks,
    sessions,
    sign_ins,
    tickets,
    upstream_sessions,
)


class _Aging(NamedTuple):
    """From when the time of a row is counted, and which rows are meant."""

    since: ColumnElement[Any]
    of: tuple[ColumnElement[bool], ...] = ()


_INVITE_ENDED: Final = func.coalesce(invites.c.revoked_at, invites.c.expires_at, type_=invites.c.expires_at.type)
_AGING: Final = {
    Kept.SIGN_INS: _Aging(sign_ins.c.at),
    Kept.DECISIONS: _Aging(decisions.c.last_at),
    Kept.LETTERS: _Aging(letters.c.done_at),
    Kept.ALERTS: _Aging(alerts.c.done_at),
    Kept.INVITES: _Aging(_INVITE_ENDED),
    Kept.AUDIT_PRIVATE: _Aging(audit.c.at, (audit.c.private != "",)),
    Kept.SESSIONS: _Aging(sessions.c.ends_at),
    Kept.TICKETS: _Aging(tickets.c.expires_at),
    Kept.COUNTERS: _Aging(counters.c.expires_at),
    Kept.UPSTREAM_SESSIONS: _Aging(upstream_sessions.c.expires_at),
    Kept.MARKS: _Aging(marks.c.expires_at),
}
_KEYS: Final = {
    Kept.SIGN_INS: (sign_ins.c.user_id, sign_ins.c.at, sign_ins.c.id),
    Kept.DECISIONS: (decisions.c.id,),
    Kept.LETTERS: (letters.c.id,),
    Kept.ALERTS: (alerts.c.id,),
    Kept.INVITES: (invites.c.id,),
}


class SqlRetention(InTransaction):
    """`interfaces.RetentionRecords` on one connection."""

    async def find_oldest(self, kept: Kept) -> datetime | None:
        """From when the time of the oldest is counted."""
        aging = _AGING[kept]
        oldest: datetime | None = await self._connection.scalar(
            select(func.min(aging.since, type_=sign_ins.c.at.type)).where(*aging.of)
        )
        return oldest

    async def purge_kept(self, kept: Kept, before: datetime, *, limit: int) -> int:
        """Remove the oldest whose time began before then; how many."""
        aging, key = _AGING[kept], _KEYS[kept]
        old = select(*key).where(aging.since < before, *aging.of).order_by(aging.since).limit(limit)
        few = [tuple(row) for row in (await self._connection.execute(old)).all()]
        if not few:
            return 0
        return (await self._connection.execute(delete(key[0].table).where(tuple_(*key).in_(few)))).rowcount

    async def forget_counters(self, user_id: UserId) -> int:
        """Drop all that is counted of one account; how many instants."""
        theirs = counters.c.key.contains(f":id:{user_id}:", autoescape=True)
        return (await self._connection.execute(delete(counters).where(theirs))).rowcount

    async def forget_invites_to(self, email: str) -> int:
        """Drop invitations that were addressed to one address; how many."""
        return (await self._connection.execute(delete(invites).where(invites.c.email == email))).rowcount
