"""Retention: once an hour, in small steps, and a limit that does not hold is told."""

from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError
from doorward.flows import retention as flow
from doorward.flows.acting import CLI, Actor
from doorward.flows.retention import NAME, Retention
from doorward.rules.identity import UserId
from doorward.rules.retention import GRACE, Kept, Measured
from tests.contract.samples import a_ticket, an_event
from tests.contract.test_decisions import a_decision
from tests.fakes.gate import FakeLog
from tests.fakes.records import FakeStore
from tests.fakes.system import START

DAY = timedelta(days=1)
LIMITS = dict.fromkeys((kept for kept in Kept if not kept.ends_by_itself), DAY)


@pytest.fixture
def store():
    return FakeStore()


async def write(store, count):
    async with store.records.transaction() as transaction:
        await transaction.add_decisions([a_decision(shape=f"/{'a' * number}") for number in range(count)])


async def test_it_comes_once_an_hour(store):
    retention = Retention(records=store.records, limits=LIMITS, log=FakeLog())
    assert retention.list_ages() == []
    await retention.run_due(START + 2 * DAY)
    await write(store, 1)
    await retention.run_due(START + 2 * DAY + timedelta(minutes=59))
    assert len(store.state.decisions) == 1
    await retention.run_due(START + 2 * DAY + timedelta(hours=1))
    assert not store.state.decisions


async def test_very_many_go_over_several_steps_and_rounds(store, monkeypatch):
    monkeypatch.setattr(flow, "BATCH", 3)
    monkeypatch.setattr(flow, "MOST_BATCHES", 2)
    await write(store, 8)
    log = FakeLog()
    retention = Retention(records=store.records, limits=LIMITS, log=log)
    await retention.run_due(START + 2 * DAY)
    assert len(store.state.decisions) == 2
    assert log.lines == [("error", "retention_overdue", {"kinds": "decisions"})]
    assert store.state.chores[NAME].trouble == "older than its limit: decisions"
    await retention.run_due(START + 2 * DAY + timedelta(hours=1))
    assert not store.state.decisions
    assert store.state.chores[NAME].trouble == ""


async def test_what_is_kept_for_ever_stays_and_holds(store):
    async with store.records.transaction() as transaction:
        await transaction.append_audit(an_event(at=START, private={"name": "x"}))
    retention = Retention(records=store.records, limits={**LIMITS, Kept.AUDIT_PRIVATE: None}, log=FakeLog())
    await retention.run_due(START + 1000 * DAY)
    assert store.state.audit[0].event.private
    ages = {kind: (age, limit) for kind, age, limit in retention.list_ages()}
    assert ages["audit_private"] == (1000 * 86400.0, None)
    assert ages["letters"] == (0.0, 86400.0)
    measured, chore = await retention.report(CLI)
    assert all(each.holds(START + 1000 * DAY) for each in measured)
    assert chore.done_at == START + 1000 * DAY


async def test_personal_data_of_the_audit_goes_by_whole_days_and_that_is_recorded(store):
    """E-74: one record of it a day, not one an hour."""
    async with store.records.transaction() as transaction:
        for hour in range(3):
            await transaction.append_audit(an_event(at=START + timedelta(hours=hour), private={"name": "x"}))
    retention = Retention(records=store.records, limits={**LIMITS, Kept.AUDIT_PRIVATE: 365 * DAY}, log=FakeLog())
    await retention.run_due(START + 365 * DAY)
    assert not any(record.event.private for record in store.state.audit)
    assert store.state.audit[-1].event.public["records"] == "1-3"


async def test_what_ends_by_itself_is_looked_after_too(store):
    await store.tickets.put(a_ticket(expires_at=START))
    log = FakeLog()
    await Retention(records=store.records, limits=LIMITS, log=log).run_due(START + DAY)
    assert log.lines == [("error", "retention_overdue", {"kinds": "tickets"})]


async def test_a_report_before_the_first_round_is_for_administrators_only(store):
    retention = Retention(records=store.records, limits=LIMITS, log=FakeLog())
    measured, chore = await retention.report(CLI)
    assert [each.kept for each in measured] == list(Kept)
    assert chore.done_at is None
    with pytest.raises(ForbiddenError):
        await retention.report(Actor("somebody", UserId("somebody")))


def test_a_limit_holds_until_housekeeping_had_its_turn():
    at = Measured(Kept.LETTERS, DAY, START)
    assert at.holds(START + DAY + GRACE)
    assert not at.holds(START + DAY + GRACE + timedelta(seconds=1))
    assert Measured(Kept.LETTERS, DAY, None).age(START) == timedelta(0)
    assert Measured(Kept.TICKETS, timedelta(0), START + DAY).age(START) == timedelta(0)


@pytest.mark.parametrize("kept", Kept)
def test_every_kind_has_a_meaning(kept):
    assert kept.meaning.endswith(".")
