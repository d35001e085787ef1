"""Counting at the sign-in: by address, by account and place; locks, and what a success forgets."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from doorward.flows.outcome import Refused
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.flows.throttle import LoginLimits
from doorward.rules.audit import Act
from doorward.rules.login import Failure
from doorward.rules.throttle import Window
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, Town, a_visitor
from tests.fakes.second import enter_with_code, give_passkey, give_totp, use_passkey

WRONG = "Wr0ng-Every-Time!"
FREE = LoginLimits(login=(Window(1000, timedelta(minutes=1)),), account=(Window(1000, timedelta(minutes=1)),))
"""Limits that leave only the lock in the way."""


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


@pytest.fixture
async def free_town():
    made = Town(limits=FREE)
    await made.add_user("alice")
    return made


async def test_an_address_has_five_tries_a_minute_and_ten_a_quarter(town):
    """A-04, A-30: right or wrong, counted before the work."""
    visitor = a_visitor()
    for _ in range(5):
        await town.enter(visitor=visitor)
    refused = await town.try_login("alice", GOOD, visitor)
    assert refused == Refused(Failure.THROTTLED, timedelta(minutes=1))
    town.clock.advance(timedelta(minutes=1))
    for _ in range(5):
        await town.enter(visitor=visitor)
    town.clock.advance(timedelta(minutes=1))
    work = town.hasher.work
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.THROTTLED
    assert town.hasher.work == work
    assert town.tally.limited["login"] == 2
    town.clock.advance(timedelta(minutes=15))
    await town.enter(visitor=visitor)


async def test_an_ipv6_network_is_one_address(town):
    """E09: a /64 is one visitor, however many addresses it has."""
    failures = [
        (await town.try_login("nobody", WRONG, a_visitor(f"2001:db8:1:2::{number:x}"))).failure for number in range(6)
    ]
    assert failures[5] is Failure.THROTTLED
    assert (await town.try_login("nobody", WRONG, a_visitor("2001:db8:1:3::1"))).failure is Failure.WRONG


async def test_three_failures_lock_the_account_for_this_address(free_town):
    """A-05."""
    town, visitor = free_town, a_visitor()
    for _ in range(2):
        assert await town.try_login("alice", WRONG, visitor) == Refused(Failure.WRONG)
    assert await town.try_login("alice", WRONG, visitor) == Refused(Failure.LOCKED, timedelta(seconds=30))
    assert [event.act for event in town.audit[-2:]] == [Act.LOGIN_FAILED, Act.LOGIN_LOCKED]
    assert town.tally.limited["login_failures"] == 0
    assert town.audit[-1].act is Act.LOGIN_LOCKED
    assert town.audit[-1].public == {"seconds": "30"}
    work = town.hasher.work
    locked = await town.try_login("alice", GOOD, visitor)
    assert locked.failure is Failure.LOCKED
    assert timedelta(0) < locked.retry_after <= timedelta(seconds=30)
    assert town.hasher.work == work
    assert town.tally.limited["login_failures"] == 1
    await town.enter(visitor=a_visitor("198.51.100.9"))
    town.clock.advance(timedelta(seconds=30))
    await town.enter(visitor=visitor)


async def test_the_lock_doubles_up_to_a_quarter_of_an_hour(free_town):
    """A-05."""
    town, visitor = free_town, a_visitor()
    waits = []
    for _ in range(2):
        await town.try_login("alice", WRONG, visitor)
    for _ in range(8):
        locked = await town.try_login("alice", WRONG, visitor)
        assert locked.failure is Failure.LOCKED
        waits.append(locked.retry_after.total_seconds())
        town.clock.advance(locked.retry_after)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_an_account_that_does_not_exist_is_locked_just_the_same(free_town):
    """E03: lock, words and time tell nobody whether the account exists."""
    town = free_town
    histories = []
    for login in ("alice", "nobody", "not a name!"):
        visitor = a_visitor(f"203.0.113.{len(histories) + 20}")
        histories.append([])
        for _ in range(7):
            began = town.clock.elapsed()
            refused = await town.try_login(login, WRONG, visitor)
            histories[-1].append((refused, round(town.clock.elapsed() - began, 6)))
    assert histories[0] == histories[1] == histories[2]
    assert [refused.failure for refused, _ in histories[0]] == [Failure.WRONG] * 2 + [Failure.LOCKED] * 5
    assert {lasted for _, lasted in histories[0]} == {MIN_FAILURE_TIME.total_seconds()}


SPELLINGS = ["alice", "Alice", "ALICE ", " aLiCe", "alice@example.test", "ALICE@EXAMPLE.TEST", "alice@Example.test "]
NOBODYS = [
    "\uff41lice",
    "alice\u200b",
    "alice%00",
    "al\u0131ce",
    "\u00e1lice",
    "alice\u202e",
    "alice@@example.test",
    "x" * 900,
]


async def test_all_spellings_of_one_account_count_against_it(free_town):
    """E04: three tries in total, not three for each spelling."""
    town, visitor = free_town, a_visitor()
    failures = [(await town.try_login(spelling, WRONG, visitor)).failure for spelling in SPELLINGS]
    assert failures == [Failure.WRONG] * 2 + [Failure.LOCKED] * 5


async def test_spellings_that_are_nobodys_share_one_counter(free_town):
    """E04, E07: they guess nothing, and fill no memory."""
    town, visitor = free_town, a_visitor()
    failures = [(await town.try_login(spelling, GOOD, visitor)).failure for spelling in NOBODYS]
    assert failures == [Failure.WRONG] * 2 + [Failure.LOCKED] * 6
    assert sum(key.startswith("login_failures:") for key in town.store.state.counters) == 1


async def test_tries_at_the_same_instant_cannot_outrun_the_lock(free_town):
    """Invariant 8: of fifty parallel guesses from one place, three are tried."""
    town, visitor = free_town, a_visitor()
    tokens = [(await town.begin(visitor)).token for _ in range(50)]
    work = town.hasher.work
    outcomes = await asyncio.gather(*(town.submit(token, "alice", WRONG, visitor) for token in tokens))
    counted = Counter(outcome.failure for outcome in outcomes)
    assert counted == {Failure.WRONG: 2, Failure.LOCKED: 48}
    assert town.hasher.work == work + 3


async def test_a_flood_of_made_up_names_locks_nobody_out(town):
    """E07: bounded memory, and a valid sign-in from elsewhere works."""
    attacker = a_visitor("198.51.100.66")
    for number in range(5000):
        started = town.sign_in.begin(attacker, return_to=None, now=town.now)
        begun = await started
        token = getattr(begun, "token", "")
        await town.submit(token, f"user{number}", WRONG, attacker)
    assert len(town.store.state.counters) < 50
    assert sum(map(len, town.store.state.counters.values())) < 200
    await town.enter(visitor=a_visitor("203.0.113.7"))


async def test_a_success_on_an_own_account_clears_no_other_counter(free_town):
    """E10: four wrong for alice, one right for bob, does not begin anew."""
    town, visitor = free_town, a_visitor()
    await town.add_user("bob")
    for _ in range(2):
        await town.try_login("alice", WRONG, visitor)
    await town.enter("bob", visitor=visitor)
    await town.try_login("alice", WRONG, visitor)
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.LOCKED


async def test_a_success_forgets_the_typing_errors_before_it(free_town):
    town, visitor = free_town, a_visitor()
    for _ in range(3):
        await town.try_login("alice", WRONG, visitor)
        await town.try_login("alice", WRONG, visitor)
        await town.enter(visitor=visitor)


async def test_a_success_does_not_give_the_address_its_tries_back(town):
    """E10."""
    visitor = a_visitor()
    for _ in range(4):
        await town.try_login("nobody", WRONG, visitor)
    await town.enter(visitor=visitor)
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.THROTTLED


async def test_strangers_everywhere_slow_an_account_down_and_never_lock_it(town):
    """2.6: the account-wide part only slows."""
    for number in range(10):
        assert (await town.try_login("alice", WRONG, a_visitor(f"198.51.100.{number}"))).failure is Failure.WRONG
    began = town.clock.elapsed()
    await town.enter(visitor=a_visitor("203.0.113.7"))
    assert town.clock.elapsed() - began == pytest.approx(3)
    assert town.tally.limited["login_account"] == 1


async def test_unknown_accounts_are_slowed_alike(town):
    """E03."""
    for login in ("alice", "nobody"):
        for number in range(11):
            await town.try_login(login, WRONG, a_visitor(f"198.51.100.{number}"))
            town.clock.advance(timedelta(seconds=13))
    assert town.tally.limited["login_account"] == 2


async def test_a_device_that_signed_in_before_is_neither_slowed_nor_locked_by_strangers(free_town):
    """2.6: a lock is no tool for locking others out, not even for a neighbour behind the same address."""
    town = Town()
    await town.add_user("alice")
    device = (await town.enter(visitor=a_visitor("203.0.113.7"))).device
    town.clock.advance(timedelta(minutes=2))
    for number in range(12):
        await town.try_login("alice", WRONG, a_visitor(f"198.51.100.{number}"))
    for _ in range(3):
        await town.try_login("alice", WRONG, a_visitor("203.0.113.7", browser="neighbour"))
    began = town.clock.elapsed()
    await town.enter(visitor=a_visitor("203.0.113.7", device=device))
    assert town.clock.elapsed() == began


async def test_a_known_device_that_guesses_is_locked_too(free_town):
    """A-05: the marker opens nothing."""
    town = free_town
    visitor = a_visitor(device=(await town.enter()).device)
    failures = [(await town.try_login("alice", WRONG, visitor)).failure for _ in range(4)]
    assert failures == [Failure.WRONG] * 2 + [Failure.LOCKED] * 2
    assert town.audit[-2].public["known_device"] == "yes"


async def test_the_marker_of_another_account_is_of_no_use(free_town):
    """2.6."""
    town = free_town
    await town.add_user("bob")
    visitor = a_visitor(device=(await town.enter("bob")).device)
    for _ in range(3):
        await town.try_login("alice", WRONG, a_visitor())
    assert (await town.try_login("alice", GOOD, visitor)).failure is Failure.LOCKED


# Counting failures only


@pytest.fixture
async def lenient_town():
    made = Town(limits=LoginLimits(only_failed=True))
    await made.add_user("alice")
    return made


async def test_where_only_failures_count_a_success_is_given_back(lenient_town):
    """2.6: `limits.count: failed`."""
    visitor = a_visitor()
    for _ in range(20):
        await lenient_town.enter(visitor=visitor)
    outcomes = [await lenient_town.try_login(f"nobody-{number}", WRONG, visitor) for number in range(6)]
    assert [outcome.failure for outcome in outcomes] == [Failure.WRONG] * 5 + [Failure.THROTTLED]


async def test_a_success_gives_no_failure_back(lenient_town):
    """E10: whoever has an account of their own cannot guess at others without end by using it in between."""
    visitor = a_visitor()
    for number in range(5):
        lenient_town.clock.advance(timedelta(seconds=1))
        assert (await lenient_town.try_login(f"nobody-{number}", WRONG, visitor)).failure is Failure.WRONG
        if number < 4:
            lenient_town.clock.advance(timedelta(seconds=1))
            await lenient_town.enter(visitor=visitor)
    assert (await lenient_town.try_login("alice", GOOD, visitor)).failure is Failure.THROTTLED


async def test_many_at_once_are_counted_before_they_are_looked_at(lenient_town):
    visitor = a_visitor()
    started = [await lenient_town.begin(visitor) for _ in range(20)]
    outcomes = await asyncio.gather(
        *(lenient_town.submit(each.token, f"nobody-{at}", WRONG, visitor) for at, each in enumerate(started))
    )
    assert Counter(outcome.failure for outcome in outcomes) == {Failure.WRONG: 5, Failure.THROTTLED: 15}


async def test_a_right_code_and_a_right_passkey_are_given_back_as_well(lenient_town):
    town, visitor = lenient_town, a_visitor()
    authenticator = Authenticator()
    await give_totp(town)
    await give_passkey(town, authenticator)
    for _ in range(12):
        town.clock.advance(timedelta(minutes=1))
        assert not isinstance(await enter_with_code(town, visitor), Refused)
    for _ in range(12):
        started = await town.begin(visitor)
        assert not isinstance(await use_passkey(town, started, authenticator), Refused)
