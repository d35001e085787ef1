"""The queue of mail: in with the act or not at all, out once, and gone with the account it is about."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.identity import UserId
from doorward.rules.letter import LetterId, LetterKind, LetterState
from tests.contract.samples import a_letter, a_sign_in, a_user, add, an_invite, queue
from tests.fakes.system import START

ALICE, BOB = a_user(), a_user("bob")
MANY = 50
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


@pytest.fixture(autouse=True)
async def _accounts(store):
    await add(store.records, ALICE, BOB)


async def list_due(store, now, limit=100):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.list_due_letters(now, limit=limit)


async def test_letters_are_kept_as_they_were_queued(store):
    letters = [a_letter(kind=kind, user_id=ALICE.id) for kind in LetterKind]
    letters += [
        a_letter(state=state, tries=3, done_at=START + MICROSECOND, trouble="550 nein – “Ä”", sealed="")
        for state in LetterState
    ]
    await queue(store.records, *letters)
    async with store.elsewhere.transaction() as transaction:
        for letter in letters:
            assert await transaction.find_letter(letter.id) == letter
        assert await transaction.find_letter(LetterId("f" * 32)) is None
        assert await transaction.list_letters() == letters[::-1]
        assert await transaction.list_letters(limit=2) == letters[:-3:-1]
        assert await transaction.list_letters(state=LetterState.FAILED) == [letters[-1]]
        assert await transaction.list_letters(state=LetterState.WAITING, limit=1) == [letters[-3]]


async def test_due_letters_come_in_the_order_in_which_they_are_due(store):
    """One that fails again and again steps back, and does not keep the others waiting."""
    retried = a_letter(queued_at=START, next_try_at=START + 3 * MINUTE, tries=2)
    first = a_letter(queued_at=START + MINUTE, next_try_at=START + MINUTE)
    second = a_letter(queued_at=START + 2 * MINUTE, next_try_at=START + 2 * MINUTE)
    # Due at one instant: the one that was queued first.
    third = a_letter(queued_at=START + MICROSECOND, next_try_at=START + 3 * MINUTE)
    done = [a_letter(state=state, next_try_at=START) for state in (LetterState.SENT, LetterState.FAILED)]
    await queue(store.records, third, second, *done, retried, first)
    assert await list_due(store, START + MINUTE - MICROSECOND) == []
    assert await list_due(store, START + MINUTE) == [first]
    assert await list_due(store, START + 3 * MINUTE) == [first, second, retried, third]
    assert await list_due(store, START + 3 * MINUTE, limit=2) == [first, second]


async def test_a_letter_is_queued_with_the_rest_of_its_transaction_or_not_at_all(store):
    letter, known = a_letter(), a_letter()
    await queue(store.records, known)

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.add_letter(letter)
            await transaction.advance_letter(known, replace(known, tries=1))
            await transaction.note_sign_in(a_sign_in(ALICE))
            await transaction.add_invite(an_invite())
            assert await transaction.purge_letters(START) == 0
            raise Undone

    with pytest.raises(Undone):
        await act()
    async with store.records.transaction() as transaction:
        assert await transaction.list_letters() == [known]
        assert await transaction.list_sign_ins(ALICE.id, limit=1) == []
        assert await transaction.list_invites() == []


async def test_of_many_who_take_one_letter_one_gets_it(store):
    """Two processes that deliver do not send it twice."""
    known = a_letter()
    await queue(store.records, known)

    async def take(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            return await transaction.advance_letter(known, replace(known, tries=1, next_try_at=START + MINUTE))

    assert sorted(await asyncio.gather(*map(take, range(MANY)))) == [False] * (MANY - 1) + [True]
    async with store.records.transaction() as transaction:
        assert (await transaction.find_letter(known.id)).tries == 1


@pytest.mark.parametrize(
    "change",
    [
        {"kind": LetterKind.TEST},
        {"sealed": ""},
        {"state": LetterState.SENT},
        {"queued_at": START - MINUTE},
        {"next_try_at": START - MINUTE},
        {"tries": 1},
        {"done_at": START},
        {"trouble": "no"},
    ],
)
async def test_a_letter_changes_only_from_exactly_the_state_that_was_seen(store, change):
    stored, other = a_letter(), a_letter()
    await queue(store.records, stored, other)
    async with store.records.transaction() as transaction:
        assert not await transaction.advance_letter(replace(stored, **change), replace(stored, tries=9))
        for kept in ({"id": other.id}, {"user_id": BOB.id}):
            with pytest.raises(ValueError, match="never change"):
                await transaction.advance_letter(stored, replace(stored, **kept))
        assert await transaction.advance_letter(stored, replace(stored, **change))
        assert not await transaction.advance_letter(stored, stored)
        assert await transaction.find_letter(stored.id) == replace(stored, **change)


async def test_letters_that_are_done_with_are_forgotten_and_no_others(store):
    waiting = a_letter()
    sent = a_letter(state=LetterState.SENT, done_at=START)
    failed = a_letter(state=LetterState.FAILED, done_at=START + MINUTE)
    await queue(store.records, waiting, sent, failed)
    async with store.records.transaction() as transaction:
        assert await transaction.purge_letters(START) == 0
        assert await transaction.purge_letters(START + MICROSECOND) == 1
        assert await transaction.list_letters() == [failed, waiting]
        assert await transaction.purge_letters(START + timedelta(days=999)) == 1
        assert await transaction.list_letters() == [waiting]


async def test_a_letter_is_queued_once_and_about_somebody_who_is_there(store):
    known = a_letter()
    await queue(store.records, known)
    for wrong in (known, a_letter(user_id=UserId("ghost"))):
        with pytest.raises(ConflictError):
            await queue(store.records, wrong)
