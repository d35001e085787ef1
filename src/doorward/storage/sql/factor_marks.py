"""What is remembered of second factors, on SQL: a sealed list in the row of the account."""

import json

from sqlalchemy import select, update

from doorward.errors import TamperError
from doorward.interfaces import Keyring
from doorward.rules.envelope import Place
from doorward.rules.identity import UserId
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.tables import users


class SqlFactorMarks(InTransaction):
    """Reads and writes the marks (`rules.factor.list_marks`) of an account."""

    _keyring: Keyring

    async def _read_marks(self, user_id: UserId) -> frozenset[str] | None:
        """What is remembered. None where that is gone or does not open, or there is no account."""
        sealed = await self._connection.scalar(select(users.c.factors).where(users.c.id == user_id))
        try:
            return frozenset(json.loads(self._keyring.unseal(_place(user_id), sealed))) if sealed else None
        except TamperError:
            return None

    async def _write_marks(self, user_id: UserId, marks: frozenset[str]) -> None:
        sealed = seal_marks(self._keyring, user_id, marks)
        await self._connection.execute(update(users).where(users.c.id == user_id).values(factors=sealed))

    async def _change_marks(self, user_id: UserId, *, drop: str, add: str = "") -> None:
        """Forget what begins with `drop`, and remember `add`.

        SECURITY: what is gone or does not open stays so; a change by whoever is signed in would make it good again.
        tests/contract/test_factor_marks.py tries.
        """
        marks = await self._read_marks(user_id)
        if marks is not None:
            kept = {mark for mark in marks if not mark.startswith(drop)}
            await self._write_marks(user_id, frozenset(kept | ({add} if add else set[str]())))


def seal_marks(keyring: Keyring, user_id: UserId, marks: frozenset[str] = frozenset()) -> str:
    """As they stand in the row."""
    return keyring.seal(_place(user_id), json.dumps(sorted(marks), separators=(",", ":")).encode())


def _place(user_id: UserId) -> Place:
    return Place("users", "factors", user_id)
