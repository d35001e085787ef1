"""The inside of a backup: JSON Lines, authenticated as a whole under a key that only this installation has (N05, N12).

The first line is the manifest: what made it, when, from which schema, and how many rows of which columns follow. The
second authenticates the manifest, so that of an archive that is not ours nothing more is read (N03). Then each row is
an array, table after table. The last line authenticates every byte before it; nothing follows.

Encryption for one's readers does not say who wrote: anybody can encrypt for a public key. This does. Pure: bytes in,
rows out. What is not exactly so is an InputError.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from typing import Any, Final, NamedTuple

from doorward.errors import InputError

Value = str | int | bool | bytes | None
Row = tuple[Value, ...]

FORMAT: Final = 1
MAX_LINE: Final = 4 * 1024 * 1024
MAX_MANIFEST: Final = 64 * 1024
MAX_TABLES: Final = 200
MAX_COLUMNS: Final = 100
MAX_ROWS: Final = 50_000_000
_INT64: Final = 1 << 63
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_WORD: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_OPTIONAL_WORD: Final = re.compile(r"[A-Za-z0-9._+-]{0,64}")
_MAC: Final = re.compile(rb'\{"mac":"([0-9a-f]{64})"\}')
_ABOUT_MANIFEST: Final = b"doorward-backup-manifest-v1\n"
_ABOUT_ALL: Final = b"doorward-backup-v1\n"
_NOT_OURS: Final = "this is no backup of Doorward"


class Kind(Enum):
    """What stands in a column."""

    TEXT = "text"
    INT = "int"
    BOOL = "bool"
    BLOB = "blob"


class Column(NamedTuple):
    """A column and what stands in it."""

    name: str
    kind: Kind


class Listed(NamedTuple):
    """A table in a manifest, with the number of its rows."""

    name: str
    columns: tuple[Column, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `key` is the id of the master key its sealed values need; it tells nothing of it.

    `version` and `schema` are of the Doorward that made it; `installation` is that of the database.
    """

    version: str
    schema: str
    created_at: datetime
    installation: str
    key: str
    tables: tuple[Listed, ...]

    @property
    def rows(self) -> int:
        """How many rows there are altogether."""
        return sum(table.rows for table in self.tables)

    def count(self, table: str) -> int:
        """How many rows a table has; none where it is not there."""
        return next((each.rows for each in self.tables if each.name == table), 0)


class Encoder:
    """Writes an archive: `begin`, `rows` for each table in the manifest's order, `end`."""

    def __init__(self, manifest: Manifest, key: bytes) -> None:
        self._manifest, self._key = manifest, key
        self._mac = hmac.new(key, _ABOUT_ALL, sha256)

    def begin(self) -> bytes:
        """The manifest and what authenticates it."""
        line = _dump(_encode_manifest(self._manifest))
        mac = hmac.new(self._key, _ABOUT_MANIFEST + line, sha256).hexdigest()
        return self._take(line + _dump({"mac": mac}))

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        return self._take(b"".join(_dump([_encode(value) for value in row]) for row in rows))

    def end(self) -> bytes:
        """What authenticates all of it."""
        return _dump({"mac": self._mac.hexdigest()})

    def _take(self, data: bytes) -> bytes:
        self._mac.update(data)
        return data


