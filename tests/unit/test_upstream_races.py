"""What happens at the same moment leaves exactly what one order of the two would have left."""

import asyncio

import pytest

from doorward.errors import ConflictError
from doorward.flows.outcome import Linked, SignedIn, UpstreamRefused
from doorward.rules.oidc import Failure
from doorward.rules.session import Subject
from tests.fakes.flows import Town, a_visitor
from tests.fakes.meanwhile import come_back_while, lose_to
from tests.fakes.upstream import a_provider, failure_of, somebody


@pytest.fixture
def town():
    made = Town()
    made.providers["idp"] = a_provider(groups_claim="groups")
    return made


# Twice at once


async def test_one_state_brought_back_twice_at_once_opens_one_session(town):
    visitor = a_visitor()
    url = await town.leave(visitor)
    outcomes = await asyncio.gather(*(town.come_back(visitor, url) for _ in range(5)))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["SignedIn"] + ["UpstreamRefused"] * 4
    assert {outcome.failure for outcome in outcomes if isinstance(outcome, UpstreamRefused)} == {Failure.STATE}
    assert len(town.store.state.sessions) == 1
    assert len(town.upstream.arrivals) == 1


async def test_one_code_with_two_states_opens_one_session(town):
    visitor = a_visitor()
    one, two = await town.leave(visitor), await town.leave(visitor)
    _, code = town.upstream.grant(one, somebody())
    outcomes = await asyncio.gather(*(town.come_back(visitor, url, code=code) for url in (one, two)))
    assert isinstance(outcomes[0], SignedIn)
    assert failure_of(outcomes[1]) is Failure.CODE_REFUSED
    assert len(town.store.state.sessions) == 1


async def test_several_tabs_all_come_in(town):
    visitor = a_visitor()
    pages = [f"https://app.example.test/{number}" for number in range(5)]
    urls = [await town.leave(visitor, return_to=page) for page in pages]
    outcomes = await asyncio.gather(*(town.come_back(visitor, url) for url in reversed(urls)))
    assert [outcome.return_url for outcome in outcomes] == pages[::-1]
    assert len({outcome.user.id for outcome in outcomes}) == 1


async def test_somebody_new_who_comes_twice_at_once_gets_one_account(town):
    visitors = [a_visitor(browser=f"b{number}") for number in range(4)]
    outcomes = await asyncio.gather(*(town.enter_upstream(visitor=visitor) for visitor in visitors))
    assert len({outcome.user.id for outcome in outcomes}) == 1
    assert len(town.store.state.users) == len(town.store.state.identities) == 1
    assert town.acts().count("admin.user_create") == 1
    for outcome in outcomes:
        assert await town.check(outcome) is not None


async def test_who_loses_the_race_for_a_new_account_finds_the_one_there_is(town):
    """Where the store tells only when it commits that somebody else was first."""
    winners = []

    async def win():
        winners.append(await town.enter_upstream(visitor=a_visitor(browser="b2")))

    async def arm():
        lose_to(town, win)

    outcome = await come_back_while(town, arm)
    assert outcome.user.id == winners[0].user.id
    assert len(town.store.state.users) == 1
    assert town.acts().count("admin.user_create") == 1
    assert await town.check(outcome) is not None
    assert await town.check(winners[0]) is not None


async def test_two_who_want_the_same_name_get_two(town):
    people = [somebody(f"sub-{number}", email=f"a{number}@example.test") for number in range(3)]
    visitors = [a_visitor(browser=f"b{number}") for number in range(3)]
    outcomes = await asyncio.gather(*map(town.enter_upstream, people, ["idp"] * 3, visitors))
    assert sorted(outcome.user.name for outcome in outcomes) == ["alice", "alice-2", "alice-3"]


async def test_two_accounts_that_link_the_same_at_once_do_not_both_get_it(town):
    await town.add_user("bob")
    await town.add_user("carol")
    trips = []
    for name in ("bob", "carol"):
        visitor = a_visitor(browser=name)
        entered = await town.enter(name, visitor=visitor)
        subject = Subject(entered.user, entered.session)
        trips.append((visitor, await town.leave_to_link(subject, visitor), subject))
    outcomes = await asyncio.gather(*(town.come_back(visitor, url, subject=subject) for visitor, url, subject in trips))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Linked", "UpstreamRefused"]
    (identity,) = town.store.state.identities.values()
    (linked,) = [outcome for outcome in outcomes if isinstance(outcome, Linked)]
    assert linked.identity == identity


async def test_who_loses_the_race_for_a_link_is_told_whose_it_is(town):
    await town.add_user("bob")
    visitor = a_visitor()
    bob = await town.enter("bob", visitor=visitor)
    subject = Subject(bob.user, bob.session)
    url = await town.leave_to_link(subject, visitor)

    async def win():
        await town.enter_upstream(visitor=a_visitor(browser="b2"))

    async def arm():
        lose_to(town, win)

    town.upstream.meanwhile.append(arm)
    assert failure_of(await town.come_back(visitor, url, subject=subject)) is Failure.OTHER_ACCOUNT


async def test_losing_twice_is_said_and_leaves_nothing(town):
    async def nothing():
        pass

    async def lose_again():
        lose_to(town, nothing)

    async def arm():
        lose_to(town, lose_again)

    with pytest.raises(ConflictError):
        await come_back_while(town, arm)
    assert town.store.state.users == {}
    assert town.store.state.sessions == {}


# Whose answer is whose


async def test_two_hundred_round_trips_of_two_people_at_once_mix_up_nobody(town):
    """Nothing of one sign-in is kept where another could find it."""

    async def dawdle(steps):
        for _ in range(steps):
            await asyncio.sleep(0)

    async def go(number):
        name = ("alice", "bob")[number % 2]
        visitor = a_visitor(f"198.51.100.{number}", browser=f"browser-{number}")
        answer = somebody(f"sub-{name}", email=f"{name}@example.test", user_name=name, name=name)
        page = f"https://app.example.test/{number}"
        await dawdle(number * 7 % 13)
        url = await town.leave(visitor, return_to=page)
        await dawdle(number * 5 % 11)
        town.upstream.meanwhile.append(lambda: dawdle(number * 3 % 17))
        outcome = await town.come_back(visitor, url, answer)
        assert isinstance(outcome, SignedIn)
        assert (outcome.user.name, outcome.return_url) == (name, page)
        return outcome

    outcomes = await asyncio.gather(*map(go, range(200)))
    assert len(town.store.state.users) == 2
    assert len({outcome.cookie for outcome in outcomes}) == 200
    for number, outcome in enumerate(outcomes):
        assert (await town.check(outcome)).user.name == ("alice", "bob")[number % 2]
    nonces = {arrival.nonce for arrival in town.upstream.arrivals}
    assert len(nonces) == len({arrival.verifier for arrival in town.upstream.arrivals}) == 200
