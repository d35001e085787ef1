"""Signing in with a provider: leaving, coming back, and who it is then."""

from doorward.flows.outcome import SignedIn, UpstreamRefused
from doorward.rules.oidc import Failure
from doorward.rules.session import Method
from tests.fakes.flows import Town, a_visitor
from tests.fakes.upstream import somebody


async def test_a_round_trip_opens_a_session():
    town = Town()
    visitor = a_visitor()
    url = await town.leave(visitor, return_to="https://app.example.test/x?y=1&z=%20")
    entered = await town.come_back(visitor, url, somebody())
    assert isinstance(entered, SignedIn)
    assert entered.return_url == "https://app.example.test/x?y=1&z=%20"
    assert entered.session.methods == {Method.UPSTREAM}
    assert (await town.check(entered)).user.name == "alice"


async def test_the_same_state_opens_one_session():
    town = Town()
    visitor = a_visitor()
    url = await town.leave(visitor)
    assert isinstance(await town.come_back(visitor, url), SignedIn)
    assert await town.come_back(visitor, url) == UpstreamRefused(Failure.STATE)
    assert len(town.store.state.sessions) == 1
