"""Each purpose has a budget of its own, for the address and, where it says so, for the account."""

from datetime import timedelta

import pytest

from doorward.flows.rights import take_rights
from doorward.flows.throttle import BUDGETS, Bucket, Budget, LoginLimits
from doorward.rules.mfa import MfaRequired
from doorward.rules.throttle import Window
from tests.fakes.flows import Town, a_visitor
from tests.fakes.second import find_user


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


async def count(town, bucket, visitor=None, **more):
    """How many tries there is room for at once."""
    for number in range(200):
        spent = await town.throttle.spend(bucket, visitor or a_visitor(), now=town.now, **more)
        if not spent.allowed:
            assert spent.retry_after > timedelta(0)
            return number
    return 200


@pytest.mark.parametrize("bucket", Bucket)
async def test_every_bucket_has_an_end_and_does_not_touch_the_others(town, bucket):
    """2.6."""
    expected = min(window.limit for window in BUDGETS[bucket].address)
    assert await count(town, bucket) == expected
    for other in set(Bucket) - {bucket}:
        assert (await town.throttle.spend(other, a_visitor(), now=town.now)).allowed


async def test_an_account_has_a_budget_over_all_addresses(town):
    alice = await find_user(town)
    spent = [
        await town.throttle.spend(Bucket.FORGOT, a_visitor(f"198.51.100.{number}"), user=alice, now=town.now)
        for number in range(5)
    ]
    assert [each.allowed for each in spent] == [True] * 3 + [False] * 2


async def test_a_name_that_is_nobodys_is_counted_like_one_that_is(town):
    """E03."""
    spent = [
        await town.throttle.spend(Bucket.FORGOT, a_visitor(f"198.51.100.{number}"), name="nobody", now=town.now)
        for number in range(5)
    ]
    assert [each.allowed for each in spent] == [True] * 3 + [False] * 2


async def test_budgets_can_be_set():
    town = Town(limits=LoginLimits(budgets={Bucket.EXPORT: Budget((Window(2, timedelta(minutes=1)),))}))
    assert await count(town, Bucket.EXPORT) == 2


async def test_rights_taken_away_are_taken_from_sessions_but_the_one_that_is_kept(town):
    one, two = await town.enter(), await town.enter()
    async with town.store.records.transaction() as transaction:
        changed = await take_rights(transaction, one.user, one.user, keep=two.session.handle)
    assert changed.generation == one.user.generation + 1
    assert [each.handle for each in town.store.state.sessions.values()] == [two.session.handle]
    assert await town.check(two) is None


@pytest.mark.parametrize("required", MfaRequired)
async def test_only_per_rule_asks_nobody_when_signing_in(required):
    assert required.asks_at_sign_in is (required is not MfaRequired.PER_RULE)
