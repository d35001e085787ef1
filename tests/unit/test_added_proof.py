"""Asked again: a second proof beside what the running session has proven, and never less than before."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.rules.audit import Act
from doorward.rules.factor import Factor
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.session import RECENT, Method, is_recent
from tests.fakes.flows import GOOD, Town, a_visitor, fingerprint_of
from tests.fakes.second import (
    code_of,
    enter_with_code,
    give_codes,
    give_totp,
    subject_of,
    submit_code,
)

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    await give_totp(made)
    return made


async def test_who_had_two_factors_confirms_with_two(town):
    town.mfa = MfaTerms(MfaRequired.PER_RULE)
    assert isinstance(await town.try_login("alice", GOOD, a_visitor()), SignedIn)
    plain = await town.enter()
    visitor = a_visitor()
    again = await town.begin(visitor, subject=subject_of(plain), demand=Demand.CONFIRM)
    assert isinstance(await town.submit(again.token, "", GOOD, visitor), SignedIn)
    both = replace(plain.session, methods=frozenset({Method.PASSWORD, Method.TOTP}))
    again = await town.begin(visitor, subject=subject_of(replace(plain, session=both)), demand=Demand.CONFIRM)
    assert isinstance(await town.submit(again.token, "", GOOD, visitor), Continued)


async def add_second(town, entered, visitor):
    started = await town.begin(visitor, subject=subject_of(entered), demand=Demand.SECOND_FACTOR)
    assert started.step is Step.SECOND_PROOF
    return started


async def test_a_rule_that_asks_for_a_second_factor_asks_for_that_alone(town):
    town.mfa = MfaTerms(MfaRequired.PER_RULE)
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    town.clock.advance(timedelta(hours=1))
    started = await add_second(town, old, visitor)
    new = await submit_code(town, started, code_of(town), visitor, fingerprint_of(old))
    assert new.session.methods == {Method.PASSWORD, Method.TOTP}
    assert new.session.authenticated_at == old.session.authenticated_at
    assert new.session.expires_at == old.session.expires_at
    assert not is_recent(new.session, town.now, RECENT)
    assert await town.check(old) is None
    assert town.audit[-1].act is Act.REAUTHENTICATED


@pytest.mark.parametrize("how", ["signed out", "another browser's", "none", "idle"])
async def test_what_a_session_had_proven_ends_with_it(town, how):
    town.mfa = MfaTerms(MfaRequired.PER_RULE)
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    town.clock.advance(timedelta(minutes=118))
    started = await add_second(town, old, visitor)
    previous = fingerprint_of(old)
    match how:
        case "signed out":
            await town.store.sessions.end(old.session.handle)
        case "another browser's":
            previous = fingerprint_of(await town.enter())
        case "none":
            previous = None
        case _:
            town.clock.advance(timedelta(minutes=3))
    assert await submit_code(town, started, code_of(town), visitor, previous) == GONE


async def test_a_rule_that_asks_for_a_factor_nobody_has_says_so(town):
    await town.add_user("bob")
    bob = await town.enter("bob")
    started = await town.begin(a_visitor(), subject=subject_of(bob), demand=Demand.SECOND_FACTOR)
    assert (started.step, started.factors) == (Step.SECOND_PROOF, frozenset())


async def test_a_recovery_code_is_not_offered_where_freshness_is_asked_for(town):
    await give_codes(town)
    entered = await enter_with_code(town)
    visitor = a_visitor()
    started = await town.begin(visitor, subject=subject_of(entered))
    outcome = await town.submit(started.token, "", GOOD, visitor)
    assert outcome.started.factors == {Factor.TOTP}
