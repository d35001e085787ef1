"""What is known of upstream providers, on SQL: identities, the provider's side of sessions, marks, the console's words.

Whatever identities grant is read with the account itself: `read_grants`.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import ColumnElement, delete, insert, select, update

from doorward.errors import ConflictError
from doorward.rules.identity import UserId
from doorward.rules.provider import ProviderId
from doorward.rules.session import SessionHandle
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession
from doorward.storage.sql.database import InTransaction, raise_revision, refused
from doorward.storage.sql.lanes import Connection
from doorward.storage.sql.rows import (
    decode_identity,
    decode_provider,
    decode_upstream_session,
    encode_identity,
    encode_provider,
    encode_upstream_session,
)
from doorward.storage.sql.tables import identities, identity_groups, marks, providers, settings, upstream_sessions

_PURGE_MOST: Final = 5000
"""Rows of a kind that one purge removes, so that nobody waits long for the writer."""


@dataclass(slots=True)
class Grants:
    """What an account's identities grant, taken together."""

    groups: frozenset[str] = frozenset()
    is_admin: bool = False


class SqlUpstream(InTransaction):
    """`interfaces.UpstreamRecords` on one connection: the part of a transaction that `SqlTransaction` builds upon."""

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """The identity with exactly this key."""
        found = await self._list_identities((identities.c.issuer == issuer) & (identities.c.subject == subject))
        return found[0] if found else None

    async def list_identities(self, user_id: UserId | None = None) -> list[Identity]:
        """An account's identities, or everybody's, the oldest link first."""
        return await self._list_identities(None if user_id is None else identities.c.user_id == user_id)

    async def add_identity(self, identity: Identity) -> None:
        """Link an identity; where it grants something, its account has changed."""
        with refused("that identity is linked already, or its account is gone"):
            await self._connection.execute(insert(identities).values(encode_identity(identity)))
        await self._grant(identity.id, identity.groups)
        if identity.groups or identity.is_admin:
            await raise_revision(self._connection)

    async def advance_identity(self, old: Identity, new: Identity) -> None:
        """Change an identity, only if it still is exactly `old`."""
        if (new.id, new.issuer, new.subject, new.user_id) != (old.id, old.issuer, old.subject, old.user_id):
            raise ValueError("an identity's id, key and owner never change")
        if await self._list_identities(identities.c.id == old.id, lock=True) != [old]:
            raise ConflictError("the identity was changed by somebody else")
        await self._connection.execute(update(identities).where(identities.c.id == old.id).values(encode_identity(new)))
        left = old.groups - new.groups
        if left:
            await self._connection.execute(
                delete(identity_groups).where(
                    identity_groups.c.identity_id == old.id, identity_groups.c.group_name.in_(sorted(left))
                )
            )
        await self._grant(new.id, new.groups - old.groups)
        if (new.groups, new.is_admin) != (old.groups, old.is_admin):
            await raise_revision(self._connection)

    async def remove_identity(self, identity_id: IdentityId) -> bool:
        """Unlink; grants and upstream sessions go with it, by foreign key."""
        removed = await self._connection.execute(delete(identities).where(identities.c.id == identity_id))
        if removed.rowcount:
            await raise_revision(self._connection)
        return removed.rowcount > 0

    async def put_upstream_session(self, session: UpstreamSession) -> None:
        """Note the provider's side of a session that is about to be stored."""
        with refused("the session has an upstream session already, or its identity is gone"):
            await self._connection.execute(insert(upstream_sessions).values(encode_upstream_session(session)))

    async def find_upstream_session(self, handle: SessionHandle) -> UpstreamSession | None:
        """The provider's side of a session."""
        return await self._find_upstream_session(handle)

    async def list_upstream_sessions(
        self,
        *,
        provider: ProviderId | None = None,
        identity: IdentityId | None = None,
        subject: str | None = None,
        sid: str | None = None,
    ) -> list[UpstreamSession]:
        """Those that fit everything that is given, by handle."""
        columns = upstream_sessions.c
        wanted = {columns.provider: provider, columns.identity_id: identity, columns.subject: subject, columns.sid: sid}
        query = select(upstream_sessions).where(
            *(column == value for column, value in wanted.items() if value is not None)
        )
        rows = await self._connection.execute(query.order_by(columns.handle))
        return [decode_upstream_session(row) for row in rows.mappings()]

    async def list_due_upstream_sessions(self, now: datetime, *, limit: int) -> list[UpstreamSession]:
        """Those whose tie is to be tried by `now`, the most overdue first."""
        columns = upstream_sessions.c
        query = select(upstream_sessions).where(columns.check_at <= now, columns.expires_at > now)
        rows = await self._connection.execute(query.order_by(columns.check_at, columns.handle).limit(limit))
        return [decode_upstream_session(row) for row in rows.mappings()]

    async def advance_upstream_session(self, old: UpstreamSession, new: UpstreamSession) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if new.handle != old.handle:
            raise ValueError("an upstream session's handle never changes")
        if await self._find_upstream_session(old.handle, lock=True) != old:
            return False
        change = update(upstream_sessions).where(upstream_sessions.c.handle == old.handle)
        with refused("the identity is gone"):
            await self._connection.execute(change.values(encode_upstream_session(new)))
        return True

    async def purge_upstream(self, now: datetime) -> int:
        """Drop upstream sessions and marks whose time is over, a bounded number; the rest goes with the next call."""
        removed = 0
        for key in (upstream_sessions.c.handle, marks.c.name):
            few = select(key).where(key.table.c.expires_at <= now).limit(_PURGE_MOST).scalar_subquery()
            removed += (await self._connection.execute(delete(key.table).where(key.in_(few)))).rowcount
        return removed

    async def put_mark(self, name: str, at: datetime, *, keep_until: datetime) -> bool:
        """Note that `name` happened; whether that is news."""
        key = _digest(name)
        found = select(marks.c.at, marks.c.expires_at).where(marks.c.name == key).with_for_update()
        known = (await self._connection.execute(found)).one_or_none()
        if known is None:
            await self._connection.execute(insert(marks).values(name=key, at=at, expires_at=keep_until))
            return True
        later = {"at": max(at, known[0]), "expires_at": max(keep_until, known[1])}
        await self._connection.execute(update(marks).where(marks.c.name == key).values(later))
        return False

    async def find_mark(self, name: str) -> datetime | None:
        """When it happened last."""
        found: datetime | None = await self._connection.scalar(select(marks.c.at).where(marks.c.name == _digest(name)))
        return found

    async def list_providers(self) -> list[StoredProvider]:
        """The providers added in the console, by id."""
        rows = await self._connection.execute(select(providers).order_by(providers.c.id))
        return [decode_provider(row) for row in rows.mappings()]

    async def put_provider(self, provider: StoredProvider) -> None:
        """Add or replace one."""
        values = encode_provider(provider)
        changed = await self._connection.execute(update(providers).where(providers.c.id == provider.id).values(values))
        if not changed.rowcount:
            await self._connection.execute(insert(providers).values(values))

    async def remove_provider(self, provider_id: ProviderId) -> bool:
        """Remove one; whether there was one."""
        return (await self._connection.execute(delete(providers).where(providers.c.id == provider_id))).rowcount > 0

    async def find_setting(self, name: str) -> str | None:
        """A setting that is made in the console or on the command line."""
        found: str | None = await self._connection.scalar(select(settings.c.value).where(settings.c.name == name))
        return found

    async def put_setting(self, name: str, value: str | None) -> None:
        """Make it, or with None take it back."""
        if value is None:
            await self._connection.execute(delete(settings).where(settings.c.name == name))
            return
        changed = await self._connection.execute(update(settings).where(settings.c.name == name).values(value=value))
        if not changed.rowcount:
            await self._connection.execute(insert(settings).values(name=name, value=value))

    async def _list_identities(self, condition: ColumnElement[bool] | None, *, lock: bool = False) -> list[Identity]:
        rows = select(identities).order_by(identities.c.linked_at, identities.c.id)
        granted = select(identity_groups)
        if condition is not None:
            rows = rows.where(condition)
            granted = granted.join(identities).where(condition)
        found = (await self._connection.execute(rows.with_for_update() if lock else rows)).mappings().all()
        groups: defaultdict[str, set[str]] = defaultdict(set)
        if found:
            for identity_id, group in await self._connection.execute(granted):
                groups[identity_id].add(group)
        return [decode_identity(row, frozenset(groups[row["id"]])) for row in found]

    async def _grant(self, identity_id: IdentityId, groups: frozenset[str]) -> None:
        if groups:
            rows = [{"identity_id": identity_id, "group_name": group} for group in sorted(groups)]
            await self._connection.execute(insert(identity_groups), rows)

    async def _find_upstream_session(self, handle: SessionHandle, *, lock: bool = False) -> UpstreamSession | None:
        query = select(upstream_sessions).where(upstream_sessions.c.handle == handle)
        rows = await self._connection.execute(query.with_for_update() if lock else query)
        row = rows.mappings().one_or_none()
        return None if row is None else decode_upstream_session(row)


