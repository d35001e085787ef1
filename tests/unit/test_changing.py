"""Several things about an account at once: all of them or none, and one place that knows what takes a right away."""

from dataclasses import replace

import pytest

from doorward.errors import Clash, ConflictError, NotFoundError
from doorward.flows.acting import CLI, ById
from doorward.flows.changing import Change, version_of
from doorward.flows.outcome import Unacceptable
from doorward.rules.mfa import MfaRequired, MfaTerms
from tests.fakes.flows import Town

EVERYTHING = Change(
    name="alicia",
    display_name="Alicia",
    email="alicia@example.test",
    groups=("night",),
    is_admin=True,
    console_only=True,
    enabled=False,
)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("root", is_admin=True)
    await made.add_user("alice", groups=["staff"])
    return made


async def user_of(town, login="alice"):
    async with town.store.records.transaction() as transaction:
        return await transaction.find_user_by_login(login)


async def change(town, login="alice", *, seen="", **changes):
    return await town.administration.change_user(CLI, login, Change(**changes), seen=seen, now=town.now)


async def test_all_of_it_is_one_act_with_a_record_of_each_thing(town):
    before = len(town.acts())
    changed = await town.administration.change_user(CLI, "alice", EVERYTHING, now=town.now)
    assert changed == await user_of(town, "alicia")
    assert (changed.display_name, changed.email, changed.groups) == ("Alicia", "alicia@example.test", {"night"})
    assert (changed.is_admin, changed.console_only, changed.enabled) == (True, True, False)
    assert changed.generation == 2
    assert town.acts()[before:] == [
        "admin.user_update", "admin.user_groups", "admin.user_update", "admin.user_update", "admin.user_disable"
    ]  # fmt: skip


async def test_one_thing_that_cannot_be_leaves_everything_as_it_was(town):
    before = await user_of(town)
    outcome = await change(town, name="a b", groups=("a,b",), is_admin=True)
    assert isinstance(outcome, Unacceptable)
    assert [field for field, _ in outcome.problems] == ["name", "groups"]
    with pytest.raises(ConflictError) as caught:
        await change(town, name="root", enabled=False)
    assert caught.value.clash is Clash.TAKEN
    assert await user_of(town) == before


async def test_what_is_already_so_ends_nothing_and_is_no_act(town):
    await town.enter()
    before = len(town.audit)
    same = {"name": "ALICE", "groups": ("staff",), "is_admin": False, "console_only": False, "enabled": True}
    assert await change(town, **same) == await user_of(town)
    assert len(town.audit) == before
    assert len(town.store.state.sessions) == 1


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"groups": ("staff", "more")}, {"groups": ("more",)}),
        ({"is_admin": True}, {"is_admin": False}),
        ({"display_name": "Alice A."}, {"name": "alicia"}),
        ({"email": "alice@example.test"}, {"email": ""}),
        ({"console_only": False}, {"console_only": True}),
        ({"enabled": True}, {"enabled": False}),
    ],
)
async def test_what_is_given_ends_nothing_and_what_is_taken_ends_every_session(town, given, taken):
    """J04."""
    await town.enter()
    await change(town, **given)
    assert len(town.store.state.sessions) == 1
    await change(town, **taken)
    assert not town.store.state.sessions


async def test_a_stale_look_changes_nothing(town):
    """R08."""
    seen = version_of(await user_of(town))
    await change(town, seen=seen, console_only=True)
    with pytest.raises(ConflictError):
        await change(town, seen=seen, console_only=False)


async def test_an_account_is_found_by_its_id_whatever_it_is_called(town):
    alice = await user_of(town)
    await change(town, name="somebody")
    assert (await change(town, ById(alice.id), enabled=False)).name == "somebody"
    with pytest.raises(NotFoundError):
        await change(town, ById("alice"), enabled=False)


@pytest.mark.parametrize("lost", [{"is_admin": False}, {"enabled": False}, {"is_admin": False, "name": "former"}])
async def test_the_last_administrator_stays(town, lost):
    """R05."""
    with pytest.raises(ConflictError) as caught:
        await change(town, "root", **lost)
    assert caught.value.clash is Clash.LAST_ADMINISTRATOR


@pytest.mark.parametrize(("required", "stays"), [("none", True), ("per_rule", True), ("admins", False), ("all", True)])
async def test_nobody_administers_in_a_session_that_showed_less_than_that_takes(town, required, stays):
    """B-12: who is made an administrator where those need a second factor signs in again, and is asked for one."""
    alice = await town.enter("alice")
    town.mfa = MfaTerms(MfaRequired(required))
    await change(town, is_admin=True)
    assert (await town.check(alice) is not None) is stays


async def test_an_account_keeps_a_name_that_nobody_new_is_given(town):
    alice = await user_of(town)
    town.store.state.users[alice.id] = replace(alice, name="system")
    assert (await change(town, "system", display_name="Alicia")).display_name == "Alicia"
    assert isinstance(await change(town, "system", name="unknown"), Unacceptable)
