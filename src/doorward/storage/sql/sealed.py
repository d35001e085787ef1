"""Sealing every column anew that holds something sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Text, func, literal, or_, select, tuple_, update

from doorward.interfaces import SealedValue
from doorward.rules.envelope import Place
from doorward.rules.sealed_column import SEALED_COLUMNS, SealedColumn
from doorward.storage.sql.database import Database
from doorward.storage.sql.rows import decode_state, encode_state
from doorward.storage.sql.tables import metadata


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column of sealed values as SQL has it: itself, and the one that names the row in their `Place`."""

    column: Column[Any]
    row: Column[Any]
    name: str
    member: str
    older_plain: bool


def _find(known: SealedColumn) -> SqlColumn:
    columns = metadata.tables[known.table].columns
    return SqlColumn(columns[known.column], columns[known.row], known.name, known.member, known.older_plain)


SEALED: Final = {each.name: _find(each) for each in SEALED_COLUMNS}
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


def _begins(chosen: SqlColumn, beginning: str) -> ColumnElement[bool]:
    if chosen.member:
        # Canonical JSON: no space, and nothing in a sealed value is ever escaped.
        return func.instr(chosen.column, f'"{chosen.member}":"{beginning}') > 0
    return func.substr(chosen.column, 1, len(beginning)) == beginning


def _other(chosen: SqlColumn, beginning: str) -> ColumnElement[bool]:
    if chosen.member or chosen.older_plain:
        return _begins(chosen, _SHAPE) & ~_begins(chosen, beginning)
    return (chosen.column != "") & ~_begins(chosen, beginning)


def _read(chosen: SqlColumn, row: tuple[Any, ...], name: bytes | str | int, found: str) -> SealedValue:
    sealed = decode_state(found)[chosen.member] if chosen.member else found
    table, _, column = chosen.name.partition(".")
    return SealedValue(Place(table, column, name.hex() if isinstance(name, bytes) else str(name)), sealed, row, found)
