"""What administrators do to providers, and what that does to everybody else."""

from dataclasses import replace

import pytest

from doorward.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from doorward.flows.admin import CLI, Actor
from doorward.flows.outcome import Unacceptable
from doorward.flows.providers import NO_ADMIN_LEFT, REOPENS
from doorward.flows.ways import secret_place
from doorward.rules.oidc import Failure, Health, UpstreamError
from doorward.rules.provider import Kind, Provider
from doorward.rules.provider_form import format_fields
from tests.fakes.flows import Town, a_visitor
from tests.fakes.keys import make_key
from tests.fakes.upstream import a_provider, somebody

WORK_ISSUER = "https://work.example.test"
FIELDS = {
    "id": "work",
    "type": "oidc",
    "name": "Work",
    "issuer_url": WORK_ISSUER,
    "client_id": "doorward",
    "client_secret": "w0rk",
    "groups_claim": "groups",
    "admin_claim": "roles",
    "admin_value": "admin",
    "auto_provision": "on",
}


@pytest.fixture
async def town():
    made = Town()
    made.consult_ways()
    made.root = await made.add_user("root", is_admin=True)
    return made


async def add(town, **changes):
    added = await town.console.add(CLI, {**FIELDS, **changes}, now=town.now)
    assert isinstance(added, Provider), added
    return added


async def open_work(town, **changes):
    """Work, added and enabled."""
    added = await add(town, **changes)
    return await town.console.set_enabled(CLI, added.id, enabled=True, now=town.now)


async def change(town, provider_id="work", **changes):
    (stored,) = [each for each in await town.ways.list_all() if each.id == provider_id and not each.from_file]
    return await town.console.change(CLI, provider_id, {**format_fields(stored), **changes}, now=town.now)


def a_worker(subject="sub-wendy", **changes):
    values = {"email": f"{subject}@work.test", "user_name": subject, "claims": {"groups": ["crew"]}, **changes}
    return somebody(subject, issuer=WORK_ISSUER, **values)


def an_admin(subject="sub-wendy"):
    return a_worker(subject, claims={"groups": ["crew"], "roles": ["admin"]})


async def come_through(town, answer, login="root"):
    """Somebody with a password connects their account at work and signs in with it."""
    visitor = a_visitor()
    me = await town.check(await town.enter(login))
    await town.come_back(visitor, await town.leave_to_link(me, visitor, "work"), answer, subject=me)
    return await town.enter_upstream(answer, "work")


# Adding


async def test_a_provider_that_is_added_waits_to_be_tested(town):
    """D-07: save, test, sign in for real; no visitor meets one that was never tried."""
    added = await add(town)
    assert not added.enabled
    assert await town.ways.find_provider("work") is None
    assert [each.provider.id for each in await town.console.list(CLI)] == ["idp", "work"]
    enabled = await town.console.set_enabled(CLI, "work", enabled=True, now=town.now)
    assert await town.ways.find_provider("work") == enabled
    assert (enabled.client_secret, enabled.groups_claim, enabled.from_file) == ("w0rk", "groups", False)


async def test_secrets_are_stored_sealed_for_their_row(town):
    key = make_key("ES256").private_pem()
    await add(town)
    await add(town, id="keyed", token_auth_method="private_key_jwt", client_secret="", private_key=key)
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
    await add(town)
    await add(town, id="broken")
    state = town.store.state.providers
    state["broken"] = replace(state["broken"], settings="{}")
    with pytest.raises(ConflictError):
        await add(town, id=taken)


async def test_a_way_back_belongs_to_one_provider(town):
    town.providers["idp"] = a_provider(redirect_path="/api/auth/login")
    outcome = await town.console.add(CLI, {**FIELDS, "redirect_url": "/api/auth/login"}, now=town.now)
    assert [field for field, _ in outcome.problems] == ["redirect_url"]
    await add(town)
    outcome = await change(town, redirect_url="/api/auth/login")
    assert [field for field, _ in outcome.problems] == ["redirect_url"]


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
    await add(town)
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
    changed = await change(town, name="Job", client_secret="", scopes="openid groups")
    assert await town.ways.find_provider("work") == changed
    assert (changed.name, changed.client_secret, changed.enabled) == ("Job", "w0rk", True)
    assert (await change(town, client_secret="n3w")).client_secret == "n3w"
    assert (await town.ways.find_provider("work")).client_secret == "n3w"


