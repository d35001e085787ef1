"""What is done at intervals: how it last went is kept, by name."""

from datetime import timedelta

from doorward.rules.chore import Chore
from tests.fakes.system import START

LATER = START + timedelta(hours=1)


async def test_a_chore_that_was_never_tried_is_fresh(store):
    async with store.records.transaction() as transaction:
        assert await transaction.find_chore("backup") == Chore("backup")


async def test_how_a_chore_went_takes_the_place_of_how_it_went_before(store):
    done = Chore("backup").begun(START).done(START, {"rows": "7"})
    failed = done.begun(LATER).failed("the disk is full")
    for noted in (done, failed):
        async with store.records.transaction() as transaction:
            await transaction.put_chore(noted)
            await transaction.put_chore(Chore("drill", tried_at=START))
        async with store.records.transaction() as transaction:
            assert await transaction.find_chore("backup") == noted
    assert failed == Chore("backup", LATER, START, "the disk is full", {"rows": "7"})
