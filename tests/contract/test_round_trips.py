"""Signing in with a provider comes out the same on every store."""

import asyncio

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Linked, SignedIn, UpstreamRefused
from doorward.rules.oidc import Failure
from doorward.rules.session import Subject
from doorward.rules.upstream import subject_mark
from tests.fakes.flows import Town, a_visitor, fingerprint_of
from tests.fakes.upstream import ISSUER, a_provider, somebody


@pytest.fixture
def town(store):
    made = Town(store=store)
    made.providers["idp"] = a_provider(groups_claim="groups", admin_claim="groups", admin_value="root")
    return made


def member(*groups, **changes):
    return somebody(claims={"groups": list(groups)}, **changes)


async def list_identities(town):
    async with town.store.records.transaction() as transaction:
        return await transaction.list_identities()


async def list_noted(town):
    async with town.store.records.transaction() as transaction:
        return [noted.handle for noted in await transaction.list_upstream_sessions()]


async def test_somebody_new_comes_in_and_comes_again(town):
    visitor = a_visitor()
    first = await town.enter_upstream(member("staff", "root"), visitor=visitor)
    assert (await town.check(first)).user == first.user
    assert first.user.administers
    assert first.user.every_group == {"staff", "root"}
    assert await town.setup.is_set_up()
    again = await town.enter_upstream(member("staff", "root"), visitor=visitor, previous=fingerprint_of(first))
    assert again.user.id == first.user.id
    assert await town.check(first) is None
    assert (await town.check(again)).user == again.user
    assert await list_noted(town) == [again.session.handle]


async def test_what_is_lost_is_lost_for_every_session(town):
    first = await town.enter_upstream(member("staff"))
    again = await town.enter_upstream(member("ops"), visitor=a_visitor(browser="b2"))
    assert await town.check(first) is None
    assert (await town.check(again)).user.every_group == {"ops"}
    assert again.user.generation == 2
    assert await list_noted(town) == [again.session.handle]


async def test_more_rights_reach_the_sessions_there_are(town):
    first = await town.enter_upstream(member("staff"))
    await town.enter_upstream(member("staff", "ops"), visitor=a_visitor(browser="b2"))
    assert (await town.check(first)).user.every_group == {"staff", "ops"}


async def test_four_first_sign_ins_at_once_are_one_account(town):
    visitors = [a_visitor(browser=f"b{number}") for number in range(4)]
    outcomes = await asyncio.gather(*(town.enter_upstream(visitor=visitor) for visitor in visitors))
    assert len({outcome.user.id for outcome in outcomes}) == 1
    assert len(await town.administration.list_users(CLI)) == len(await list_identities(town)) == 1
    for outcome in outcomes:
        assert await town.check(outcome) is not None


async def test_linking_letting_go_and_the_last_way_in(town):
    await town.add_user("bob")
    visitor = a_visitor()
    bob = await town.enter("bob", visitor=visitor)
    subject = Subject(bob.user, bob.session)
    url = await town.leave_to_link(subject, visitor)
    assert isinstance(await town.come_back(visitor, url, member("staff"), subject=subject), Linked)
    assert (await town.check(bob)).user.every_group == frozenset()
    entered = await town.enter_upstream(member("staff"), visitor=a_visitor(browser="b2"))
    assert entered.user.id == bob.user.id
    (identity,) = await town.identities.list_own(subject)
    town.passwords_open = False
    with pytest.raises(ConflictError):
        await town.identities.unlink(subject, identity.id, visitor, now=town.now)
    town.passwords_open = True
    await town.identities.unlink(subject, identity.id, visitor, now=town.now)
    assert await town.check(entered) is None
    assert await town.check(bob) is None
    assert await list_identities(town) == await list_noted(town) == []


async def test_a_sign_out_that_comes_before_the_session_ends_it(town, monkeypatch):
    put = town.store.sessions.put

    async def put_late(session):
        async with town.store.records.transaction() as transaction:
            (noted,) = await transaction.list_upstream_sessions(sid="sid-1")
            await transaction.end_session(noted.handle)
        await put(session)

    monkeypatch.setattr(town.store.sessions, "put", put_late)
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor), somebody(sid="sid-1"))
    assert isinstance(outcome, UpstreamRefused)
    assert outcome.failure is Failure.SIGNED_OUT
    assert await town.store.sessions.count() == 0


async def test_a_provider_closed_before_the_session_takes_everything_back(town):
    async def close():
        del town.providers["idp"]

    town.upstream.meanwhile.append(close)
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor), member("root"))
    assert isinstance(outcome, UpstreamRefused)
    assert outcome.failure is Failure.PROVIDER_GONE
    assert await town.store.sessions.count() == 0
    (identity,) = await list_identities(town)
    assert (identity.groups, identity.is_admin) == (frozenset(), False)


async def test_a_notice_from_the_provider_stops_what_is_on_its_way(town):
    async def notice():
        async with town.store.records.transaction() as transaction:
            await transaction.put_mark(subject_mark(ISSUER, "sub-alice"), town.now, keep_until=town.now)

    town.upstream.meanwhile.append(notice)
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor))
    assert not isinstance(outcome, SignedIn)
    assert await town.administration.list_users(CLI) == []


async def test_a_deleted_account_takes_its_identities_with_it(town):
    first = await town.enter_upstream()
    await town.administration.delete_user(CLI, "alice", now=town.now)
    assert await list_identities(town) == await list_noted(town) == []
    assert await town.check(first) is None
    assert (await town.enter_upstream()).user.id != first.user.id