async def test_a_change_that_cannot_be_used_changes_nothing(town):
    before = await open_work(town)
    assert isinstance(await change(town, client_id=""), Unacceptable)
    assert await town.ways.find_provider("work") == before


async def test_the_secret_is_not_shown_to_another_address(town):
    await open_work(town)
    outcome = await change(town, issuer_url="https://evil.test")
    assert [field for field, _ in outcome.problems] == ["client_secret"]
    assert (await town.ways.find_provider("work")).issuer == WORK_ISSUER


async def test_whoever_came_from_the_old_address_is_signed_out(town):
    await open_work(town)
    wendy = await town.enter_upstream(a_worker(), "work")
    assert (await town.check(wendy)).user.every_group == {"crew"}
    await change(town, issuer_url="https://new.example.test", client_secret="w0rk")
    assert await town.check(wendy) is None
    (identity,) = town.store.state.identities.values()
    assert (identity.issuer, identity.groups) == (WORK_ISSUER, frozenset())


async def test_a_claim_that_is_read_no_more_grants_no_more(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    assert (await town.check(wendy)).user.administers
    await change(town, admin_claim="", admin_value="")
    assert await town.check(wendy) is None
    (identity,) = town.store.state.identities.values()
    assert (identity.groups, identity.is_admin) == (frozenset({"crew"}), False)
    await change(town, groups_claim="")
    (identity,) = town.store.state.identities.values()
    assert identity.groups == frozenset()


async def test_a_change_that_takes_nothing_signs_nobody_out(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    await change(town, name="Job", admin_value="boss", scopes="openid")
    assert (await town.check(wendy)).user.administers


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
    await come_through(town, a_worker("sub-root", claims={}))
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


# Guard rails


async def close_passwords(town):
    await town.ways.set_password(CLI, wanted=False, now=town.now)
    assert not await town.ways.is_password_open()


@pytest.mark.parametrize(
    "act",
    [
        lambda town: town.console.set_enabled(CLI, "work", enabled=False, now=town.now),
        lambda town: town.console.remove(CLI, "work", now=town.now),
        lambda town: change(town, issuer_url="https://new.example.test", client_secret="w0rk"),
    ],
)
async def test_the_proven_way_stays_while_passwords_are_closed(town, act):
    """D-12: passwords do not open again behind somebody's back."""
    await open_work(town)
    came = await come_through(town, a_worker("sub-root"))
    await close_passwords(town)
    with pytest.raises(ConflictError, match="switch passwords on first"):
        await act(town)
    assert REOPENS.endswith("switch passwords on first.")
    assert (await town.ways.find_provider("work")).issuer == WORK_ISSUER
    assert await town.check(came) is not None
    await town.ways.set_password(CLI, wanted=True, now=town.now)
    await act(town)


async def test_a_provider_nobody_needs_may_go_while_passwords_are_closed(town):
    await open_work(town)
    await open_work(town, id="spare", name="Spare", issuer_url="https://spare.example.test")
    await come_through(town, a_worker("sub-root"))
    await close_passwords(town)
    await town.console.remove(CLI, "spare", now=town.now)
    assert not await town.ways.is_password_open()


async def test_the_last_administrator_is_not_taken_with_the_provider(town):
    await open_work(town)
    wendy = await town.enter_upstream(an_admin(), "work")
    async with town.store.records.transaction() as transaction:
        root = await transaction.find_user(town.root.id)
        await transaction.advance_user(root, replace(root, enabled=False))
    with pytest.raises(ConflictError) as refusal:
        await town.console.set_enabled(CLI, "work", enabled=False, now=town.now)
    assert str(refusal.value) == NO_ADMIN_LEFT
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


# Testing


async def test_a_provider_is_tried_before_it_is_enabled_and_the_files_too(town):
    await add(town)
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
    await add(town, **changes)
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
    await come_through(town, a_worker("sub-root"))
    assert await judge() is Health.GOOD


async def test_nobody_can_test_what_is_not_there(town):
    with pytest.raises(NotFoundError):
        await town.console.test(CLI, "nobody", now=town.now)


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


async def test_a_github_provider_can_be_added_as_well(town):
    """C-22."""
    added = await add(town, type="github", issuer_url="", admin_claim="", admin_value="", groups_claim="")
    assert (added.kind, added.issuer) == (Kind.GITHUB, "https://github.com")
