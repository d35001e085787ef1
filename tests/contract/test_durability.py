"""What was acknowledged survives; what was refused left nothing behind; what cannot be answered is refused."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from doorward.errors import ConfigError, TamperError, UnavailableError
from doorward.interfaces import StoredPassword
from doorward.outside.keyring import FileKeyring
from doorward.rules.audit import GENESIS, verify_link
from doorward.rules.session import Method, Subject
from doorward.rules.throttle import Window
from doorward.rules.ticket import Purpose
from doorward.storage import sqlite as sqlite_module
from doorward.storage.sql import database as database_module
from doorward.storage.sqlite import FILE_NAME, SqliteLiveView, has_database, open_sqlite
from tests.contract.durable import start
from tests.contract.samples import a_session, a_ticket, a_user, add, an_event
from tests.fakes.system import START, FakeRandom

ALICE = a_user()


@asynccontextmanager
async def opened(folder, **settings):
    storage = open_sqlite(folder, random=FakeRandom(), **settings)
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
async def storage(folder):
    async with opened(folder) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    """Waiting for a lock is a setting; here nobody is going to let go."""
    monkeypatch.setattr(sqlite_module, "_BUSY_SECONDS", 0.05)
    monkeypatch.setattr(sqlite_module, "_LIVE_BUSY_SECONDS", 0.05)


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(folder):
    """Kill -9 in the middle of anything, three times over."""
    acknowledged = []
    for life in range(3):
        with start("write_until_killed.py", folder, life) as process:
            acknowledged += [json.loads(process.stdout.readline()) for _ in range(40)]
            process.send_signal(signal.SIGKILL)
            # What was still in the pipe was acknowledged too; a line that was cut was not.
            acknowledged += [json.loads(line) for line in process.stdout if line.endswith("\n")]
        assert process.returncode == -signal.SIGKILL

        with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        async with opened(folder) as storage:
            async with storage.records.transaction() as transaction:
                records = (await transaction.list_audit(limit=100_000))[::-1]
                users = {user.id: user for user in await transaction.list_users()}
            by_sequence = {record.sequence: record for record in records}
            previous = GENESIS
            for number, record in enumerate(records, 1):
                assert record.sequence == number
                assert verify_link(record, previous)
                previous = record.hash
                # The act and its record came together or not at all.
                assert record.event.subject in users
            assert len(users) == len(records)
            for line in acknowledged:
                assert by_sequence[line["sequence"]].hash.hex() == line["hash"]
                assert line["user"] in users
                if line["ended"]:
                    assert await storage.sessions.find_by_handle(line["ended"]) is None
                assert line["session"] == "" or await storage.sessions.find_by_handle(line["session"])
            listed = await storage.sessions.list_all(limit=100_000)
            assert await storage.sessions.count() == len(listed)


def test_a_full_disk_is_refused_clearly_and_leaves_nothing_half_made(folder):
    """R12: in a process that may not make its files longer; afterwards everything works again."""
    with start("fill_the_disk.py", folder) as process:
        told = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert told["written"] > 0
    assert told["refusals"] == ["UnavailableError"] * len(told["refusals"])
    assert len(told["refusals"]) == 8
    assert all("the database does not answer" in message for message in told["messages"])
    assert told["users_while_full"] == told["written"]
    assert told["sessions_while_full"] == told["counted_while_full"] == told["written"]
    assert told["audit_while_full"] == told["written"]
    assert told["alive_while_full"]
    assert told["spent_while_full"] == 0
    assert told["written_after"] == told["written"] + 5
    assert told["audit_after"] == told["written"] + 5
    assert told["chain_holds"]


async def test_what_another_process_commits_shows_at_once(folder, storage):
    """The CLI's change takes effect on the very next check."""
    await add(storage.records, ALICE)
    session = a_session(ALICE)
    await storage.sessions.put(session)
    with closing(storage.open_live_view()) as view:
        assert view.find_subject(session.fingerprint) == Subject(ALICE, session)
        stamp, revision = view.stamp(), view.revision()
        with start("disable_users.py", folder) as process:
            assert process.stdout.read() == "done\n"
        assert view.stamp() != stamp
        assert view.revision() > revision
        disabled = replace(ALICE, enabled=False, generation=1)
        assert view.find_subject(session.fingerprint) == Subject(disabled, session)
        await storage.close()


async def test_several_processes_may_start_on_an_empty_folder_at_once(folder):
    """One migrates, the others find it done; all use the same signing key."""
    started = [start("first_start.py", folder, stdin=subprocess.PIPE) for _ in range(4)]
    for process in started:
        process.stdin.close()
    keys = set()
    for process in started:
        with process:
            keys.add(process.stdout.read())
        assert process.returncode == 0
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


