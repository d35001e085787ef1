"""When a provider goes: what it granted goes with it, the way in stays, and its namesakes are left alone."""

from dataclasses import replace

import pytest

from doorward.errors import UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.providers import READING, Need, NeededError
from doorward.rules.oidc import Health
from doorward.rules.provider import Provider
from tests.fakes.flows import Town
from tests.fakes.upstream import a_provider, somebody
from tests.fakes.work import FIELDS, WORK_ISSUER, a_worker, an_admin, change_work, come_through_work, open_work


@pytest.fixture
async def town():
    made = Town()
    made.consult_ways()
    made.root = await made.add_user("root", is_admin=True)
    return made


# Taking away


@pytest.mark.parametrize("away", ["disable", "remove"])
async def test_what_a_provider_granted_goes_with_it(town, away):
    await open_work(town)
    elsewhere = await town.enter_upstream(somebody("sub-elsewhere", email="else@other.test"))
    wendy = await town.enter_upstream(an_admin(), "work")
    walter = await town.enter_upstream(a_worker("sub-walter", claims={}), "work")
    generation = wendy.user.generation
    if away == "disable":
        await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    else:
        await town.console.remove(CLI, "work", now=town.now)
    assert await town.check(wendy) is None
    assert await town.check(walter) is None
    assert await town.check(elsewhere) is not None
    identities = {each.subject: each for each in town.store.state.identities.values()}
    assert (identities["sub-wendy"].groups, identities["sub-wendy"].is_admin) == (frozenset(), False)
    assert town.store.state.find_user(wendy.user.id).generation == generation + 1
    assert town.acts().count("user.identity_grants") == 2  # given and taken, Wendy's
    assert await town.ways.find_provider("work") is None


