"""A copy of everything that is stored of an account, and the end of everything."""

from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, NotFoundError
from doorward.flows import erasure as flow
from doorward.flows.acting import CLI, Actor, ById
from doorward.flows.erasure import Erasure
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import UserId
from tests.contract.samples import a_letter, an_alert, an_invite
from tests.contract.test_decisions import a_decision
from tests.fakes.accounts import Offices
from tests.fakes.system import START

HOUR = timedelta(hours=1)


@pytest.fixture
async def offices():
    made = Offices()
    await made.town.add_user("root", is_admin=True)
    await made.town.add_user("alice", groups=["staff"])
    return made


@pytest.fixture
def store(offices):
    return offices.town.store


@pytest.fixture
def erasure(offices, store):
    return Erasure(records=store.records, sessions=store.sessions, keyring=offices.town.keyring, outbox=offices.outbox)


async def leave_traces(offices, store):
    """What is kept of Alice in every place, and of Root in some."""
    alice, root = await offices.user_of("alice"), await offices.user_of("root")
    async with store.records.transaction() as transaction:
        for user in (alice, root):
            await transaction.add_decisions([a_decision(user_id=user.id)])
            await transaction.add_alert(an_alert(about=user.id))
            said = AuditEvent(Act.LOGIN, user.id, user.id, offices.now, {}, {"address": "203.0.113.7"})
            await transaction.append_audit(said)
        by_root = AuditEvent(Act.USER_UPDATED, root.id, alice.id, offices.now, {}, {"address": "198.51.100.9"})
        await transaction.append_audit(by_root)
        await transaction.add_invite(an_invite(email=alice.email))
        await transaction.add_letter(a_letter(user_id=alice.id))
    await store.counters.record(f"login_failures:id:{alice.id}:address:203.0.113.7", offices.now, keep=HOUR)
    return alice, root


async def test_an_administrator_takes_a_copy_of_everything(offices, store, erasure):
    """E-56, E-58: as the person could; what is personal of somebody else is not in it."""
    alice, root = await leave_traces(offices, store)
    copy = await erasure.export(Actor(root.id, root.id), "alice", now=offices.now)
    assert copy["account"]["name"] == "alice"
    assert [each["path"] for each in copy["decisions"]] == ["/a/{n}"]
    assert len(copy["mails"]) == len(copy["alerts"]) == 1
    assert "198.51.100.9" not in str(copy)
    own = [each for each in copy["audit"] if each["by"] == "you"]
    assert [each["personal"] for each in own] == [{"address": "203.0.113.7"}]
    last = store.state.audit[-1].event
    assert (last.act, last.actor, last.subject) == (Act.USER_EXPORTED, root.id, alice.id)


async def test_nothing_is_left_of_who_is_erased(offices, store, erasure):
    """E-56: the account, decisions, alerts, counters, letters, invitations, and what is personal in the trail."""
    alice, root = await leave_traces(offices, store)
    offices.outbox.letters.clear()
    erased = await erasure.erase(CLI, "alice", now=offices.now)
    assert (erased.decisions, erased.alerts, erased.counters, erased.invites) == (1, 1, 1, 1)
    assert erased.audit >= 2
    state = store.state
    assert set(state.users) == {root.id}
    assert [each.user_id for each in state.decisions.values()] == [root.id]
    assert [each.about for each in state.alerts.values()] == [root.id]
    assert not state.invites
    assert not state.letters
    assert not state.counters
    theirs = [each for each in state.audit if alice.id in {each.event.actor, each.event.subject}]
    assert all(not each.event.private for each in theirs)
    assert any(each.event.private for each in state.audit)
    last = state.audit[-1].event
    assert (last.act, last.subject, last.public) == (Act.USER_ERASED, alice.id, erased.counts())
    assert "alice" not in str(last)


