"""What cannot be answered is refused: never allowed, never "not there", never half done."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from doorward.errors import TamperError, UnavailableError
from doorward.rules.session import Method
from doorward.rules.throttle import Window
from doorward.rules.ticket import Purpose
from doorward.storage import sqlite as sqlite_module
from doorward.storage.sql import lanes
from doorward.storage.sqlite import FILE_NAME, SqliteLiveView
from tests.contract.durable import opened
from tests.contract.samples import a_session, a_ticket, a_user, add, an_event
from tests.fakes.system import START

ALICE = a_user()


@pytest.fixture
def impatient(monkeypatch):
    """Waiting for a lock is a setting; here nobody is going to let go."""
    monkeypatch.setattr(sqlite_module, "_BUSY_SECONDS", 0.05)
    monkeypatch.setattr(sqlite_module, "_LIVE_BUSY_SECONDS", 0.05)


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
                lambda: view.find_user_by_name(ALICE.name),
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
    """Never read as a default (docs/adr 0009)."""
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


async def test_waiting_for_the_writer_has_an_end(storage, monkeypatch):
    """What cannot be written down in time is refused."""
    monkeypatch.setattr(lanes, "_WAIT_SECONDS", 0.01)
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
