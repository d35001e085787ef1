"""What only the SQLite backend promises: private files, durable settings, bounded work."""

import os
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from doorward.errors import ConfigError, TamperError, UnavailableError
from doorward.flows.stored_keys import SessionKey, open_keys
from doorward.interfaces import StoredPassword
from doorward.outside.keyring import FileKeyring
from doorward.rules.throttle import Window
from doorward.storage import sqlite as sqlite_module
from doorward.storage.memory import MemorySessions
from doorward.storage.sql import database as database_module
from doorward.storage.sql import upstream as upstream_module
from doorward.storage.sql.live import FIND_SUBJECT, FIND_USER
from doorward.storage.sqlite import FILE_NAME, has_database, open_sqlite
from tests.contract.durable import find_scans, note_statements, opened
from tests.contract.samples import (
    a_provider,
    a_session,
    a_ticket,
    a_user,
    add,
    an_event,
    an_identity,
    an_upstream_session,
    link,
)
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.system import START, FakeRandom

ALICE = a_user()
MINUTE = timedelta(minutes=1)


async def test_the_signing_key_is_made_once_and_sealed(folder):
    """A-07, B-14: the same at every start, and not readable in the file."""
    keyring = FileKeyring([bytes(range(7, 39))], FakeRandom("keyring"))
    async with opened(folder) as storage:
        await open_keys(storage.records, keyring, FakeRandom("signing"), now=START)
        with closing(storage.open_live_view()) as view:
            key = SessionKey(view, keyring)()
            await storage.close()
        assert len(key) == 32
    async with opened(folder) as storage:
        await open_keys(storage.records, keyring, FakeRandom("other"), now=START)
        with closing(storage.open_live_view()) as view:
            assert SessionKey(view, keyring)() == key
        other = FileKeyring([bytes(range(8, 40))], FakeRandom("keyring"))
        with pytest.raises(TamperError):
            await open_keys(storage.records, other, FakeRandom("other"), now=START)
    content = (folder / FILE_NAME).read_bytes()
    assert b"gcm2:" in content
    assert key not in content
    assert key.hex().encode() not in content


async def test_everything_made_is_ours_alone(folder):
    """Whatever the umask: folder 0700, files 0600 (A-45, T-13)."""
    before = os.umask(0)
    try:
        assert not has_database(folder)
        async with opened(folder) as storage:
            await add(storage.records, ALICE)
            assert has_database(folder)
            assert folder.stat().st_mode & 0o777 == 0o700
            files = sorted(each.name for each in folder.iterdir())
            assert files == ["doorward.db", "doorward.db-shm", "doorward.db-wal"]
            assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize(("name", "mode"), [("", 0o750), ("", 0o701), ("doorward.db", 0o640), ("doorward.db", 0o604)])
async def test_what_others_can_read_is_refused_with_the_command_that_mends_it(folder, name, mode):
    """A-45."""
    async with opened(folder):
        pass
    loose = folder / name if name else folder
    loose.chmod(mode)
    command = f"chmod {'600' if name else '700'} {loose}"
    with pytest.raises(ConfigError, match=command) as refused:
        open_sqlite(folder, random=FakeRandom(), keyring=FakeKeyring())
    assert all(problem.startswith("storage.path: ") for problem in refused.value.problems)


async def test_a_folder_that_cannot_be_one_is_told(tmp_path):
    blocked = tmp_path / "data"
    blocked.write_text("a file")
    with pytest.raises(ConfigError, match=r"^storage\.path: "):
        open_sqlite(blocked, random=FakeRandom(), keyring=FakeKeyring())


async def test_a_file_that_is_no_database_is_refused(folder):
    folder.mkdir(mode=0o700)
    path = folder / FILE_NAME
    path.write_bytes(b"not a database, " * 1000)
    path.chmod(0o600)
    with pytest.raises(UnavailableError, match="not a database"):
        open_sqlite(folder, random=FakeRandom(), keyring=FakeKeyring())


async def test_the_connections_are_set_up_for_durability(storage):
    for entrance in (storage.database.write, storage.database.read):
        async with entrance() as connection:

            async def pragma(name, connection=connection):
                return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()

            assert await pragma("journal_mode") == "wal"
            assert await pragma("synchronous") == 2
            assert await pragma("foreign_keys") == 1
            assert await pragma("busy_timeout") == 5000


async def test_very_many_failures_of_one_key_stay_bounded(storage):
    """What nobody refuses is bounded too; the newest stay (E07)."""
    for number in range(300):
        await storage.counters.record("k", START.replace(microsecond=number), keep=START - START.replace(year=2029))
    kept = await storage.counters.recall("k", since=START.replace(year=2029))
    assert [each.microsecond for each in kept] == list(range(44, 300))