async def test_who_was_deleted_before_is_erased_by_id(offices, store, erasure):
    alice, _ = await leave_traces(offices, store)
    await offices.town.administration.delete_user(CLI, "alice", now=offices.now)
    with pytest.raises(NotFoundError):
        await erasure.erase(CLI, "alice", now=offices.now)
    erased = await erasure.erase(CLI, ById(alice.id), now=offices.now)
    assert erased.decisions == 1
    assert not any(alice.id == each.event.subject and each.event.private for each in store.state.audit)
    with pytest.raises(NotFoundError, match="nothing is kept"):
        await erasure.erase(CLI, ById("A" * 22), now=offices.now)


@pytest.mark.parametrize("word", ["anonymous", "cli", "system", "unknown", "a", "", "%"])
async def test_evidence_of_nobodys_account_is_not_erased_by_a_word(offices, store, erasure, word):
    """Neither at once nor by the errand, where such an erasure was recorded before."""
    await leave_traces(offices, store)
    async with store.records.transaction() as transaction:
        private = {"address": "203.0.113.7"}
        await transaction.append_audit(AuditEvent(Act.LOGIN_FAILED, word, word, offices.now, {}, private))
    before = len(store.state.alerts)
    with pytest.raises(NotFoundError, match="no account's id"):
        await erasure.erase(CLI, ById(word), now=offices.now)
    async with store.records.transaction() as transaction:
        await transaction.append_audit(AuditEvent(Act.USER_ERASED, "cli", word, offices.now))
    await erasure.repeat_due(START)
    (kept,) = [each.event for each in store.state.audit if each.event.act is Act.LOGIN_FAILED]
    assert kept.private == private
    assert len(store.state.alerts) == before


async def test_the_last_administrator_is_not_erased_and_others_may_not_erase(offices, store, erasure):
    alice = await offices.user_of("alice")
    with pytest.raises(ConflictError):
        await erasure.erase(CLI, "root", now=offices.now)
    for act in (erasure.erase, erasure.export):
        with pytest.raises(ForbiddenError):
            await act(Actor(alice.id, alice.id), "root", now=offices.now)


async def test_who_erases_themselves_leaves_no_address(offices, store, erasure):
    await offices.town.add_user("second", is_admin=True)
    second = await offices.user_of("second")
    await erasure.erase(Actor(second.id, second.id, {"address": "203.0.113.7"}), "second", now=offices.now)
    assert store.state.audit[-1].event.private == {}


async def test_an_account_without_an_address_is_erased_too(offices, store, erasure):
    async with store.records.transaction() as transaction:
        await transaction.add_invite(an_invite(email=""))
    await offices.town.add_user("bare", email="")
    assert (await erasure.erase(CLI, "bare", now=offices.now)).invites == 0
    assert len(store.state.invites) == 1


def noted(store):
    return sum(record.event.act is Act.USER_ERASED for record in store.state.audit)


async def test_what_comes_back_is_erased_again(offices, store, erasure, monkeypatch):
    """A restored backup knows the account again, and a decision may have been on its way."""
    monkeypatch.setattr(flow, "BATCH", 1)
    alice, root = await leave_traces(offices, store)
    await offices.town.add_user("bob")
    await erasure.erase(CLI, "alice", now=offices.now)
    await erasure.erase(CLI, "bob", now=offices.now)
    records = noted(store)
    async with store.records.transaction() as transaction:
        await transaction.add_user(alice)
        await transaction.add_decisions([a_decision(user_id=alice.id)])
    await erasure.repeat_due(START + HOUR)
    assert alice.id not in store.state.users
    assert [each.user_id for each in store.state.decisions.values()] == [root.id]
    assert noted(store) == records + 1
    async with store.records.transaction() as transaction:
        await transaction.add_decisions([a_decision(user_id=alice.id)])
    await erasure.repeat_due(START + HOUR + timedelta(minutes=59))
    assert len(store.state.decisions) == 2
    await erasure.repeat_due(START + 2 * HOUR)
    assert len(store.state.decisions) == 1
    assert noted(store) == records + 1


async def test_an_account_that_administers_alone_does_not_go_again(offices, store, erasure):
    root = await offices.user_of("root")
    async with store.records.transaction() as transaction:
        await transaction.append_audit(AuditEvent(Act.USER_ERASED, "cli", UserId(root.id), offices.now))
    await erasure.repeat_due(START)
    assert root.id in store.state.users
