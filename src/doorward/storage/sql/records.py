"""Durable truth on SQL: accounts, passwords, the installation mark."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, delete, insert, literal, select, update

from doorward.errors import Clash, ConflictError
from doorward.interfaces import Keyring, Random, StoredPassword, Transaction
from doorward.rules.identity import User, UserId
from doorward.rules.session import SessionHandle
from doorward.storage.sql.accounts import SqlAccounts
from doorward.storage.sql.alerts import SqlAlerts
from doorward.storage.sql.app_keys import SqlAppKeys
from doorward.storage.sql.break_glass import SqlBreakGlass
from doorward.storage.sql.chores import SqlChores
from doorward.storage.sql.database import Database, change_total, map_faults, raise_revision
from doorward.storage.sql.decisions import SqlDecisions
from doorward.storage.sql.evidence import SqlEvidence
from doorward.storage.sql.factor_marks import seal_marks
from doorward.storage.sql.factors import SqlFactors
from doorward.storage.sql.keys import SqlKeys
from doorward.storage.sql.lanes import Connection
from doorward.storage.sql.preferences import SqlPreferences
from doorward.storage.sql.retention import SqlRetention
from doorward.storage.sql.rows import decode_user, encode_user
from doorward.storage.sql.tables import (
    identities,
    installation,
    memberships,
    passwords,
    pending_ends,
    sessions,
    users,
)
from doorward.storage.sql.upstream import Grants, SqlUpstream, forget_upstream, forget_upstream_of, read_grants


def _never_refuse() -> None:
    """Where nobody guards."""


class SqlRecords:
    """`interfaces.Records`. `sessions_apart`: another store holds the sessions; it learns of ends by `pending_ends`."""

    def __init__(self, database: Database, random: Random, keyring: Keyring, *, sessions_apart: bool = False) -> None:
        self._database = database
        self._random = random
        self._keyring = keyring
        self._sessions_apart = sessions_apart
        self._check: Callable[[], None] = _never_refuse

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a writing transaction; see `interfaces.Records`."""
        return self._transaction()

    def guard(self, check: Callable[[], None]) -> None:
        """Ask before every transaction whether there may be one; `check` raises where not."""
        self._check = check

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Transaction, None]:
        self._check()
        async with self._database.write() as connection:
            yield self.join(connection)

    def join(self, connection: Connection) -> "SqlTransaction":
        """The same on a connection that is in a writing transaction already."""
        return SqlTransaction(connection, self._random, self._keyring, sessions_apart=self._sessions_apart)


