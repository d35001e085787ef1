"""Sessions that are tied to the provider's own end with it, and never because it is down."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.admin import CLI
from doorward.flows.ties import AT_ONCE, BATCH, Ties
from doorward.interfaces import Renewed
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.oidc import Failure, UpstreamError
from tests.fakes.flows import Town, a_visitor
from tests.fakes.upstream import a_provider, somebody

EVERY = timedelta(minutes=10)


@pytest.fixture
def town():
    made = Town()
    made.consult_ways()
    made.providers["idp"] = a_provider(
        check_every=EVERY, groups_claim="groups", admin_claim="roles", admin_value="admin"
    )
    return made


def ties_of(town):
    return Ties(
        records=town.store.records,
        sessions=town.store.sessions,
        keyring=town.keyring,
        upstream=town.upstream,
        find_provider=town.ways.find_provider,
        demands=town.owing.demands,
        outbox=town.post,
        log=town.log,
    )


async def run(town, *, after=EVERY):
    town.clock.advance(after)
    await ties_of(town).run_due(town.now)


async def enter(town, subject="sub-alice", provider="idp", **changes):
    """From wherever they like, so that nobody's sign-ins fill the limits."""
    visitor = a_visitor(f"198.51.{len(town.store.state.audit) // 250}.{len(town.store.state.audit) % 250}")
    values = {"email": f"{subject}@example.test", "user_name": subject, "claims": {"groups": ["family"]}, **changes}
    return await town.enter_upstream(somebody(subject, **values), provider, visitor)


def noted(town, entered):
    return town.store.state.upstream_sessions[entered.session.handle]


def ended_because(town):
    return [event.public["because"] for event in town.audit if event.act.value == "user.logout_upstream"]


def claims(*groups, **more):
    return {"groups": list(groups), **more}


async def test_a_tie_is_tried_when_it_is_due_and_not_before(town):
    entered = await enter(town)
    await run(town, after=EVERY - timedelta(seconds=1))
    assert town.upstream.renewed == []
    await run(town, after=timedelta(seconds=1))
    assert town.upstream.renewed == [("idp", "refresh-token-of-sub-alice", "sub-alice")]
    assert noted(town, entered).check_at == town.now + EVERY
    await run(town, after=EVERY - timedelta(seconds=1))
    assert len(town.upstream.renewed) == 1
    assert await town.check(entered) is not None


async def test_a_session_without_a_refresh_token_is_tied_to_nothing(town):
    entered = await enter(town, refresh_token="")
    await run(town)
    assert town.upstream.renewed == []
    assert await town.check(entered) is not None


async def test_a_new_refresh_token_takes_the_place_of_the_old_one(town):
    entered = await enter(town)
    town.upstream.renewals.append(Renewed("second", None))
    await run(town)
    assert "second" not in repr(noted(town, entered).refresh_token)
    assert town.unseal_upstream(noted(town, entered), "refresh_token") == "second"
    town.upstream.renewals.append(Renewed("third", None))
    await run(town)
    await run(town)
    assert [token for _, token, _ in town.upstream.renewed] == ["refresh-token-of-sub-alice", "second", "third"]
    assert await town.check(entered) is not None


@pytest.mark.parametrize("failure", [Failure.CODE_REFUSED, Failure.TOKEN])
async def test_what_ended_there_ends_here(town, failure):
    entered = await enter(town)
    town.clock.advance(timedelta(seconds=1))
    other = await enter(town, "sub-bob")
    town.upstream.renewals.append(UpstreamError(failure, "invalid_grant"))
    await run(town)
    assert await town.check(entered) is None
    assert await town.check(other) is not None
    (event,) = [event for event in town.audit if event.act.value == "user.logout_upstream"]
    assert (event.actor, event.subject) == ("system", entered.user.id)
    assert dict(event.public) == {
        "session": entered.session.handle,
        "provider": "idp",
        "issuer": "https://id.example.test",
        "because": failure.value,
    }


@pytest.mark.parametrize(
    "failure", [Failure.UNREACHABLE, Failure.DISCOVERY, Failure.CLIENT_REFUSED, Failure.PROVIDER_ERROR]
)
async def test_an_outage_ends_nothing(town, failure):
    entered = await enter(town)
    town.upstream.renewals.append(UpstreamError(failure, "no answer"))
    await run(town)
    assert await town.check(entered) is not None
    assert [name for name, _ in town.log.events] == ["renewal_failed"]
    assert noted(town, entered).check_at == town.now + EVERY
    await run(town)
    assert len(town.upstream.renewed) == 2
    assert await town.check(entered) is not None


