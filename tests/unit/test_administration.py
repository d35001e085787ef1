"""What administrators do: decided inside the transaction, audited with it, effective at the next check."""

import asyncio

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError, NotFoundError, UnavailableError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.changing import Change
from doorward.flows.outcome import Unacceptable
from doorward.rules.session import SessionHandle, Subject
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("root", is_admin=True)
    await made.add_user("alice", groups=["staff", "admins"])
    return made


async def users(town):
    return {user.name: user for user in await town.administration.list_users(CLI)}


# Accounts


async def test_an_account_is_added_with_all_it_was_given(town):
    user = await town.add_user("Bob", email="BOB@Example.test", display_name="Bob \u00c5", groups=["staff"])
    assert (user.name, user.email, user.display_name) == ("bob", "bob@example.test", "Bob \u00c5")
    assert user.groups == {"staff"}
    assert not user.is_admin
    assert (await users(town))["bob"] == user
    event = town.audit[-1]
    assert (event.act.value, event.actor, event.subject) == ("admin.user_create", "cli", user.id)
    assert "bob" not in str(event.public)
    assert GOOD not in str(town.store.state)


async def test_an_account_needs_no_email_and_no_other_name(town):
    user = await town.add_user("bob", email="")
    assert (user.email, user.display_name) == ("", "bob")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": "b\u00f6b"}),
        ("name", {"name": ""}),
        ("email", {"email": "a@b@c"}),
        ("groups", {"groups": ["good", "bad,group"]}),
        ("display_name", {"display_name": "x\ny"}),
        ("password", {"password": "bob-Is-Here-1!"}),
        ("password", {"password": "x" * 2000}),
        ("password", {"password": "Password1!"}),
    ],
)
async def test_what_cannot_be_used_is_said_by_field(town, field, values):
    """B-20 to B-24, C04, E16, E19."""
    outcome = await town.add_user(**{"name": "bob", "email": "", **values})
    assert isinstance(outcome, Unacceptable)
    assert [name for name, _ in outcome.problems] == [field]
    assert "bob" not in await users(town)


@pytest.mark.parametrize("values", [{"name": "ALICE"}, {"name": "bob", "email": "Alice@EXAMPLE.test"}])
async def test_a_name_or_address_that_is_taken_is_refused(town, values):
    """E16."""
    with pytest.raises(ConflictError):
        await town.add_user(**values)


