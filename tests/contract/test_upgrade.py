"""What an older version wrote is brought up to date: all of it kept, or nothing touched."""

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from hashlib import sha256

import pytest

from doorward.errors import ConfigError, UnavailableError
from doorward.flows.stored_keys import SessionKey, open_keys
from doorward.interfaces import StoredPassword
from doorward.outside.keyring import FileKeyring
from doorward.rules import envelope
from doorward.rules.audit import GENESIS, verify_link
from doorward.rules.factor import Factors
from doorward.rules.session import Fingerprint, Subject
from doorward.rules.throttle import Window
from doorward.rules.ticket import Purpose, TicketId
from doorward.storage.sql import schema
from doorward.storage.sqlite import FILE_NAME, open_sqlite
from tests.contract.durable import ROOT, opened, start
from tests.contract.samples import a_passkey, a_user, an_identity, link
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.system import START, FakeRandom

VERSIONS = ["0001", "0002", "0003", "0004"]
SINCE_0004 = {"users": (0,)}
SINCE_0003 = {"users": ("", 0), "signing_keys": ("session", "", None)}
SINCE_0001 = {**SINCE_0003, "users": (0, 0, 0, "", None, "", 0)}
ADDED_COLUMNS = {"0001": SINCE_0001, "0002": SINCE_0001, "0003": SINCE_0003, "0004": SINCE_0004}
"""What a row of an older version gets, after its own columns, by version and table."""
ALICE = a_user(is_admin=True)
BOB = a_user("bob", groups=frozenset({"guests"}), email="", enabled=False, generation=3)


LINKED_ALICE = replace(ALICE, granted_groups=frozenset({"team", "ops"}), granted_admin=True)


def master_key(version):
    return sha256(f"schema {version}".encode()).digest()


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def path(folder, version):
    """A database of an older schema, in use before."""
    folder.mkdir(mode=0o700)
    path = folder / FILE_NAME
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((ROOT / f"tests/vectors/storage/{version}.sql").read_text("utf-8"))
    return path


