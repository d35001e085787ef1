"""Second factors on SQL. None raises the revision: checks ask what a session proved, not which factors there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, delete, insert, select, union, update

from doorward.rules.factor import (
    CODES_MARK,
    PASSKEY_MARK,
    TOTP_MARK,
    UNREADABLE,
    FactorId,
    Factors,
    Passkey,
    RecoveryCode,
    Totp,
    list_marks,
)
from doorward.rules.identity import UserId
from doorward.storage.sql.database import advance, refused
from doorward.storage.sql.factor_marks import SqlFactorMarks
from doorward.storage.sql.tables import passkeys, recovery_codes, totps, users


class SqlFactors(SqlFactorMarks):
    """`interfaces.FactorRecords` on one connection: a part of the transaction."""

    async def find_factors(self, user_id: UserId) -> Factors:
        """All of an account's factors."""
        own_passkeys = await self._list(passkeys, user_id, passkeys.c.created_at, passkeys.c.id)
        own_codes = await self._list(recovery_codes, user_id, recovery_codes.c.position)
        own_totp = await self._list(totps, user_id)
        return Factors(
            totp=_decode_totp(own_totp[0]) if own_totp else None,
            passkeys=tuple(map(_decode_passkey, own_passkeys)),
            recovery_codes=tuple(map(_decode_recovery_code, own_codes)),
        )

    async def list_protected(self) -> frozenset[UserId]:
        """The accounts that have an authenticator app or a passkey."""
        query = union(select(totps.c.user_id), select(passkeys.c.user_id))
        return frozenset((await self._connection.scalars(query)).all())

    async def find_lost_factors(self, user_id: UserId) -> frozenset[str]:
        """What is remembered and not there."""
        marks = await self._read_marks(user_id)
        return frozenset({UNREADABLE}) if marks is None else marks - list_marks(await self.find_factors(user_id))

    async def clear_factors(self, user_id: UserId) -> None:
        """Take everything away, and remember that."""
        for table in (totps, passkeys, recovery_codes):
            await self._connection.execute(delete(table).where(table.c.user_id == user_id))
        await self._write_marks(user_id, frozenset())

    async def mark_factors(self) -> int:
        """Remember what accounts of an older schema have."""
        unmarked = list((await self._connection.scalars(select(users.c.id).where(users.c.factors == ""))).all())
        for user_id in unmarked:
            await self._write_marks(user_id, list_marks(await self.find_factors(user_id)))
        return len(unmarked)

    async def put_totp(self, totp: Totp) -> None:
        """Set the account's authenticator app."""
        await self.remove_totp(totp.user_id)
        with refused("the account is gone"):
            await self._connection.execute(insert(totps).values(_encode_totp(totp)))
        await self._change_marks(totp.user_id, drop=TOTP_MARK, add=TOTP_MARK)

    async def advance_totp(self, old: Totp, new: Totp) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if new.user_id != old.user_id:
            raise ValueError("an authenticator app's owner never changes")
        return await advance(self._connection, totps, _encode_totp(old), _encode_totp(new))

    async def remove_totp(self, user_id: UserId) -> bool:
        """Take the authenticator app away; whether there was one."""
        await self._change_marks(user_id, drop=TOTP_MARK)
        return (await self._connection.execute(delete(totps).where(totps.c.user_id == user_id))).rowcount > 0

    async def find_passkey(self, digest: bytes) -> Passkey | None:
        """The passkey with this credential."""
        rows = await self._connection.execute(select(passkeys).where(passkeys.c.digest == digest))
        row = rows.mappings().one_or_none()
        return None if row is None else _decode_passkey(row)

    async def add_passkey(self, passkey: Passkey) -> None:
        """Add one, unless anybody has its credential."""
        with refused("that passkey is registered already, or its account is gone"):
            await self._connection.execute(insert(passkeys).values(_encode_passkey(passkey)))
        mark = PASSKEY_MARK + passkey.id
        await self._change_marks(passkey.user_id, drop=mark, add=mark)

    async def advance_passkey(self, old: Passkey, new: Passkey) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if (new.id, new.user_id, new.digest) != (old.id, old.user_id, old.digest):
            raise ValueError("a passkey's id, owner and credential never change")
        return await advance(self._connection, passkeys, _encode_passkey(old), _encode_passkey(new))

    async def remove_passkey(self, passkey_id: FactorId) -> bool:
        """Remove one; whether there was one."""
        owner = await self._connection.scalar(select(passkeys.c.user_id).where(passkeys.c.id == passkey_id))
        if owner is None:
            return False
        await self._connection.execute(delete(passkeys).where(passkeys.c.id == passkey_id))
        await self._change_marks(UserId(owner), drop=PASSKEY_MARK + passkey_id)
        return True

    async def put_recovery_codes(self, user_id: UserId, codes: Sequence[RecoveryCode]) -> None:
        """Put a new set in place of the old one."""
        if any(code.user_id != user_id for code in codes):
            raise ValueError("a set of recovery codes belongs to one account")
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
        if codes:
            with refused("these recovery codes are there already, or their account is gone"):
                await self._connection.execute(insert(recovery_codes), [_encode_recovery_code(code) for code in codes])
        await self._change_marks(user_id, drop=CODES_MARK, add=f"{CODES_MARK}{len(codes)}" if codes else "")

    async def spend_recovery_code(self, code_id: FactorId, at: datetime) -> bool:
        """Mark one as used: one UPDATE, so it counts for at most one of those who ask."""
        unused = (recovery_codes.c.id == code_id) & recovery_codes.c.used_at.is_(None)
        return (await self._connection.execute(update(recovery_codes).where(unused).values(used_at=at))).rowcount > 0

    async def _list(self, table: Table, user_id: UserId, *order: ColumnElement[Any]) -> Sequence[RowMapping]:
        query = select(table).where(table.c.user_id == user_id).order_by(*order)
        return (await self._connection.execute(query)).mappings().all()


