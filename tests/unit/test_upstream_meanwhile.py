"""What happens to account, provider or session during a callback leaves what one order of the two would have left."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI
from doorward.flows.outcome import SignedIn
from doorward.rules.audit import Act
from doorward.rules.oidc import Failure
from doorward.rules.session import Subject
from doorward.rules.upstream import session_mark, subject_mark
from tests.fakes.flows import Town, a_visitor, fingerprint_of
from tests.fakes.meanwhile import come_back_and_just_before_the_session, come_back_while
from tests.fakes.upstream import ISSUER, a_provider, failure_of, somebody


@pytest.fixture
def town():
    made = Town()
    made.providers["idp"] = a_provider(groups_claim="groups")
    return made


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


@pytest.mark.parametrize("when", [come_back_while, come_back_and_just_before_the_session])
@pytest.mark.parametrize(
    "changes", [{"admin_value": "root"}, {"groups_prefix": "idp:"}, {"allowed_domains": frozenset({"other.test"})}]
)
async def test_what_was_true_of_the_provider_before_lets_nobody_in_and_grants_nothing(town, when, changes):
    """Whoever corrects whom it lets in, or makes an administrator, does not wait for who is on the way."""
    town.providers["idp"] = replace(town.providers["idp"], admin_claim="groups", admin_value="staff")

    async def change():
        town.providers["idp"] = replace(town.providers["idp"], **changes)

    outcome = await when(town, change, somebody(claims={"groups": ["staff"]}))
    assert failure_of(outcome) is Failure.PROVIDER_GONE
    assert town.store.state.sessions == {}
    assert [(each.groups, each.is_admin) for each in town.store.state.identities.values()] == [(frozenset(), False)]


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


@pytest.mark.parametrize("name", [f"sid {ISSUER} sid-1", f"sub {ISSUER} sub-alice"])
async def test_a_sign_in_that_the_provider_ended_meanwhile_is_none(town, name):
    outcome = await come_back_while(town, lambda: mark(town, name), somebody(sid="sid-1"))
    assert failure_of(outcome) is Failure.SIGNED_OUT
    assert town.store.state.users == {}
    assert town.store.state.sessions == {}


@pytest.mark.parametrize(
    "name",
    [
        f"sid {ISSUER} sid-2",
        f"sid {ISSUER} ",
        f"sub {ISSUER} sub-bob",
        "sid https://other.example.test sid-1",
        "sub https://other.example.test sub-alice",
        f"sub {ISSUER} sid-1",
        f"sid {ISSUER} sub-alice",
        session_mark(f"{ISSUER}:8443", "sid-1"),
        subject_mark(f"{ISSUER}:8443", "sub-alice"),
    ],
)
@pytest.mark.parametrize("sid", ["sid-1", "", "8443:sid-1"])
async def test_the_end_of_something_else_ends_nothing(town, name, sid):
    outcome = await come_back_while(town, lambda: mark(town, name), somebody(sid=sid))
    assert isinstance(outcome, SignedIn)


@pytest.mark.parametrize("name", [f"sid {ISSUER} sid-1", f"sub {ISSUER} sub-alice"])
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