async def test_nobody_waits_for_a_provider_that_does_not_answer(town):
    """One that is down costs no more than a few questions at a turn, however many sessions it has."""
    town.providers["other"] = a_provider("other", issuer="https://other.example.test", check_every=EVERY)
    for number in range(3 * AT_ONCE):
        await enter(town, f"sub-{number}")
    await enter(town, "sub-other", "other", email="other@other.test")
    asked = []

    async def renew(provider, token, *, subject, now):
        asked.append(provider.id)
        await asyncio.sleep(0)
        if provider.id == "idp":
            raise UpstreamError(Failure.UNREACHABLE, "down")
        return Renewed("", None)

    town.upstream.renew = renew
    await run(town)
    assert "other" in asked
    assert asked.count("idp") <= AT_ONCE
    assert len(town.store.state.sessions) == 3 * AT_ONCE + 1
    assert {each.check_at for each in town.store.state.upstream_sessions.values()} == {town.now + EVERY}


# What it answers counts as at a sign-in


async def test_a_group_that_is_gone_there_is_gone_here(town):
    """H27: a renewal asks everything again."""
    entered = await enter(town)
    assert (await town.check(entered)).user.every_group == {"family"}
    town.upstream.renewals.append(Renewed("", somebody(claims=claims(), email="sub-alice@example.test")))
    await run(town)
    # What was lost is lost for every session of the account; the next sign-in has what is left.
    assert await town.check(entered) is None
    assert town.store.state.find_user(entered.user.id).every_group == frozenset()


async def test_a_group_that_is_new_there_is_new_here(town):
    entered = await enter(town)
    grown = somebody(claims=claims("family", "staff", roles="admin"), email="sub-alice@example.test")
    town.upstream.renewals.append(Renewed("", grown))
    await run(town)
    user = (await town.check(entered)).user
    assert (user.every_group, user.administers) == ({"family", "staff"}, True)
    (identity,) = town.store.state.identities.values()
    assert identity.used_at == entered.session.created_at


@pytest.mark.parametrize(("required", "stays"), [("none", True), ("admins", False)])
async def test_a_renewal_that_brings_administration_keeps_no_session_that_showed_less(town, required, stays):
    """B-12."""
    entered = await enter(town)
    town.mfa = MfaTerms(MfaRequired(required))
    grown = somebody(claims=claims("family", roles="admin"), email="sub-alice@example.test")
    town.upstream.renewals.append(Renewed("", grown))
    await run(town)
    assert (await town.check(entered) is not None) is stays


async def test_whoever_may_come_in_no_more_is_out(town):
    """H27."""
    entered = await enter(town)
    town.providers["idp"] = replace(town.providers["idp"], allowed_groups=frozenset({"family"}))
    same = somebody(claims=claims("family"), email="sub-alice@example.test")
    town.upstream.renewals.append(Renewed("", same))
    await run(town)
    assert await town.check(entered) is not None
    town.upstream.renewals.append(Renewed("second", replace(same, claims=claims("strangers"))))
    await run(town)
    assert await town.check(entered) is None
    assert ended_because(town) == ["not_allowed"]


async def test_an_answer_about_somebody_else_ends_the_session(town):
    entered = await enter(town)
    town.upstream.renewals.append(Renewed("", somebody("sub-mallory", claims=claims("family", roles="admin"))))
    await run(town)
    assert await town.check(entered) is None
    assert ended_because(town) == ["token"]
    assert not town.store.state.find_user(entered.user.id).administers


# What is there no more


async def test_a_provider_that_is_gone_ends_its_sessions(town):
    entered = await enter(town)
    del town.providers["idp"]
    await run(town)
    assert await town.check(entered) is None
    assert (ended_because(town), town.upstream.renewed) == (["provider_gone"], [])


async def test_a_provider_that_moved_ends_its_sessions(town):
    entered = await enter(town)
    town.providers["idp"] = replace(town.providers["idp"], issuer="https://moved.example.test")
    await run(town)
    assert await town.check(entered) is None
    assert town.upstream.renewed == []


async def test_ties_that_are_switched_off_leave_ordinary_sessions(town):
    entered = await enter(town)
    town.providers["idp"] = replace(town.providers["idp"], check_every=None)
    await run(town)
    assert (noted(town, entered).check_at, noted(town, entered).refresh_token) == (None, "")
    assert await town.check(entered) is not None
    assert town.upstream.renewed == []


async def test_nothing_is_asked_about_a_session_that_is_over(town):
    """Sessions that live apart end without their notes: by idleness, or with the process that held them."""
    entered = await enter(town)
    del town.store.state.sessions[entered.session.fingerprint]
    await run(town)
    assert (town.upstream.renewed, town.store.state.upstream_sessions, ended_because(town)) == ([], {}, [])


async def test_a_token_that_was_tampered_with_ends_the_session(town):
    entered = await enter(town)
    handle = entered.session.handle
    town.store.state.upstream_sessions[handle] = replace(noted(town, entered), refresh_token="gcm1:0:0")
    await run(town)
    assert await town.check(entered) is None
    assert town.upstream.renewed == []
    assert town.acts()[-2:] == ["system.tamper", "user.logout_upstream"]


