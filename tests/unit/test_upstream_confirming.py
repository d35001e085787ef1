"""Proving who one is with a provider, where the provider has to ask: to confirm, to be fresh, to connect."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.outcome import UpstreamRefused
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure
from doorward.rules.provider import Kind
from doorward.rules.session import NEVER, Subject
from tests.fakes.flows import Town, a_visitor, fingerprint_of
from tests.fakes.upstream import a_provider, somebody, state_of


@pytest.fixture
def town():
    return Town()


def departure_of(town, url):
    return town.upstream.departures[state_of(url)]


async def test_a_step_up_makes_the_provider_ask_again(town):
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor, remember=True)
    subject = Subject(old.user, old.session)
    town.clock.advance(timedelta(hours=1))
    url = await town.leave(visitor, subject=subject)
    departure = departure_of(town, url)
    assert (departure.prompt, departure.max_age) == ("login", timedelta(0))
    assert departure.login_hint == "alice@example.test"
    new = await town.come_back(visitor, url, somebody(auth_time=town.now), previous=fingerprint_of(old))
    assert new.session.authenticated_at == town.now
    assert new.session.remembered
    assert await town.check(old) is None
    assert town.audit[-1].act is Act.REAUTHENTICATED


@pytest.mark.parametrize("asked", [None, timedelta(seconds=-61)])
async def test_a_step_up_is_not_taken_from_a_provider_that_did_not_ask(town, asked):
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor)
    url = await town.leave(visitor, subject=Subject(old.user, old.session))
    answer = somebody(auth_time=None if asked is None else town.now + asked)
    outcome = await town.come_back(visitor, url, answer, previous=fingerprint_of(old))
    assert outcome == UpstreamRefused(Failure.NOT_FRESH, town.providers["idp"], confirming=True)
    assert await town.check(old) is not None


@pytest.mark.parametrize("kind", [Kind.GOOGLE, Kind.GITHUB])
async def test_a_step_up_does_not_even_leave_for_a_provider_that_cannot_be_made_to_ask(town, kind):
    town.providers["idp"] = a_provider(kind=kind)
    visitor = a_visitor()
    old = await town.enter_upstream(visitor=visitor)
    outcome = await town.depart(visitor, subject=Subject(old.user, old.session))
    assert outcome == UpstreamRefused(Failure.NOT_FRESH, town.providers["idp"], confirming=True)


@pytest.mark.parametrize(("kind", "prompt"), [(Kind.OIDC, "login"), (Kind.GOOGLE, "select_account")])
async def test_confirming_takes_any_provider_and_asks_as_well_as_it_can(town, kind, prompt):
    town.providers["idp"] = a_provider(kind=kind, prompt="select_account")
    visitor = a_visitor()
    old = await town.enter_upstream(somebody(email="alice@gmail.com"), visitor=visitor)
    town.clock.advance(timedelta(hours=1))
    url = await town.leave(visitor, subject=Subject(old.user, old.session), confirm=True)
    departure = departure_of(town, url)
    assert (departure.prompt, departure.max_age) == (prompt, None)
    new = await town.come_back(visitor, url, somebody(email="alice@gmail.com"), previous=fingerprint_of(old))
    assert new.session.created_at == town.now
    assert new.session.authenticated_at == NEVER
    assert town.audit[-1].act is Act.REAUTHENTICATED


@pytest.mark.parametrize("known", [True, False])
async def test_nobody_else_can_confirm(town, known):
    visitor = a_visitor()
    bob = somebody("sub-bob", email="bob@example.test", user_name="bob")
    if known:
        await town.enter_upstream(bob, visitor=a_visitor(browser="b2"))
    old = await town.enter_upstream(visitor=visitor)
    users = dict(town.store.state.users)
    url = await town.leave(visitor, subject=Subject(old.user, old.session))
    answer = replace(bob, auth_time=town.now)
    outcome = await town.come_back(visitor, url, answer, previous=fingerprint_of(old))
    assert outcome == UpstreamRefused(Failure.OTHER_ACCOUNT, town.providers["idp"], confirming=True)
    assert await town.check(old) is not None
    assert town.store.state.users == users
    assert town.audit[-1].subject == old.user.id


async def test_confirming_with_a_provider_the_account_does_not_have_gives_no_hint(town):
    await town.add_user("bob")
    visitor = a_visitor()
    bob = await town.enter("bob", visitor=visitor)
    url = await town.leave(visitor, subject=Subject(bob.user, bob.session))
    assert departure_of(town, url).login_hint == ""


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, "login"),
        ({"prompt": "consent"}, "login"),
        ({"kind": Kind.GOOGLE}, "select_account"),
        ({"kind": Kind.GOOGLE, "prompt": "consent"}, "consent select_account"),
        ({"kind": Kind.GITHUB, "prompt": "select_account"}, "select_account"),
    ],
)
async def test_no_account_is_connected_without_asking_whose_it_is(town, settings, asked):
    """Whoever got the browser signed in at the provider as themselves would be connected with a single click."""
    town.providers["idp"] = a_provider(**settings)
    await town.add_user("bob")
    bob = await town.enter("bob")
    url = await town.leave_to_link(Subject(bob.user, bob.session), a_visitor())
    assert departure_of(town, url).prompt == asked
