"""What people chose for their accounts, on SQL."""

from sqlalchemy import delete, insert, select

from doorward.rules.identity import UserId
from doorward.storage.sql.database import InTransaction, refused
from doorward.storage.sql.tables import preferences


class SqlPreferences(InTransaction):
    """`interfaces.PreferenceRecords` on one connection: a part of the transaction."""

    async def find_preference(self, user_id: UserId, name: str) -> str | None:
        """What somebody chose."""
        own = (preferences.c.user_id == user_id) & (preferences.c.name == name)
        return (await self._connection.execute(select(preferences.c.value).where(own))).scalar_one_or_none()

    async def put_preference(self, user_id: UserId, name: str, value: str | None) -> None:
        """Choose it, or with None take it back."""
        own = (preferences.c.user_id == user_id) & (preferences.c.name == name)
        await self._connection.execute(delete(preferences).where(own))
        if value is not None:
            with refused("the account is gone"):
                await self._connection.execute(insert(preferences).values(user_id=user_id, name=name, value=value))
