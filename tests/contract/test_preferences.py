"""What people chose for their accounts."""

import pytest

from doorward.errors import ConflictError
from tests.contract.samples import a_user, add

ALICE, BOB = a_user(), a_user("bob")


async def test_what_was_chosen_is_kept_until_it_is_taken_back(store):
    await add(store.records, ALICE, BOB)
    async with store.records.transaction() as transaction:
        await transaction.put_preference(ALICE.id, "locations", "on")
        await transaction.put_preference(ALICE.id, "locations", "ön")
        await transaction.put_preference(BOB.id, "other", "x")
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.find_preference(ALICE.id, "locations") == "ön"
        assert await transaction.find_preference(BOB.id, "locations") is None
        await transaction.put_preference(ALICE.id, "locations", None)
        assert await transaction.find_preference(ALICE.id, "locations") is None
        assert await transaction.find_preference(BOB.id, "other") == "x"


async def test_a_choice_goes_with_its_account(store):
    await add(store.records, ALICE)
    async with store.records.transaction() as transaction:
        await transaction.put_preference(ALICE.id, "locations", "on")
        await transaction.remove_user(ALICE.id)
        assert await transaction.find_preference(ALICE.id, "locations") is None
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.put_preference(ALICE.id, "locations", "on")
