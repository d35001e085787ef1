"""Sessions on SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, bindparam, case, insert, select, update

from doorward.interfaces import Use
from doorward.rules.identity import UserId
from doorward.rules.session import Fingerprint, Session, SessionHandle
from doorward.storage.sql.database import Database, change_total, raise_revision, read_total
from doorward.storage.sql.records import end_one, end_sessions
from doorward.storage.sql.rows import decode_session, encode_session
from doorward.storage.sql.tables import sessions, to_micros, upstream_sessions

_NAME = "sessions"


_SEEN: BindParameter[datetime] = bindparam("used_seen_at", type_=sessions.c.last_seen_at.type)
_LIVES = (sessions.c.fingerprint == bindparam("used_fingerprint")) & (sessions.c.ends_at > _SEEN)
_IDLE_END = bindparam("used_micros", type_=BigInteger()) + sessions.c.idle_micros
_TOUCH = (
    update(sessions)
    .where(_LIVES, sessions.c.last_seen_at < _SEEN)
    .values(
        last_seen_at=_SEEN,
        user_agent=bindparam("used_agent"),
        address=bindparam("used_address"),
        ends_at=case(
            (sessions.c.idle_micros.is_(None), sessions.c.expires_at),
            (sessions.c.expires_at < _IDLE_END, sessions.c.expires_at),
            else_=_IDLE_END,
        ),
    )
)


def _values_of(use: Use) -> dict[str, Any]:
    return {
        "used_fingerprint": use.fingerprint,
        "used_seen_at": use.seen_at,
        "used_micros": to_micros(use.seen_at),
        "used_agent": use.user_agent,
        "used_address": use.address,
    }


class SqlSessions:
    """`interfaces.Sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, fingerprint: Fingerprint) -> Session | None:
        """The session stored under this fingerprint, expired or not."""
        return await self._find(sessions.c.fingerprint == fingerprint)

    async def find_by_handle(self, handle: SessionHandle) -> Session | None:
        """The session with this public handle."""
        return await self._find(sessions.c.handle == handle)

    async def put(self, session: Session) -> None:
        """Store a new session."""
        async with self._database.write() as connection:
            await connection.execute(insert(sessions).values(encode_session(session)))
            await change_total(connection, _NAME, 1)

    async def touch(self, fingerprint: Fingerprint, *, seen_at: datetime, user_agent: str, address: str) -> bool:
        """Record that the session was used; whether it lives.

        SECURITY: an UPDATE that asks for life at `seen_at`, never an INSERT, so that nothing ended comes back (J16);
        tests/contract/test_sessions.py fails otherwise.
        """
        use = Use(fingerprint, seen_at, user_agent, address)
        async with self._database.write() as connection:
            changed = await connection.execute(_TOUCH, _values_of(use))
            if changed.rowcount:
                return True
            lives = select(sessions.c.handle).where(_LIVES)
            return (await connection.execute(lives, _values_of(use))).one_or_none() is not None

    async def touch_all(self, uses: Sequence[Use]) -> None:
        """Record many uses in one transaction."""
        if uses:
            async with self._database.write() as connection:
                await connection.execute(_TOUCH, [_values_of(use) for use in uses])

    async def end(self, handle: SessionHandle) -> bool:
        """End one session; it answers no check after this returns."""
        async with self._database.write() as connection:
            ended = await end_one(connection, handle)
            if ended:
                await raise_revision(connection)
            return ended

    async def end_all_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> int:
        """End an account's sessions, except `keep`."""
        async with self._database.write() as connection:
            ended = await end_sessions(connection, user_id, keep=keep)
            if ended:
                await raise_revision(connection)
            return ended

    async def list_of(self, user_id: UserId) -> list[Session]:
        """An account's sessions, last seen first."""
        query = select(sessions).where(sessions.c.user_id == user_id)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(sessions.c.last_seen_at.desc(), sessions.c.handle))
            return [decode_session(row) for row in rows.mappings()]

    async def list_all(self, *, limit: int = 200, offset: int = 0) -> list[Session]:
        """Everybody's sessions, last seen first."""
        query = select(sessions).order_by(sessions.c.last_seen_at.desc(), sessions.c.handle)
        async with self._database.read() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return [decode_session(row) for row in rows.mappings()]

    async def count(self) -> int:
        """How many sessions are stored."""
        async with self._database.read() as connection:
            return await read_total(connection, _NAME)

    async def purge(self, now: datetime) -> int:
        """Remove sessions that ended by lifetime or idleness, with the provider's side of each.

        SECURITY: with a revision. What is not stored can be ended by nobody, so no gate may remember it, whatever it
        knows of a later use; tests/contract/test_sessions.py fails otherwise.
        """
        over = sessions.c.ends_at <= now
        return await self._database.purge(
            sessions.c.handle, over, along=upstream_sessions.c.handle, total=_NAME, is_told=True
        )

    async def _find(self, condition: ColumnElement[bool]) -> Session | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(sessions).where(condition))).mappings().one_or_none()
            return None if row is None else decode_session(row)
