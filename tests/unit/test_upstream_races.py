"""What happens at the same moment leaves exactly what one order of the two would have left."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Linked, SignedIn, UpstreamRefused
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure
from doorward.rules.session import Subject
from tests.fakes.flows import Town, a_visitor, fingerprint_of
from tests.fakes.upstream import ISSUER, a_provider, somebody


@pytest.fixture
def town():
    made = Town()
    made.providers["idp"] = a_provider(groups_claim="groups")
    return made


def failure_of(outcome):
    assert isinstance(outcome, UpstreamRefused), outcome
    return outcome.failure


async def come_back_while(town, act, answer=None):
    """Somebody's answer is on its way from the provider while something else is done."""
    visitor = a_visitor()
    url = await town.leave(visitor)
    town.upstream.meanwhile.append(act)
    return await town.come_back(visitor, url, answer)


async def come_back_and_just_before_the_session(town, act, answer=None):
    """Something is done after the evidence was written and before the session is there."""
    put = town.store.sessions.put

    async def act_and_put(session):
        town.store.sessions.put = put
        await act()
        await put(session)

    town.store.sessions.put = act_and_put
    visitor = a_visitor()
    return await town.come_back(visitor, await town.leave(visitor), answer)


def lost():
    raise ConflictError("somebody else was first")


def lose_to(town, act):
    """The next transaction is not committed, because `act` was faster."""
    transaction = town.store.records.transaction

    @asynccontextmanager
    async def lose():
        town.store.records.transaction = transaction
        try:
            async with transaction() as opened:
                yield opened
                lost()
        except ConflictError:
            await act()
            raise

    town.store.records.transaction = lose


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


# The account changes meanwhile


async def test_an_account_disabled_during_the_callback_stays_out(town):
    await town.enter_upstream(visitor=a_visitor(browser="b2"))
    outcome = await come_back_while(
        town, lambda: town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
    )
    assert failure_of(outcome) is Failure.DISABLED
    assert [event.act for event in town.audit][-1] is Act.LOGIN_FAILED


async def test_an_account_deleted_during_the_callback_is_not_brought_back(town):
    first = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    town.providers["idp"] = replace(town.providers["idp"], auto_provision=False)
    outcome = await come_back_while(town, lambda: town.administration.delete_user(CLI, "alice", now=town.now))
    assert failure_of(outcome) is Failure.UNKNOWN
    assert first.user.id not in town.store.state.users
    assert town.store.state.identities == {}


async def test_a_generation_raised_during_the_callback_is_the_one_of_the_session(town):
    """As if everything had been ended first: what was open is closed, who comes then is in."""
    first = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    outcome = await come_back_while(town, lambda: town.administration.end_sessions_of(CLI, "alice", now=town.now))
    assert await town.check(first) is None
    assert (await town.check(outcome)).user.generation == 2


async def test_a_group_taken_away_during_the_callback_is_gone(town):
    await town.enter_upstream(visitor=a_visitor(browser="b2"))
    await town.administration.set_groups(CLI, "alice", ["family", "staff"], now=town.now)
    outcome = await come_back_while(
        town, lambda: town.administration.set_groups(CLI, "alice", ["family"], now=town.now)
    )
    assert (await town.check(outcome)).user.every_group == {"family"}


LATE = {
    "disabled": lambda town: town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now),
    "ended": lambda town: town.administration.end_sessions_of(CLI, "alice", now=town.now),
}


@pytest.mark.parametrize("act", LATE.values(), ids=LATE)
async def test_what_happens_after_the_evidence_leaves_no_session_that_counts(town, act):
    """J04: as if the sign-in had been first, and had then been ended."""
    outcome = await come_back_and_just_before_the_session(town, lambda: act(town))
    assert failure_of(outcome) is Failure.SIGNED_OUT
    assert town.store.state.sessions == {}


async def test_an_account_deleted_after_the_evidence_has_no_session(town):
    with pytest.raises(ConflictError):
        await come_back_and_just_before_the_session(
            town, lambda: town.administration.delete_user(CLI, "alice", now=town.now)
        )
    assert town.store.state.sessions == {}


async def test_letting_go_of_the_identity_meanwhile_ends_what_was_made_with_it(town):
    await town.add_user("alice")
    town.providers["idp"] = replace(town.providers["idp"], link_by_email=True)
    first = await town.enter_upstream(visitor=a_visitor(browser="b2"))
    (identity,) = await town.identities.list_own(Subject(first.user, first.session))
    outcome = await come_back_and_just_before_the_session(
        town, lambda: town.identities.unlink_for(CLI, "alice", identity.id, now=town.now)
    )
    assert failure_of(outcome) is Failure.SIGNED_OUT
    assert town.store.state.sessions == {}


