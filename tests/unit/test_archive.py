"""The inside of a backup: what is read of it, and what of it is refused."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from doorward.errors import InputError
from doorward.rules.age_key import parse_identity
from doorward.rules.archive import MAX_LINE, MAX_TABLES, Column, Decoder, Encoder, Kind, Listed, Manifest

KEY = bytes(range(32))
COLUMNS = (Column("name", Kind.TEXT), Column("size", Kind.INT), Column("whole", Kind.BOOL), Column("raw", Kind.BLOB))
THINGS = Listed("things", COLUMNS, 2)
ROWS = [("a", -1, True, b"\x00\xff"), (None, None, None, None)]
MANIFEST = Manifest(
    "0.1.0", "0004", datetime(2026, 1, 1, tzinfo=UTC), "f" * 32, "0" * 16, (Listed("none", COLUMNS, 0), THINGS)
)


def written(rows, manifest=MANIFEST):
    encoder = Encoder(manifest, KEY)
    return encoder.begin() + encoder.rows(rows) + encoder.end()


def read(data, max_size=2 * MAX_LINE):
    decoder = Decoder(lambda _key: KEY, max_size=max_size)
    rows = list(decoder.feed(data))
    return decoder.finish(), rows


def changed(**changes):
    """A manifest that says something else, proven by our own key."""
    found = json.loads(written(ROWS).split(b"\n")[0]) | changes
    line = json.dumps(found).encode() + b"\n"
    mac = hmac.new(KEY, b"doorward-backup-manifest-v1\n" + line, sha256).hexdigest()
    return line + json.dumps({"mac": mac}, separators=(",", ":")).encode() + b"\n"


def test_what_was_written_is_read_with_its_tables():
    manifest, rows = read(written(ROWS))
    assert manifest == MANIFEST
    assert rows == [(THINGS, row) for row in ROWS]


def test_a_manifest_counts_the_rows_of_each_table_and_none_of_one_that_is_not_there():
    assert MANIFEST.rows == 2
    assert (MANIFEST.count("things"), MANIFEST.count("none"), MANIFEST.count("users")) == (2, 0, 0)


def test_a_backup_larger_than_backups_may_be_is_let_go_of_at_once():
    """N03."""
    whole = written(ROWS)
    assert read(whole, max_size=len(whole))[0] == MANIFEST
    with pytest.raises(InputError, match="larger than backups may be"):
        read(whole, max_size=len(whole) - 1)


@pytest.mark.parametrize("text", ["no base64!", "AAA", "AA=A", "ä"])
def test_bytes_that_are_not_spelled_as_bytes_are_refused(text):
    """N12: though our own key vouches for them."""
    with pytest.raises(InputError, match="a value of the wrong kind"):
        read(written([("a", 1, True, text), ROWS[1]]))
    assert read(written([("a", 1, True, base64.b64encode(b"raw").decode()), ROWS[1]]))[1][0][1][3] == b"raw"


@pytest.mark.parametrize(
    "row", [(1, 1, True, b""), ("a", True, True, b""), ("a", 1 << 63, True, b""), ("a", 1, 1, b""), ("a", 1, True, 1)]
)
def test_a_value_of_another_kind_than_its_column_is_refused(row):
    """N12."""
    with pytest.raises(InputError, match="a value of the wrong kind"):
        read(written([row, ROWS[1]]))


def test_a_manifest_of_more_tables_than_there_may_be_is_refused():
    """N03."""
    table = {"rows": 0, "columns": [["name", "text"]]}
    listed = [{"name": f"t{number}", **table} for number in range(MAX_TABLES + 1)]
    decoder = Decoder(lambda _key: KEY, max_size=MAX_LINE)
    assert list(decoder.feed(changed(tables=listed[:-1]))) == []
    assert len(decoder.manifest.tables) == MAX_TABLES
    with pytest.raises(InputError, match="no backup of Doorward"):
        read(changed(tables=listed))


@pytest.mark.parametrize(
    "changes",
    [
        {"tables": 5},
        {"tables": [{}]},
        {"tables": [{"name": "a", "rows": 0, "columns": [["name", "float"]]}]},
        {"created_at": "yesterday"},
        {"created_at": None},
        {"created_at": "0001-01-01T00:00:00+14:00"},
    ],
    ids=["no list", "no table", "no kind", "no time", "nothing", "before all time"],
)
def test_a_manifest_of_another_shape_is_refused(changes):
    """N12."""
    with pytest.raises(InputError, match="no backup of Doorward"):
        read(changed(**changes))


def test_a_manifest_says_when_it_was_made_in_universal_time():
    decoder = Decoder(lambda _key: KEY, max_size=MAX_LINE)
    east = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert list(decoder.feed(changed(created_at=east.isoformat()))) == []
    assert decoder.manifest.created_at == MANIFEST.created_at
    assert decoder.manifest.created_at.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "# only a remark\n", "AGE-SECRET-KEY-1QQ\nAGE-SECRET-KEY-1QQ\n"])
def test_a_file_of_no_or_of_two_private_keys_of_age_is_refused(text):
    with pytest.raises(InputError, match="stands on one line"):
        parse_identity(text)
