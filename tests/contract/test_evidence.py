"""The audit chain and its checkpoints: found, walked, erased and sealed alike in every store."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, TamperError
from doorward.rules.audit import Act, AuditQuery, is_intact
from doorward.rules.checkpoint import StoredCheckpoint
from tests.contract.samples import an_event
from tests.fakes.exported import KEY, OTHER_KEY, a_chain, a_checkpoint
from tests.fakes.system import START

HOUR = timedelta(hours=1)


async def fill(records):
    async with records.transaction() as transaction:
        for number in range(6):
            act = Act.LOGIN if number % 2 else Act.LOGOUT
            event = an_event(act=act, actor=f"actor{number % 3}", subject=f"user{number % 2}", at=START + number * HOUR)
            await transaction.append_audit(event)


async def numbers(store, **wish):
    async with store.records.transaction() as transaction:
        return [entry.sequence for entry in await transaction.find_audit(AuditQuery(**wish), limit=100)]


async def test_records_are_found_by_everything_that_is_given(store):
    """B-38."""
    await fill(store.records)
    assert await numbers(store) == [6, 5, 4, 3, 2, 1]
    assert await numbers(store, actors=("actor0", "actor1")) == [5, 4, 2, 1]
    assert await numbers(store, subjects=("user1",), acts=("user.login",)) == [6, 4, 2]
    assert await numbers(store, acts=("user.login",), actors=("actor0",)) == [4]
    assert await numbers(store, since=START + HOUR, until=START + 3 * HOUR) == [3, 2]


async def test_records_are_walked_in_order_and_in_pages(store):
    await fill(store.records)
    async with store.records.transaction() as transaction:
        first = await transaction.walk_audit(AuditQuery(), after=0, limit=2)
        rest = await transaction.walk_audit(AuditQuery(), after=2, limit=10, upto=5)
        assert await transaction.find_audit(AuditQuery(), limit=1, before=3) == first[1:]
    assert [entry.sequence for entry in first + rest] == [1, 2, 3, 4, 5]
    assert all(is_intact(entry) for entry in first + rest)


async def test_personal_data_is_erased_once_and_the_record_stays(store):
    """E-74."""
    await fill(store.records)
    async with store.records.transaction() as transaction:
        query = AuditQuery(actors=("actor1",))
        assert await transaction.list_erasable(query, limit=10) == [2, 5]
        assert await transaction.list_erasable(query, limit=10, after=2, upto=4) == []
        assert await transaction.erase_private([2, 5]) == 2
        assert await transaction.erase_private([2, 5]) == 0
        assert await transaction.list_erasable(query, limit=10) == []
        entries = await transaction.walk_audit(AuditQuery(), after=0, limit=10)
    bare = [entry for entry in entries if entry.private is None]
    assert [entry.sequence for entry in bare] == [2, 5]
    assert all(entry.salt == b"" for entry in bare)
    assert all(is_intact(entry) for entry in entries)


async def test_nothing_that_is_sealed_is_sealed_again(store):
    await fill(store.records)
    async with store.records.transaction() as transaction:
        assert await transaction.seal_old_audit(after=0, limit=4) == (0, 4)
        assert await transaction.seal_old_audit(after=6, limit=4) == (0, 0)


async def test_checkpoints_are_kept_with_what_became_of_them(store):
    points = [StoredCheckpoint(checkpoint=a_checkpoint(entry)) for entry in a_chain(3)]
    async with store.records.transaction() as transaction:
        assert await transaction.find_checkpoint() is None
        for point in points:
            await transaction.put_checkpoint(point)
        await transaction.put_checkpoint(replace(points[1], sent_at=START))
        await transaction.put_checkpoint(replace(points[2], trouble="no answer"))
    async with store.records.transaction() as transaction:
        assert (await transaction.find_checkpoint()).trouble == "no answer"
        unsent = await transaction.list_unsent_checkpoints(limit=10)
        assert [each.checkpoint.sequence for each in unsent] == [1, 3]
        some = await transaction.list_checkpoints(after=1, upto=2)
        assert some == [replace(points[1], sent_at=START)]


async def test_two_checkpoints_at_one_record_clash(store):
    entry = a_chain(1)[0]

    async def put(key):
        async with store.records.transaction() as transaction:
            await transaction.put_checkpoint(StoredCheckpoint(checkpoint=a_checkpoint(entry, key)))

    await put(KEY)
    with pytest.raises(ConflictError):
        await put(OTHER_KEY)


async def test_an_undone_transaction_erases_nothing(store):
    await fill(store.records)

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.erase_private([1])
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await act()
    async with store.records.transaction() as transaction:
        assert len(await transaction.list_erasable(AuditQuery(), limit=10)) == 6


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE audit SET private = (SELECT private FROM audit WHERE sequence = 1) WHERE sequence = 2",
        "UPDATE audit SET private = 'gcm2:nothing' WHERE sequence = 2",
        "UPDATE audit SET private = '{' WHERE sequence = 2",
        "UPDATE audit SET public = 'x' WHERE sequence = 2",
        "UPDATE audit SET act = 'user.dance' WHERE sequence = 2",
    ],
)
async def test_what_was_changed_is_read_as_changed(storage, edit):
    """A private part opens in its own row alone."""
    await fill(storage.records)
    with closing(sqlite3.connect(storage.path)) as connection, connection:
        connection.execute(edit)
    async with storage.records.transaction() as transaction:
        entries = await transaction.walk_audit(AuditQuery(), after=0, limit=10)
        assert [entry.sequence for entry in entries if not is_intact(entry)] == [2]
        with pytest.raises(TamperError):
            await transaction.list_audit()
