"""Every column that holds something sealed, and sealing it anew.

A column that is missing here would be left under an old key, and lost with it: tests/contract/test_sealed_columns.py
compares this with the tables, with every `Place` in the program, and with what really stands in a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Text, func, literal, or_, select, tuple_, update

from doorward.interfaces import SealedValue
from doorward.rules.envelope import Place
from doorward.storage.sql.database import Database
from doorward.storage.sql.rows import decode_state, encode_state
from doorward.storage.sql.tables import (
    alerts,
    audit,
    letters,
    metadata,
    passkeys,
    passwords,
    providers,
    recovery_codes,
    sign_ins,
    signing_keys,
    tickets,
    totps,
    upstream_sessions,
    users,
)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values. `row` names the row in their `Place`. An empty value is none.

    `member`: the values are a member of JSON objects in the column. `older_plain`: an older version left readable ones
    there, which somebody else seals.
    """

    column: Column[Any]
    row: Column[Any]
    member: str = ""
    older_plain: bool = False

    @property
    def name(self) -> str:
        """Table and column as a `Place` has them."""
        return f"{self.column.table.name}.{self.member or self.column.name}"


SEALED: Final = {
    each.name: each
    for each in (
        SealedColumn(signing_keys.c.sealed, signing_keys.c.id),
        SealedColumn(users.c.factors, users.c.id),
        SealedColumn(passwords.c.sealed, passwords.c.user_id),
        SealedColumn(totps.c.sealed, totps.c.user_id),
        SealedColumn(passkeys.c.sealed, passkeys.c.id),
        SealedColumn(recovery_codes.c.sealed, recovery_codes.c.id),
        SealedColumn(providers.c.client_secret, providers.c.id),
        SealedColumn(providers.c.private_key, providers.c.id),
        SealedColumn(upstream_sessions.c.id_token, upstream_sessions.c.handle),
        SealedColumn(upstream_sessions.c.refresh_token, upstream_sessions.c.handle),
        SealedColumn(sign_ins.c.sealed, sign_ins.c.id),
        SealedColumn(letters.c.sealed, letters.c.id),
        SealedColumn(alerts.c.sealed, alerts.c.id),
        SealedColumn(audit.c.private, audit.c.sequence, older_plain=True),
        SealedColumn(tickets.c.state, tickets.c.id, member="sealed"),
        SealedColumn(tickets.c.state, tickets.c.id, member="upstream"),
    )
}
_SHAPE: Final = "gcm"


class SqlSealed:
    """`interfaces.SealedStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.columns: Sequence[str] = tuple(SEALED)

    async def list_others(
        self, column: str, *, beginning: str, after: tuple[Any, ...] | None, limit: int
    ) -> list[SealedValue]:
        """Values that do not begin so, in the order of their rows, behind the row `after`."""
        chosen = SEALED[column]
        key = chosen.column.table.primary_key.columns
        query = select(*key, chosen.row, chosen.column).where(_other(chosen, beginning)).order_by(*key).limit(limit)
        if after is not None:
            query = query.where(
                tuple_(*key) > tuple_(*(literal(part, each.type) for part, each in zip(after, key, strict=True)))
            )
        async with self._database.read() as connection:
            rows = [tuple[Any, ...](row) for row in await connection.execute(query)]
        return [_read(chosen, row[: len(key)], row[-2], row[-1]) for row in rows]

    async def replace(self, values: Sequence[tuple[SealedValue, str]]) -> int:
        """Put new ones in the place of those that are still what was read; how many. One transaction for all."""
        replaced = 0
        async with self._database.write() as connection:
            for value, sealed in values:
                chosen = SEALED[f"{value.place.table}.{value.place.column}"]
                key = chosen.column.table.primary_key.columns
                same = [each == part for each, part in zip(key, value.row, strict=True)]
                new = (
                    sealed if not chosen.member else encode_state({**decode_state(value.found), chosen.member: sealed})
                )
                changed = await connection.execute(
                    update(chosen.column.table).where(*same, chosen.column == value.found).values({chosen.column: new})
                )
                replaced += changed.rowcount
        return replaced

    async def count(self, column: str, *, beginning: str) -> int:
        """How many values begin so."""
        chosen = SEALED[column]
        query = select(func.count()).select_from(chosen.column.table).where(_begins(chosen, beginning))
        async with self._database.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def find_mentions(self, texts: Sequence[str]) -> list[str]:
        """The columns of text, all there are, in which one of these texts stands anywhere."""
        found = []
        for table in metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, Text):
                    query = select(func.count()).where(or_(*(func.instr(column, text) > 0 for text in texts)))
                    async with self._database.read() as connection:
                        if await connection.scalar(query.select_from(table)):
                            found.append(f"{table.name}.{column.name}")
        return found


def _begins(chosen: SealedColumn, beginning: str) -> ColumnElement[bool]:
    if chosen.member:
        # Canonical JSON: no space, and nothing in a sealed value is ever escaped.
        return func.instr(chosen.column, f'"{chosen.member}":"{beginning}') > 0
    return func.substr(chosen.column, 1, len(beginning)) == beginning


def _other(chosen: SealedColumn, beginning: str) -> ColumnElement[bool]:
    if chosen.member or chosen.older_plain:
        return _begins(chosen, _SHAPE) & ~_begins(chosen, beginning)
    return (chosen.column != "") & ~_begins(chosen, beginning)


def _read(chosen: SealedColumn, row: tuple[Any, ...], name: bytes | str | int, found: str) -> SealedValue:
    sealed = decode_state(found)[chosen.member] if chosen.member else found
    table, _, column = chosen.name.partition(".")
    return SealedValue(Place(table, column, name.hex() if isinstance(name, bytes) else str(name)), sealed, row, found)