class SqlTransaction(
    SqlEvidence,
    SqlUpstream,
    SqlFactors,
    SqlAccounts,
    SqlChores,
    SqlAlerts,
    SqlKeys,
    SqlDecisions,
    SqlRetention,
    SqlBreakGlass,
    SqlPreferences,
    SqlAppKeys,
):
    """`interfaces.Transaction` on one connection."""

    def __init__(self, connection: Connection, random: Random, keyring: Keyring, *, sessions_apart: bool) -> None:
        super().__init__(connection)
        self._random = random
        self._keyring = keyring
        self._sessions_apart = sessions_apart

    async def find_user(self, user_id: UserId) -> User | None:
        """The account with this id."""
        return await self._find(users.c.id == user_id)

    async def find_user_by_login(self, login: str) -> User | None:
        """The account whose name or address equals `login`. A name holds no @ and an address always does."""
        if "@" in login:
            # Spelt out as the index spells it, or SQLite would read every account.
            return await self._find((users.c.email == login) & (users.c.email != literal("", literal_execute=True)))
        return await self._find(users.c.name == login)

    async def list_administrators(self) -> list[User]:
        """The accounts that administer, by name. Few, so that each may be read by itself and the others not at all."""
        made = select(identities.c.user_id).where(identities.c.is_admin)
        query = select(users.c.id).where(users.c.is_admin | users.c.id.in_(made)).order_by(users.c.name)
        found = [await self._find(users.c.id == user_id) for user_id in (await self._connection.scalars(query)).all()]
        return [user for user in found if user is not None]

    async def list_users(self) -> list[User]:
        """Every account, by name."""
        rows = (await self._connection.execute(select(users).order_by(users.c.name))).mappings().all()
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for user_id, group in await self._connection.execute(select(memberships)):
            groups[user_id].add(group)
        granted = await read_grants(self._connection)
        return [_decode(row, frozenset(groups[row["id"]]), granted[row["id"]]) for row in rows]

    async def add_user(self, user: User) -> None:
        """Add an account."""
        row = {**encode_user(user), "factors": seal_marks(self._keyring, user.id)}
        with _taken():
            await self._connection.execute(insert(users).values(row))
        await self._join(user.id, user.groups)

    async def advance_user(self, old: User, new: User) -> None:
        """Change an account, only if it still is exactly `old`; what is granted to it is not ours to change."""
        if new.id != old.id:
            raise ValueError("an account's id never changes")
        if await self._find(users.c.id == old.id, lock=True) != old:
            raise ConflictError("the account was changed by somebody else")
        with _taken():
            await self._connection.execute(update(users).where(users.c.id == old.id).values(encode_user(new)))
        left = old.groups - new.groups
        if left:
            await self._connection.execute(
                delete(memberships).where(memberships.c.user_id == old.id, memberships.c.group_name.in_(sorted(left)))
            )
        await self._join(new.id, new.groups - old.groups)
        await raise_revision(self._connection)

    async def remove_user(self, user_id: UserId) -> bool:
        """Remove an account; what belongs to it goes with it, by foreign key."""
        await self.end_sessions_of(user_id)
        removed = await self._connection.execute(delete(users).where(users.c.id == user_id))
        return removed.rowcount > 0

    async def find_password(self, user_id: UserId) -> StoredPassword | None:
        """The account's password hash, sealed."""
        row = (
            await self._connection.execute(
                select(passwords.c.sealed, passwords.c.changed_at).where(passwords.c.user_id == user_id)
            )
        ).one_or_none()
        return None if row is None else StoredPassword(sealed=row[0], changed_at=row[1])

    async def put_password(self, user_id: UserId, password: StoredPassword) -> None:
        """Set the account's password hash."""
        values = {"sealed": password.sealed, "changed_at": password.changed_at}
        changed = await self._connection.execute(update(passwords).where(passwords.c.user_id == user_id).values(values))
        if not changed.rowcount:
            await self._connection.execute(insert(passwords).values(user_id=user_id, **values))
        await raise_revision(self._connection)

    async def advance_password(self, user_id: UserId, old: StoredPassword, new: StoredPassword) -> bool:
        """Replace the hash only if it still is `old` (E24)."""
        changed = await self._connection.execute(
            update(passwords)
            .where(
                passwords.c.user_id == user_id,
                passwords.c.sealed == old.sealed,
                passwords.c.changed_at == old.changed_at,
            )
            .values(sealed=new.sealed, changed_at=new.changed_at)
        )
        return changed.rowcount > 0

    async def claim_first_admin(self, user_id: UserId, at: datetime) -> None:
        """Mark the installation as set up; the table has room for one row (R01)."""
        try:
            with map_faults():
                await self._connection.execute(insert(installation).values(id=1, first_admin=user_id, set_up_at=at))
        except ConflictError as error:
            raise ConflictError("this gateway is set up already") from error

    async def is_set_up(self) -> bool:
        """Whether a first administrator was ever made here."""
        return (await self._connection.execute(select(installation.c.id))).one_or_none() is not None

    async def end_session(self, handle: SessionHandle) -> bool:
        """End one session with this transaction; whether there was one.

        Where sessions live apart nobody can look from here: word is left, and True unless it was left before.
        """
        # Here too where sessions live apart: a row from before must not come back with the setting.
        ended = await end_one(self._connection, handle)
        if self._sessions_apart:
            known = await self._connection.execute(select(pending_ends.c.id).where(pending_ends.c.handle == handle))
            ended = known.first() is None
            if ended:
                await self._connection.execute(insert(pending_ends).values(handle=handle))
        if ended:
            await raise_revision(self._connection)
        return ended

    async def end_sessions_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> None:
        """End the account's sessions with this transaction, or leave word for the store that holds them."""
        await end_sessions(self._connection, user_id, keep=keep)
        if self._sessions_apart:
            await self._connection.execute(insert(pending_ends).values(user_id=user_id, keep=keep))
        await raise_revision(self._connection)

    async def _find(self, condition: ColumnElement[bool], *, lock: bool = False) -> User | None:
        query = select(users).where(condition)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
        if row is None:
            return None
        groups = await self._connection.scalars(
            select(memberships.c.group_name).where(memberships.c.user_id == row["id"])
        )
        granted = await read_grants(self._connection, row["id"])
        return _decode(row, frozenset(groups), granted[row["id"]])

    async def _join(self, user_id: UserId, groups: frozenset[str]) -> None:
        if groups:
            rows = [{"user_id": user_id, "group_name": group} for group in sorted(groups)]
            await self._connection.execute(insert(memberships), rows)


@contextmanager
def _taken() -> Generator[None, None, None]:
    try:
        with map_faults():
            yield
    except ConflictError as error:
        raise ConflictError("that user name or e-mail address is taken", Clash.TAKEN) from error


def _decode(row: RowMapping, groups: frozenset[str], granted: Grants) -> User:
    return decode_user(row, groups, granted_groups=granted.groups, granted_admin=granted.is_admin)


async def end_one(connection: Connection, handle: SessionHandle) -> bool:
    """Remove one session with its provider's side; whether there was one. The caller raises the revision."""
    await forget_upstream(connection, handle)
    ended = (await connection.execute(delete(sessions).where(sessions.c.handle == handle))).rowcount
    await change_total(connection, "sessions", -ended)
    return ended > 0


async def end_sessions(connection: Connection, user_id: UserId, *, keep: SessionHandle | None) -> int:
    """Remove an account's sessions except `keep`, as `end_one` does; how many. The caller raises the revision."""
    await forget_upstream_of(connection, user_id, keep=keep)
    query = delete(sessions).where(sessions.c.user_id == user_id)
    if keep is not None:
        query = query.where(sessions.c.handle != keep)
    ended = (await connection.execute(query)).rowcount
    await change_total(connection, "sessions", -ended)
    return ended
