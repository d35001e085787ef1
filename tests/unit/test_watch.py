"""Who keeps an eye on the providers tells the log of every change, once."""

import pytest

from doorward.flows.watch import Watch
from doorward.rules.oidc import Failure, UpstreamError
from tests.fakes.flows import Town
from tests.fakes.upstream import a_provider


@pytest.fixture
def town():
    made = Town()
    made.consult_ways()
    made.providers = {each.id: each for each in (a_provider("idp"), a_provider("other", issuer="https://other.test"))}
    made.watch = Watch(ways=made.ways, upstream=made.upstream, log=made.log)
    return made


def told(town):
    """What the log was told since the last look: the event and of whom."""
    events, town.log.events[:] = list(town.log.events), []
    return [(event, fields["provider"]) for event, fields in events]


async def test_a_provider_that_does_not_answer_is_named_once_and_again_when_it_is_back(town):
    """C-25: a provider that is down at the start keeps nobody waiting, and recovers by itself."""
    town.upstream.failing = {"idp": UpstreamError(Failure.UNREACHABLE, "no answer")}
    for _ in range(3):
        await town.watch.look(town.now)
    assert told(town) == [("provider_trouble", "idp")]
    town.upstream.failing = {}
    for _ in range(3):
        await town.watch.look(town.now)
    assert told(town) == [("provider_recovered", "idp")]


async def test_providers_that_answer_are_not_spoken_of(town):
    await town.watch.look(town.now)
    assert told(town) == []


async def test_a_provider_that_is_switched_off_is_not_asked_any_more(town):
    town.upstream.failing = {"idp": UpstreamError(Failure.UNREACHABLE, "no answer")}
    await town.watch.look(town.now)
    assert told(town) == [("provider_trouble", "idp")]
    town.providers["idp"] = a_provider("idp", enabled=False)
    await town.watch.look(town.now)
    assert told(town) == []


async def test_each_provider_has_troubles_of_its_own(town):
    town.upstream.failing = {"idp": UpstreamError(Failure.UNREACHABLE, "no answer")}
    await town.watch.look(town.now)
    town.upstream.failing = {"other": UpstreamError(Failure.DISCOVERY, "another issuer")}
    told(town)
    await town.watch.look(town.now)
    assert sorted(told(town)) == [("provider_recovered", "idp"), ("provider_trouble", "other")]
