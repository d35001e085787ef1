"""Counters: never more tries than a window allows, however they are timed or raced."""

import asyncio
from datetime import timedelta

from doorward.rules.throttle import Window
from tests.fakes.system import START

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LOGIN = (Window(5, MINUTE), Window(10, 15 * MINUTE))


async def test_the_sixth_try_in_a_minute_waits(store):
    """5 in one minute (A-04, A-30)."""
    for number in range(5):
        assert (await store.counters.spend("k", LOGIN, START + number * SECOND)).allowed
    spent = await store.counters.spend("k", LOGIN, START + 5 * SECOND)
    assert not spent.allowed
    assert spent.retry_after == 55 * SECOND
    assert (await store.counters.spend("k", LOGIN, START + 60 * SECOND)).allowed


async def test_the_eleventh_try_in_a_quarter_of_an_hour_waits(store):
    """10 in 15 minutes (B-25, D-19)."""
    for number in range(10):
        assert (await store.counters.spend("k", LOGIN, START + number * 13 * SECOND)).allowed
    spent = await store.counters.spend("k", LOGIN, START + 5 * MINUTE)
    assert not spent.allowed
    assert spent.retry_after == 10 * MINUTE
    assert (await store.counters.spend("k", LOGIN, START + 15 * MINUTE)).allowed


async def test_no_burst_fits_around_the_edge_of_a_window(store):
    """Sliding, not fixed (R10)."""
    window = (Window(5, MINUTE),)
    for _ in range(5):
        assert (await store.counters.spend("k", window, START + 59 * SECOND)).allowed
    for second in range(60, 119):
        assert not (await store.counters.spend("k", window, START + second * SECOND)).allowed
    assert (await store.counters.spend("k", window, START + 119 * SECOND)).allowed


async def test_of_many_tries_at_once_only_as_many_as_there_is_room_for_are_allowed(store):
    """Checked and counted in one step (R04)."""
    spent = await asyncio.gather(*(store.counters.spend("k", LOGIN, START) for _ in range(24)))
    assert sum(each.allowed for each in spent) == 5


async def test_a_refused_try_is_not_counted(store):
    for number in range(30):
        await store.counters.spend("k", LOGIN, START + number * SECOND)
    assert (await store.counters.spend("k", LOGIN, START + MINUTE)).allowed


async def test_keys_count_apart(store):
    """One bucket per purpose and place (T-14)."""
    window = (Window(1, MINUTE),)
    assert (await store.counters.spend("login:192.0.2.1", window, START)).allowed
    assert (await store.counters.spend("login:192.0.2.2", window, START)).allowed
    assert not (await store.counters.spend("login:192.0.2.1", window, START)).allowed
    assert (await store.counters.spend("LOGIN:192.0.2.1", window, START)).allowed


async def test_without_windows_everything_is_allowed_and_nothing_kept(store):
    for _ in range(3):
        assert (await store.counters.spend("k", (), START)).allowed
    assert await store.counters.purge(START + timedelta(days=1)) == 0


async def test_one_try_is_given_back_and_no_other(store):
    window = (Window(3, MINUTE),)
    at = START + timedelta(microseconds=123_456)
    for instant in (START, at, at):
        assert (await store.counters.spend("k", window, instant)).allowed
    await store.counters.give_back("other", at)
    await store.counters.give_back("k", at + timedelta(microseconds=1))
    assert not (await store.counters.spend("k", window, at)).allowed
    await store.counters.give_back("k", at)
    assert await store.counters.recall("k", since=START - SECOND) == [START, at]
    assert (await store.counters.spend("k", window, at)).allowed


async def test_failures_are_recalled_in_order_from_an_instant_on(store):
    for seconds in (3, 1, 2, 2):
        await store.counters.record("k", START + seconds * SECOND, keep=MINUTE)
    assert await store.counters.recall("k", since=START + SECOND) == [START + each * SECOND for each in (2, 2, 3)]
    assert await store.counters.recall("other", since=START) == []


async def test_forgetting_drops_one_key_only(store):
    """A success clears the counter of that account (E10)."""
    for key in ("a", "b"):
        await store.counters.record(key, START, keep=MINUTE)
    await store.counters.forget("a")
    await store.counters.forget("never there")
    assert await store.counters.recall("a", since=START - SECOND) == []
    assert await store.counters.recall("b", since=START - SECOND) == [START]


async def test_purging_drops_what_no_window_needs(store):
    """Memory is bounded by what still counts (E07)."""
    for number in range(3):
        await store.counters.spend("k", LOGIN, START + number * SECOND)
    await store.counters.record("f", START, keep=MINUTE)
    assert await store.counters.purge(START + MINUTE) == 1
    assert await store.counters.purge(START + 15 * MINUTE + SECOND) == 2
    assert not (await store.counters.recall("k", since=START - SECOND))[1:]
    assert await store.counters.purge(START + timedelta(days=1)) == 1
    assert await store.counters.purge(START + timedelta(days=1)) == 0