@pytest.mark.parametrize("key", ["", "k" * 513])
async def test_a_key_that_is_no_key_is_refused(storage, key):
    with pytest.raises(Exception, match="1 to 512"):
        await storage.counters.spend(key, (), START)


async def test_very_many_expired_rows_are_purged_in_small_steps(storage, monkeypatch):
    """Nobody waits for the writer until a million rows are gone."""
    monkeypatch.setattr(database_module, "_PURGE_STEP", 10)
    for number in range(25):
        await storage.tickets.put(a_ticket(created_at=START.replace(microsecond=number)))
    steps = []

    @event.listens_for(storage.database._writer.engine, "commit")
    def count(_connection):
        steps.append(1)

    assert await storage.tickets.purge(START.replace(year=2031)) == 25
    assert len(steps) == 3
    assert await storage.tickets.count() == 0


async def test_the_providers_side_of_a_session_that_is_stored_here_goes_with_every_end_of_it(storage):
    """By idleness too: no refresh token outlives its session, and no tie is tried for nothing."""
    identity = an_identity(ALICE)
    await add(storage.records, ALICE)
    await link(storage.records, identity)
    one, two, idle, kept = (
        a_session(ALICE),
        a_session(ALICE),
        a_session(ALICE, idle_timeout=MINUTE),
        a_session(ALICE, idle_timeout=None),
    )
    rows = {each.handle: an_upstream_session(identity, handle=each.handle) for each in (one, two, idle, kept)}
    async with storage.records.transaction() as transaction:
        for row in rows.values():
            await transaction.put_upstream_session(row)
    for session in (one, two, idle, kept):
        await storage.sessions.put(session)

    async def left():
        async with storage.records.transaction() as transaction:
            return await transaction.list_upstream_sessions()

    assert await storage.sessions.end(one.handle)
    assert await left() == [rows[each.handle] for each in (two, idle, kept)]
    assert await storage.sessions.purge(START + MINUTE) == 1
    assert await left() == [rows[each.handle] for each in (two, kept)]
    assert await storage.sessions.end_all_of(ALICE.id, keep=kept.handle) == 1
    assert await left() == [rows[kept.handle]]


async def test_very_many_marks_are_purged_over_several_calls(storage, monkeypatch):
    """Nobody waits for the writer until a flood of logout tokens is forgotten."""
    monkeypatch.setattr(upstream_module, "_PURGE_MOST", 10)
    identity = an_identity(ALICE)
    await add(storage.records, ALICE)
    await link(storage.records, identity)
    async with storage.records.transaction() as transaction:
        for number in range(25):
            await transaction.put_mark(f"jti:{number}", START, keep_until=START)
        for _ in range(11):
            await transaction.put_upstream_session(an_upstream_session(identity, expires_at=START))
    removed = []
    for _ in range(4):
        async with storage.records.transaction() as transaction:
            removed.append(await transaction.purge_upstream(START))
    assert removed == [20, 11, 5, 0]


