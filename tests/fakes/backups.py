"""Backups of a database that holds nothing, in a folder that cannot be made unless a test gives one."""

from contextlib import asynccontextmanager
from pathlib import Path

from doorward.errors import InputError
from doorward.flows.backups import Backups, Terms
from doorward.flows.restoring import Restoring
from doorward.outside.shelf import FolderShelf
from doorward.rules.archive import Listed
from doorward.rules.backup import Openers, Readers
from doorward.storage.sql.schema import HEAD
from doorward.storage.sql.scratch import open_scratch
from doorward.storage.sql.snapshot import columns_of, list_tables
from doorward.storage.sql.tables import metadata
from tests.fakes.alarm import FakeAlarm


class EmptySnapshot:
    schema = HEAD

    def __init__(self):
        self.tables = [Listed(table.name, columns_of(table), 0) for table in list_tables(metadata)]

    async def read(self, _table):
        return
        yield


class OneSetting(EmptySnapshot):
    """A database in which one thing stands."""

    def __init__(self):
        super().__init__()
        self.tables = [each._replace(rows=int(each.name == "settings")) for each in self.tables]

    async def read(self, table):
        if table == "settings":
            yield [("colour", "green")]


class EmptySnapshots:
    @asynccontextmanager
    async def open(self):
        yield EmptySnapshot()


class OneSettingSnapshots:
    @asynccontextmanager
    async def open(self):
        yield OneSetting()


class FakeArchiveKeys:
    """One key, by one id."""

    key_id = "0123456789abcdef"

    def newest(self):
        return self.key_id, bytes(32)

    def find(self, key_id):
        if key_id != self.key_id:
            raise InputError("another master key")
        return bytes(32)

    def open(self, _installation):
        """Nothing: what is saved here holds no sealed values."""


class NoRestores:
    """Nothing is restored in a town: its records are no tables. tests/cli/test_backups.py restores."""


def connect_backups(town, folder=None, **given):
    """The flows of backups, unencrypted, on the records of a town."""
    town.backup_alarm = FakeAlarm()
    town.backup_terms = Terms()
    town.shelf = FolderShelf(
        folder or Path("/proc/no-backups"),
        readers=Readers(),
        openers=Openers(),
        own=lambda: (bytes(32),),
        random=town.random,
        open_scratch=open_scratch,
    )
    shared = {
        "records": town.store.records,
        "shelf": town.shelf,
        "keys": FakeArchiveKeys(),
        "alarm": town.backup_alarm,
        "log": town.log,
    }
    made = {"snapshots": EmptySnapshots(), "version": "0.1.0", "terms": lambda: town.backup_terms}
    backups = Backups(**shared, **(made | given))
    restoring = Restoring(**shared, backups=backups, restores=NoRestores(), rejoin=None, rotate=None, seal_records=None)
    return {"backups": backups, "restoring": restoring}
