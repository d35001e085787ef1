"""What administrators may do to the console's providers, and what they are told of each."""

from dataclasses import replace

import pytest

from doorward.errors import ConflictError, ForbiddenError, NotFoundError
from doorward.flows.admin import CLI, Actor
from doorward.flows.outcome import Unacceptable
from doorward.flows.ways import secret_place
from doorward.rules.oidc import Failure, Health, UpstreamError
from doorward.rules.provider import Kind
from tests.fakes.flows import Town
from tests.fakes.keys import make_key
from tests.fakes.upstream import a_provider
from tests.fakes.work import (
    FIELDS,
    WORK_ISSUER,
    a_worker,
    add_work,
    an_admin,
    change_work,
    come_through_work,
    open_work,
)


@pytest.fixture
async def town():
    made = Town()
    made.consult_ways()
    made.root = await made.add_user("root", is_admin=True)
    return made


# Adding


async def test_a_provider_that_is_added_waits_to_be_tested(town):
    """D-07: save, test, sign in for real; no visitor meets one that was never tried."""
    added = await add_work(town)
    assert not added.enabled
    assert await town.ways.find_provider("work") is None
    assert [each.provider.id for each in await town.console.list(CLI)] == ["idp", "work"]
    enabled = await town.console.set_enabled(CLI, "work", enabled=True, now=town.now)
    assert await town.ways.find_provider("work") == enabled
    assert (enabled.client_secret, enabled.groups_claim, enabled.from_file) == ("w0rk", "groups", False)


async def test_secrets_are_stored_sealed_for_their_row(town):
    key = make_key("ES256").private_pem()
    await add_work(town)
    await add_work(town, id="keyed", token_auth_method="private_key_jwt", client_secret="", private_key=key)
    state = town.store.state.providers
    assert "w0rk" not in repr([state["work"].settings, state["work"].client_secret])
    assert town.keyring.unseal(secret_place("client_secret", "work"), state["work"].client_secret) == b"w0rk"
    assert town.keyring.unseal(secret_place("private_key", "keyed"), state["keyed"].private_key) == key.encode()
    assert (state["work"].private_key, state["keyed"].client_secret) == ("", "")


async def test_every_act_is_recorded_without_secrets(town):
    me = Actor(town.root.id, town.root.id, {"address": "203.0.113.7"})
    await town.console.add(me, FIELDS, now=town.now)
    await town.console.change(me, "work", {**FIELDS, "name": "Job"}, now=town.now)
    await town.console.set_enabled(me, "work", enabled=True, now=town.now)
    await town.console.set_enabled(me, "work", enabled=False, now=town.now)
    await town.console.remove(me, "work", now=town.now)
    events = [event for event in town.audit if event.subject == "work"]
    assert [event.act.value for event in events] == [
        "admin.provider_add",
        "admin.provider_change",
        "admin.provider_change",
        "admin.provider_change",
        "admin.provider_remove",
    ]
    assert [event.public["enabled"] for event in events] == ["no", "no", "yes", "no", "no"]
    assert {event.actor for event in events} == {town.root.id}
    assert all(event.private == {"address": "203.0.113.7"} for event in events)
    assert "w0rk" not in repr(events)


async def test_what_cannot_be_used_is_said_field_by_field(town):
    outcome = await town.console.add(CLI, {**FIELDS, "client_id": "", "issuer_url": "work"}, now=town.now)
    assert isinstance(outcome, Unacceptable)
    assert [field for field, _ in outcome.problems] == ["issuer_url", "client_id"]
    assert all(sentence[0].isupper() and sentence.endswith(".") for _, sentence in outcome.problems)
    assert town.store.state.providers == {}


@pytest.mark.parametrize("taken", ["idp", "work", "broken"])
async def test_a_name_is_given_once(town, taken):
    await add_work(town)
    await add_work(town, id="broken")
    state = town.store.state.providers
    state["broken"] = replace(state["broken"], settings="{}")
    with pytest.raises(ConflictError):
        await add_work(town, id=taken)


async def test_a_way_back_belongs_to_one_provider(town):
    town.providers["idp"] = a_provider(redirect_path="/api/auth/login")
    outcome = await town.console.add(CLI, {**FIELDS, "redirect_url": "/api/auth/login"}, now=town.now)
    assert [field for field, _ in outcome.problems] == ["redirect_url"]
    await add_work(town)
    outcome = await change_work(town, redirect_url="/api/auth/login")
    assert [field for field, _ in outcome.problems] == ["redirect_url"]


async def test_only_what_is_wrong_with_itself_keeps_one_out(town):
    """Not what others have against one another: they cannot be mended here."""
    town.providers["sloppy"] = a_provider("sloppy", assume_verified=True)
    town.providers["strict"] = a_provider("strict", link_by_email=True)
    await add_work(town)
    await change_work(town, name="Job")
    outcome = await change_work(town, link_by_email="on")
    assert [field for field, _ in outcome.problems] == ["link_by_email"]


ACTS = [
    lambda town, who: town.console.list(who),
    lambda town, who: town.console.add(who, {**FIELDS, "id": "more"}, now=town.now),
    lambda town, who: town.console.change(who, "work", FIELDS, now=town.now),
    lambda town, who: town.console.set_enabled(who, "work", enabled=True, now=town.now),
    lambda town, who: town.console.remove(who, "work", now=town.now),
    lambda town, who: town.console.test(who, "work", now=town.now),
]


