"""A provider's word is no second factor, unless it counts as one: the account's own is asked for then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError, TamperError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.pending import Pending
from doorward.rules.audit import Act
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.session import Method, Subject
from doorward.rules.ticket import Purpose
from doorward.rules.upstream import session_mark, subject_mark
from tests.fakes.flows import OTHER, Town, a_visitor, fingerprint_of
from tests.fakes.second import change_user, code_of, give_totp, subject_of, submit_code
from tests.fakes.upstream import ISSUER, a_provider, failure_of, somebody

GONE = Refused(Failure.TICKET_GONE)
ENDED = Refused(Failure.UPSTREAM_GONE)


@pytest.fixture
async def town():
    made = Town()
    made.providers["idp"] = a_provider(check_every=timedelta(hours=1))
    await made.enter_upstream(visitor=a_visitor(browser="first"))
    await give_totp(made)
    made.store.state.sessions.clear()
    made.clock.advance(timedelta(minutes=1))
    return made


async def come_back(town, answer=None, **more):
    visitor = a_visitor()
    outcome = await town.come_back(visitor, await town.leave(visitor, **more), answer or somebody(sid="sid-1"))
    assert isinstance(outcome, Continued), outcome
    return outcome.started


async def test_whoever_has_a_factor_here_is_asked_for_it(town):
    """T-08."""
    started = await come_back(town, remember=True, return_to="https://app.example.test/x")
    assert started.step is Step.SECOND_PROOF
    assert town.store.state.sessions == {}
    entered = await submit_code(town, started, code_of(town))
    assert entered.session.methods == {Method.UPSTREAM, Method.TOTP}
    assert entered.session.remembered
    assert entered.return_url == "https://app.example.test/x"
    async with town.store.records.transaction() as transaction:
        noted = await transaction.find_upstream_session(entered.session.handle)
    assert (noted.sid, noted.check_at) == ("sid-1", town.now + timedelta(hours=1))
    assert town.unseal_upstream(noted, "refresh_token")
    assert town.audit[-1].public["provider"] == "idp"


async def test_a_provider_whose_word_on_it_counts_is_enough(town):
    town.providers["idp"] = replace(town.providers["idp"], trust_mfa=True)
    entered = await town.enter_upstream(somebody(amr=frozenset({"mfa"})))
    assert entered.session.methods == {Method.UPSTREAM, Method.UPSTREAM_MFA}


async def test_such_a_word_is_what_policy_asks_for(town):
    town.mfa = MfaTerms(MfaRequired.ALL, None)
    town.providers["idp"] = replace(town.providers["idp"], trust_mfa=True)
    await town.enter_upstream(somebody("sub-bob", email="bob@example.test", amr=frozenset({"mfa"})))
    outcome = await town.come_back(
        a_visitor(), await town.leave(a_visitor()), somebody("sub-carol", email="carol@example.test")
    )
    assert outcome.started.step is Step.ENROL


async def test_the_word_is_not_in_the_ticket_for_anybody_to_read(town):
    await come_back(town, somebody(sid="sid-1", id_token="secret-token"))
    (ticket,) = [
        each for each in town.store.state.tickets.values() if each.purpose is Purpose.LOGIN and "proven" in each.state
    ]
    assert "secret-token" not in str(ticket)
    assert "sub-alice" not in str(ticket)


async def test_a_word_that_was_moved_to_another_ticket_does_not_open(town):
    started = await come_back(town)
    (ticket,) = [each for each in town.store.state.tickets.values() if "upstream" in each.state]
    sealed = (await other_ticket(town)).state["upstream"]
    town.store.state.tickets[ticket.id] = replace(
        ticket, state=replace(Pending.read(ticket.state), upstream=sealed).write()
    )
    with pytest.raises(TamperError):
        await submit_code(town, started, code_of(town))
    assert town.store.state.sessions == {}


async def other_ticket(town):
    before = set(town.store.state.tickets)
    await come_back(town)
    return next(
        each for name, each in town.store.state.tickets.items() if name not in before and "upstream" in each.state
    )


# What happens while the second proof is waited for


async def close(town):
    town.providers["idp"] = replace(town.providers["idp"], enabled=False)


async def change(town):
    town.providers["idp"] = replace(town.providers["idp"], allowed_domains=frozenset({"other.test"}))


async def put_mark(town, name):
    async with town.store.records.transaction() as transaction:
        await transaction.put_mark(name, town.now, keep_until=town.now + timedelta(days=1))


async def unlink(town):
    async with town.store.records.transaction() as transaction:
        for identity in await transaction.list_identities():
            await transaction.remove_identity(identity.id)


MEANWHILE = {
    "closed": close,
    "changed": change,
    "unlinked": unlink,
    "ended there": lambda town: put_mark(town, session_mark(ISSUER, "sid-1")),
    "all ended there": lambda town: put_mark(town, subject_mark(ISSUER, "sub-alice")),
}


@pytest.mark.parametrize("act", MEANWHILE.values(), ids=MEANWHILE)
async def test_a_word_that_holds_no_more_opens_nothing(town, act):
    """E25, H21."""
    started = await come_back(town)
    await act(town)
    assert await submit_code(town, started, code_of(town)) == ENDED
    assert town.store.state.sessions == {}


async def sign_out_there(town):
    async with town.store.records.transaction() as transaction:
        for noted in await transaction.list_upstream_sessions(sid="sid-1"):
            await transaction.end_session(noted.handle)


@pytest.mark.parametrize("act", [close, sign_out_there])
async def test_what_ends_while_the_session_is_stored_ends_it(town, act):
    started = await come_back(town)
    put = town.store.sessions.put

    async def act_and_put(session):
        await act(town)
        await put(session)

    town.store.sessions.put = act_and_put
    assert await submit_code(town, started, code_of(town)) == ENDED
    assert town.store.state.sessions == {}
    assert town.audit[-1].act is Act.LOGIN_FAILED


async def test_a_provider_closed_before_there_was_a_session_asks_for_no_code(town):
    visitor = a_visitor()
    url = await town.leave(visitor)
    town.upstream.meanwhile.append(lambda: close(town))
    assert failure_of(await town.come_back(visitor, url)).value == "provider_gone"
    assert not [each for each in town.store.state.tickets.values() if "upstream" in each.state]


async def test_rights_lost_meanwhile_count(town):
    started = await come_back(town)
    await town.administration.end_sessions_of(CLI, "alice", now=town.now)
    assert await submit_code(town, started, code_of(town)) == GONE


# Asked again


async def test_a_confirmation_with_a_provider_asks_for_the_factor_too(town):
    visitor = a_visitor()
    entered = await submit_code(town, await come_back(town), code_of(town))
    town.clock.advance(timedelta(minutes=1))
    url = await town.leave(visitor, subject=subject_of(entered), confirm=True)
    outcome = await town.come_back(visitor, url, previous=fingerprint_of(entered))
    assert outcome.started.demand is Demand.CONFIRM
    again = await submit_code(town, outcome.started, code_of(town), visitor, fingerprint_of(entered))
    assert isinstance(again, SignedIn)
    assert town.audit[-1].act is Act.REAUTHENTICATED


async def test_a_confirmation_begun_before_a_right_was_lost_confirms_nothing(town):
    visitor = a_visitor()
    entered = await submit_code(town, await come_back(town), code_of(town))
    url = await town.leave(visitor, subject=subject_of(entered), confirm=True)
    await change_user(town, generation=9)
    assert failure_of(await town.come_back(visitor, url)).value == "signed_out"


async def test_a_provider_that_says_nothing_of_it_is_not_asked_for_a_second_factor(town):
    visitor = a_visitor()
    entered = await submit_code(town, await come_back(town), code_of(town))
    started = await town.begin(visitor, subject=subject_of(entered), demand=Demand.SECOND_FACTOR)
    outcome = await town.upstream_sign_in.depart(started.token, visitor, provider="idp", remember=False, now=town.now)
    assert failure_of(outcome).value == "not_fresh"


async def test_somebody_half_way_in_may_choose_a_provider_instead(town):
    visitor = a_visitor()
    started = await come_back(town)
    departed = await town.upstream_sign_in.depart(started.token, visitor, provider="idp", remember=False, now=town.now)
    bob = somebody("sub-bob", email="bob@example.test")
    outcome = await town.come_back(visitor, departed.url, bob)
    assert outcome.user.email == "bob@example.test"
    assert outcome.session.methods == {Method.UPSTREAM}


async def test_whoever_has_a_factor_shows_it_before_they_let_go_of_a_provider(town):
    """B-12: where nobody is asked when signing in, less than the factor disconnects nothing."""
    town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await town.administration.set_password(CLI, "alice", OTHER, now=town.now)
    entered = await town.enter_upstream()
    subject = Subject(entered.user, entered.session)
    (identity,) = await town.identities.list_own(subject)
    with pytest.raises(ForbiddenError):
        await town.identities.unlink(subject, identity.id, a_visitor(), now=town.now)
    assert await town.identities.list_own(subject) == [identity]
    shown = Subject(entered.user, replace(entered.session, methods=frozenset({Method.UPSTREAM, Method.TOTP})))
    await town.identities.unlink(shown, identity.id, a_visitor(), now=town.now)
    assert await town.identities.list_own(subject) == []
