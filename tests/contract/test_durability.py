"""What was acknowledged survives, and what another process commits shows at once."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace

from doorward.interfaces import StoredPassword
from doorward.rules.audit import GENESIS, verify_link
from doorward.rules.session import Subject
from doorward.rules.throttle import Window
from doorward.storage.sqlite import FILE_NAME
from tests.contract.durable import opened, start
from tests.contract.samples import a_provider, a_session, a_ticket, a_user, add, an_identity, an_upstream_session
from tests.fakes.system import START

ALICE = a_user()


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


async def test_a_restart_forgets_nothing(folder):
    """Sessions, tickets and counters survive it (A-07, 2.6)."""
    window = (Window(1, START - START.replace(year=2029)),)
    session, ticket = a_session(ALICE), a_ticket()
    identity = an_identity(ALICE, groups=frozenset({"team"}))
    upstream = an_upstream_session(identity, handle=session.handle)
    async with opened(folder) as storage:
        await add(storage.records, ALICE)
        async with storage.records.transaction() as transaction:
            await transaction.put_password(ALICE.id, StoredPassword("sealed", START))
            await transaction.add_identity(identity)
            await transaction.put_upstream_session(upstream)
            await transaction.put_mark("jti", START, keep_until=START)
            await transaction.put_provider(a_provider())
            await transaction.put_setting("name", "value")
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
            assert await transaction.list_identities() == [identity]
            assert await transaction.list_upstream_sessions() == [upstream]
            assert not await transaction.put_mark("jti", START, keep_until=START)
            assert await transaction.list_providers() == [a_provider()]
            assert await transaction.find_setting("name") == "value"