async def test_a_lock_held_by_somebody_else_is_unavailable_never_absent(folder, impatient):
    """A locked database is not "not there", "not used" or "none" (R11)."""
    async with opened(folder) as storage:
        await add(storage.records, ALICE)
        session, ticket = a_session(ALICE), a_ticket()
        await storage.sessions.put(session)
        await storage.tickets.put(ticket)
        with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writes = [
                lambda: storage.sessions.end(session.handle),
                lambda: storage.sessions.end_all_of(ALICE.id),
                lambda: storage.sessions.put(a_session(ALICE)),
                lambda: storage.sessions.touch(session.fingerprint, seen_at=START, user_agent="", address=""),
                lambda: storage.tickets.take(ticket.id, Purpose.LOGIN, START),
                lambda: storage.tickets.advance(ticket, replace(ticket, state={})),
                lambda: storage.counters.spend("k", (Window(1, START - START.replace(year=2029)),), START),
                lambda: storage.counters.record("k", START, keep=START - START.replace(year=2029)),
                lambda: add(storage.records, a_user("bob")),
            ]
            for write in writes:
                with pytest.raises(UnavailableError, match="locked"):
                    await write()
            # Readers do not wait for writers.
            assert await storage.sessions.find(session.fingerprint) == session
            other.execute("ROLLBACK")
        assert await storage.tickets.take(ticket.id, Purpose.LOGIN, START) == ticket
        assert (await storage.counters.spend("k", (Window(1, START - START.replace(year=2029)),), START)).allowed
        assert await storage.sessions.end(session.handle)


async def test_a_database_that_is_damaged_is_unavailable(folder):
    """Fail closed: an error while reading is no answer."""
    async with opened(folder) as storage:
        await add(storage.records, ALICE)
        session = a_session(ALICE)
        await storage.sessions.put(session)
        with closing(storage.open_live_view()) as view:
            async with storage.database.write() as connection:
                await connection.exec_driver_sql("ALTER TABLE users RENAME TO gone")
                await connection.exec_driver_sql("DROP TABLE revision")
            for ask in (
                view.revision,
                lambda: view.find_subject(session.fingerprint),
                lambda: view.find_user(ALICE.id),
            ):
                with pytest.raises(UnavailableError):
                    ask()
            with pytest.raises(UnavailableError):
                await add(storage.records, a_user("bob"))
            await storage.close()


async def test_a_live_view_that_was_closed_or_finds_no_database_is_unavailable(folder, storage):
    view = storage.open_live_view()
    await storage.close()
    view.close()
    for ask in (view.revision, lambda: view.find_subject(b""), lambda: view.list_pending_ends(0)):
        with pytest.raises(UnavailableError):
            ask()
    with pytest.raises(UnavailableError):
        SqliteLiveView(folder / "nowhere" / "doorward.db")


async def test_rows_that_we_cannot_have_written_are_tampering(storage):
    """Never read as a default (decision 9)."""
    await add(storage.records, ALICE)
    session, ticket = a_session(ALICE, methods=frozenset({Method.PASSWORD})), a_ticket()
    await storage.sessions.put(session)
    await storage.tickets.put(ticket)
    async with storage.records.transaction() as transaction:
        await transaction.append_audit(an_event())
    with closing(storage.open_live_view()) as view:
        for change in (
            "UPDATE sessions SET methods = 'pwd,magic'",
            "UPDATE audit SET act = 'user.magic'",
        ):
            async with storage.database.write() as connection:
                await connection.exec_driver_sql(change)
        with pytest.raises(TamperError):
            view.find_subject(session.fingerprint)
        with pytest.raises(TamperError):
            await storage.sessions.find(session.fingerprint)
        async with storage.records.transaction() as transaction:
            with pytest.raises(TamperError):
                await transaction.list_audit()
        for state in ("{", "[]", '{"a": 1}'):
            async with storage.database.write() as connection:
                await connection.exec_driver_sql("UPDATE tickets SET state = ?", (state,))
            with pytest.raises(TamperError):
                await storage.tickets.find(ticket.id, ticket.purpose, START)
            with pytest.raises(TamperError):
                await storage.tickets.take(ticket.id, ticket.purpose, START)
        assert await storage.tickets.count() == 1
        await storage.close()


async def test_a_write_inside_a_transaction_is_told_at_once_instead_of_waiting_for_itself(storage):
    async with storage.records.transaction():
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await storage.sessions.end_all_of(ALICE.id)
    assert await storage.sessions.end_all_of(ALICE.id) == 0


async def test_a_task_that_a_transaction_started_may_write_after_it(storage):
    async with storage.records.transaction():
        task = asyncio.create_task(asyncio.sleep(0))
        later = asyncio.get_running_loop().create_future()

        async def write():
            await later
            return await storage.sessions.end_all_of(ALICE.id)

        writing = asyncio.create_task(write())
        await task
    later.set_result(None)
    assert await writing == 0


