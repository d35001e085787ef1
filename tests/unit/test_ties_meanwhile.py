"""What a provider says at a renewal is taken as the provider stands then, not as it stood when it was asked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.ties import Ties
from doorward.interfaces import Renewed
from tests.fakes.flows import Town, a_visitor
from tests.fakes.upstream import a_provider, somebody

EVERY = timedelta(minutes=10)
GRANTING = a_provider(check_every=EVERY, groups_claim="groups", admin_claim="roles", admin_value="admin")
ANSWER = somebody(claims={"groups": ["family", "staff"], "roles": ["admin"]})


@pytest.fixture
def town():
    made = Town()
    made.consult_ways()
    made.providers["idp"] = GRANTING
    return made


async def enter(town):
    town.upstream.renewals.append(Renewed("", ANSWER))
    return await town.enter_upstream(somebody(claims={"groups": ["family"]}), "idp", a_visitor())


async def run(town, find_provider):
    town.clock.advance(EVERY)
    ties = Ties(
        records=town.store.records,
        sessions=town.store.sessions,
        keyring=town.keyring,
        upstream=town.upstream,
        find_provider=find_provider,
        demands=town.owing.demands,
        outbox=town.post,
        log=town.log,
    )
    await ties.run_due(town.now)


async def read_otherwise(town):
    """Nobody administers by the provider's word any more; whoever does not yet keeps their session."""
    town.providers["idp"] = replace(GRANTING, admin_value="root")
    await town.console.reconcile(now=town.now)


async def test_what_is_read_otherwise_by_now_is_taken_at_the_next_turn(town):
    """H21: a right that the operator has just closed comes back by no answer that was under way."""
    entered = await enter(town)
    town.upstream.meanwhile.append(lambda: read_otherwise(town))
    await run(town, town.ways.find_provider)
    user = town.store.state.find_user(entered.user.id)
    assert (user.every_group, user.administers) == ({"family"}, False)
    assert await town.check(entered) is not None
    town.upstream.renewals.append(Renewed("", ANSWER))
    await run(town, town.ways.find_provider)
    user = town.store.state.find_user(entered.user.id)
    assert (user.every_group, user.administers) == ({"family", "staff"}, False)


async def test_what_is_read_otherwise_while_the_answer_is_written_down_is_taken_back(town):
    entered, asked = await enter(town), []

    async def find_provider(provider_id):
        found = await town.ways.find_provider(provider_id)
        asked.append(found)
        if len(asked) == 2:
            await read_otherwise(town)
        return found

    await run(town, find_provider)
    user = town.store.state.find_user(entered.user.id)
    assert (user.every_group, user.administers) == (frozenset(), False)
    assert await town.check(entered) is None


async def test_an_account_deleted_at_that_moment_stays_so(town):
    entered, asked = await enter(town), []

    async def find_provider(provider_id):
        found = await town.ways.find_provider(provider_id)
        asked.append(found)
        if len(asked) == 3:
            async with town.store.records.transaction() as transaction:
                await transaction.end_sessions_of(entered.user.id)
                await transaction.remove_user(entered.user.id)
            return None
        return found

    await run(town, find_provider)
    assert town.store.state.identities == {}
    assert town.log.events == []
