"""Sessions on SQL."""

from datetime import datetime

from sqlalchemy import ColumnElement, case, insert, select, update

from doorward.rules.identity import UserId
from doorward.rules.session import Fingerprint, Session, SessionHandle
from doorward.storage.sql.database import Database, change_total, raise_revision, read_total
from doorward.storage.sql.records import end_one, end_sessions
from doorward.storage.sql.rows import decode_session, encode_session
from doorward.storage.sql.tables import sessions, to_micros

_NAME = "sessions"


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
        lives = (sessions.c.fingerprint == fingerprint) & (sessions.c.ends_at > seen_at)
        idle_end = to_micros(seen_at) + sessions.c.idle_micros
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(sessions)
                .where(lives, sessions.c.last_seen_at < seen_at)
                .values(
                    last_seen_at=seen_at,
                    user_agent=user_agent,
                    address=address,
                    ends_at=case(
                        (sessions.c.idle_micros.is_(None), sessions.c.expires_at),
                        (sessions.c.expires_at < idle_end, sessions.c.expires_at),
                        else_=idle_end,
                    ),
                )
            )
            if changed.rowcount:
                return True
            return (await connection.execute(select(sessions.c.handle).where(lives))).one_or_none() is not None

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
        """Remove sessions that ended by lifetime or idleness; no revision, for they answered no check any more."""
        return await self._database.purge(sessions.c.fingerprint, sessions.c.ends_at <= now, total=_NAME)

    async def _find(self, condition: ColumnElement[bool]) -> Session | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(sessions).where(condition))).mappings().one_or_none()
            return None if row is None else decode_session(row)