async def test_a_restart_forgets_nothing(folder):
    """Sessions, tickets and counters survive it (A-07, 2.6)."""
    window = (Window(1, START - START.replace(year=2029)),)
    session, ticket = a_session(ALICE), a_ticket()
    async with opened(folder) as storage:
        await add(storage.records, ALICE)
        async with storage.records.transaction() as transaction:
            await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
        await storage.sessions.put(session)
        await storage.tickets.put(ticket)
        assert (await storage.counters.spend("k", window, START)).allowed
    async with opened(folder) as storage:
        assert await storage.sessions.find(session.fingerprint) == session
        assert await storage.sessions.count() == 1
        assert await storage.tickets.take(ticket.id, ticket.purpose, START) == ticket
        assert not (await storage.counters.spend("k", window, START)).allowed
        async with storage.records.transaction() as transaction:
            assert await transaction.find_password(ALICE.id) == StoredPassword("sealed", START)


async def test_the_signing_key_is_made_once_and_sealed(folder):
    """A-07, B-14: the same at every start, and not readable in the file."""
    keyring = FileKeyring([bytes(range(7, 39))], FakeRandom("keyring"))
    async with opened(folder) as storage:
        key = await storage.load_signing_key(keyring, FakeRandom("signing"), START)
        assert len(key) == 32
    async with opened(folder) as storage:
        assert await storage.load_signing_key(keyring, FakeRandom("other"), START) == key
        other = FileKeyring([bytes(range(8, 40))], FakeRandom("keyring"))
        with pytest.raises(TamperError):
            await storage.load_signing_key(other, FakeRandom("other"), START)
    content = (folder / FILE_NAME).read_bytes()
    assert b"gcm1:" in content
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
        open_sqlite(folder, random=FakeRandom())
    assert all(problem.startswith("storage.path: ") for problem in refused.value.problems)


async def test_a_folder_that_cannot_be_one_is_told(tmp_path):
    blocked = tmp_path / "data"
    blocked.write_text("a file")
    with pytest.raises(ConfigError, match=r"^storage\.path: "):
        open_sqlite(blocked, random=FakeRandom())


async def test_a_file_that_is_no_database_is_refused(folder):
    folder.mkdir(mode=0o700)
    path = folder / FILE_NAME
    path.write_bytes(b"not a database, " * 1000)
    path.chmod(0o600)
    with pytest.raises(UnavailableError, match="not a database"):
        open_sqlite(folder, random=FakeRandom())


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

    @event.listens_for(storage.database._writer.sync_engine, "commit")
    def count(_connection):
        steps.append(1)

    assert await storage.tickets.purge(START.replace(year=2031)) == 25
    assert len(steps) == 3
    assert await storage.tickets.count() == 0


async def test_what_is_asked_often_is_found_by_an_index(storage):
    """The cost does not grow with what is stored: no statement of a sign-in or a check reads a whole table."""
    await add(storage.records, ALICE)
    session, ticket = a_session(ALICE), a_ticket()
    statements = []
    for engine in (storage.database._writer.sync_engine, storage.database._reader.sync_engine):

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, parameters, _context, many):
            if not many and not statement.startswith(("BEGIN", "EXPLAIN")):
                statements.append((statement, parameters))

    async with storage.records.transaction() as transaction:
        await transaction.find_user(ALICE.id)
        await transaction.find_user_by_login("alice")
        await transaction.find_user_by_login("alice@example.test")
        await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
        await transaction.append_audit(an_event())
        await transaction.list_audit()
        await transaction.end_session(session.handle)
        await transaction.end_sessions_of(ALICE.id, keep=session.handle)
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
    assert len(statements) > 30
    # These hold one row, or are read newest first along their key.
    small = (
        "SCAN installation",
        "SCAN audit",
        "SCAN CONSTANT ROW",
        "SCAN sessions USING INDEX ix_sessions_last_seen_at",
    )
    with closing(sqlite3.connect(storage.path)) as connection:
        for statement, parameters in [
            *statements,
            (sqlite_module._FIND_SUBJECT, (b"",)),
            (sqlite_module._FIND_USER, ("",)),
        ]:
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                assert not step.startswith("SCAN") or step.startswith(small), f"{step}: {statement}"


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


async def test_waiting_for_the_writer_has_an_end(storage, monkeypatch):
    """What cannot be written down in time is refused."""
    monkeypatch.setattr(storage.database._writer.pool, "_timeout", 0.01)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def occupy():
        async with storage.records.transaction():
            entered.set()
            await leave.wait()

    occupying = asyncio.create_task(occupy())
    await entered.wait()
    with pytest.raises(UnavailableError, match="does not answer"):
        await storage.sessions.end_all_of(ALICE.id)
    leave.set()
    await occupying
    assert await storage.sessions.end_all_of(ALICE.id) == 0


def test_a_place_without_wal_mode_is_refused():
    with pytest.raises(ConfigError, match="without WAL mode"):
        sqlite_module._use_wal(Path(":memory:"))