def read_all(path):
    """Every table with its columns and rows, and everything else that the schema holds."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        tables = sorted(name for kind, name, *_ in made if kind == "table")
        rows = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return {entry[1]: entry for entry in made}, rows


def test_every_older_schema_has_a_database_to_try():
    kept = {path.stem for path in (ROOT / "tests/vectors/storage").glob("*.sql")}
    assert kept == set(VERSIONS) == schema._KNOWN - {schema.HEAD}


def test_an_upgrade_keeps_every_row_and_every_table(path, version):
    """Q11."""
    made, rows = read_all(path)
    assert rows.pop("alembic_version") == [(version,)]
    assert all(rows.values())
    schema.upgrade(path)
    made_after, rows_after = read_all(path)
    unchanged = made.keys() - ADDED_COLUMNS[version]
    assert {name: made_after[name] for name in unchanged} == {name: made[name] for name in unchanged}
    assert rows_after.pop("alembic_version") == [(schema.HEAD,)]
    for name, found in rows.items():
        assert rows_after.pop(name) == [(*row, *ADDED_COLUMNS[version].get(name, ())) for row in found]
    assert not any(rows_after.values())


def test_an_upgraded_database_is_made_as_a_new_one(path):
    schema.upgrade(path)
    new = path.with_name("new.db")
    schema.upgrade(new)

    def shape(each):
        with closing(sqlite3.connect(each)) as connection:
            names = sorted(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
            return {
                name: (
                    connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
                    sorted(row[1:] for row in connection.execute(f"PRAGMA index_list({name})")),
                    sorted(row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")),
                )
                for name in names
                if name != "sqlite_sequence"
            }

    assert shape(path) == shape(new)


async def test_what_an_older_version_stored_works_on(path, version):
    """Accounts, password, sessions, half-finished things, counters, evidence and keys; and the new parts beside them."""
    fingerprint = Fingerprint((1).to_bytes(32, "big"))
    alice = ALICE if version == "0001" else LINKED_ALICE
    keyring = FileKeyring([master_key(version)], FakeRandom("keyring"))
    async with opened(path.parent, keyring=keyring) as storage:
        await open_keys(storage.records, keyring, FakeRandom("other"), now=START)
        async with storage.records.transaction() as transaction:
            assert await transaction.list_users() == [alice, BOB]
            assert await transaction.find_password(ALICE.id) == StoredPassword("gcm1:alice", START)
            assert await transaction.is_set_up()
            records = (await transaction.list_audit())[::-1]
        previous = GENESIS
        for record in records:
            assert verify_link(record, previous)
            previous = record.hash
        assert len(records) == (3 if version == "0004" else 2)
        sessions = {each.fingerprint: each for each in await storage.sessions.list_of(ALICE.id)}
        assert await storage.sessions.count() == len(sessions) == (2 if version == "0001" else 1)
        session = sessions.pop(fingerprint)
        assert all(each.parent == session.handle for each in sessions.values())
        ticket = TicketId((3).to_bytes(32, "big"))
        assert await storage.tickets.take(ticket, Purpose.LOGIN, START) is not None
        window = (Window(1, START - START.replace(year=2029)),)
        assert not (await storage.counters.spend("login:192.0.2.1", window, START)).allowed
        for purpose in ("recovery-codes", "csrf", "companion"):
            assert keyring.derive(purpose) == envelope.derive(master_key(version), purpose)
        assert keyring.derive("backup") != envelope.derive(master_key(version), "backup")
        with closing(storage.open_live_view()) as view:
            assert len(SessionKey(view, keyring)()) == 32
            assert view.find_subject(fingerprint) == Subject(alice, session)
            assert [each.user_id for each in view.list_pending_ends(0)] == [BOB.id]
            await link(storage.records, an_identity(ALICE, groups=frozenset({"team"})))
            granted = replace(alice, granted_groups=alice.granted_groups | {"team"})
            assert view.find_subject(fingerprint) == Subject(granted, session)
            async with storage.records.transaction() as transaction:
                assert await transaction.find_factors(ALICE.id) == Factors()
                await transaction.add_passkey(a_passkey(ALICE))
                await transaction.advance_user(granted, replace(granted, must_change_password=True, language="de"))
            assert view.find_subject(fingerprint).user.must_change_password
            await storage.close()


def test_an_interrupted_upgrade_leaves_nothing_behind(path):
    """Q11: everything is as the older version left it, which can be started again."""
    with closing(sqlite3.connect(path)) as connection:
        # In the way of the last table, so that the migration fails near its end.
        connection.execute("CREATE TABLE app_secrets (x)")
    before = read_all(path)
    with pytest.raises(UnavailableError, match="cannot be migrated"):
        schema.upgrade(path)
    assert read_all(path) == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE app_secrets")
    schema.upgrade(path)
    assert read_all(path)[1]["alembic_version"] == [(schema.HEAD,)]


def test_an_upgrade_waits_for_whoever_uses_the_database_and_is_refused_if_that_takes_too_long(path, monkeypatch):
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.05)
    before = read_all(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="locked"):
            schema.upgrade(path)
        other.execute("ROLLBACK")
    assert read_all(path) == before
    schema.upgrade(path)


def test_what_a_newer_version_wrote_is_refused_and_not_touched(path):
    """Q11: also where the present version would know the tables."""
    schema.upgrade(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0006'")
    before = read_all(path)
    with pytest.raises(ConfigError, match=f"schema 0006; this one knows {schema.HEAD}"):
        open_sqlite(path.parent, random=FakeRandom(), keyring=FakeKeyring())
    assert read_all(path) == before


def test_several_processes_may_upgrade_at_once(path, version):
    """One migrates, the others find it done; all use the same signing key."""
    key = path.with_name("encryption_key")
    key.touch(mode=0o600)
    key.write_text(master_key(version).hex())
    started = [start("first_start.py", path.parent, stdin=subprocess.PIPE) for _ in range(3)]
    for process in started:
        process.stdin.close()
    keys = set()
    for process in started:
        with process:
            keys.add(process.stdout.read())
        assert process.returncode == 0
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64
    assert read_all(path)[1]["alembic_version"] == [(schema.HEAD,)]
