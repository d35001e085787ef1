"""What administrators do to sessions, besides what they do to accounts. Every act is audited in its own transaction."""

from datetime import datetime

from doorward.flows.acting import (
    CLI,
    Actor,
    ById,
    Named,
    actor_of,
    append,
    check_actor,
    check_admin_remains,
    get_user,
)
from doorward.flows.people import People
from doorward.flows.rights import take_rights
from doorward.rules.audit import Act
from doorward.rules.identity import User
from doorward.rules.session import Session, SessionHandle, find_end

__all__ = [
    "CLI",
    "Actor",
    "Administration",
    "ById",
    "Named",
    "actor_of",
    "check_actor",
    "check_admin_remains",
    "get_user",
]


class Administration(People):
    """Accounts, and everybody's sessions."""

    async def list_sessions(
        self, actor: Actor, *, now: datetime, login: Named | None = None, limit: int = 200, offset: int = 0
    ) -> list[tuple[Session, User]]:
        """Live sessions, everybody's or one account's, last seen first. `limit` and `offset` count stored sessions."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if login is None:
                users = {user.id: user for user in await transaction.list_users()}
            else:
                user = await get_user(transaction, login)
                users = {user.id: user}
        if login is None:
            sessions = await self._sessions.list_all(limit=limit, offset=offset)
        else:
            sessions = (await self._sessions.list_of(next(iter(users))))[offset : offset + limit]
        pairs = [(session, users[session.user_id]) for session in sessions if session.user_id in users]
        return [(session, user) for session, user in pairs if find_end(session, user, now) is None]

    async def end_session(self, actor: Actor, handle: SessionHandle, *, now: datetime) -> bool:
        """End anybody's session; whether there was one."""
        session = await self._sessions.find_by_handle(handle)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            ended = session is not None and await transaction.end_session(handle)
            if session is not None and ended:
                await append(transaction, actor, Act.SESSION_ENDED, session.user_id, now, {"session": handle})
        return ended

    async def end_sessions_of(self, actor: Actor, login: Named, *, now: datetime) -> int:
        """End all sessions of an account; how many there were."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        count = len(await self._sessions.list_of(user.id))
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            await take_rights(transaction, user, user)
            await append(transaction, actor, Act.SESSION_ENDED, user.id, now, {"session": "all", "count": str(count)})
        return count
