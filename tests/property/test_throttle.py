"""However tries are timed: no span holds more than its window allows, and a lock lasts as long as it said."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from doorward.flows.throttle import Bucket, LoginLimits, Throttle
from doorward.rules.throttle import LockPolicy, Window, lock_left, spend
from tests.fakes.flows import a_visitor
from tests.fakes.records import FakeStore
from tests.fakes.system import START

SECOND = timedelta(seconds=1)
seconds = st.integers(min_value=0, max_value=3_000)
instants = st.lists(seconds.map(lambda each: START + each * SECOND), max_size=60)
windows = st.lists(
    st.builds(Window, st.integers(1, 6), st.integers(1, 900).map(lambda each: each * SECOND)), min_size=1, max_size=3
)
policies = st.builds(
    LockPolicy,
    threshold=st.integers(1, 5),
    within=st.integers(1, 600).map(lambda each: each * SECOND),
    first=st.integers(1, 60).map(lambda each: each * SECOND),
    most=st.integers(60, 900).map(lambda each: each * SECOND),
)


@given(instants, windows)
def test_no_span_ever_holds_more_tries_than_its_window_allows(tries, limits):
    """At no edge either (R10)."""
    allowed = []
    for now in sorted(tries):
        if spend(allowed, limits, now).allowed:
            allowed.append(now)
    for window in limits:
        for start in allowed:
            assert sum(start <= each < start + window.span for each in allowed) <= window.limit


@given(instants, windows, seconds)
def test_after_the_wait_that_was_told_a_try_is_allowed_and_not_before(tries, limits, at):
    now = START + at * SECOND
    earlier = [each for each in tries if each <= now]
    wait = spend(earlier, limits, now).retry_after
    assert spend(earlier, limits, now + wait).allowed
    if wait:
        assert not spend(earlier, limits, now + wait - timedelta(microseconds=1)).allowed


@given(instants, policies, seconds, seconds)
def test_a_lock_only_runs_down(failures, policy, at, later):
    now = START + at * SECOND
    left = lock_left(failures, policy, now)
    assert lock_left(failures, policy, now + later * SECOND) == max(left - later * SECOND, timedelta(0))


@given(instants, policies, st.permutations(range(60)))
def test_the_order_in_which_failures_are_told_does_not_matter(failures, policy, order):
    shuffled = [failures[each] for each in order if each < len(failures)]
    assert lock_left(shuffled, policy, START) == lock_left(failures, policy, START)


@given(instants, policies)
def test_another_failure_never_shortens_a_lock(failures, policy):
    now = max(failures, default=START)
    assert lock_left([*failures, now], policy, now) >= lock_left(failures, policy, now)


@given(instants, policies)
def test_a_lock_is_never_longer_than_the_longest(failures, policy):
    now = max(failures, default=START)
    assert timedelta(0) <= lock_left(failures, policy, now) <= policy.most


@given(instants, policies)
def test_fewer_failures_than_the_threshold_never_lock(failures, policy):
    few = failures[: policy.threshold - 1]
    assert lock_left(few, policy, max(few, default=START)) == timedelta(0)


@given(policies, seconds)
def test_as_many_failures_as_the_threshold_at_once_always_lock(policy, at):
    now = START + at * SECOND
    assert lock_left([now] * policy.threshold, policy, now) == min(policy.first, policy.most)


@given(policies, st.integers(1, 30))
def test_whoever_fails_at_the_end_of_each_lock_waits_twice_as_long(policy, times):
    """Patience is no way around the doubling (A-05)."""
    now = START
    failures = [now] * policy.threshold
    expected = policy.first
    for _ in range(times):
        left = lock_left(failures, policy, now)
        assert left == min(expected, policy.most)
        now += left
        failures.append(now)
        expected = min(expected * 2, policy.most)


@given(st.lists(st.tuples(seconds, st.booleans()), max_size=60))
def test_however_right_and_wrong_tries_alternate_no_more_wrong_ones_pass_than_a_window_allows(tries):
    """2.6: a right try gives back itself and nothing else."""
    limits = LoginLimits(login=(Window(3, 100 * SECOND),), only_failed=True)
    throttle = Throttle(counters=FakeStore().counters, limits=limits, name_key=b"n" * 32, device_key=b"d" * 32)

    async def play():
        wrong = []
        for at, right in sorted(tries):
            now = START + at * SECOND
            if not (await throttle.spend_login(a_visitor(), now=now)).allowed:
                continue
            if right:
                await throttle.give_back(Bucket.LOGIN, a_visitor(), now=now)
            else:
                wrong.append(now)
        return wrong

    passed = asyncio.run(play())
    for start in passed:
        assert sum(start <= each < start + 100 * SECOND for each in passed) <= 3
