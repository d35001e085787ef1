"""Decisions of the gate: added up, found again, bounded, and forgotten with whom they were about."""

from datetime import timedelta

import pytest

from doorward.rules.decision import NOBODY, Decision, Wanted
from doorward.rules.identity import UserId
from tests.fakes.system import START

ALICE, BOB = UserId("alice_"), UserId("bob___")
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def a_decision(**changes):
    values = {
        "user_id": ALICE,
        "host": "app.example.test",
        "method": "GET",
        "shape": "/a/{n}",
        "verdict": "allow",
        "reason": "rule",
        "count": 1,
        "first_at": START,
        "last_at": START,
    }
    return Decision(**{**values, **changes})


async def write(store, *some):
    async with store.records.transaction() as transaction:
        await transaction.add_decisions(some)


async def find(store, **wanted):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.list_decisions(Wanted(**wanted))


async def test_what_is_alike_on_one_day_is_added_up(store):
    """What comes late moves the ends outwards only: two processes write what they noted in any order."""
    await write(store, a_decision(count=2, first_at=START + MINUTE, last_at=START + 5 * MINUTE))
    await write(store, a_decision(count=3, first_at=START, last_at=START + 2 * MINUTE), a_decision(verdict="deny"))
    await write(store, a_decision(count=1, first_at=START + 3 * MINUTE, last_at=START + 7 * MINUTE))
    await write(store)
    found = await find(store, verdict="allow")
    assert found == [a_decision(count=6, first_at=START, last_at=START + 7 * MINUTE)]
    await write(store, a_decision(first_at=START + DAY, last_at=START + DAY))
    assert [each.count for each in await find(store, verdict="allow")] == [1, 6]


async def test_many_are_written_at_once(store):
    some = [a_decision(shape=f"/{'a' * number}", last_at=START + number * MINUTE) for number in range(1200)]
    await write(store, *some)
    await write(store, *some)
    found = await find(store, limit=2000)
    assert len(found) == 1200
    assert {each.count for each in found} == {2}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 5),
        ({"limit": 2}, 2),
        ({"user_id": ALICE}, 3),
        ({"user_id": NOBODY}, 1),
        ({"host": "app.example.test"}, 4),
        ({"host": ""}, 1),
        ({"verdict": "deny"}, 2),
        ({"reason": "no_rule", "user_id": BOB}, 1),
        ({"shape": "/a/"}, 4),
        ({"shape": "/%"}, 0),
        ({"since": START + MINUTE}, 2),
        ({"since": START + 3 * MINUTE}, 0),
    ],
)
async def test_they_are_found_by_everything_that_is_given(store, wanted, found):
    await write(
        store,
        a_decision(),
        a_decision(shape="/a/b", last_at=START + 2 * MINUTE),
        a_decision(verdict="deny", reason="no_rule", last_at=START + MINUTE),
        a_decision(user_id=BOB, verdict="deny", reason="no_rule"),
        a_decision(user_id=NOBODY, host="", shape="", verdict="error", reason="bad_request"),
    )
    assert len(await find(store, **wanted)) == found


async def test_the_last_come_first(store):
    await write(store, *[a_decision(shape=f"/{'b' * at}", last_at=START + at * MINUTE) for at in (2, 3, 1)])
    assert [each.shape for each in await find(store)] == ["/bbb", "/bb", "/b"]


async def test_whoever_has_the_most_loses_the_oldest(store):
    """One account, or nobody, cannot push out what is known of the others."""
    await write(
        store,
        *[a_decision(shape=f"/{'a' * at}", last_at=START + at * MINUTE) for at in range(1, 9)],
        *[a_decision(user_id=BOB, shape=f"/{'a' * at}", last_at=START) for at in range(1, 4)],
        a_decision(user_id=NOBODY, last_at=START),
    )
    async with store.records.transaction() as transaction:
        assert await transaction.bound_decisions(12) == 0
        assert await transaction.bound_decisions(7) == 5
    found = await find(store)
    assert [each.shape for each in found if each.user_id == ALICE] == ["/aaaaaaaa", "/aaaaaaa", "/aaaaaa"]
    assert len([each for each in found if each.user_id == BOB]) == 3
    async with store.records.transaction() as transaction:
        assert await transaction.bound_decisions(1) == 6
    assert len(await find(store)) == 1


async def test_they_are_forgotten_with_whom_they_were_about(store):
    """E-56."""
    await write(store, a_decision(), a_decision(shape="/b"), a_decision(user_id=BOB))
    async with store.records.transaction() as transaction:
        assert await transaction.forget_decisions(ALICE) == 2
        assert await transaction.forget_decisions(ALICE) == 0
    assert [each.user_id for each in await find(store)] == [BOB]
