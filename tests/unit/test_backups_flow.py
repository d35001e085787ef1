"""Backups as an errand: what is due is made and proven, the old ones go, and what fails is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, InputError, NotFoundError, PeerError, UnavailableError
from doorward.flows.acting import CLI, Actor
from doorward.flows.backups import Terms
from doorward.rules.backup import Keeping, Reason
from doorward.rules.schedule import Interval, Schedule
from doorward.storage.sql.scratch import SqliteScratch
from tests.fakes.backups import OneSettingSnapshots, connect_backups
from tests.fakes.flows import Town

HOURLY = Schedule(Interval.HOURLY)
HOUR = timedelta(hours=1)
AGES = ("doorward_backup_last_success_seconds", "doorward_restore_last_proven_seconds")


@pytest.fixture
def town():
    return Town()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "backups"


def flow_of(town, folder, **given):
    return connect_backups(town, folder, **({"snapshots": OneSettingSnapshots()} | given))["backups"]


def said(town, event):
    return [fields for name, fields in town.log.events if name == event]


async def test_without_a_schedule_nothing_is_made(town, folder):
    """B-36."""
    flow = flow_of(town, folder)
    await flow.run_due(town.now)
    assert (await flow.look(CLI)).backups == ()
    assert await flow.list_ages(town.now) == []


async def test_what_is_due_is_made_and_proven_once_an_interval(town, folder):
    """B-36, E-54: the row that was saved stood there in the scratch database."""
    flow = flow_of(town, folder)
    town.backup_terms = Terms(schedule=HOURLY, drill=HOURLY)
    await flow.run_due(town.now)
    await flow.run_due(town.now)
    state = await flow.look(CLI)
    assert [each.reason for each in state.backups] == [Reason.SCHEDULED]
    assert state.proven.facts == {"backup": state.backups[0].name, "rows": "1", "opened": "0"}
    assert [event.actor for event in town.audit] == ["system", "system"]
    assert {"table": "settings", "done": 1, "total": 1} in said(town, "backup_progress")
    assert await flow.list_ages(town.now + HOUR) == [(name, 3600.0) for name in AGES]
    await flow.run_due(town.now + HOUR)
    assert len((await flow.look(CLI)).backups) == 2


async def test_a_database_without_rows_is_proven_too(town, folder):
    flow = connect_backups(town, folder)["backups"]
    assert (await flow.drill(CLI, now=town.now)).rows == 0


async def test_what_is_old_goes_once_a_new_one_is_made(town, folder):
    """B-36, E-49."""
    flow = flow_of(town, folder)
    town.backup_terms = Terms(keeping=Keeping(1, 0, 0, 0))
    old = await flow.create(CLI, now=town.now)
    new = await flow.create(CLI, now=town.now + timedelta(days=3))
    assert [each.name for each in (await flow.look(CLI)).backups] == [new.name]
    assert said(town, "backup_let_go") == [{"backup": old.name}]


async def test_an_old_one_that_cannot_go_keeps_no_new_one_from_being_made(town, folder, monkeypatch):
    """B-36."""
    flow = flow_of(town, folder)
    town.backup_terms = Terms(keeping=Keeping(1, 0, 0, 0))
    old = await flow.create(CLI, now=town.now)

    def refuse(_name):
        raise UnavailableError("read-only")

    monkeypatch.setattr(town.shelf, "remove", refuse)
    new = await flow.create(CLI, now=town.now + timedelta(days=3))
    state = await flow.look(CLI)
    assert [each.name for each in state.backups] == [new.name, old.name]
    assert state.made.trouble == ""
    assert said(town, "backup_stays") == [{"backup": old.name, "error": "read-only"}]


async def test_a_removal_is_recorded_and_none_of_what_is_not_there(town, folder):
    """D-39."""
    flow = flow_of(town, folder)
    name = (await flow.create(CLI, now=town.now)).name
    with pytest.raises(ForbiddenError):
        await flow.remove(Actor("user", "nobody"), name, now=town.now)
    await flow.remove(CLI, name, now=town.now)
    assert (await flow.look(CLI)).backups == ()
    with pytest.raises(NotFoundError):
        await flow.remove(CLI, name, now=town.now)
    assert [event.act.value for event in town.audit].count("admin.backup_delete") == 1


async def test_a_backup_that_fails_is_told_and_tried_again_later(town, folder, monkeypatch):
    """B-37: the database does not answer, then it does."""
    snapshots = OneSettingSnapshots()
    flow = flow_of(town, folder, snapshots=snapshots)
    town.backup_terms = Terms(schedule=HOURLY)

    def refuse():
        raise UnavailableError("no database")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "open", refuse)
        await flow.run_due(town.now)
    assert town.backup_alarm.rung() == [("backup_failed", "backup")]
    assert town.backup_alarm.raised[0].values == {"reason": "no database", "what": "backup"}
    assert said(town, "backup_failed") == [{"error": "no database"}]
    await flow.run_due(town.now)
    state = await flow.look(CLI)
    assert (state.backups, state.made.trouble, state.made.done_at) == ((), "no database", None)
    await flow.run_due(town.now + HOUR)
    state = await flow.look(CLI)
    assert (len(state.backups), state.made.trouble) == (1, "")


async def test_a_copy_that_lost_something_is_no_proof(town, folder, monkeypatch):
    """E-54: what stands in the scratch database is compared with what was saved."""
    flow = flow_of(town, folder)
    name = (await flow.create(CLI, now=town.now)).name
    monkeypatch.setattr(SqliteScratch, "take", lambda *_: None)
    with pytest.raises(InputError, match="not what was saved: settings"):
        await flow.verify(CLI, name)
    town.backup_terms = Terms(drill=HOURLY)
    await flow.run_due(town.now)
    trouble = "what was restored is not what was saved: settings"
    assert said(town, "backup_drill_failed") == [{"error": trouble}]
    assert town.backup_alarm.rung() == [("drill_failed", "drill")]
    proven = (await flow.look(CLI)).proven
    assert (proven.done_at, proven.trouble) == (None, trouble)


async def test_what_was_not_taken_elsewhere_is_told_and_stays_here(town, folder):
    """B-37."""
    taken, trouble = [], [PeerError("no room there")]

    async def carry(backup):
        if trouble:
            raise trouble.pop()
        taken.append(backup)

    flow = flow_of(town, folder, carry=carry)
    first = await flow.create(CLI, now=town.now)
    state = await flow.look(CLI)
    assert [each.name for each in state.backups] == [first.name]
    assert (state.made.trouble, state.carried.trouble) == ("", "no room there")
    assert [values.values["reason"] for values in town.backup_alarm.raised] == ["no room there"]
    second = await flow.create(CLI, now=town.now + HOUR)
    carried = (await flow.look(CLI)).carried
    assert taken == [second]
    assert carried == replace(carried, trouble="", done_at=town.now + HOUR, facts={"backup": second.name})