# The provider changes meanwhile


async def close(town):
    """Close the provider, and take back what it granted, as whoever closes it does."""
    town.providers["idp"] = replace(town.providers["idp"], enabled=False)
    async with town.store.records.transaction() as transaction:
        for identity in await transaction.list_identities():
            await transaction.advance_identity(identity, replace(identity, groups=frozenset(), is_admin=False))


@pytest.mark.parametrize("when", [come_back_while, come_back_and_just_before_the_session])
async def test_a_provider_closed_meanwhile_lets_nobody_in_and_grants_nothing(town, when):
    answer = somebody(claims={"groups": ["staff"]})
    outcome = await when(town, lambda: close(town), answer)
    assert failure_of(outcome) is Failure.PROVIDER_GONE
    assert town.store.state.sessions == {}
    assert [identity.groups for identity in town.store.state.identities.values()] == [frozenset()]
    assert town.audit[-1].public["failure"] == "provider_gone"


async def test_a_provider_that_became_another_meanwhile_lets_nobody_in(town):
    async def change():
        town.providers["idp"] = replace(town.providers["idp"], client_id="other")

    assert failure_of(await come_back_while(town, change)) is Failure.PROVIDER_GONE
    assert town.store.state.sessions == {}


async def test_an_account_deleted_while_its_provider_closes_needs_nothing_taken_back(town):
    async def close_and_unlink():
        await town.add_user("root", is_admin=True)
        await close(town)
        async with town.store.records.transaction() as transaction:
            for identity in await transaction.list_identities():
                await transaction.remove_identity(identity.id)

    outcome = await come_back_and_just_before_the_session(town, close_and_unlink)
    assert failure_of(outcome) is Failure.PROVIDER_GONE
    assert town.store.state.sessions == {}


# The provider signs out meanwhile


async def mark(town, name, *, at=None):
    async with town.store.records.transaction() as transaction:
        await transaction.put_mark(name, at or town.now, keep_until=town.now + timedelta(days=1))


@pytest.mark.parametrize("name", [f"sid:{ISSUER}:sid-1", f"sub:{ISSUER}:sub-alice"])
async def test_a_sign_in_that_the_provider_ended_meanwhile_is_none(town, name):
    outcome = await come_back_while(town, lambda: mark(town, name), somebody(sid="sid-1"))
    assert failure_of(outcome) is Failure.SIGNED_OUT
    assert town.store.state.users == {}
    assert town.store.state.sessions == {}


@pytest.mark.parametrize(
    "name",
    [
        f"sid:{ISSUER}:sid-2",
        f"sid:{ISSUER}:",
        f"sub:{ISSUER}:sub-bob",
        "sid:https://other.example.test:sid-1",
        "sub:https://other.example.test:sub-alice",
        f"sub:{ISSUER}:sid-1",
        f"sid:{ISSUER}:sub-alice",
    ],
)
@pytest.mark.parametrize("sid", ["sid-1", ""])
async def test_the_end_of_something_else_ends_nothing(town, name, sid):
    outcome = await come_back_while(town, lambda: mark(town, name), somebody(sid=sid))
    assert isinstance(outcome, SignedIn)


@pytest.mark.parametrize("name", [f"sid:{ISSUER}:sid-1", f"sub:{ISSUER}:sub-alice"])
async def test_who_was_signed_out_there_may_come_again(town, name):
    await mark(town, name)
    town.clock.advance(timedelta(seconds=1))
    await town.enter_upstream(somebody(sid="sid-1"))


async def test_a_sign_out_between_the_evidence_and_the_session_finds_it_all_the_same(town):
    """The notice finds no session to end yet; the second look finds that there was a notice."""

    async def sign_out_there():
        async with town.store.records.transaction() as transaction:
            for noted in await transaction.list_upstream_sessions(sid="sid-1"):
                await transaction.end_session(noted.handle)

    outcome = await come_back_and_just_before_the_session(town, sign_out_there, somebody(sid="sid-1"))
    assert failure_of(outcome) is Failure.SIGNED_OUT
    assert town.store.state.sessions == {}
    assert [event.act for event in town.audit][-2:] == [Act.LOGIN, Act.LOGIN_FAILED]


async def test_signing_out_here_meanwhile_does_not_end_what_begins(town):
    """As if one had signed out, and in again."""
    visitor = a_visitor()
    first = await town.enter_upstream(visitor=visitor)
    url = await town.leave(visitor)
    town.upstream.meanwhile.append(lambda: town.sign_out.sign_out(fingerprint_of(first), visitor, now=town.now))
    outcome = await town.come_back(visitor, url, previous=fingerprint_of(first))
    assert await town.check(first) is None
    assert await town.check(outcome) is not None
    assert "replaced" not in town.audit[-1].public
