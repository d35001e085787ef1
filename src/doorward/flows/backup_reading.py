"""Reading a backup all the way: authenticated, loaded into a scratch database, migrated, and opened.

Synchronous, to be run on a thread: nothing here touches what is in use.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from doorward.errors import InputError, TamperError
from doorward.interfaces.backup import ArchiveKeys, ArchiveSeals, Progress, Scratch, Shelf
from doorward.rules.archive import Column, Decoder, Encoder, Listed, Manifest, Row, Value
from doorward.rules.backup import MAX_CONTENT, Openers
from doorward.rules.envelope import Place
from doorward.rules.sealed_column import SEALED_COLUMNS

_PAGE: Final = 500
_MODULUS: Final = 1 << 256

_SEALED: Final = {
    table: tuple(each for each in SEALED_COLUMNS if each.table == table)
    for table in {each.table for each in SEALED_COLUMNS}
}
_SEALED_SHAPE: Final = ("gcm1:", "gcm2:")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup in a scratch database. `digests`: of each table's rows as they stood in the archive, in any order.

    `damaged`: how many sealed values do not open, by table, where that was tried.
    """

    manifest: Manifest
    scratch: Scratch
    digests: Mapping[str, int]
    damaged: Mapping[str, int] = field(default_factory=dict)

    def rows(self, table: str) -> Iterator[Sequence[Mapping[str, Value]]]:
        """A table's rows of the present schema, some at a time."""
        names = [column.name for column in self.scratch.columns[table]]
        for page in self.scratch.read(table):
            yield [dict(zip(names, row, strict=True)) for row in page]

    def all_rows(self, table: str) -> list[dict[str, Value]]:
        """All of them."""
        return [dict(row) for page in self.rows(table) for row in page]


@contextmanager
def unpack(
    shelf: Shelf, keys: ArchiveKeys, name: str, openers: Openers, progress: Progress
) -> Generator[Unpacked, None, None]:
    """Load a backup into a scratch database of its schema; nothing of it is given away before all of it is proven."""
    decoder = Decoder(keys.find, max_size=MAX_CONTENT)
    with ExitStack() as stack:
        filling: _Filling | None = None
        with shelf.open(name, openers) as pieces:
            for piece in pieces:
                for table, row in decoder.feed(piece):
                    filling = filling or _begin(stack, shelf, decoder, progress)
                    filling.add(table, row)
        manifest = decoder.finish()
        filling = filling or _begin(stack, shelf, decoder, progress)
        filling.finish()
        yield Unpacked(manifest, filling.scratch, filling.digests)


class _Filling:
    def __init__(self, manifest: Manifest, scratch: Scratch, progress: Progress) -> None:
        self.scratch = scratch
        self.digests = {table.name: 0 for table in manifest.tables}
        self._progress, self._total, self._done = progress, manifest.rows, 0
        self._encoder = Encoder(manifest, b"")
        self._table: Listed | None = None
        self._rows: list[Row] = []

    def add(self, table: Listed, row: Row) -> None:
        """Take one row."""
        if self._rows and (table is not self._table or len(self._rows) >= _PAGE):
            self.finish()
        self._table = table
        self._rows.append(row)

    def finish(self) -> None:
        """Put in what is there."""
        if self._table is None or not self._rows:
            return
        self.scratch.take(self._table, self._rows)
        self._done += len(self._rows)
        name = self._table.name
        self.digests[name] = (self.digests[name] + digest_rows(self._table.columns, self._rows)) % _MODULUS
        self._rows = []
        self._progress(name, self._done, self._total)


def _begin(stack: ExitStack, shelf: Shelf, decoder: Decoder, progress: Progress) -> _Filling:
    manifest = decoder.manifest
    assert manifest is not None  # noqa: S101 -- there are rows, or all of it was read
    scratch = stack.enter_context(shelf.scratch(manifest.schema))
    there = {name: frozenset(columns) for name, columns in scratch.columns.items()}
    if {table.name: frozenset(table.columns) for table in manifest.tables} != there:
        raise InputError("the backup does not have the tables of its schema")
    return _Filling(manifest, scratch, progress)


def digest_rows(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """A digest of rows, whatever their order and that of their columns; those of two halves add up to that of all."""
    total = 0
    order = sorted(range(len(columns)), key=lambda place: columns[place].name)
    for row in rows:
        total += int.from_bytes(sha256(repr([row[place] for place in order]).encode()).digest(), "big")
    return total % _MODULUS


def compare(unpacked: Unpacked) -> int:
    """Compare what stands in the scratch database with what came out of the archive, row by row; how many rows.

    InputError where they differ. Before the scratch database is settled, that is in its own schema.
    """
    count = 0
    for table in unpacked.manifest.tables:
        total = 0
        for page in unpacked.scratch.read(table.name):
            total += digest_rows(unpacked.scratch.columns[table.name], page)
            count += len(page)
        if total % _MODULUS != unpacked.digests[table.name]:
            raise InputError(f"what was restored is not what was saved: {table.name}")
    return count


def find_sealed(table: str, row: Mapping[str, Value]) -> Iterator[tuple[str, Place, str]]:
    """The sealed values of a row: the column, the place each was sealed for, and the value.

    SECURITY: only the `SEALED_COLUMNS` are looked at. People choose what they are called: a name that reads like a
    sealed value must not make every backup worthless (N08); tests/cli/test_backups.py would fail.
    """
    for known in _SEALED.get(table, ()):
        value = row[known.column]
        if isinstance(value, str) and value.startswith(_SEALED_SHAPE):
            yield known.column, Place(table, known.column, str(row[known.row])), value


def unseal_all(unpacked: Unpacked, keys: ArchiveKeys) -> int:
    """Open every sealed value; how many. TamperError where any does not open: the backup is no whole one then."""
    opened, damaged = try_sealed(unpacked, keys)
    if damaged:
        raise TamperError(f"sealed values of the backup do not open: {', '.join(spell_counts(damaged))}")
    return opened


def try_sealed(unpacked: Unpacked, keys: ArchiveKeys) -> tuple[int, Mapping[str, int]]:
    """How many sealed values open, and how many do not, by table."""
    total, damaged = 0, Counter[str]()
    seals = keys.open(unpacked.manifest.installation)
    for table in unpacked.scratch.columns:
        for page in unpacked.rows(table):
            for row in page:
                opens = [does_open(seals, place, value) for _, place, value in find_sealed(table, row)]
                total += len(opens)
                damaged[table] += opens.count(False)
    return total - damaged.total(), +damaged


def does_open(seals: ArchiveSeals, place: Place, value: str) -> bool:
    """Whether a sealed value opens."""
    try:
        seals.unseal(place, value)
    except TamperError:
        return False
    return True


def spell_counts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """How many of which table, as it is said."""
    return tuple(f"{table}: {count}" for table, count in sorted(counts.items()))