async def test_of_fifty_with_one_name_one_is_added(town):
    """R02."""
    outcomes = await asyncio.gather(*(town.add_user("bob") for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 49
    assert len(await users(town)) == 3


async def test_a_deleted_name_comes_back_as_another_account(town):
    """E30."""
    before = await town.add_user("bob")
    entered = await town.enter("bob")
    await town.administration.delete_user(CLI, "bob", now=town.now)
    after = await town.add_user("bob")
    assert after.id != before.id
    assert await town.check(entered) is None
    assert town.audit[-2].private["name"] == "bob"


@pytest.mark.parametrize("login", ["nobody", "nobody@example.test"])
async def test_an_account_that_does_not_exist_is_not_found(town, login):
    with pytest.raises(NotFoundError):
        await town.administration.set_enabled(CLI, login, enabled=False, now=town.now)


async def test_what_can_be_no_name_is_refused(town):
    with pytest.raises(InputError):
        await town.administration.delete_user(CLI, "not a name", now=town.now)


async def test_an_account_may_be_named_by_its_address(town):
    assert (
        await town.administration.set_enabled(CLI, "alice@EXAMPLE.test", enabled=False, now=town.now)
    ).name == "alice"


# What ends sessions

LOSSES = {
    "disabled": lambda flow, now: flow.set_enabled(CLI, "alice", enabled=False, now=now),
    "deleted": lambda flow, now: flow.delete_user(CLI, "alice", now=now),
    "password set": lambda flow, now: flow.set_password(CLI, "alice", OTHER, now=now),
    "out of a group": lambda flow, now: flow.set_groups(CLI, "alice", ["staff", "new"], now=now),
    "sessions ended": lambda flow, now: flow.end_sessions_of(CLI, "alice", now=now),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
async def test_every_loss_of_rights_ends_all_sessions_at_once(town, loss):
    """J04, T-02: by the generation and in the store, and audited in the same transaction."""
    entered = [await town.enter(), await town.enter(remember=True)]
    bystander = await town.enter("root")
    generation = entered[0].user.generation
    before = len(town.audit)
    await loss(town.administration, town.now)
    assert [await town.check(each) for each in entered] == [None, None]
    assert {session.user_id for session in town.store.state.sessions.values()} == {bystander.user.id}
    assert len(town.audit) == before + 1
    alice = (await users(town)).get("alice")
    assert alice is None or alice.generation > generation


async def test_a_gain_of_rights_ends_nothing(town):
    entered = await town.enter()
    changed = await town.administration.set_groups(CLI, "alice", ["staff", "admins", "new"], now=town.now)
    assert changed.groups == {"staff", "admins", "new"}
    subject = await town.check(entered)
    assert subject.user.groups == changed.groups
    assert town.audit[-1].public == {"before": "admins,staff", "after": "admins,new,staff"}


async def test_a_group_that_is_no_name_changes_nothing(town):
    """C04."""
    outcome = await town.administration.set_groups(CLI, "alice", ["a,b"], now=town.now)
    assert isinstance(outcome, Unacceptable)
    assert (await users(town))["alice"].groups == {"staff", "admins"}


async def test_an_enabled_account_may_sign_in_again_but_old_cookies_stay_dead(town):
    """J04."""
    old = await town.enter()
    await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    await town.administration.set_enabled(CLI, "alice", enabled=True, now=town.now)
    assert town.acts()[-2:] == ["admin.user_disable", "admin.user_enable"]
    assert await town.check(old) is None
    assert await town.check(await town.enter()) is not None


async def test_a_set_password_replaces_the_old_one(town):
    await town.administration.set_password(CLI, "alice", OTHER, now=town.now)
    alice = (await users(town))["alice"]
    assert (await town.password.prove(alice, OTHER)).right
    assert not (await town.password.prove(alice, GOOD)).right


async def test_a_password_below_the_floor_is_not_set(town):
    """B-24."""
    outcome = await town.administration.set_password(CLI, "alice", "short", now=town.now)
    assert isinstance(outcome, Unacceptable)
    alice = (await users(town))["alice"]
    assert (await town.password.prove(alice, GOOD)).right


async def test_a_password_for_an_account_deleted_meanwhile_is_not_set(town):
    town.hasher.gate.clear()
    town.hasher.reached.clear()
    setting = asyncio.create_task(town.administration.set_password(CLI, "alice", OTHER, now=town.now))
    await town.hasher.reached.wait()
    await town.administration.delete_user(CLI, "alice", now=town.now)
    town.hasher.gate.set()
    with pytest.raises(NotFoundError):
        await setting


async def test_an_act_that_cannot_be_recorded_does_not_happen(town):
    """Decision 10, R12: act and evidence are one transaction."""
    entered = await town.enter()
    town.store.random.token = lambda size: (_ for _ in ()).throw(UnavailableError("no salt"))
    with pytest.raises(UnavailableError):
        await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    assert await town.check(entered) is not None


# Everybody's sessions


async def test_an_administrator_sees_everybodys_sessions(town):
    """C-36."""
    one, two = await town.enter("root"), await town.enter("alice")
    listed = await town.administration.list_sessions(CLI, now=town.now)
    assert {(session.handle, user.name) for session, user in listed} == {
        (one.session.handle, "root"),
        (two.session.handle, "alice"),
    }
    only = await town.administration.list_sessions(CLI, now=town.now, login="alice")
    assert [session.handle for session, _ in only] == [two.session.handle]
    assert len(await town.administration.list_sessions(CLI, now=town.now, limit=1)) == 1
    assert await town.administration.list_sessions(CLI, now=town.now, login="alice", offset=1) == []


async def test_sessions_that_no_longer_count_are_not_listed(town):
    entered = await town.enter()
    town.clock.advance(entered.session.idle_timeout)
    assert await town.administration.list_sessions(CLI, now=town.now) == []


async def test_an_administrator_ends_anybodys_session(town):
    entered = await town.enter()
    assert await town.administration.end_session(CLI, entered.session.handle, now=town.now)
    assert await town.check(entered) is None
    assert town.audit[-1].subject == entered.user.id
    before = len(town.audit)
    assert not await town.administration.end_session(CLI, entered.session.handle, now=town.now)
    assert not await town.administration.end_session(CLI, SessionHandle("nothing"), now=town.now)
    assert len(town.audit) == before


async def test_ending_an_accounts_sessions_says_how_many_there_were(town):
    for _ in range(3):
        await town.enter()
    assert await town.administration.end_sessions_of(CLI, "alice", now=town.now) == 3
    assert town.audit[-1].public == {"session": "all", "count": "3"}


# Who may


async def test_only_an_administrator_is_an_actor(town):
    """L10."""
    entered = await town.enter("alice")
    with pytest.raises(ForbiddenError):
        actor_of(Subject(entered.user, entered.session), a_visitor())


ACTS = {
    "list_users": lambda flow, actor, now: flow.list_users(actor),
    "list_sessions": lambda flow, actor, now: flow.list_sessions(actor, now=now),
    "end_session": lambda flow, actor, now: flow.end_session(actor, SessionHandle("x"), now=now),
    "end_sessions_of": lambda flow, actor, now: flow.end_sessions_of(actor, "alice", now=now),
    "add_user": lambda flow, actor, now: flow.add_user(
        actor, name="eve", display_name="", email="", password=GOOD, now=now
    ),
    "add_service": lambda flow, actor, now: flow.add_service(actor, name="eve", now=now),
    "set_password": lambda flow, actor, now: flow.set_password(actor, "alice", OTHER, now=now),
    "set_groups": lambda flow, actor, now: flow.set_groups(actor, "alice", [], now=now),
    "set_enabled": lambda flow, actor, now: flow.set_enabled(actor, "alice", enabled=False, now=now),
    "delete_user": lambda flow, actor, now: flow.delete_user(actor, "alice", now=now),
    "list_protected": lambda flow, actor, now: flow.list_protected(actor),
    "change_user": lambda flow, actor, now: flow.change_user(actor, "alice", Change(enabled=False), now=now),
    "edit_user": lambda flow, actor, now: flow.edit_user(
        actor, "alice", name="eve", display_name="", email="", now=now
    ),
    "set_admin": lambda flow, actor, now: flow.set_admin(actor, "alice", is_admin=True, now=now),
    "set_console_only": lambda flow, actor, now: flow.set_console_only(actor, "alice", console_only=True, now=now),
    "force_password_change": lambda flow, actor, now: flow.force_password_change(actor, "alice", now=now),
    "reset_factors": lambda flow, actor, now: flow.reset_factors(actor, "alice", now=now),
    "approve": lambda flow, actor, now: flow.approve(actor, "alice", now=now),
    "refuse": lambda flow, actor, now: flow.refuse(actor, "alice", now=now),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_an_administrator_who_was_disabled_meanwhile_does_nothing_more(town, act):
    """L10, R05: decided inside the transaction, not by the page that was loaded before."""
    await town.add_user("boss", is_admin=True)
    entered = await town.enter("boss")
    actor = actor_of(Subject(entered.user, entered.session), a_visitor())
    await town.administration.set_enabled(CLI, "boss", enabled=False, now=town.now)
    before = town.store.state
    with pytest.raises(ForbiddenError):
        await act(town.administration, actor, town.now)
    assert town.store.state.users == before.users
    assert town.store.state.audit == before.audit


def test_every_act_of_the_administration_is_tried_by_a_stranger():
    from doorward.flows.admin import Administration

    assert {name for name in dir(Administration) if not name.startswith("_")} == set(ACTS)


async def test_an_act_of_a_page_names_the_administrator_and_the_place(town):
    entered = await town.enter("root")
    actor = actor_of(Subject(entered.user, entered.session), a_visitor("198.51.100.9"))
    await town.administration.set_enabled(actor, "alice", enabled=False, now=town.now)
    event = town.audit[-1]
    assert event.actor == entered.user.id
    assert event.private["address"] == "198.51.100.9"


# The last administrator


@pytest.mark.parametrize(
    "act",
    [
        lambda flow, now: flow.set_enabled(CLI, "root", enabled=False, now=now),
        lambda flow, now: flow.delete_user(CLI, "root", now=now),
    ],
)
async def test_the_last_administrator_stays(town, act):
    """R05."""
    with pytest.raises(ConflictError):
        await act(town.administration, town.now)
    assert (await users(town))["root"].enabled


async def test_a_disabled_administrator_does_not_count_as_one(town):
    """R05."""
    await town.add_user("boss", is_admin=True)
    await town.administration.set_enabled(CLI, "boss", enabled=False, now=town.now)
    with pytest.raises(ConflictError):
        await town.administration.delete_user(CLI, "root", now=town.now)
    await town.administration.delete_user(CLI, "boss", now=town.now)


async def test_two_administrators_who_remove_each_other_leave_one():
    """R05: a hundred rounds."""
    for _ in range(100):
        town = Town()
        actors = {}
        for name in ("one", "two"):
            await town.add_user(name, is_admin=True)
            entered = await town.enter(name)
            actors[name] = actor_of(Subject(entered.user, entered.session), a_visitor())
        outcomes = await asyncio.gather(
            town.administration.set_enabled(actors["one"], "two", enabled=False, now=town.now),
            town.administration.delete_user(actors["two"], "one", now=town.now),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, ForbiddenError | ConflictError) for outcome in outcomes) == 1
        assert sum(user.enabled for user in (await users(town)).values()) == 1
