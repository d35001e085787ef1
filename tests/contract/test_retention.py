"""How old the oldest of each kind is, and removing what is over its time: the same on every store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.retention import NAME, Retention
from doorward.rules.retention import Kept
from tests.contract.samples import (
    a_letter,
    a_session,
    a_sign_in,
    a_ticket,
    a_user,
    add,
    an_alert,
    an_event,
    an_identity,
    an_invite,
    an_upstream_session,
    link,
    queue,
)
from tests.contract.test_decisions import a_decision
from tests.fakes.gate import FakeLog
from tests.fakes.system import START

ALICE = a_user()
DAY = timedelta(days=1)
LIMITS = dict.fromkeys((kept for kept in Kept if not kept.ends_by_itself), 10 * DAY)


@pytest.fixture(autouse=True)
async def _old_and_young(store):
    """Two of everything, a day apart."""
    await add(store.records, ALICE)
    identity = an_identity(ALICE)
    await link(store.records, identity)
    async with store.records.transaction() as transaction:
        for at in (START, START + DAY):
            await transaction.note_sign_in(a_sign_in(ALICE, at=at))
            await transaction.add_decisions([a_decision(first_at=at, last_at=at)])
            await transaction.add_invite(an_invite(expires_at=at, email="new@example.test"))
            await transaction.add_alert(an_alert(done_at=at))
            await transaction.append_audit(an_event(at=at, private={"address": "203.0.113.7"}))
            await transaction.put_upstream_session(an_upstream_session(identity, expires_at=at))
            await transaction.put_mark(f"mark {at}", at, keep_until=at)
        await transaction.add_invite(an_invite(expires_at=None))
        await transaction.add_invite(an_invite(expires_at=None, revoked_at=START + DAY))
    await queue(store.records, a_letter(), *[a_letter(done_at=at) for at in (START, START + DAY)])
    for at in (START, START + DAY):
        await store.sessions.put(a_session(ALICE, expires_at=at, idle_timeout=None))
        await store.tickets.put(a_ticket(expires_at=at))
        await store.counters.record(f"otp_failures:id:{ALICE.id}:anywhere", at - DAY, keep=DAY)


async def find(store, kept):
    async with store.elsewhere.transaction() as transaction:
        return await transaction.find_oldest(kept)


def is_apart(store, kept):
    """Sessions in memory are not seen from the records; they go with the process."""
    return kept is Kept.SESSIONS and type(store.sessions).__name__ == "MemorySessions"


async def test_the_oldest_of_each_kind_is_found(store):
    for kept in Kept:
        if not is_apart(store, kept):
            assert await find(store, kept) == START, kept


async def test_what_is_over_its_time_is_removed_and_nothing_else(store):
    for kept in LIMITS.keys() - {Kept.AUDIT_PRIVATE}:
        async with store.records.transaction() as transaction:
            assert await transaction.purge_kept(kept, START, limit=10) == 0
            assert await transaction.purge_kept(kept, START + DAY, limit=10) == 1
        assert await find(store, kept) == START + DAY, kept
        async with store.records.transaction() as transaction:
            assert await transaction.purge_kept(kept, START + 2 * DAY, limit=1) == 1
    async with store.elsewhere.transaction() as transaction:
        assert len(await transaction.list_letters()) == 1
        assert len(await transaction.list_invites()) in {1, 2}


async def test_a_round_removes_measures_and_tells(store):
    """E-74: every limit is enforced, and proved by the oldest that is left."""
    log = FakeLog()
    retention = Retention(records=store.records, limits=LIMITS, log=log)
    now = START + 10 * DAY + timedelta(hours=2)
    await store.sessions.purge(now)
    await store.tickets.purge(now)
    await store.counters.purge(now)
    async with store.records.transaction() as transaction:
        await transaction.purge_upstream(now)
    await retention.run_due(now)
    assert retention.measured_at == now
    assert {each.kept: each.oldest for each in retention.measured if not each.kept.ends_by_itself} == dict.fromkeys(
        LIMITS, START + DAY
    )
    assert all(
        each.oldest is None or is_apart(store, each.kept) for each in retention.measured if each.kept.ends_by_itself
    )
    assert log.lines == []
    async with store.elsewhere.transaction() as transaction:
        chore = await transaction.find_chore(NAME)
    assert chore.done_at == now
    assert set(chore.facts) == {kept.value for kept in LIMITS}


async def test_what_concerns_one_account_is_forgotten(store):
    async with store.records.transaction() as transaction:
        assert await transaction.forget_counters(ALICE.id) == 2
        assert await transaction.forget_counters(replace(ALICE, id="%").id) == 0
        assert await transaction.forget_invites_to("new@example.test") == 2
    assert await find(store, Kept.COUNTERS) is None