def _encode_totp(totp: Totp) -> dict[str, Any]:
    return {
        "user_id": totp.user_id,
        "sealed": totp.sealed,
        "last_step": totp.last_step,
        "created_at": totp.created_at,
        "last_used_at": totp.last_used_at,
    }


def _decode_totp(row: RowMapping) -> Totp:
    return Totp(
        user_id=UserId(row["user_id"]),
        sealed=row["sealed"],
        last_step=row["last_step"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )


def _encode_passkey(passkey: Passkey) -> dict[str, Any]:
    return {
        "id": passkey.id,
        "user_id": passkey.user_id,
        "digest": passkey.digest,
        "sealed": passkey.sealed,
        "name": passkey.name,
        "sign_count": passkey.sign_count,
        "verifies": passkey.verifies,
        "backup_eligible": passkey.backup_eligible,
        "backed_up": passkey.backed_up,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
    }


def _decode_passkey(row: RowMapping) -> Passkey:
    return Passkey(
        id=FactorId(row["id"]),
        user_id=UserId(row["user_id"]),
        digest=row["digest"],
        sealed=row["sealed"],
        name=row["name"],
        sign_count=row["sign_count"],
        verifies=row["verifies"],
        backup_eligible=row["backup_eligible"],
        backed_up=row["backed_up"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )


def _encode_recovery_code(code: RecoveryCode) -> dict[str, Any]:
    return {
        "id": code.id,
        "user_id": code.user_id,
        "position": code.position,
        "sealed": code.sealed,
        "created_at": code.created_at,
        "used_at": code.used_at,
    }


def _decode_recovery_code(row: RowMapping) -> RecoveryCode:
    return RecoveryCode(
        id=FactorId(row["id"]),
        user_id=UserId(row["user_id"]),
        position=row["position"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        used_at=row["used_at"],
    )
