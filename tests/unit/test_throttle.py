"""No span of time holds more tries than a window allows, and no change of the clock opens a lock."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from doorward.flows.throttle import LoginLimits, Target, Throttle
from doorward.rules.throttle import LockPolicy, Spent, Window, address_key, lock_left, spend
from tests.fakes.records import FakeStore
from tests.fakes.system import START

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
POLICY = LockPolicy()


def at(*seconds):
    return [START + timedelta(seconds=each) for each in seconds]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_of_one_owner_share_a_key(address, key):
    """Rotating through a /64 is free for whoever has it (E09)."""
    assert address_key(ip_address(address)) == key


def test_an_unknown_address_has_a_key_of_its_own():
    assert address_key(None) == "unknown"


def test_a_try_is_allowed_while_every_window_has_room():
    windows = (Window(2, MINUTE), Window(3, 15 * MINUTE))
    assert spend([], windows, START) == Spent(allowed=True)
    assert spend(at(0), windows, START) == Spent(allowed=True)
    assert spend(at(1, 0), windows, START + SECOND) == Spent(allowed=False, retry_after=59 * SECOND)
    assert spend(at(0, 1), windows, START + MINUTE) == Spent(allowed=True)
    assert spend(at(0, 1, 60), windows, START + 70 * SECOND) == Spent(allowed=False, retry_after=830 * SECOND)
    assert spend(at(0), (), START) == Spent(allowed=True)


def test_tries_beyond_the_limit_wait_for_the_one_that_makes_room():
    """More tries than the limit can stand there when the limit was lowered."""
    assert spend(at(0, 10, 20, 30), (Window(2, MINUTE),), START + 30 * SECOND).retry_after == 50 * SECOND


@pytest.mark.parametrize(("limit", "span"), [(0, MINUTE), (-1, MINUTE), (1, timedelta(0))])
def test_a_window_that_could_never_open_is_refused(limit, span):
    with pytest.raises(ValueError, match="at least one"):
        Window(limit, span)


@pytest.mark.parametrize(
    ("failures", "now", "left"),
    [
        ([], 0, 0),
        ([0, 1], 1, 0),
        ([0, 1, 2], 2, 30),
        ([2, 0, 1], 2, 30),
        ([0, 1, 2], 20, 12),
        ([0, 1, 2], 32, 0),
        # Each further failure doubles, to a quarter of an hour.
        ([0, 1, 2, 32], 32, 60),
        ([0, 1, 2, 32, 92], 92, 120),
        ([0, 1, 2, 32, 92, 212], 212, 240),
        ([0, 1, 2, 32, 92, 212, 452], 452, 480),
        ([0, 1, 2, 32, 92, 212, 452, 932], 932, 900),
        ([0, 1, 2, 32, 92, 212, 452, 932, 1832], 1832, 900),
        # Those that came at once count too.
        ([0, 0, 0, 0, 0], 0, 120),
        # Three within five minutes: three in ten minutes are nothing.
        ([0, 299, 598], 598, 0),
        ([0, 150, 299], 299, 30),
        ([0, 150, 300], 300, 0),
        ([0, 150, 300, 301], 301, 30),
        # Five calm minutes after a lock and counting begins anew.
        ([0, 1, 2, 332], 332, 60),
        ([0, 1, 2, 333], 333, 0),
        ([0, 1, 2, 333, 334, 335], 335, 30),
    ],
)
def test_three_failures_in_five_minutes_lock_and_each_further_one_doubles(failures, now, left):
    """A-05."""
    assert lock_left(at(*failures), POLICY, START + now * SECOND) == left * SECOND


def test_a_clock_set_back_opens_no_lock():
    """Q10."""
    locked = lock_left(at(0, 1, 2), POLICY, START + 2 * SECOND)
    assert lock_left(at(0, 1, 2), POLICY, START - 60 * MINUTE) > locked


def test_very_many_failures_are_no_overflow():
    assert lock_left(at(*range(500)), POLICY, START + 500 * SECOND) == 899 * SECOND


def test_a_threshold_of_one_locks_at_once():
    assert lock_left(at(0), LockPolicy(threshold=1), START) == 30 * SECOND


@pytest.mark.parametrize("first", [timedelta(seconds=30), timedelta(hours=12), timedelta(days=2)])
async def test_a_lock_lasts_as_long_as_was_set(first):
    """A-05: what it rests on is remembered as long as it stands."""
    policy = LockPolicy(first=first, most=max(first, POLICY.most))
    throttle = Throttle(
        counters=FakeStore().counters, limits=LoginLimits(lock=policy), name_key=b"n" * 32, device_key=b"d" * 32
    )
    target = Target("id:alice", "address:192.0.2.1", known=False)
    for _ in range(policy.threshold):
        locked = await throttle.record_failure(target, now=START)
    assert locked == first
    assert await throttle.find_lock(target, now=START + first - SECOND) == SECOND
    assert await throttle.find_lock(target, now=START + first) == timedelta(0)
