"""Housekeeping never fails a request, never ends, and never brings anything back."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from doorward.flows import upkeep
from doorward.flows.upkeep import Touches, Upkeep
from tests.fakes.flows import FakeLog, Town, fingerprint_of


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


def touches_of(town):
    return Touches(sessions=town.store.sessions, log=FakeLog())


async def test_uses_are_written_in_one_go(town):
    touches = touches_of(town)
    one, two = await town.enter(), await town.enter()
    later = town.clock.advance(timedelta(minutes=1))
    touches.note(fingerprint_of(one), later, "Agent\n" + "x" * 999, "198.51.100.9")
    touches.note(fingerprint_of(two), later, "Other", "")
    touches.note(fingerprint_of(two), later + timedelta(minutes=1), "Newer", "")
    assert await touches.flush() == 2
    stored = town.store.state.sessions[fingerprint_of(one)]
    assert (stored.last_seen_at, stored.address) == (later, "198.51.100.9")
    assert "\n" not in stored.user_agent
    assert len(stored.user_agent) == 256
    assert town.store.state.sessions[fingerprint_of(two)].user_agent == "Newer"
    assert await touches.flush() == 0


async def test_a_use_never_brings_an_ended_session_back(town):
    """J16."""
    touches = touches_of(town)
    entered = await town.enter()
    touches.note(fingerprint_of(entered), town.clock.advance(timedelta(minutes=1)), "Agent", "")
    await town.store.sessions.end(entered.session.handle)
    await touches.flush()
    assert town.store.state.sessions == {}


async def test_what_could_not_be_written_is_written_later(town):
    log = FakeLog()
    touches = Touches(sessions=town.store.sessions, log=log)
    entered = await town.enter()
    later = town.clock.advance(timedelta(minutes=1))
    touches.note(fingerprint_of(entered), later, "Agent", "")
    town.store.broken = True
    assert await touches.flush() == 0
    assert [event for event, _ in log.events] == ["touches_not_written"]
    town.store.broken = False
    assert await touches.flush() == 1
    assert town.store.state.sessions[fingerprint_of(entered)].last_seen_at == later


async def test_a_newer_use_is_not_overwritten_by_one_that_failed(town):
    touches = touches_of(town)
    entered = await town.enter()
    later = town.clock.advance(timedelta(minutes=1))
    touch_all = town.store.sessions.touch_all

    async def fail_while_used_again(*_args, **_more):
        touches.note(fingerprint_of(entered), later + timedelta(minutes=1), "Newer", "")
        raise OSError("disk full")

    touches.note(fingerprint_of(entered), later, "Older", "")
    town.store.sessions.touch_all = fail_while_used_again
    assert await touches.flush() == 0
    town.store.sessions.touch_all = touch_all
    assert await touches.flush() == 1
    assert town.store.state.sessions[fingerprint_of(entered)].user_agent == "Newer"


async def test_notes_do_not_grow_without_end(town, monkeypatch):
    monkeypatch.setattr(upkeep, "MAX_NOTES", 2)
    touches = touches_of(town)
    for number in range(5):
        touches.note(number.to_bytes(32, "big"), town.now, "", "")
    touches.note((0).to_bytes(32, "big"), town.now, "again", "")
    assert await touches.flush() == 2


class Turns:
    """`interfaces.Pause` that lets so many turns pass and then never comes back."""

    def __init__(self, turns):
        self.left = turns
        self.over = asyncio.Event()

    async def __call__(self, _seconds, /):
        # Let others run, as any real pause would.
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            self.over.set()
            await asyncio.Event().wait()


async def run(town, turns, log, *chores, errands=()):
    pause = Turns(turns)
    touches = Touches(sessions=town.store.sessions, log=log)
    keeping = Upkeep(
        touches=touches,
        sessions=town.store.sessions,
        tickets=town.store.tickets,
        counters=town.store.counters,
        records=town.store.records,
        clock=town.clock,
        pause=pause,
        log=log,
        chores=chores,
        errands=errands,
    )
    task = asyncio.create_task(keeping.run())
    await pause.over.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_has_expired_is_forgotten(town):
    log = FakeLog()
    await town.enter()
    await town.setup.issue(now=town.now)
    town.clock.advance(timedelta(days=30))
    await run(town, upkeep.PURGE_EVERY, log)
    assert (town.store.state.sessions, town.store.state.tickets, town.store.state.counters) == ({}, {}, {})
    assert [event for event, _ in log.events] == ["purged"]


async def test_chores_are_done_at_every_turn(town):
    """P15: what the gate holds back of its log is told, and it may write again."""
    done = []
    await run(town, 3, FakeLog(), lambda: done.append("one"), lambda: done.append("two"))
    assert done == ["one", "two"] * 3


async def test_what_providers_said_is_forgotten_when_it_is_over(town):
    async with town.store.records.transaction() as transaction:
        await transaction.put_mark("jti:idp:1", town.now, keep_until=town.now + timedelta(minutes=2))
    town.clock.advance(timedelta(minutes=2))
    await run(town, upkeep.PURGE_EVERY, FakeLog())
    assert town.store.state.marks == {}


async def test_an_errand_is_begun_again_only_when_it_is_back(town):
    """Whoever waits for a provider holds up neither the writing nor itself."""
    begun = []
    back = asyncio.Event()

    async def slow(now):
        begun.append(("slow", now))
        await back.wait()

    async def quick(now):
        begun.append(("quick", now))

    touches = []
    await run(town, 5, FakeLog(), lambda: touches.append("flushed"), errands=(slow, quick))
    assert len(touches) == 5
    assert begun.count(("slow", town.now)) == 1
    assert begun.count(("quick", town.now)) == 5


async def test_an_errand_that_fails_is_sent_again(town):
    log = FakeLog()

    async def fail(_now):
        raise OSError("no route")

    await run(town, 3, log, errands=(fail,))
    assert log.events == [("errand_failed", {"error": "OSError('no route')"})] * 3


async def test_the_end_of_the_house_is_the_end_of_its_errands(town):
    ended = []

    async def wait(_now):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    await run(town, 1, FakeLog(), errands=(wait,))
    assert ended == ["ended"]


async def test_nothing_is_purged_before_its_turn(town):
    await town.enter()
    town.clock.advance(timedelta(days=30))
    await run(town, upkeep.PURGE_EVERY - 1, FakeLog())
    assert town.store.state.sessions


async def test_a_broken_store_does_not_end_the_housekeeping(town):
    log = FakeLog()
    town.store.broken = True
    await run(town, 2 * upkeep.PURGE_EVERY, log)
    assert [event for event, _ in log.events] == ["purge_failed"] * 2