class Decoder:
    """Reads an archive as it comes in. Rows may be used only once `finish` has not raised.

    `find_key`: the key of the backups that were made under a master key of this id; InputError where it is not held.
    """

    def __init__(self, find_key: Callable[[str], bytes], *, max_size: int) -> None:
        self._find_key, self._max_size = find_key, max_size
        self._size = self._lines = self._table = self._row = 0
        self._pending = self._first = b""
        self._manifest: Manifest | None = None
        self._mac = hmac.new(b"", _ABOUT_ALL, sha256)
        self._ended = False

    def feed(self, data: bytes) -> Iterator[tuple[Listed, Row]]:
        """Take in some more, and give the rows that are whole, each with its table."""
        self._size += len(data)
        if self._size > self._max_size:
            raise InputError("the backup is larger than backups may be")
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        if len(self._pending) > MAX_LINE:
            raise InputError("the backup has a line that is too long")
        for line in lines:
            yield from self._read(line)

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, once it is proven."""
        return self._manifest

    def finish(self) -> Manifest:
        """There is no more: all of it was there, and all of it is ours."""
        if not self._ended or self._pending or self._manifest is None:
            raise InputError("the backup is cut off")
        return self._manifest

    def _read(self, line: bytes) -> Iterator[tuple[Listed, Row]]:
        self._lines += 1
        if self._ended:
            raise InputError("the backup goes on after its end")
        if self._lines == 1:
            if len(line) > MAX_MANIFEST:
                raise InputError(_NOT_OURS)
            self._first = line + b"\n"
        elif self._manifest is None:
            self._open(line)
        else:
            yield from self._read_row(line, self._manifest)

    def _open(self, line: bytes) -> None:
        """Believe the manifest, once its second line proves it."""
        manifest = _decode_manifest(self._first)
        key = self._find_key(manifest.key)
        _check_mac(line, hmac.new(key, _ABOUT_MANIFEST + self._first, sha256).hexdigest())
        self._mac = hmac.new(key, _ABOUT_ALL + self._first + line + b"\n", sha256)
        self._manifest = manifest
        self._skip_full(manifest)

    def _read_row(self, line: bytes, manifest: Manifest) -> Iterator[tuple[Listed, Row]]:
        if self._table == len(manifest.tables):
            _check_mac(line, self._mac.hexdigest())
            self._ended = True
            return
        self._mac.update(line + b"\n")
        table = manifest.tables[self._table]
        row = _decode_row(line, table.columns)
        self._row += 1
        self._skip_full(manifest)
        yield table, row

    def _skip_full(self, manifest: Manifest) -> None:
        while self._table < len(manifest.tables) and self._row == manifest.tables[self._table].rows:
            self._table, self._row = self._table + 1, 0


def _check_mac(line: bytes, expected: str) -> None:
    shape = _MAC.fullmatch(line)
    if shape is None or not hmac.compare_digest(shape[1], expected.encode("ascii")):
        raise InputError("the backup was changed, or was not made here")


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _load(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(_NOT_OURS) from None


def _encode(value: Value) -> object:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _decode_row(line: bytes, columns: Sequence[Column]) -> Row:
    values = _load(line)
    if not isinstance(values, list) or len(values) != len(columns):
        raise InputError("the backup has a row of the wrong shape")
    return tuple(_decode(value, column.kind) for value, column in zip(values, columns, strict=True))


def _decode(value: object, kind: Kind) -> Value:
    match kind, value:
        case _, None:
            return None
        case Kind.TEXT, str() as text:
            return text
        case Kind.BOOL, bool() as flag:
            return flag
        case Kind.INT, int() as number if not isinstance(number, bool) and -_INT64 <= number < _INT64:
            return number
        case Kind.BLOB, str() as text:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                pass
        case _:
            pass
    raise InputError("the backup has a value of the wrong kind")


def _encode_manifest(manifest: Manifest) -> Mapping[str, object]:
    return {
        "doorward_backup": FORMAT,
        "version": manifest.version,
        "schema": manifest.schema,
        "created_at": manifest.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "installation": manifest.installation,
        "key": manifest.key,
        "tables": [
            {"name": name, "rows": rows, "columns": [[column.name, column.kind.value] for column in columns]}
            for name, columns, rows in manifest.tables
        ],
    }


def _decode_manifest(line: bytes) -> Manifest:
    """Read a manifest that nothing vouches for yet, so that whatever is odd about it is refused."""
    found = _load(line)
    if not isinstance(found, dict) or "doorward_backup" not in found:
        raise InputError(_NOT_OURS)
    if found["doorward_backup"] != FORMAT:
        raise InputError("this backup was made by a newer Doorward")
    try:
        if len(found["tables"]) > MAX_TABLES:
            raise InputError(_NOT_OURS)
        manifest = Manifest(
            version=_word(found["version"]),
            schema=_word(found["schema"]),
            created_at=datetime.fromisoformat(found["created_at"]).astimezone(UTC),
            installation=_word(found["installation"], _OPTIONAL_WORD),
            key=_word(found["key"]),
            tables=tuple(_decode_table(each) for each in found["tables"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(_NOT_OURS) from None
    if len({table.name for table in manifest.tables}) < len(manifest.tables) or manifest.rows > MAX_ROWS:
        raise InputError(_NOT_OURS)
    return manifest


def _decode_table(found: Any) -> Listed:
    columns = tuple(Column(_word(name, _NAME), Kind(kind)) for name, kind in found["columns"])
    rows = found["rows"]
    names = {column.name for column in columns}
    if type(rows) is not int or rows < 0 or not 0 < len(columns) <= MAX_COLUMNS or len(names) < len(columns):
        raise InputError(_NOT_OURS)
    return Listed(_word(found["name"], _NAME), columns, rows)


def _word(value: object, shape: re.Pattern[str] = _WORD) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise InputError(_NOT_OURS)
    return value