async def test_the_accounts_and_their_links_stay_in_case_it_comes_back(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    await town.console.remove(CLI, "work", now=town.now)
    await open_work(town)
    again = await town.enter_upstream(an_admin(), "work")
    assert again.user.id == wendy.user.id
    assert (await town.check(again)).user.administers


async def test_a_password_session_of_somebody_who_loses_nothing_goes_on(town):
    await open_work(town)
    await come_through_work(town, a_worker("sub-root", claims={}))
    by_password = await town.enter("root")
    await town.console.remove(CLI, "work", now=town.now)
    assert await town.check(by_password) is not None


async def test_nothing_is_taken_while_the_store_is_broken(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    town.store.broken = True
    with pytest.raises(UnavailableError):
        await town.console.remove(CLI, "work", now=town.now)
    town.store.broken = False
    assert await town.check(wendy) is not None


# Reading otherwise


async def test_a_corrected_value_makes_nobody_an_administrator_who_is_none(town):
    """Whoever took everybody in the crew for administrators does not wait until they sign in again."""
    await open_work(town, admin_claim="groups", admin_value="crew")
    wendy, root = await town.enter_upstream(a_worker(), "work"), await town.enter("root")
    assert (await town.check(wendy)).user.administers
    await change_work(town, admin_value="bosses")
    assert await town.check(wendy) is None
    user = town.store.state.find_user(wendy.user.id)
    assert (user.granted_admin, user.every_group) == (False, {"crew"})
    assert await town.check(root) is not None
    again = await town.enter_upstream(a_worker(), "work")
    assert not (await town.check(again)).user.administers


@pytest.mark.parametrize(
    "changes", [{"groups_claim": "roles"}, {"groups_prefix": "work:"}, {"groups_rename": "crew=sailors"}]
)
async def test_groups_that_are_read_otherwise_are_given_anew(town, changes):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    await change_work(town, **changes)
    assert await town.check(wendy) is None
    user = town.store.state.find_user(wendy.user.id)
    assert (user.every_group, user.administers) == (frozenset(), True)


async def test_whatever_else_is_changed_leaves_what_was_granted(town):
    await open_work(town, groups_rename="a=b\nc=d")
    wendy = await town.enter_upstream(an_admin(), "work")
    await change_work(town, name="Werk", groups_rename="c=d\na=b", allowed_groups="crew")
    assert (await town.check(wendy)).user.administers


async def test_who_administers_by_the_value_alone_is_told_before_it_is_changed(town):
    await open_work(town)
    await town.enter_upstream(an_admin(), "work")
    async with town.store.records.transaction() as transaction:
        root = await transaction.find_user(town.root.id)
        await transaction.advance_user(root, replace(root, enabled=False))
    with pytest.raises(NeededError) as refusal:
        await change_work(town, admin_value="bosses")
    assert refusal.value.need is Need.ADMINISTRATORS


@pytest.mark.parametrize("known", [True, False])
async def test_what_the_file_reads_otherwise_since_the_last_time_is_taken_back_at_the_start(town, known):
    town.providers["work"] = a_provider(
        "work", issuer=WORK_ISSUER, groups_claim="groups", admin_claim="roles", admin_value="admin"
    )
    await town.console.reconcile(now=town.now)
    wendy = await town.enter_upstream(an_admin(), "work")
    if not known:
        async with town.store.records.transaction() as transaction:
            await transaction.put_setting(READING, "not what we wrote")
    town.providers["work"] = replace(town.providers["work"], admin_value="root")
    await town.console.reconcile(now=town.now)
    assert (await town.check(wendy) is None) is known
    await town.console.reconcile(now=town.now)
    assert town.store.state.find_user(wendy.user.id).administers is not known


# Guard rails


async def close_passwords(town):
    await town.ways.set_password(CLI, wanted=False, now=town.now)
    assert not await town.ways.is_password_open()


@pytest.mark.parametrize(
    "act",
    [
        lambda town: town.console.set_enabled(CLI, "work", enabled=False, now=town.now),
        lambda town: town.console.remove(CLI, "work", now=town.now),
        lambda town: change_work(town, issuer_url="https://new.example.test", client_secret="w0rk"),
    ],
)
async def test_the_proven_way_stays_while_passwords_are_closed(town, act):
    """D-12: passwords do not open again behind somebody's back."""
    await open_work(town)
    came = await come_through_work(town, a_worker("sub-root"))
    await close_passwords(town)
    with pytest.raises(NeededError, match="switch passwords on first") as refusal:
        await act(town)
    assert refusal.value.need is Need.PASSWORDS_CLOSED
    assert (await town.ways.find_provider("work")).issuer == WORK_ISSUER
    assert await town.check(came) is not None
    await town.ways.set_password(CLI, wanted=True, now=town.now)
    await act(town)


async def test_a_provider_nobody_needs_may_go_while_passwords_are_closed(town):
    await open_work(town)
    await open_work(town, id="spare", name="Spare", issuer_url="https://spare.example.test")
    await come_through_work(town, a_worker("sub-root"))
    await close_passwords(town)
    await town.console.remove(CLI, "spare", now=town.now)
    assert not await town.ways.is_password_open()


async def test_the_last_administrator_is_not_taken_with_the_provider(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    async with town.store.records.transaction() as transaction:
        root = await transaction.find_user(town.root.id)
        await transaction.advance_user(root, replace(root, enabled=False))
    with pytest.raises(NeededError) as refusal:
        await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    assert refusal.value.need is Need.ADMINISTRATORS
    assert (await town.check(wendy)).user.administers


async def test_a_house_without_administrators_can_still_lose_a_provider():
    town = Town()
    await open_work(town)
    await town.console.remove(CLI, "work", now=town.now)
    assert town.store.state.providers == {}


# What the file takes over, and what cannot be read


async def test_a_provider_that_the_file_took_over_counts_no_more_and_says_so(town):
    await open_work(town)
    town.providers["work"] = a_provider("work", issuer=WORK_ISSUER, client_secret="file")
    listed = await town.console.list(CLI)
    assert [(each.provider.id, each.provider.from_file, bool(each.shadowed)) for each in listed] == [
        ("idp", True, False),
        ("work", True, False),
        ("work", False, True),
    ]
    assert (await town.ways.find_provider("work")).client_secret == "file"


@pytest.mark.parametrize("act", ["disable", "remove", "change"])
async def test_one_that_does_not_count_takes_nobody_along(town, act):
    """Its namesake in the file is another provider."""
    await open_work(town)
    town.providers["work"] = a_provider("work", issuer=WORK_ISSUER, groups_claim="groups")
    wendy = await town.enter_upstream(a_worker(), "work")
    if act == "disable":
        await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    elif act == "remove":
        await town.console.remove(CLI, "work", now=town.now)
    else:
        fields = {**FIELDS, "issuer_url": "https://new.example.test"}
        assert isinstance(await town.console.change(CLI, "work", fields, now=town.now), Provider)
    assert (await town.check(wendy)).user.every_group == {"crew"}


async def test_one_that_cannot_be_read_is_listed_and_can_be_removed(town):
    await open_work(town)
    wendy = await town.enter_upstream(a_worker(), "work")
    state = town.store.state.providers
    state["work"] = replace(state["work"], settings='{"version": 99}')
    (_, broken) = await town.console.list(CLI)
    assert (broken.provider.id, broken.provider.enabled) == ("work", False)
    assert broken.shadowed.startswith("What is stored of it cannot be read.")
    findings = await town.console.test(CLI, "work", now=town.now)
    assert (findings[0].health, findings[0].text) == (Health.BAD, broken.shadowed)
    assert "Discovery" not in [finding.title for finding in findings]
    await town.console.remove(CLI, "work", now=town.now)
    assert await town.check(wendy) is None
    assert state is not town.store.state.providers
    assert town.store.state.providers == {}


async def test_one_that_cannot_be_read_keeps_what_is_sealed_when_it_is_switched(town):
    """Whoever mends the key file finds everything as it was."""
    await open_work(town)
    state = town.store.state.providers
    sealed = replace(state["work"], client_secret=state["work"].client_secret[:-4] + "AAAA")
    state["work"] = sealed
    await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    assert town.store.state.providers["work"] == replace(sealed, enabled=False, changed_at=town.now)


# At the start


async def test_what_the_file_took_away_meanwhile_is_taken_back_at_the_start(town):
    town.providers["work"] = a_provider(
        "work", issuer=WORK_ISSUER, groups_claim="groups", admin_claim="roles", admin_value="admin"
    )
    wendy = await town.enter_upstream(an_admin(), "work")
    elsewhere = await town.enter_upstream(somebody("sub-elsewhere", email="else@other.test"))
    await town.console.reconcile(now=town.now)
    assert (await town.check(wendy)).user.administers
    town.providers["work"] = replace(town.providers["work"], enabled=False)
    await town.console.reconcile(now=town.now)
    assert await town.check(wendy) is None
    assert not town.store.state.find_user(wendy.user.id).administers
    assert await town.check(elsewhere) is not None
    (event,) = [event for event in town.audit if event.act.value == "user.identity_grants"][1:]
    assert (event.actor, event.subject) == ("system", wendy.user.id)


async def test_the_file_may_take_the_last_administrator_for_nobody_can_refuse_it():
    town = Town()
    town.providers["work"] = a_provider("work", issuer=WORK_ISSUER, admin_claim="roles", admin_value="admin")
    wendy = await town.enter_upstream(an_admin(), "work")
    del town.providers["work"]
    await town.console.reconcile(now=town.now)
    assert not town.store.state.find_user(wendy.user.id).administers
