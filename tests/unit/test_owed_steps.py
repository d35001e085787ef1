"""What an account owes before anything opens: a new password, a second factor, recovery codes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.flows.admin import CLI
from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable
from doorward.rules.audit import Act
from doorward.rules.letter import LetterKind
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.mfa import MFA_SETTING, MfaRequired, MfaTerms
from doorward.rules.session import Method
from doorward.rules.totp import make_code, step_of
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor, fingerprint_of
from tests.fakes.second import change_user, code_of, find_user, give_codes, give_totp, subject_of, submit_code

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    return made


async def choose(town, started, password=OTHER, again=OTHER, visitor=None, previous=None):
    return await town.sign_in.submit_new_password(
        started.token, visitor or a_visitor(), password=password, again=again, previous=previous, now=town.now
    )


async def come(town, visitor=None):
    outcome = await town.try_login("alice", GOOD, visitor or a_visitor())
    assert isinstance(outcome, Continued), outcome
    return outcome.started


async def postpone(town, started, visitor=None):
    return await town.sign_in.postpone_enrolment(started.token, visitor or a_visitor(), previous=None, now=town.now)


# A new password


async def test_who_must_change_the_password_gets_nothing_before(town):
    """A-17."""
    old = await town.enter()
    await change_user(town, must_change_password=True)
    started = await come(town)
    assert started.step is Step.NEW_PASSWORD
    entered = await choose(town, started)
    assert entered.session.methods == {Method.PASSWORD}
    assert not entered.user.must_change_password
    assert await town.check(entered) is not None
    assert await town.check(old) is None
    assert isinstance(await town.try_login("alice", OTHER, a_visitor()), SignedIn)
    assert Act.PASSWORD_CHANGED in {event.act for event in town.audit}
    assert LetterKind.PASSWORD_CHANGED in {kind for kind, *_ in town.letters}


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [(OTHER, GOOD, "password_again"), ("short", "short", "password"), (GOOD, GOOD, "password")],
)
async def test_a_password_that_will_not_do_may_be_mended(town, password, again, field):
    await change_user(town, must_change_password=True)
    started = await come(town)
    outcome = await choose(town, started, password, again)
    assert isinstance(outcome, Unacceptable)
    assert field in dict(outcome.problems)
    assert isinstance(await choose(town, started), SignedIn)


async def test_choosing_is_counted(town):
    await change_user(town, must_change_password=True)
    started = await come(town)
    for _ in range(5):
        assert isinstance(await choose(town, started, "short", "short"), Unacceptable)
    assert (await choose(town, started)).failure is Failure.THROTTLED


async def test_a_password_is_chosen_once(town):
    await change_user(town, must_change_password=True)
    started = await come(town)
    assert isinstance(await choose(town, started), SignedIn)
    assert await choose(town, started) == GONE


async def test_a_ticket_of_another_step_chooses_no_password(town):
    started = await town.begin(a_visitor())
    assert await choose(town, started) == GONE
    assert await postpone(town, started) == GONE


# A reset link


async def follow_link(town, **more):
    user = await find_user(town)
    return await town.sign_in.continue_as(
        user,
        a_visitor(),
        proven=frozenset({Method.LINK}),
        demand=Demand.RESET,
        previous=None,
        now=town.now,
        **more,
    )


async def test_a_link_leads_to_a_new_password_and_ends_everything(town):
    old = await town.enter()
    outcome = await follow_link(town)
    assert outcome.started.step is Step.NEW_PASSWORD
    entered = await choose(town, outcome.started)
    assert entered.session.methods == {Method.PASSWORD}
    assert await town.check(old) is None
    assert Act.PASSWORD_RESET in {event.act for event in town.audit}
    assert town.audit[-1].public["after"] == "reset"


@pytest.mark.parametrize("required", MfaRequired)
async def test_a_link_asks_for_the_second_factor_whatever_policy_says(town, required):
    town.mfa = MfaTerms(required)
    await give_totp(town)
    outcome = await follow_link(town)
    assert outcome.started.step is Step.SECOND_PROOF
    assert await choose(town, outcome.started) == GONE
    second = await submit_code(town, outcome.started, code_of(town))
    entered = await choose(town, second.started)
    assert entered.session.methods == {Method.PASSWORD, Method.TOTP}


@pytest.mark.parametrize(("awaits", "failure"), [(True, Failure.AWAITS_APPROVAL), (False, Failure.TICKET_GONE)])
async def test_a_disabled_account_goes_on_nowhere(town, awaits, failure):
    await change_user(town, enabled=False, awaits_approval=awaits)
    assert await follow_link(town) == Refused(failure)


async def test_an_account_that_lost_rights_since_goes_on_nowhere(town):
    user = await find_user(town)
    await town.administration.end_sessions_of(CLI, "alice", now=town.now)
    outcome = await town.sign_in.continue_as(
        user, a_visitor(), proven=frozenset({Method.PASSWORD}), previous=None, now=town.now
    )
    assert outcome == GONE


async def test_whoever_registered_comes_in_without_a_letter_about_the_device(town):
    user = await find_user(town)
    outcome = await town.sign_in.continue_as(
        user, a_visitor(), proven=frozenset({Method.PASSWORD}), return_to="/sessions", previous=None, now=town.now
    )
    assert outcome.return_url.endswith("/sessions")
    assert town.letters == []


async def test_what_a_provider_said_is_nobody_elses_word(town):
    """A sign-in that goes on without what it was built on ends."""
    user = await find_user(town)
    decided = Failure.TICKET_GONE

    async def decide(*_, **__):
        return decided

    town.finishing.decide = decide
    outcome = await town.sign_in.continue_as(
        user, a_visitor(), proven=frozenset({Method.PASSWORD}), previous=None, now=town.now
    )
    assert outcome == GONE
    assert await town.try_login("alice", GOOD, a_visitor()) == GONE


# A second factor that policy asks for


@pytest.fixture
def strict(town):
    town.mfa = MfaTerms(MfaRequired.ALL)
    return town


async def test_within_the_grace_it_may_be_put_off_and_the_session_ends_with_it(strict):
    started = await come(strict)
    assert (started.step, started.may_postpone) == (Step.ENROL, True)
    assert started.enrol_by == strict.now + timedelta(days=7)
    first_asked = strict.now
    strict.clock.advance(timedelta(minutes=1))
    entered = await postpone(strict, started)
    assert isinstance(entered, SignedIn)
    assert entered.user.enrol_by == first_asked + timedelta(days=7)
    strict.clock.advance(timedelta(days=7, hours=-1))
    late = await postpone(strict, await come(strict))
    assert late.session.expires_at == first_asked + timedelta(days=7)


async def test_after_the_grace_nothing_opens_without(strict):
    await postpone(strict, await come(strict))
    strict.clock.advance(timedelta(days=7))
    started = await come(strict)
    assert (started.step, started.may_postpone) == (Step.ENROL, False)
    assert (await postpone(strict, started)).failure is Failure.ENROLMENT_DUE


async def test_at_the_very_instant_that_the_grace_ends_the_session_does_and_nothing_is_put_off(strict):
    """B-12: not a moment longer, and not a moment less."""
    first = await postpone(strict, await come(strict))
    ends = first.user.enrol_by
    strict.clock.advance(ends - strict.now - timedelta(microseconds=1))
    last = await postpone(strict, await come(strict, a_visitor("203.0.113.8")), a_visitor("203.0.113.8"))
    assert last.session.expires_at == ends
    assert await strict.check(last) is not None
    open_still = await come(strict, a_visitor("203.0.113.9"))
    assert open_still.may_postpone
    strict.clock.advance(timedelta(microseconds=1))
    assert strict.now == ends
    assert await strict.check(last) is None
    assert (await postpone(strict, open_still, a_visitor("203.0.113.9"))).failure is Failure.ENROLMENT_DUE
    due = await come(strict, a_visitor("203.0.113.10"))
    assert (due.step, due.may_postpone, due.enrol_by) == (Step.ENROL, False, ends)


async def test_without_grace_it_is_asked_for_at_once(town):
    town.mfa = MfaTerms(MfaRequired.ALL, None)
    started = await come(town)
    assert not started.may_postpone


async def test_confirming_within_the_grace_does_not_ask_again(strict):
    visitor = a_visitor()
    entered = await postpone(strict, await come(strict, visitor), visitor)
    started = await strict.begin(visitor, subject=subject_of(entered), demand=Demand.CONFIRM)
    again = await strict.submit(started.token, "", GOOD, visitor)
    assert isinstance(again, SignedIn)
    assert again.session.expires_at <= entered.user.enrol_by


async def test_administrators_alone_where_policy_says_so(town):
    town.mfa = MfaTerms(MfaRequired.ADMINS)
    assert isinstance(await town.try_login("alice", GOOD, a_visitor()), SignedIn)
    await change_user(town, is_admin=True)
    assert (await come(town)).step is Step.ENROL


@pytest.mark.parametrize("word", ["all", "a word nobody wrote"])
async def test_what_the_console_says_stands_above_the_file(town, word):
    async with town.store.records.transaction() as transaction:
        await transaction.put_setting(MFA_SETTING, word)
        user = await transaction.find_user_by_login("alice")
        assert await town.owing.demands(transaction, user)
    assert (await come(town)).step is Step.ENROL


# Setting one up


async def set_up_app(town, started):
    offer = await town.enrolment.begin_totp(started.token, a_visitor(), now=town.now)
    assert await town.enrolment.find_totp(started.token, a_visitor(), offer.token, now=town.now) == offer
    import base64

    text = offer.secret.replace(" ", "")
    secret = base64.b32decode(text + "=" * (-len(text) % 8))
    code = make_code(secret, step_of(town.now))
    send = {"offer": offer.token, "previous": None, "now": town.now}
    wrong = await town.enrolment.confirm_totp(started.token, a_visitor(), code="0", **send)
    assert wrong.failure is Failure.WRONG_CODE
    return await town.enrolment.confirm_totp(started.token, a_visitor(), code=code, **send)


async def test_an_app_and_codes_are_set_up_on_the_way_in(strict):
    outcome = await set_up_app(strict, await come(strict))
    started = outcome.started
    assert started.step is Step.RECOVERY_CODES
    assert strict.store.state.sessions == {}
    offer = await strict.enrolment.begin_codes(started.token, a_visitor(), now=strict.now)
    assert await strict.enrolment.find_codes(started.token, a_visitor(), offer.token, now=strict.now) == offer
    send = {"previous": None, "now": strict.now}
    assert await strict.enrolment.acknowledge_codes(started.token, a_visitor(), offer="no", **send) == GONE
    entered = await strict.enrolment.acknowledge_codes(started.token, a_visitor(), offer=offer.token, **send)
    assert entered.session.methods == {Method.PASSWORD, Method.TOTP}
    assert entered.session.expires_at == strict.now + timedelta(hours=24)


async def test_a_lockdown_leaves_nobody_between_their_factor_and_its_codes(strict):
    """E-90: who had just set one up signs in with it, and is asked for no codes."""
    between = (await set_up_app(strict, await come(strict))).started
    codes = await strict.enrolment.begin_codes(between.token, a_visitor(), now=strict.now)
    await strict.flows.lockdowns.begin(CLI, now=strict.now)
    send = {"offer": codes.token, "previous": None, "now": strict.now}
    assert await strict.enrolment.acknowledge_codes(between.token, a_visitor(), **send) == GONE
    assert (await come(strict)).step is Step.SECOND_PROOF


async def test_who_has_codes_is_not_given_new_ones(strict):
    await give_codes(strict)
    assert isinstance(await set_up_app(strict, await come(strict)), SignedIn)


@pytest.mark.parametrize(("verifies", "method"), [(True, Method.PASSKEY), (False, Method.SECURITY_KEY)])
async def test_a_passkey_is_set_up_on_the_way_in(strict, verifies, method):
    await give_codes(strict)
    started = await come(strict)
    visitor = a_visitor()
    send = {"name": "Phone", "previous": None, "now": strict.now}
    offer = await strict.enrolment.begin_passkey(started.token, visitor, now=strict.now)
    wrong = await strict.enrolment.confirm_passkey(started.token, visitor, offer=offer.token, answer="{}", **send)
    assert wrong.failure is Failure.WRONG_PASSKEY
    offer = await strict.enrolment.begin_passkey(started.token, visitor, now=strict.now)
    answer = Authenticator(verifies=verifies).create(offer.options)
    entered = await strict.enrolment.confirm_passkey(started.token, visitor, offer=offer.token, answer=answer, **send)
    assert entered.session.methods == {Method.PASSWORD, method}


async def test_nobody_sets_anything_up_at_another_step(town):
    """A sign-in that still has to prove something adds no factor."""
    await give_totp(town)
    started = await come(town)
    visitor, now = a_visitor(), town.now
    send = {"previous": None, "now": now}
    enrolment, token = town.enrolment, started.token
    assert await enrolment.begin_totp(token, visitor, now=now) == GONE
    assert await enrolment.find_totp(token, visitor, "x", now=now) is None
    assert await enrolment.confirm_totp(token, visitor, offer="x", code="0", **send) == GONE
    assert await enrolment.begin_passkey(token, visitor, now=now) == GONE
    assert await enrolment.confirm_passkey(token, visitor, offer="x", answer="", name="", **send) == GONE
    assert await enrolment.begin_codes(token, visitor, now=now) == GONE
    assert await enrolment.find_codes(token, visitor, "x", now=now) is None
    assert await enrolment.acknowledge_codes(token, visitor, offer="x", **send) == GONE


async def test_a_sign_in_that_another_tab_finished_sets_nothing_up(strict):
    visitor = a_visitor()
    started = await come(strict, visitor)
    await postpone(strict, started, visitor)
    assert await strict.enrolment.begin_totp(started.token, visitor, now=strict.now) == GONE
    assert await postpone(strict, started, visitor) == GONE


async def test_a_step_whose_ticket_is_taken_meanwhile_ends(strict):
    started = await come(strict)

    async def gone(*_):
        return None

    strict.store.tickets.take = gone
    assert await postpone(strict, started) == GONE


async def test_a_step_of_an_account_that_is_gone_when_it_is_taken_ends(strict):
    started = await come(strict)
    take = strict.store.tickets.take

    async def take_late(*args):
        taken = await take(*args)
        await strict.administration.delete_user(CLI, "alice", now=strict.now)
        return taken

    strict.store.tickets.take = take_late
    assert await postpone(strict, started) == GONE


async def test_a_deleted_account_can_begin_nothing_again(town):
    entered = await town.enter()
    await town.administration.delete_user(CLI, "alice", now=town.now)
    started = await town.begin(a_visitor(), subject=subject_of(entered))
    assert started.account is None
    assert replace(started, token="") != started
    assert fingerprint_of(entered) not in town.store.state.sessions
