"""Keys for apps, and secrets we show apps, on SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from doorward.rules.app_key import AppKey, AppSecret, KeyId, KeyKind, KeyUse
from doorward.rules.identity import UserId
from doorward.storage.sql.database import InTransaction, advance, raise_revision, refused
from doorward.storage.sql.rows import decode_app_key, encode_app_key
from doorward.storage.sql.tables import app_keys, app_secrets

_USE = frozenset({"uses", "last_used_at", "sealed"})


class SqlAppKeys(InTransaction):
    """`interfaces.AppKeyRecords` on one connection: a part of the transaction."""

    async def add_app_key(self, key: AppKey) -> None:
        """Add a key."""
        with refused("the account is gone, or has a key of this name"):
            await self._connection.execute(insert(app_keys).values(encode_app_key(key)))

    async def find_app_key(self, key_id: KeyId) -> AppKey | None:
        """The key with this id."""
        query = select(app_keys).where(app_keys.c.id == key_id)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else decode_app_key(row)

    async def list_app_keys(self, user_id: UserId | None = None) -> list[AppKey]:
        """An account's keys, or everybody's, the newest first."""
        query = select(app_keys).order_by(app_keys.c.made_at.desc(), app_keys.c.id)
        if user_id is not None:
            query = query.where(app_keys.c.user_id == user_id)
        return [decode_app_key(row) for row in (await self._connection.execute(query)).mappings()]

    async def count_app_keys(self) -> dict[tuple[KeyKind, bool], int]:
        """How many there are of each kind, awake and put to sleep."""
        asleep = app_keys.c.disabled_at.is_not(None).label("asleep")
        query = select(app_keys.c.kind, asleep, func.count()).group_by(app_keys.c.kind, asleep)
        rows = await self._connection.execute(query)
        return {(KeyKind(kind), bool(sleeps)): count for kind, sleeps, count in rows}

    async def advance_app_key(self, old: AppKey, new: AppKey) -> bool:
        """Replace a key, its uses aside."""
        changed = await advance(self._connection, app_keys, _without_use(old), _without_use(new))
        if changed:
            await raise_revision(self._connection)
        return changed

    async def remove_app_keys(self, key_ids: Collection[KeyId]) -> int:
        """Remove keys."""
        query = delete(app_keys).where(app_keys.c.id.in_(list(key_ids)))
        count = (await self._connection.execute(query)).rowcount
        if count:
            await raise_revision(self._connection)
        return count

    async def note_key_uses(self, uses: Sequence[KeyUse]) -> None:
        """Count a use of each."""
        for use in uses:
            values = {"uses": app_keys.c.uses + 1, "last_used_at": use.at, "sealed": use.sealed}
            await self._connection.execute(update(app_keys).where(app_keys.c.id == use.id).values(values))

    async def list_sleeping_keys(self, unused_since: datetime) -> list[AppKey]:
        """Keys that are not disabled and were neither made, used nor woken since."""
        last = func.coalesce(app_keys.c.last_used_at, app_keys.c.made_at)
        awake = app_keys.c.disabled_at.is_(None) & (app_keys.c.made_at < unused_since)
        woken = func.coalesce(app_keys.c.woken_at, app_keys.c.made_at)
        query = select(app_keys).where(awake, last < unused_since, woken < unused_since).order_by(app_keys.c.id)
        return [decode_app_key(row) for row in (await self._connection.execute(query)).mappings()]

    async def list_app_secrets(self) -> list[AppSecret]:
        """The secrets we show apps, by name."""
        query = select(app_secrets).order_by(app_secrets.c.name)
        return [AppSecret(**row) for row in (await self._connection.execute(query)).mappings()]

    async def put_app_secret(self, secret: AppSecret) -> None:
        """Set one, in place of any of this name."""
        await self._connection.execute(delete(app_secrets).where(app_secrets.c.name == secret.name))
        row = {"name": secret.name, "sealed": secret.sealed, "changed_at": secret.changed_at}
        await self._connection.execute(insert(app_secrets).values(row))
        await raise_revision(self._connection)

    async def remove_app_secret(self, name: str) -> bool:
        """Forget one."""
        query = delete(app_secrets).where(app_secrets.c.name == name)
        gone = (await self._connection.execute(query)).rowcount > 0
        if gone:
            await raise_revision(self._connection)
        return gone


def _without_use(key: AppKey) -> dict[str, Any]:
    return {name: value for name, value in encode_app_key(key).items() if name not in _USE}
