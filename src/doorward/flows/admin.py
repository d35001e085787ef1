"""What administrators do to accounts and sessions. Every act is audited in its own transaction.

Whatever takes a right away raises the account's session generation in that transaction, so that no sign-in under way
can slip past it (docs/adr 0007; J04).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from doorward.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from doorward.flows.accepting import PasswordRules, accept_account, accept_groups, accept_password
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.opening import HANDLE_SIZE, encode
from doorward.flows.outcome import Unacceptable
from doorward.flows.visitor import Visitor
from doorward.interfaces import Random, Records, Sessions, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.names import parse_login
from doorward.rules.session import Session, SessionHandle, Subject, find_end


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an account, or the word "cli". `private` goes into the erasable part of the audit record."""

    id: str
    user_id: UserId | None = None
    private: Mapping[str, str] = field(default_factory=dict)


CLI = Actor("cli")
"""The operator at the machine, whom the operating system has let in."""


class Administration:
    """Accounts and everybody's sessions.

    A web actor must be an enabled administrator at the moment of the act: ForbiddenError otherwise, decided inside the
    transaction. Accounts are named by user name or e-mail address: NotFoundError when there is none. No act may leave
    an installation that has enabled administrators without one: ConflictError (R05).
    """

    def __init__(
        self,
        *,
        records: Records,
        sessions: Sessions,
        password: PasswordMethod,
        rules: PasswordRules,
        random: Random,
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._password = password
        self._rules = rules
        self._random = random

    async def list_users(self, actor: Actor) -> list[User]:
        """Every account, by name."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            return await transaction.list_users()

    async def list_sessions(
        self, actor: Actor, *, now: datetime, login: str | None = None, limit: int = 200, offset: int = 0
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
                await _append(transaction, actor, Act.SESSION_ENDED, session.user_id, now, {"session": handle})
        return ended

    async def end_sessions_of(self, actor: Actor, login: str, *, now: datetime) -> int:
        """End all sessions of an account; how many there were."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        count = len(await self._sessions.list_of(user.id))
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            await _take_rights(transaction, user, user)
            await _append(transaction, actor, Act.SESSION_ENDED, user.id, now, {"session": "all", "count": str(count)})
        return count

    async def add_user(
        self,
        actor: Actor,
        *,
        name: str,
        display_name: str,
        email: str,
        password: str,
        groups: Iterable[str] = (),
        is_admin: bool = False,
        now: datetime,
    ) -> User | Unacceptable:
        """Add an account. ConflictError when its name or e-mail address is taken.

        The first administrator made this way closes the setup page for ever, as the setup link would (R01).
        """
        form = accept_account(
            name=name, display_name=display_name, email=email, groups=groups, password=password, rules=self._rules
        )
        if isinstance(form, Unacceptable):
            return form
        user = User(
            id=UserId(encode(self._random.token(HANDLE_SIZE))),
            name=form.name,
            display_name=form.display_name,
            email=form.email,
            groups=form.groups,
            is_admin=is_admin,
            enabled=True,
            generation=1,
            created_at=now,
        )
        stored = await self._password.seal(user.id, form.password, now=now)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if is_admin and not await transaction.is_set_up():
                await transaction.claim_first_admin(user.id, now)
            await transaction.add_user(user)
            await transaction.put_password(user.id, stored)
            public = {"admin": "yes" if is_admin else "no", "groups": ",".join(sorted(form.groups))}
            await _append(transaction, actor, Act.USER_CREATED, user.id, now, public, {"name": user.name})
        return user

    async def set_password(self, actor: Actor, login: str, password: str, *, now: datetime) -> User | Unacceptable:
        """Set an account's password; all its sessions end."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        accepted = accept_password(password, name=user.name, email=user.email, rules=self._rules)
        if isinstance(accepted, Unacceptable):
            return accepted
        stored = await self._password.seal(user.id, accepted, now=now)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            present = await transaction.find_user(user.id)
            if present is None:
                raise NotFoundError("the account was deleted meanwhile")
            await transaction.put_password(user.id, stored)
            changed = await _take_rights(transaction, present, present)
            await _append(transaction, actor, Act.PASSWORD_SET, user.id, now)
        return changed

    async def set_groups(
        self, actor: Actor, login: str, groups: Iterable[str], *, now: datetime
    ) -> User | Unacceptable:
        """Set an account's groups; all its sessions end when it loses one."""
        accepted = accept_groups(groups)
        if isinstance(accepted, Unacceptable):
            return accepted
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            changed = replace(user, groups=accepted)
            if user.groups <= accepted:
                await transaction.advance_user(user, changed)
            else:
                changed = await _take_rights(transaction, user, changed)
            public = {"before": ",".join(sorted(user.groups)), "after": ",".join(sorted(accepted))}
            await _append(transaction, actor, Act.USER_GROUPS, user.id, now, public)
        return changed

    async def set_enabled(self, actor: Actor, login: str, enabled: bool, *, now: datetime) -> User:
        """Disable (all its sessions end) or enable an account."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            changed = replace(user, enabled=enabled)
            if enabled:
                await transaction.advance_user(user, changed)
            else:
                await check_admin_remains(transaction, user)
                changed = await _take_rights(transaction, user, changed)
            act = Act.USER_ENABLED if enabled else Act.USER_DISABLED
            await _append(transaction, actor, act, user.id, now)
        return changed

    async def delete_user(self, actor: Actor, login: str, *, now: datetime) -> User:
        """Delete an account with its sessions; its id is never used again (E30)."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            await check_admin_remains(transaction, user)
            await transaction.end_sessions_of(user.id)
            await transaction.remove_user(user.id)
            await _append(transaction, actor, Act.USER_DELETED, user.id, now, private={"name": user.name})
        return user


def actor_of(subject: Subject, visitor: Visitor) -> Actor:
    """The actor behind a signed-in administrator; ForbiddenError when it is none."""
    if not subject.user.administers:
        raise ForbiddenError("this is for administrators")
    return Actor(subject.user.id, subject.user.id, visitor.private())


async def check_actor(transaction: Transaction, actor: Actor) -> None:
    """ForbiddenError where the actor is no administrator (any more), looked at in the transaction of the act."""
    if actor.user_id is None:
        return
    user = await transaction.find_user(actor.user_id)
    if user is None or not user.enabled or not user.administers:
        raise ForbiddenError("this is for administrators")


async def get_user(transaction: Transaction, login: str) -> User:
    """The account with this user name or e-mail address, as somebody typed it. NotFoundError where there is none."""
    name = parse_login(login)
    if name is None:
        raise InputError("that is neither a user name nor an e-mail address")
    user = await transaction.find_user_by_login(name)
    if user is None:
        raise NotFoundError(f"there is no account {name}")
    return user


async def _take_rights(transaction: Transaction, old: User, new: User) -> User:
    """Write `new` with the next generation and end all sessions of the account."""
    changed = replace(new, generation=old.generation + 1)
    await transaction.advance_user(old, changed)
    await transaction.end_sessions_of(old.id)
    return changed


async def check_admin_remains(transaction: Transaction, leaving: User) -> None:
    """ConflictError where nobody but this account administers the gateway."""
    if not (leaving.administers and leaving.enabled):
        return
    others = [user for user in await transaction.list_administrators() if user.enabled]
    if len(others) <= 1:
        raise ConflictError("this is the last enabled administrator")


async def _append(
    transaction: Transaction,
    actor: Actor,
    act: Act,
    subject: str,
    now: datetime,
    public: Mapping[str, str] | None = None,
    private: Mapping[str, str] | None = None,
) -> None:
    await transaction.append_audit(
        AuditEvent(act, actor.id, subject, now, public or {}, {**actor.private, **(private or {})})
    )
