"""However many ask at once, no more keys are made than may be: on every store alike."""

import asyncio
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, InputError
from doorward.flows.app_keys import NewKey
from doorward.flows.outcome import Refused
from doorward.flows.throttle import LoginLimits
from doorward.rules.key_wish import KeyTerms
from doorward.rules.login import Failure
from tests.fakes.app_keys import a_wish
from tests.fakes.flows import a_visitor
from tests.fakes.key_town import KeyTown

MANY = 50


@pytest.fixture
async def town(store):
    return await KeyTown(store=store, limits=LoginLimits()).settle()


async def ask(town, subjects, *, apart, **terms):
    """As many keys at once as there are subjects; each from an address of its own where they are `apart`."""
    town.limit(terms=KeyTerms(**terms))
    asks = [
        town.keys.create(
            subject,
            a_wish(f"Phone {number}"),
            a_visitor(f"198.51.100.{number}" if apart else "198.51.100.1"),
            now=town.now,
        )
        for number, subject in enumerate(subjects)
    ]
    return await asyncio.gather(*asks, return_exceptions=True)


async def count(town):
    async with town.store.records.transaction() as transaction:
        return len(await transaction.list_app_keys())


async def test_fifty_at_once_make_no_more_keys_than_an_account_may_have(town):
    """A-19."""
    outcomes = await ask(town, [town.alice] * MANY, apart=True)
    assert sum(isinstance(each, NewKey) for each in outcomes) == await count(town) == 10
    assert sum(isinstance(each, InputError) for each in outcomes) == MANY - 10


async def test_fifty_at_once_from_one_address_make_five(town):
    """A-23, A-32, B-28."""
    outcomes = await ask(town, [town.alice] * MANY, apart=False)
    assert sum(isinstance(each, NewKey) for each in outcomes) == await count(town) == 5
    refused = [each for each in outcomes if isinstance(each, Refused)]
    assert refused == [Refused(Failure.THROTTLED, timedelta(hours=1))] * (MANY - 5)


async def test_two_accounts_at_once_make_no_more_keys_than_an_app_may_have(town):
    await ask(town, [town.alice, town.bob] * 10, apart=True, max_per_app=7)
    assert await count(town) == 7


async def test_of_keys_of_one_name_one_is_made(town):
    asks = [
        town.keys.create(town.alice, a_wish(), a_visitor(f"198.51.100.{number}"), now=town.now) for number in range(10)
    ]
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(each, ConflictError) for each in outcomes) == 9
    assert await count(town) == 1
