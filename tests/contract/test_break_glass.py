"""Break-glass codes: each is good once, and goes with its account."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.break_glass import Kit
from doorward.rules.identity import UserId
from tests.contract.samples import a_user
from tests.fakes.system import START

KIT = Kit("k1", b"d" * 32, UserId("u1"), "cli", START)


async def add(store, *kits):
    async with store.records.transaction() as transaction:
        for name in ("u1", "u2"):
            await transaction.add_user(a_user(name, id=UserId(name)))
        for kit in kits:
            await transaction.add_kit(kit)


async def listed(store):
    async with store.records.transaction() as transaction:
        return await transaction.list_kits()


async def test_a_code_is_good_once_however_many_try(store):
    """E-90."""
    await add(store, KIT)

    async def spend():
        async with store.records.transaction() as transaction:
            return await transaction.spend_kit(KIT.digest, START + timedelta(days=1))

    outcomes = await asyncio.gather(*(spend() for _ in range(10)))
    used = replace(KIT, used_at=START + timedelta(days=1))
    assert sorted(outcomes, key=lambda each: each is None) == [used, *[None] * 9]
    assert await listed(store) == [used]


async def test_unused_codes_are_forgotten_of_one_account_or_of_all(store):
    used = Kit("k0", b"0" * 32, UserId("u1"), "cli", START, START)
    other = Kit("k2", b"2" * 32, UserId("u2"), "cli", START + timedelta(hours=1))
    await add(store, KIT, used, other)
    assert await listed(store) == [other, used, KIT]
    async with store.records.transaction() as transaction:
        assert await transaction.spend_kit(b"x" * 32, START) is None
        assert await transaction.remove_kits(UserId("u1")) == 1
    assert await listed(store) == [other, used]
    async with store.records.transaction() as transaction:
        assert await transaction.remove_kits() == 1
    assert await listed(store) == [used]


@pytest.mark.parametrize("other", [replace(KIT, id="k2"), replace(KIT, digest=b"x" * 32)])
async def test_no_code_is_there_twice(store, other):
    await add(store, KIT)
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.add_kit(other)


async def test_a_code_goes_with_its_account(store):
    await add(store, KIT)
    async with store.records.transaction() as transaction:
        await transaction.remove_user(UserId("u1"))
    assert await listed(store) == []
    with pytest.raises(ConflictError):
        async with store.records.transaction() as transaction:
            await transaction.add_kit(KIT)
