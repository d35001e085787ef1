"""The keys that are made here, as the records and a view of them tell: by purpose, and retired by number."""

from dataclasses import replace
from datetime import timedelta

from doorward.rules.stored_key import ASSERTION, AUDIT, StoredKey
from tests.contract.durable import opened
from tests.fakes.system import START

DAY = timedelta(days=1)
KEYS = [
    StoredKey(number, purpose, f"sealed {number}", START + number * DAY, f"public {number}")
    for number, purpose in ((1, ASSERTION), (2, AUDIT), (3, ASSERTION), (4, ASSERTION))
]


async def fill(records):
    async with records.transaction() as transaction:
        for key in KEYS:
            assert await transaction.next_key_number() == key.number
            await transaction.add_key(key)


async def test_those_below_a_number_are_retired_and_no_others(store):
    await fill(store.records)
    gone = [replace(key, sealed="", retired_at=START + 9 * DAY) for key in KEYS]
    async with store.records.transaction() as transaction:
        assert await transaction.retire_keys(ASSERTION, START + 9 * DAY, forget=True, below=4) == 2
        assert await transaction.retire_keys(ASSERTION, START + 9 * DAY, forget=True, below=4) == 0
    async with store.elsewhere.transaction() as transaction:
        assert await transaction.list_keys() == [KEYS[3], gone[2], KEYS[1], gone[0]]
        assert await transaction.retire_keys(ASSERTION, START + 10 * DAY, forget=False) == 1
        assert await transaction.list_keys(AUDIT) == [KEYS[1]]


async def test_a_view_tells_the_same(tmp_path):
    async with opened(tmp_path) as storage:
        await fill(storage.records)
        async with storage.records.transaction() as transaction:
            await transaction.retire_keys(ASSERTION, START + 9 * DAY, forget=True, below=2)
        view = storage.open_live_view()
        async with storage.records.transaction() as transaction:
            for purpose in (ASSERTION, AUDIT, "none"):
                assert view.list_keys(purpose) == await transaction.list_keys(purpose)
    view.close()
