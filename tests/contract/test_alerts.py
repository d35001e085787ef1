"""The queue of alerts: in with the act or not at all, out once, and to be seen until it is purged."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.rules.alert import AlertId, AlertKind, AlertState
from tests.contract.samples import an_alert
from tests.fakes.system import START

MANY = 20
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


class Undone(Exception):  # noqa: N818 -- thrown to leave a transaction
    pass


async def queue(store, *alerts):
    async with store.records.transaction() as transaction:
        for alert in alerts:
            await transaction.add_alert(alert)


async def test_alerts_are_kept_as_they_were_queued(store):
    alerts = [an_alert(kind=kind) for kind in AlertKind]
    alerts += [an_alert(state=state, tries=3, done_at=START, trouble="502 nein – “Ä”") for state in AlertState]
    await queue(store, *alerts)
    async with store.elsewhere.transaction() as transaction:
        for alert in alerts:
            assert await transaction.find_alert(alert.id) == alert
        assert await transaction.find_alert(AlertId("f" * 32)) is None
        assert await transaction.list_alerts() == alerts[::-1]
        assert await transaction.list_alerts(limit=2) == alerts[:-3:-1]
        assert await transaction.list_alerts(state=AlertState.UNSENT) == [alerts[-1]]


async def test_an_alert_is_queued_once_and_with_its_act_or_not_at_all(store):
    known, other = an_alert(), an_alert()
    await queue(store, known)
    with pytest.raises(ConflictError):
        await queue(store, known)

    async def act():
        async with store.records.transaction() as transaction:
            await transaction.add_alert(other)
            await transaction.advance_alert(known, replace(known, tries=1))
            raise Undone

    with pytest.raises(Undone):
        await act()
    async with store.records.transaction() as transaction:
        assert await transaction.list_alerts() == [known]


async def test_due_alerts_come_in_the_order_in_which_they_are_due(store):
    retried = an_alert(queued_at=START, next_try_at=START + 3 * MINUTE, tries=2)
    first = an_alert(queued_at=START + MINUTE, next_try_at=START + MINUTE)
    third = an_alert(queued_at=START + MICROSECOND, next_try_at=START + 3 * MINUTE)
    done = [an_alert(state=state, next_try_at=START) for state in AlertState if state is not AlertState.WAITING]
    await queue(store, third, *done, retried, first)
    async with store.records.transaction() as transaction:
        assert await transaction.list_due_alerts(START + MINUTE - MICROSECOND, limit=9) == []
        assert await transaction.list_due_alerts(START + MINUTE, limit=9) == [first]
        assert await transaction.list_due_alerts(START + 3 * MINUTE, limit=9) == [first, retried, third]
        assert await transaction.list_due_alerts(START + 3 * MINUTE, limit=2) == [first, retried]


async def test_what_is_alike_is_found_by_kind_and_thing_and_counted_by_time(store):
    old, new = an_alert(about="alice"), an_alert(about="alice", state=AlertState.SENT)
    other, elsewhere = an_alert(about="bob"), an_alert(about="alice", kind=AlertKind.LOCKED_OUT)
    await queue(store, old, new, other, elsewhere)
    async with store.records.transaction() as transaction:
        assert await transaction.find_last_alert(AlertKind.BACKUP_FAILED, "alice") == new
        assert await transaction.find_last_alert(AlertKind.LOCKED_OUT, "alice") == elsewhere
        assert await transaction.find_last_alert(AlertKind.LOCKED_OUT, "bob") is None
        assert await transaction.count_alerts(START) == 4
        assert await transaction.count_alerts(START, kind=AlertKind.BACKUP_FAILED) == 3
        assert await transaction.count_alerts(new.queued_at) == 2


async def test_of_many_who_take_one_alert_one_gets_it(store):
    known = an_alert()
    await queue(store, known)

    async def take(number):
        records = store.elsewhere if number % 2 else store.records
        async with records.transaction() as transaction:
            return await transaction.advance_alert(known, replace(known, tries=1, next_try_at=START + MINUTE))

    assert sorted(await asyncio.gather(*map(take, range(MANY)))) == [False] * (MANY - 1) + [True]


@pytest.mark.parametrize(
    "change",
    [
        {"sealed": ""},
        {"state": AlertState.SENT},
        {"queued_at": START - MINUTE},
        {"next_try_at": START - MINUTE},
        {"tries": 1},
        {"done_at": START},
        {"trouble": "no"},
    ],
)
async def test_an_alert_changes_only_from_exactly_the_state_that_was_seen(store, change):
    stored = an_alert()
    await queue(store, stored)
    async with store.records.transaction() as transaction:
        assert not await transaction.advance_alert(replace(stored, **change), replace(stored, tries=9))
        assert await transaction.find_alert(stored.id) == stored


@pytest.mark.parametrize("change", [{"id": AlertId("f" * 32)}, {"kind": AlertKind.LOCKDOWN}, {"about": "bob"}])
async def test_what_an_alert_is_about_never_changes(store, change):
    stored = an_alert()
    await queue(store, stored)
    async with store.records.transaction() as transaction:
        with pytest.raises(ValueError, match="never changes"):
            await transaction.advance_alert(stored, replace(stored, **change))
