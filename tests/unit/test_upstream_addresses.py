"""Somebody new with an address that is here already: nobody is linked by it unless the operator said so."""

import pytest

from doorward.flows.admin import CLI
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure
from tests.fakes.granting import OTHER_ISSUER, a_granting_town, identities, try_upstream
from tests.fakes.upstream import a_provider, failure_of, somebody


@pytest.fixture
def town():
    return a_granting_town()


@pytest.mark.parametrize("auto_provision", [True, False])
async def test_an_address_links_nobody_by_itself(town, auto_provision):
    town.providers["idp"] = a_provider(auto_provision=auto_provision)
    await town.add_user("alice")
    users = dict(town.store.state.users)
    assert failure_of(await try_upstream(town, somebody())) is Failure.ADDRESS_TAKEN
    assert town.store.state.users == users
    assert identities(town) == []
    assert town.store.state.sessions == {}


@pytest.mark.parametrize("told", [False, "true", "false", 1, None])
async def test_an_address_that_nobody_verified_links_nobody_even_where_it_may(town, told):
    town.providers["idp"] = a_provider(link_by_email=True)
    alice = await town.add_user("alice")
    entered = await town.enter_upstream(somebody(email_verified=told))
    assert entered.user.id != alice.id
    assert entered.user.email == ""


async def test_a_verified_address_links_where_the_operator_says_so(town):
    town.providers["idp"] = a_provider(link_by_email=True, auto_provision=False)
    alice = await town.add_user("alice", groups=["family"])
    entered = await town.enter_upstream(somebody())
    assert entered.user.id == alice.id
    assert entered.user.groups == {"family"}
    linked = next(event for event in town.audit if event.act is Act.IDENTITY_LINKED)
    assert (linked.actor, linked.subject, linked.public["because"]) == ("system", alice.id, "address")
    assert not identities(town)[0].owns_profile


@pytest.mark.parametrize("is_admin", [False, True])
async def test_in_a_lockdown_no_address_links_an_account(town, is_admin):
    """E-90: nobody here has asked for it."""
    town.providers["idp"] = a_provider(link_by_email=True)
    await town.add_user("alice", is_admin=is_admin)
    await town.flows.lockdowns.begin(CLI, now=town.now)
    assert failure_of(await try_upstream(town, somebody())) is Failure.ADDRESS_TAKEN
    assert identities(town) == []


async def test_an_address_links_the_first_of_an_issuer_and_no_second(town):
    """Addresses are given away anew: who has it there now is not who had it then."""
    town.providers["idp"] = a_provider(link_by_email=True)
    await town.add_user("alice")
    await town.enter_upstream(somebody("sub-1"))
    assert failure_of(await try_upstream(town, somebody("sub-2"))) is Failure.ADDRESS_TAKEN
    assert [identity.subject for identity in identities(town)] == ["sub-1"]


async def test_a_second_provider_with_the_same_address_links_only_if_it_may(town):
    town.providers["other"] = a_provider("other", issuer=OTHER_ISSUER)
    first = await town.enter_upstream()
    assert failure_of(await try_upstream(town, somebody(), "other")) is Failure.ADDRESS_TAKEN
    town.providers["other"] = a_provider("other", issuer=OTHER_ISSUER, link_by_email=True)
    assert (await try_upstream(town, somebody(), "other")).user.id == first.user.id
    assert len(identities(town)) == 2


async def test_an_address_does_not_link_to_a_disabled_account(town):
    town.providers["idp"] = a_provider(link_by_email=True)
    alice = await town.add_user("alice")
    await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    assert failure_of(await try_upstream(town, somebody())) is Failure.DISABLED
    assert identities(town) == []
    assert town.audit[-1].subject == alice.id


async def test_a_user_name_links_nobody(town):
    town.providers["idp"] = a_provider(link_by_email=True)
    alice = await town.add_user("alice", email="")
    entered = await town.enter_upstream(somebody(user_name="alice", email="alice"))
    assert entered.user.id != alice.id
    assert entered.user.name == "alice-2"