async def read_grants(connection: Connection, user_id: UserId | None = None) -> defaultdict[UserId, Grants]:
    """What identities grant, to one account or to everybody. An account that is granted nothing gets just that."""
    query = select(identities.c.user_id, identities.c.is_admin, identity_groups.c.group_name)
    query = query.select_from(identities.outerjoin(identity_groups))
    if user_id is not None:
        query = query.where(identities.c.user_id == user_id)
    found: defaultdict[UserId, Grants] = defaultdict(Grants)
    for owner, is_admin, group in await connection.execute(query):
        grants = found[owner]
        grants.is_admin = grants.is_admin or is_admin
        if group is not None:
            grants.groups |= {group}
    return found


async def forget_upstream(connection: Connection, handle: SessionHandle) -> None:
    """Drop the provider's side of a session that ends."""
    await connection.execute(delete(upstream_sessions).where(upstream_sessions.c.handle == handle))


async def forget_upstream_of(connection: Connection, user_id: UserId, *, keep: SessionHandle | None) -> None:
    """Drop the provider's side of an account's sessions, except `keep`: of those too that are only about to be stored.

    By identity and not by session, so that it is the same wherever sessions are stored.
    """
    own = select(identities.c.id).where(identities.c.user_id == user_id).scalar_subquery()
    query = delete(upstream_sessions).where(upstream_sessions.c.identity_id.in_(own))
    await connection.execute(query if keep is None else query.where(upstream_sessions.c.handle != keep))


def _digest(name: str) -> bytes:
    # Whatever a provider can write in JSON can stand in a name, half of a surrogate pair included.
    return sha256(name.encode("utf-8", "surrogatepass")).digest()
