"""Whose account it is that a provider has proven, and what it is then: made, found, linked, granted, taken back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from doorward.flows.outcome import SignedIn
from doorward.rules.audit import Act
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.oidc import Failure
from tests.fakes.flows import a_visitor, fingerprint_of
from tests.fakes.granting import OTHER_ISSUER, a_granting_town, identities, member, try_upstream
from tests.fakes.upstream import ISSUER, a_provider, failure_of, somebody


@pytest.fixture
def town():
    return a_granting_town()


# A new account


async def test_somebody_new_gets_an_account_with_what_the_provider_says(town):
    entered = await town.enter_upstream(member("staff"))
    user = entered.user
    assert (user.name, user.display_name, user.email) == ("alice", "Alice Liddell", "alice@example.test")
    assert (user.groups, user.is_admin) == (frozenset(), False)
    assert (user.granted_groups, user.granted_admin) == ({"idp:staff"}, False)
    assert user.generation == 1
    (identity,) = identities(town)
    assert (identity.issuer, identity.subject, identity.user_id) == (ISSUER, "sub-alice", user.id)
    assert (identity.linked_at, identity.used_at, identity.owns_profile) == (town.now, town.now, True)
    assert user.id not in town.store.state.passwords


async def test_a_new_account_leaves_evidence_in_order(town):
    entered = await town.enter_upstream(member("staff"))
    assert town.acts() == [
        "admin.user_create",
        "user.identity_link",
        "user.identity_grants",
        "user.login",
    ]
    created, linked, granted, _ = town.audit
    assert (created.actor, created.subject) == ("system", entered.user.id)
    assert (linked.actor, linked.public["because"]) == ("system", "new")
    assert (granted.public["groups_before"], granted.public["groups_after"]) == ("", "idp:staff")
    assert (granted.public["admin_before"], granted.public["admin_after"]) == ("no", "no")
    assert "alice" not in str([event.public for event in town.audit])


async def test_where_no_accounts_are_made_somebody_new_stays_out(town):
    town.providers["idp"] = a_provider(auto_provision=False)
    assert failure_of(await try_upstream(town, somebody())) is Failure.UNKNOWN
    assert town.store.state.users == {}
    assert identities(town) == []
    assert town.store.state.sessions == {}
    assert [(event.act, event.subject) for event in town.audit] == [(Act.LOGIN_FAILED, "unknown")]


@pytest.mark.parametrize("told", [False, "true", 1, None])
async def test_an_address_nobody_verified_stays_outside(town, told):
    entered = await town.enter_upstream(somebody(email="root@example.test", email_verified=told, user_name=""))
    assert entered.user.email == ""
    assert entered.user.name.startswith("user-")
    assert [user.email for user in town.store.state.users.values()] == [""]


@pytest.mark.parametrize(
    ("taken", "spoken_of", "name"),
    [
        ((), (), "alice"),
        (("alice",), (), "alice-2"),
        ((), ("alice",), "alice-2"),
        (("alice",), ("alice-2",), "alice-3"),
    ],
)
async def test_a_name_is_given_only_once_and_never_one_that_a_rule_speaks_of(town, taken, spoken_of, name):
    """A rule for somebody who is not here is not for whoever calls themselves so elsewhere."""
    for each in taken:
        await town.add_user(each, email="")
    town.spoken_of.update(spoken_of)
    assert (await town.enter_upstream(somebody(email_verified=False))).user.name == name


async def test_where_every_name_is_taken_one_is_drawn(town):
    town.spoken_of.update(["alice", *(f"alice-{number}" for number in range(2, 10))])
    entered = await town.enter_upstream()
    assert entered.user.name.startswith("user-")
    assert entered.user.display_name == "Alice Liddell"


async def test_without_a_name_to_show_the_user_name_is_shown(town):
    assert (await town.enter_upstream(somebody(name=""))).user.display_name == "alice"


async def test_the_first_administrator_may_come_from_a_provider(town):
    """The installation is set up then: the setup link opens nothing any more."""
    token = await town.setup.issue(now=town.now)
    entered = await town.enter_upstream(member("root"))
    assert entered.user.administers
    assert not entered.user.is_admin
    assert town.store.state.first_admin == entered.user.id
    assert not await town.setup.is_open(token, now=town.now)


async def test_a_user_from_a_provider_does_not_set_the_installation_up(town):
    await town.enter_upstream(member("staff"))
    assert town.store.state.first_admin is None


async def test_a_later_administrator_claims_nothing(town):
    await town.add_user("root", is_admin=True)
    first = town.store.state.first_admin
    assert (await town.enter_upstream(member("root"))).user.administers
    assert town.store.state.first_admin == first


# The same again


async def test_the_same_subject_is_the_same_account(town):
    first = await town.enter_upstream()
    town.clock.advance(timedelta(hours=1))
    again = await town.enter_upstream(somebody(user_name="renamed", name="Alice Pleasance"))
    assert again.user.id == first.user.id
    assert (again.user.name, again.user.display_name) == ("alice", "Alice Pleasance")
    (identity,) = identities(town)
    assert (identity.linked_at, identity.used_at) == (first.session.created_at, town.now)


@pytest.mark.parametrize("subject", ["SUB-ALICE", "sub-alice ", " sub-alice", "sub-alic", "sub-alice\u0301"])
async def test_another_subject_is_another_account_however_alike(town, subject):
    first = await town.enter_upstream()
    again = await town.enter_upstream(somebody(subject, email_verified=False))
    assert again.user.id != first.user.id


async def test_the_same_subject_at_another_issuer_is_another_account(town):
    town.providers["other"] = a_provider("other", issuer=OTHER_ISSUER)
    first = await town.enter_upstream()
    other = await town.enter_upstream(somebody(email_verified=False), "other")
    assert other.user.id != first.user.id
    assert {identity.issuer for identity in identities(town)} == {ISSUER, OTHER_ISSUER}


async def test_a_provider_under_another_id_knows_its_people(town):
    first = await town.enter_upstream()
    town.providers["new"] = a_provider("new")
    again = await town.enter_upstream(provider="new")
    assert again.user.id == first.user.id
    assert [identity.provider for identity in identities(town)] == ["new"]


async def test_a_disabled_account_stays_out(town):
    """E25."""
    entered = await town.enter_upstream()
    await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    assert failure_of(await try_upstream(town, somebody())) is Failure.DISABLED
    assert town.audit[-1].subject == entered.user.id
    assert await town.check(entered) is None


async def test_who_is_taken_off_the_list_stays_out_at_the_next_sign_in(town):
    entered = await town.enter_upstream(member("staff"))
    town.providers["idp"] = replace(town.providers["idp"], allowed_groups=frozenset({"staff"}))
    assert failure_of(await try_upstream(town, member("guests"))) is Failure.NOT_ALLOWED
    assert (await try_upstream(town, member("staff"))).user.id == entered.user.id


# What the provider grants


async def test_groups_follow_the_provider_at_each_sign_in(town):
    visitor = a_visitor()
    first = await town.enter_upstream(member("staff"), visitor=visitor)
    more = await town.enter_upstream(member("staff", "ops"), visitor=a_visitor(browser="b2"))
    assert more.user.granted_groups == {"idp:staff", "idp:ops"}
    assert more.user.generation == 1
    assert (await town.check(first)).user.every_group == {"idp:staff", "idp:ops"}


LOSSES = {
    "a group": (member("staff", "ops"), member("ops")),
    "every group": (member("staff"), somebody()),
    "administration": (member("staff", "root"), member("staff")),
    "the address": (member("staff"), member("staff", email="alice@example.org")),
    "the word on the address": (member("staff"), member("staff", email_verified=False)),
}


@pytest.mark.parametrize(("before", "after"), LOSSES.values(), ids=LOSSES)
async def test_what_is_lost_is_lost_for_every_session(town, before, after):
    """docs/adr 0007: the generation is raised with it, and the new session is of the new one."""
    first = await town.enter_upstream(before)
    again = await town.enter_upstream(after, visitor=a_visitor(browser="b2"))
    assert again.user.generation == 2
    assert await town.check(first) is None
    assert (await town.check(again)).user.generation == 2
    assert list(town.store.state.upstream_sessions) == [again.session.handle]


KEPT = {
    "nothing": (member("staff"), member("staff")),
    "a group more": (member("staff"), member("staff", "ops")),
    "made administrator": (member("staff"), member("staff", "root")),
    "an address more": (member("staff", email_verified=False), member("staff")),
    "another name": (member("staff"), member("staff", name="Alice P. Liddell")),
}


@pytest.mark.parametrize(("before", "after"), KEPT.values(), ids=KEPT)
async def test_who_loses_nothing_stays_signed_in_elsewhere(town, before, after):
    first = await town.enter_upstream(before)
    again = await town.enter_upstream(after, visitor=a_visitor(browser="b2"))
    assert again.user.generation == 1
    assert await town.check(first) is not None


@pytest.mark.parametrize(("required", "stays"), [("none", True), ("per_rule", True), ("admins", False), ("all", True)])
async def test_whom_a_provider_makes_an_administrator_shows_what_those_show(town, required, stays):
    """B-12: administration that comes from a provider opens no session that began before with a password alone."""
    first = await town.enter_upstream(member("staff"))
    town.mfa = MfaTerms(MfaRequired(required))
    await try_upstream(town, member("staff", "root"))
    assert town.store.state.find_user(first.user.id).administers
    assert (await town.check(first) is not None) is stays


async def test_administration_alone_is_a_right_to_lose(town):
    town.providers["idp"] = a_provider(admin_claim="role", admin_value="boss")
    first = await town.enter_upstream(somebody(claims={"role": "boss"}))
    again = await town.enter_upstream(somebody(claims={"role": "clerk"}), visitor=a_visitor(browser="b2"))
    assert (again.user.administers, again.user.generation) == (False, 2)
    assert await town.check(first) is None


async def test_a_group_that_is_ones_own_too_is_not_lost(town):
    first = await town.enter_upstream(member("staff"))
    await town.administration.set_groups(CLI, "alice", ["idp:staff"], now=town.now)
    again = await town.enter_upstream(somebody(), visitor=a_visitor(browser="b2"))
    assert again.user.every_group == {"idp:staff"}
    assert await town.check(first) is not None


async def test_own_groups_and_rights_are_nothing_a_provider_takes(town):
    await town.enter_upstream(member("staff", "root"))
    await town.administration.set_groups(CLI, "alice", ["family"], now=town.now)
    again = await town.enter_upstream(somebody())
    assert again.user.groups == {"family"}
    assert again.user.every_group == {"family"}
    assert not again.user.administers


async def test_a_change_of_grants_is_written_down_and_no_change_is_not(town):
    await town.enter_upstream(member("staff", "root"))
    count = len(town.audit)
    await town.enter_upstream(member("staff", "root"))
    assert town.acts()[count:] == ["user.login"]
    await town.enter_upstream(member("ops"))
    granted, _ = town.audit[-2:]
    assert granted.act is Act.IDENTITY_GRANTS
    assert granted.public["groups_before"] == "idp:root,idp:staff"
    assert granted.public["groups_after"] == "idp:ops"
    assert (granted.public["admin_before"], granted.public["admin_after"]) == ("yes", "no")


# Whose the profile is


async def test_an_account_that_was_here_before_keeps_its_own_name_and_address(town):
    town.providers["idp"] = replace(town.providers["idp"], link_by_email=True)
    alice = await town.add_user("alice", display_name="Alice of old")
    entered = await town.enter_upstream(member("staff"))
    again = await town.enter_upstream(member("staff", email="new@example.test", name="Alice anew"))
    assert entered.user.id == again.user.id == alice.id
    assert (again.user.display_name, again.user.email) == ("Alice of old", "alice@example.test")
    (identity,) = identities(town)
    assert (identity.email, identity.name) == ("new@example.test", "Alice anew")


async def test_an_address_that_is_somebody_elses_by_now_is_not_taken_from_them(town):
    await town.enter_upstream()
    await town.add_user("bob")
    again = await town.enter_upstream(somebody(email="bob@example.test"))
    assert (again.user.name, again.user.email) == ("alice", "")
    (event,) = [event for event in town.audit if event.act is Act.USER_UPDATED]
    assert (event.actor, event.subject, event.public["changed"]) == (again.user.id, again.user.id, "email")
    assert (event.private["email_before"], event.private["email_after"]) == ("alice@example.test", "")


async def test_swapped_addresses_swap_nothing_else(town):
    """Two people of one provider who exchange their addresses stay who they are."""
    alice = await town.enter_upstream(somebody("sub-a", email="a@example.test", user_name="a"))
    bob = await town.enter_upstream(somebody("sub-b", email="b@example.test", user_name="b"))
    again = await town.enter_upstream(somebody("sub-a", email="b@example.test", user_name="b"))
    other = await town.enter_upstream(somebody("sub-b", email="a@example.test", user_name="a"))
    assert (again.user.id, other.user.id) == (alice.user.id, bob.user.id)
    assert (again.user.email, other.user.email) == ("", "a@example.test")


@pytest.mark.parametrize("word", ["a\x1b[31mb\r\n", "x" * 10_000, "\u202e"])
async def test_the_providers_words_are_stored_fit_to_show(town, word):
    entered = await town.enter_upstream(somebody(name=word, email=word, user_name=word))
    (identity,) = identities(town)
    for shown in (identity.name, identity.email):
        assert len(shown) <= 254
        assert shown.isprintable()
    assert entered.user.display_name == entered.user.name


# Passwords stay what they are


async def test_an_account_from_a_provider_has_no_password(town):
    await town.enter_upstream()
    outcome = await town.try_login("alice", "", a_visitor())
    assert not isinstance(outcome, SignedIn)
    outcome = await town.try_login("alice@example.test", "id-token-of-sub-alice", a_visitor())
    assert not isinstance(outcome, SignedIn)


async def test_signing_in_replaces_a_session_by_password(town):
    town.providers["idp"] = a_provider(link_by_email=True)
    await town.add_user("alice")
    visitor = a_visitor()
    by_password = await town.enter("alice", visitor=visitor)
    entered = await town.enter_upstream(visitor=visitor, previous=fingerprint_of(by_password))
    assert entered.user.id == by_password.user.id
    assert await town.check(by_password) is None


async def test_an_identity_that_has_lost_its_account_opens_nothing(town):
    """It cannot be: the store removes both together. If it is, it is no new account either."""
    entered = await town.enter_upstream()
    del town.store.state.users[entered.user.id]
    with pytest.raises(ConflictError):
        await try_upstream(town, somebody())
    assert town.store.state.users == {}