@pytest.mark.parametrize("act", ACTS)
async def test_only_administrators_may_do_anything(town, act):
    await add_work(town)
    bob = await town.add_user("bob")
    before = dict(town.store.state.providers)
    with pytest.raises(ForbiddenError):
        await act(town, Actor(bob.id, bob.id))
    assert town.store.state.providers == before


@pytest.mark.parametrize("act", ACTS[2:])
async def test_nothing_is_done_to_what_is_not_there(town, act):
    with pytest.raises(NotFoundError):
        await act(town, CLI)
    assert town.store.state.providers == {}


@pytest.mark.parametrize("act", ACTS[2:5])
async def test_the_files_providers_are_the_files(town, act):
    work = town.providers["work"] = a_provider("work", issuer=WORK_ISSUER)
    with pytest.raises(NotFoundError):
        await act(town, CLI)
    assert await town.ways.find_provider("work") == work
    assert await town.console.test(CLI, "work", now=town.now)


# Changing


async def test_a_change_counts_from_the_next_sign_in(town):
    await open_work(town)
    changed = await change_work(town, name="Job", client_secret="", scopes="openid groups")
    assert await town.ways.find_provider("work") == changed
    assert (changed.name, changed.client_secret, changed.enabled) == ("Job", "w0rk", True)
    assert (await change_work(town, client_secret="n3w")).client_secret == "n3w"
    assert (await town.ways.find_provider("work")).client_secret == "n3w"


async def test_a_change_that_cannot_be_used_changes_nothing(town):
    before = await open_work(town)
    assert isinstance(await change_work(town, client_id=""), Unacceptable)
    assert await town.ways.find_provider("work") == before


async def test_the_secret_is_not_shown_to_another_address(town):
    await open_work(town)
    outcome = await change_work(town, issuer_url="https://evil.test")
    assert [field for field, _ in outcome.problems] == ["client_secret"]
    assert (await town.ways.find_provider("work")).issuer == WORK_ISSUER


async def test_whoever_came_from_the_old_address_is_signed_out(town):
    await open_work(town)
    wendy = await town.enter_upstream(a_worker(), "work")
    assert (await town.check(wendy)).user.every_group == {"crew"}
    await change_work(town, issuer_url="https://new.example.test", client_secret="w0rk")
    assert await town.check(wendy) is None
    (identity,) = town.store.state.identities.values()
    assert (identity.issuer, identity.groups) == (WORK_ISSUER, frozenset())


async def test_a_claim_that_is_read_no_more_grants_no_more(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    assert (await town.check(wendy)).user.administers
    await change_work(town, admin_claim="", admin_value="")
    assert await town.check(wendy) is None
    (identity,) = town.store.state.identities.values()
    assert (identity.groups, identity.is_admin) == (frozenset({"crew"}), False)
    await change_work(town, groups_claim="")
    (identity,) = town.store.state.identities.values()
    assert identity.groups == frozenset()


async def test_what_was_changed_is_written_down_and_never_to_what(town):
    await open_work(town)
    await change_work(town, admin_value="boss", client_secret="n3w-s3cret", allowed_domains="work.test")
    event = town.audit[-1]
    assert (event.act.value, event.subject) == ("admin.provider_change", "work")
    assert event.public["changed"] == "client_secret,admin_value,allowed_domains"
    assert "n3w-s3cret" not in repr(town.audit)
    await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    assert town.audit[-1].public["changed"] == "enabled"


async def test_a_change_that_takes_nothing_signs_nobody_out(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    await change_work(town, name="Job", scopes="openid")
    assert (await town.check(wendy)).user.administers


# Testing


async def test_a_provider_is_tried_before_it_is_enabled_and_the_files_too(town):
    await add_work(town)
    for name in ("work", "idp"):
        findings = await town.console.test(CLI, name, now=town.now)
        assert [finding.title for finding in findings] == ["Discovery", "Who may come in", "Passwords"]


async def test_the_list_says_what_is_wrong_with_a_provider_just_now(town):
    town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "no route to host")
    (listed,) = await town.console.list(CLI)
    assert listed.trouble == "no route to host"
    findings = await town.console.test(CLI, "idp", now=town.now)
    assert findings[0].health is Health.BAD


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, Health.UNSURE),
        ({"auto_provision": ""}, Health.GOOD),
        ({"allowed_emails": "wendy@work.test"}, Health.GOOD),
        ({"allowed_domains": "work.test"}, Health.GOOD),
        ({"allowed_groups": "crew"}, Health.GOOD),
    ],
)
async def test_a_test_says_who_may_come_in(town, changes, health):
    await add_work(town, **changes)
    (people,) = [each for each in await town.console.test(CLI, "work", now=town.now) if each.title == "Who may come in"]
    assert people.health is health


async def test_a_test_says_whether_passwords_can_be_closed_yet(town):
    """D-12."""
    await open_work(town)

    async def judge():
        return (await town.console.test(CLI, "work", now=town.now))[-1].health

    assert await judge() is Health.UNSURE
    await town.enter_upstream(a_worker(), "work")
    assert await judge() is Health.UNSURE
    await come_through_work(town, a_worker("sub-root"))
    assert await judge() is Health.GOOD


async def test_nobody_can_test_what_is_not_there(town):
    with pytest.raises(NotFoundError):
        await town.console.test(CLI, "nobody", now=town.now)


async def test_a_github_provider_can_be_added_as_well(town):
    """C-22."""
    added = await add_work(town, type="github", issuer_url="", admin_claim="", admin_value="", groups_claim="")
    assert (added.kind, added.issuer) == (Kind.GITHUB, "https://github.com")