async def test_a_token_of_another_session_opens_nothing(town):
    """What is sealed for one row opens in no other."""
    alice, bob = await enter(town), await enter(town, "sub-bob")
    stolen = replace(noted(town, alice), refresh_token=noted(town, bob).refresh_token)
    town.store.state.upstream_sessions[alice.session.handle] = stolen
    await run(town)
    assert [subject for *_, subject in town.upstream.renewed] == ["sub-bob"]
    assert await town.check(alice) is None


# Races


async def test_two_processes_never_use_one_token(town):
    for number in range(5):
        await enter(town, f"sub-{number}")
    town.clock.advance(EVERY)
    await asyncio.gather(ties_of(town).run_due(town.now), ties_of(town).run_due(town.now))
    assert sorted(subject for *_, subject in town.upstream.renewed) == [f"sub-{number}" for number in range(5)]


@pytest.mark.parametrize("token", ["", "second"])
async def test_whoever_signs_out_meanwhile_stays_signed_out(town, token):
    entered = await enter(town)

    async def sign_out():
        await town.sign_out.sign_out(entered.session.fingerprint, a_visitor(), now=town.now)

    town.upstream.meanwhile.append(sign_out)
    town.upstream.renewals.append(Renewed(token, somebody(claims=claims("family", roles="admin"))))
    await run(town)
    assert await town.check(entered) is None
    assert town.store.state.upstream_sessions == {}
    assert not town.store.state.find_user(entered.user.id).administers


@pytest.mark.parametrize("token", ["", "second"])
async def test_an_answer_that_comes_after_the_provider_was_closed_grants_nothing(town, token):
    entered = await enter(town)

    async def close():
        town.providers["idp"] = replace(town.providers["idp"], enabled=False)
        await town.console.reconcile(now=town.now)

    town.upstream.meanwhile.append(close)
    town.upstream.renewals.append(Renewed(token, somebody(claims=claims("family", "staff", roles="admin"))))
    await run(town)
    user = town.store.state.find_user(entered.user.id)
    assert (user.every_group, user.administers) == (frozenset(), False)
    assert await town.check(entered) is None


async def test_a_refusal_that_comes_after_the_session_ended_leaves_no_second_record(town):
    entered = await enter(town)

    async def disable():
        await town.administration.set_enabled(CLI, entered.user.name, enabled=False, now=town.now)

    town.upstream.meanwhile.append(disable)
    town.upstream.renewals.append(UpstreamError(Failure.CODE_REFUSED, "invalid_grant"))
    await run(town)
    assert ended_because(town) == []


async def test_one_that_fails_takes_no_other_along(town):
    first, second = await enter(town), await enter(town, "sub-bob")
    find = town.store.sessions.find_by_handle

    async def fail_once(handle):
        if handle == first.session.handle:
            raise OSError("disk")
        return await find(handle)

    town.store.sessions.find_by_handle = fail_once
    await run(town)
    assert [subject for *_, subject in town.upstream.renewed] == ["sub-bob"]
    assert [name for name, _ in town.log.events] == ["tie_failed"]
    assert await town.check(second) is not None


class Slow:
    """A provider that takes its time; how many are asked at once."""

    def __init__(self):
        self.open = asyncio.Event()
        self.begun = 0
        self.at_once = 0
        self.most = 0

    async def renew(self, provider, token, *, subject, now):
        self.begun += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.open.wait()
        self.at_once -= 1
        return Renewed(f"next-of-{subject}", None)


async def test_only_so_many_are_tried_at_once_and_in_one_turn(town, monkeypatch):
    monkeypatch.setattr("doorward.flows.ties.BATCH", 10)
    assert BATCH > AT_ONCE
    for number in range(12):
        await enter(town, f"sub-{number}")
    slow = Slow()
    town.upstream.renew = slow.renew
    slow.open.set()
    await run(town)
    assert slow.begun == 10
    slow.open.clear()
    town.clock.advance(EVERY)
    turn = asyncio.create_task(ties_of(town).run_due(town.now))
    while slow.at_once < AT_ONCE:
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert slow.at_once == AT_ONCE
    slow.open.set()
    await turn
    assert slow.most == AT_ONCE


async def test_a_token_that_was_used_is_never_lost_by_stopping(town):
    """A restart signs nobody out: what was begun is brought to its end, and nothing else is begun."""
    entered = [await enter(town, f"sub-{number}") for number in range(2 * AT_ONCE)]
    slow = Slow()
    town.upstream.renew = slow.renew
    town.clock.advance(EVERY)
    turn = asyncio.create_task(ties_of(town).run_due(town.now))
    while slow.at_once < AT_ONCE:
        await asyncio.sleep(0)
    turn.cancel()
    await asyncio.sleep(0)
    slow.open.set()
    with contextlib.suppress(asyncio.CancelledError):
        await turn
    assert turn.cancelled()
    assert slow.begun == AT_ONCE
    tokens = [town.unseal_upstream(noted(town, each), "refresh_token") for each in entered]
    assert sum(token.startswith("next-of-") for token in tokens) == AT_ONCE
