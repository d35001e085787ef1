"""How old the oldest of each kind is, and removing what is too old, on SQL."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Executable, delete, func, select, tuple_

from doorward.interfaces import Belongings
from doorward.rules.identity import UserId
from doorward.rules.retention import Kept
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.tables import (
    alerts,
    audit,
    break_glass,
    counters,
    decisions,
    invites,
    letters,
    marks,
    preferences,
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

    async def find_belongings(self, user_id: UserId) -> Belongings:
        """What else is stored of an account."""
        theirs = select(letters.c.kind, letters.c.state, letters.c.queued_at).where(letters.c.user_id == user_id)
        told = select(alerts.c.kind, alerts.c.state, alerts.c.queued_at).where(_names(user_id))
        kits = select(break_glass.c.made_at, break_glass.c.used_at).where(break_glass.c.user_id == user_id)
        set_by = select(preferences.c.name, preferences.c.value).where(preferences.c.user_id == user_id)
        return Belongings(
            preferences=await self._read_rows(set_by.order_by(preferences.c.name)),
            letters=await self._read_rows(theirs.order_by(letters.c.queued_at)),
            alerts=await self._read_rows(told.order_by(alerts.c.queued_at)),
            kits=await self._read_rows(kits.order_by(break_glass.c.made_at)),
        )

    async def forget_alerts_of(self, user_id: UserId) -> int:
        """Drop what operators were told of one account; how many."""
        return (await self._connection.execute(delete(alerts).where(_names(user_id)))).rowcount

    async def _read_rows(self, query: Executable) -> tuple[Any, ...]:
        return tuple(tuple(row) for row in (await self._connection.execute(query)).all())

    async def forget_counters(self, user_id: UserId) -> int:
        """Drop all that is counted of one account; how many instants."""
        theirs = counters.c.key.contains(f":id:{user_id}:", autoescape=True)
        return (await self._connection.execute(delete(counters).where(theirs))).rowcount

    async def forget_invites_to(self, email: str) -> int:
        """Drop invitations that were addressed to one address; how many."""
        return (await self._connection.execute(delete(invites).where(invites.c.email == email))).rowcount


def _names(user_id: UserId) -> ColumnElement[bool]:
    # What an alert is about begins with an account's id, which is 22 random characters, or is something else.
    return alerts.c.about.contains(user_id, autoescape=True)