async def test_what_is_asked_often_is_found_by_an_index(storage):
    """The cost does not grow with what is stored: no statement of a sign-in or a check reads a whole table."""
    await add(storage.records, ALICE)
    session, ticket = a_session(ALICE), a_ticket()
    identity = an_identity(ALICE, groups=frozenset({"old"}))
    upstream = an_upstream_session(identity)
    statements = note_statements(storage)
    async with storage.records.transaction() as transaction:
        await transaction.find_user(ALICE.id)
        await transaction.find_user_by_login("alice")
        await transaction.find_user_by_login("alice@example.test")
        await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
        await transaction.append_audit(an_event())
        await transaction.list_audit()
        await transaction.end_session(session.handle)
        await transaction.end_sessions_of(ALICE.id, keep=session.handle)
        await transaction.add_identity(identity)
        await transaction.find_identity(identity.issuer, identity.subject)
        await transaction.list_identities(ALICE.id)
        await transaction.advance_identity(identity, replace(identity, groups=frozenset({"new"})))
        await transaction.put_upstream_session(upstream)
        await transaction.find_upstream_session(upstream.handle)
        await transaction.list_upstream_sessions(provider=upstream.provider, sid="sid")
        await transaction.list_upstream_sessions(provider=upstream.provider, subject=upstream.subject)
        await transaction.list_upstream_sessions(identity=identity.id)
        await transaction.list_due_upstream_sessions(START, limit=10)
        await transaction.advance_upstream_session(upstream, upstream)
        await transaction.put_mark("jti", START, keep_until=START)
        await transaction.put_mark("jti", START, keep_until=START)
        await transaction.find_mark("jti")
        await transaction.purge_upstream(START)
        await transaction.put_provider(a_provider())
        await transaction.remove_provider(upstream.provider)
        await transaction.put_setting("name", "value")
        await transaction.find_setting("name")
        await transaction.put_setting("name", None)
        await transaction.remove_identity(identity.id)
    await storage.sessions.put(session)
    await storage.sessions.find(session.fingerprint)
    await storage.sessions.find_by_handle(session.handle)
    await storage.sessions.touch(session.fingerprint, seen_at=START, user_agent="", address="")
    await storage.sessions.list_of(ALICE.id)
    await storage.sessions.list_all()
    await storage.sessions.count()
    await storage.sessions.purge(START)
    await storage.sessions.end(session.handle)
    await storage.tickets.put(ticket)
    await storage.tickets.advance(ticket, ticket)
    await storage.tickets.find(ticket.id, ticket.purpose, START)
    await storage.tickets.take(ticket.id, ticket.purpose, START)
    await storage.tickets.purge(START)
    await storage.counters.spend("k", (Window(1, START - START.replace(year=2029)),), START)
    await storage.counters.record("k", START, keep=START - START.replace(year=2029))
    await storage.counters.recall("k", since=START)
    await storage.counters.forget("k")
    await storage.counters.purge(START)
    assert len(statements) > 70
    # These hold one row, or are read newest first along their key.
    small = (
        "SCAN installation",
        "SCAN audit",
        "SCAN CONSTANT ROW",
        "SCAN sessions USING INDEX ix_sessions_last_seen_at",
    )
    statements += [(FIND_SUBJECT, (b"",)), (FIND_USER, ("",))]
    assert [scan for scan in find_scans(storage, statements) if not scan[0].startswith(small)] == []


async def test_mapping_the_wal_index_leaves_the_locks_on_it_in_place(storage):
    """Closing any descriptor of a file drops all of a process's POSIX locks on it; SQLite's tell it that we live."""
    index = storage.path.with_name(storage.path.name + "-shm")

    def locks():
        held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        number = str(index.stat().st_ino)
        return [line for line in held if line[1] == "POSIX" and line[5].endswith(f":{number}")]

    await add(storage.records, ALICE)
    view = storage.open_live_view()
    assert locks()
    await add(storage.records, a_user("bob"))
    view.stamp()
    assert locks()
    await storage.close()
    assert locks()
    view.close()
    assert not index.exists()


def test_a_place_without_wal_mode_is_refused():
    with pytest.raises(ConfigError, match="without WAL mode"):
        sqlite_module._use_wal(Path(":memory:"))


async def test_ends_reach_sessions_that_were_stored_here_before_they_were_kept_apart(folder):
    """Switching the store of sessions to memory and back brings nothing back to life."""
    bob = a_user("bob")
    sessions = [a_session(ALICE), a_session(ALICE), a_session(bob), a_session(bob)]
    async with opened(folder) as storage:
        await add(storage.records, ALICE, bob)
        for session in sessions:
            await storage.sessions.put(session)
    async with opened(folder, sessions_apart=True) as storage, storage.records.transaction() as transaction:
        await transaction.end_session(sessions[0].handle)
        await transaction.end_sessions_of(ALICE.id)
        await transaction.remove_user(bob.id)
    async with opened(folder) as storage:
        assert await storage.sessions.list_all() == []
        assert await storage.sessions.count() == 0


async def test_pending_ends_are_cleared_once_they_are_done(folder):
    """Decision 14: the row stays until the store of sessions has done what it says, and no longer."""
    async with opened(folder, sessions_apart=True) as storage:
        await add(storage.records, ALICE)
        with closing(storage.open_live_view()) as view:
            memory = MemorySessions(view, storage.pending_ends.clear)
            session = a_session(ALICE)
            await memory.put(session)
            async with storage.records.transaction() as transaction:
                await transaction.end_sessions_of(ALICE.id)
            (row,) = view.list_pending_ends(0)
            assert (row.user_id, row.keep, row.handle) == (ALICE.id, None, None)
            assert await memory.purge(START) == 0
            assert view.list_pending_ends(0) == []
            assert await memory.count() == 0
            async with storage.records.transaction() as transaction:
                await transaction.end_session(session.handle)
            (later,) = view.list_pending_ends(0)
            assert later.number > row.number
            await storage.close()
