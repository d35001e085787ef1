"""Nothing that is sealed is forgotten when the key changes: the registry against the schema and the program."""

import re

from doorward.flows.backup_reading import find_sealed
from doorward.rules.envelope import Place
from doorward.rules.sealed_column import SEALED_COLUMNS
from doorward.storage.sql.sealed import SEALED
from doorward.storage.sql.snapshot import LEFT_OUT
from doorward.storage.sql.tables import metadata
from tests.contract.durable import ROOT

_PLACE = re.compile(r'\bPlace\(\s*"(\w+)",\s*(?:"(\w+)"|(\w+))')
_TELLING = re.compile(r"seal|secret|private_key|token")


def test_every_column_that_sounds_sealed_is_known():
    sounding = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if _TELLING.search(column.name)
    }
    assert sounding <= set(SEALED)


def test_every_place_in_the_program_is_known_and_nothing_else():
    """A value is sealed for a place, so the places in the program are all there are."""
    named, tables = set(), set()
    for path in (ROOT / "src").rglob("*.py"):
        for table, column, variable in _PLACE.findall(path.read_text("utf-8")):
            named.add(f"{table}.{column}") if column else tables.add((table, variable))
    assert named <= set(SEALED)
    left = set(SEALED) - named
    assert {name.partition(".")[0] for name in left} <= {table for table, _ in tables}
    assert {table for table, _ in tables} <= {name.partition(".")[0] for name in SEALED}


def test_every_known_column_names_its_row_by_what_never_changes():
    for column in SEALED.values():
        assert column.row.table is column.column.table
        assert column.row.primary_key


def test_backups_know_every_sealed_column_that_they_hold():
    """B-05: what is not known there would be restored under a key that is not held any more."""
    held = [each for each in SEALED_COLUMNS if each.table not in LEFT_OUT]
    assert not any(each.member for each in held)
    for table in {each.table for each in held}:
        row = {column.name: "gcm2:" for column in metadata.tables[table].columns}
        own = [each for each in held if each.table == table]
        assert list(find_sealed(table, {**row, own[0].row: 7})) == [
            (each.column, Place(table, each.column, "7"), "gcm2:") for each in own
        ]
