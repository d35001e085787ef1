"""Tickets: one purpose, one use, one state at a time."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.ticket import Purpose, TicketId
from tests.contract.samples import a_ticket
from tests.fakes.system import START

MANY = 24
ALMOST = timedelta(microseconds=1)


async def test_a_ticket_is_found_as_it_was_put(store):
    for ticket in (a_ticket(), a_ticket(state={}, browser=b"", purpose=Purpose.SETUP)):
        await store.tickets.put(ticket)
        assert await store.tickets.find(ticket.id, ticket.purpose, START) == ticket
    assert await store.tickets.count() == 2


async def test_a_ticket_is_put_once(store):
    ticket = a_ticket()
    await store.tickets.put(ticket)
    with pytest.raises(ConflictError):
        await store.tickets.put(replace(ticket, state={"other": "state"}))
    assert await store.tickets.find(ticket.id, ticket.purpose, START) == ticket
    assert await store.tickets.count() == 1


async def test_a_ticket_of_another_purpose_is_unknown(store):
    """A state for one thing is no state for another (T-05)."""
    ticket = a_ticket(purpose=Purpose.SETUP)
    await store.tickets.put(ticket)
    assert await store.tickets.find(ticket.id, Purpose.LOGIN, START) is None
    assert await store.tickets.take(ticket.id, Purpose.LOGIN, START) is None
    assert await store.tickets.take(ticket.id, Purpose.SETUP, START) == ticket


async def test_a_ticket_expires_at_its_instant(store):
    """Neither found nor taken from its end on (E27)."""
    ticket = a_ticket()
    await store.tickets.put(ticket)
    assert await store.tickets.find(ticket.id, ticket.purpose, ticket.expires_at - ALMOST) == ticket
    assert await store.tickets.find(ticket.id, ticket.purpose, ticket.expires_at) is None
    assert await store.tickets.take(ticket.id, ticket.purpose, ticket.expires_at) is None


async def test_of_many_who_take_a_ticket_one_gets_it(store):
    """At most once, however many ask."""
    ticket = a_ticket()
    await store.tickets.put(ticket)
    taken = await asyncio.gather(*(store.tickets.take(ticket.id, ticket.purpose, START) for _ in range(MANY)))
    assert [each for each in taken if each is not None] == [ticket]
    assert await store.tickets.find(ticket.id, ticket.purpose, START) is None
    assert await store.tickets.count() == 0


async def test_of_many_who_advance_a_ticket_one_succeeds(store):
    """A step is done from the state that was seen, or not at all (E21)."""
    ticket = a_ticket()
    await store.tickets.put(ticket)
    steps = [replace(ticket, state={"step": str(number)}) for number in range(MANY)]
    done = await asyncio.gather(*(store.tickets.advance(ticket, step) for step in steps))
    assert sum(done) == 1
    assert await store.tickets.find(ticket.id, ticket.purpose, START) == steps[done.index(True)]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": {"step": "2"}},
        {"browser": b"other"},
        {"purpose": Purpose.SETUP},
        {"created_at": START + ALMOST},
        {"expires_at": START + ALMOST},
    ],
)
async def test_a_ticket_that_differs_in_anything_does_not_advance(store, changes):
    ticket = a_ticket()
    await store.tickets.put(ticket)
    assert not await store.tickets.advance(replace(ticket, **changes), replace(ticket, state={}))
    assert await store.tickets.find(ticket.id, ticket.purpose, START) == ticket


async def test_a_ticket_that_is_gone_does_not_advance(store):
    ticket = a_ticket()
    assert not await store.tickets.advance(ticket, ticket)
    await store.tickets.put(ticket)
    await store.tickets.take(ticket.id, ticket.purpose, START)
    assert not await store.tickets.advance(ticket, ticket)
    assert await store.tickets.find(ticket.id, ticket.purpose, START) is None
    with pytest.raises(ValueError, match="id"):
        await store.tickets.advance(ticket, replace(ticket, id=TicketId(b"x" * 32)))


async def test_purging_removes_what_expired_and_counts_it(store):
    for minutes in (1, 2, 3):
        await store.tickets.put(a_ticket(expires_at=START + timedelta(minutes=minutes)))
    assert await store.tickets.purge(START + timedelta(minutes=2)) == 2
    assert await store.tickets.count() == 1
    assert await store.tickets.purge(START + timedelta(minutes=2)) == 0
