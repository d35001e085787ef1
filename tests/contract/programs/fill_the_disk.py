"""Write until no file may grow any more, try everything, let files grow again; tell what happened as JSON."""

import asyncio
import json
import resource
import sys
from datetime import timedelta
from pathlib import Path

from doorward.errors import DoorwardError
from doorward.outside.system import SystemRandom
from doorward.rules.audit import GENESIS, verify_link
from doorward.rules.throttle import Window
from doorward.storage.sqlite import open_sqlite
from tests.contract.samples import a_session, a_ticket, a_user, an_event
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.system import START

WINDOW = (Window(3, timedelta(minutes=1)),)


async def write(storage, number):
    user = a_user(f"user{number}", display_name="x" * 2000)
    session = a_session(user)
    async with storage.records.transaction() as transaction:
        await transaction.add_user(user)
        await transaction.append_audit(an_event(subject=user.id))
    await storage.sessions.put(session)
    return user, session


async def read(storage):
    async with storage.records.transaction() as transaction:
        users = await transaction.list_users()
        audit = await transaction.list_audit(limit=100_000)
    return users, audit


async def main(folder):
    storage = open_sqlite(folder, random=SystemRandom(), keyring=FakeKeyring())
    view = storage.open_live_view()
    told = {"refusals": [], "messages": []}
    written = 0
    ticket = a_ticket()
    await storage.tickets.put(ticket)

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = folder / "doorward.db-wal"
    session = None
    for _ in range(5):
        user, session = await write(storage, written)
        written += 1

    # Not one byte more for the file that every commit grows.
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, unlimited[1]))
    big = a_user("big", display_name="x" * 200_000)
    attempts = [
        lambda: write(storage, 1000),
        lambda: storage.sessions.put(a_session(user)),
        lambda: storage.sessions.end(session.handle),
        lambda: storage.sessions.end_all_of(user.id),
        lambda: storage.tickets.take(ticket.id, ticket.purpose, START),
        lambda: storage.counters.spend("k", WINDOW, START),
        lambda: add(storage, big),
        lambda: end_in_transaction(storage, user),
    ]
    for attempt in attempts:
        try:
            await attempt()
        except DoorwardError as error:
            told["refusals"].append(type(error).__name__)
            told["messages"].append(str(error))
    users, audit = await read(storage)
    told["written"] = written
    told["users_while_full"] = len(users)
    told["audit_while_full"] = len(audit)
    told["sessions_while_full"] = len(await storage.sessions.list_all(limit=100_000))
    told["counted_while_full"] = await storage.sessions.count()
    told["alive_while_full"] = (
        view.find_subject(session.fingerprint) is not None
        and (await storage.tickets.find(ticket.id, ticket.purpose, START)) == ticket
    )
    told["spent_while_full"] = len(await storage.counters.recall("k", since=START - timedelta(days=1)))

    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    for number in range(2000, 2005):
        await write(storage, number)
    users, audit = await read(storage)
    told["written_after"] = len(users)
    told["audit_after"] = len(audit)
    previous, holds = GENESIS, True
    for record in audit[::-1]:
        holds = holds and verify_link(record, previous)
        previous = record.hash
    told["chain_holds"] = holds
    await storage.close()
    view.close()
    sys.stdout.write(json.dumps(told))


async def add(storage, user):
    async with storage.records.transaction() as transaction:
        await transaction.add_user(user)


async def end_in_transaction(storage, user):
    async with storage.records.transaction() as transaction:
        await transaction.append_audit(an_event())
        await transaction.end_sessions_of(user.id)


asyncio.run(main(Path(sys.argv[1])))
