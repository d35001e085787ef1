"""The second proof: nothing opens before it, it is counted for the account, and it answers once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import TamperError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.flows.proving import MAX_WRONG
from doorward.flows.throttle import Bucket, Budget, LoginLimits
from doorward.rules.audit import Act
from doorward.rules.factor import Factor
from doorward.rules.letter import LetterKind
from doorward.rules.login import Failure, Step
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.session import Method
from doorward.rules.throttle import LockPolicy, Window
from tests.fakes.authenticator import Authenticator
from tests.fakes.flows import GOOD, Town, a_visitor
from tests.fakes.second import (
    change_user,
    code_of,
    come_to_second,
    enter_with_code,
    find_user,
    give_codes,
    give_passkey,
    give_totp,
    subject_of,
    submit_code,
    use_passkey,
)

GONE = Refused(Failure.TICKET_GONE)
WIDE = (Window(1000, timedelta(minutes=1)),)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    await give_totp(made)
    return made


@pytest.fixture
async def patient():
    """Counts nothing by address, so that what is counted by account shows."""
    limits = LoginLimits(login=WIDE, budgets={Bucket.OTP_VERIFY: Budget(WIDE)})
    made = Town(limits=limits)
    await made.add_user("alice")
    await give_totp(made)
    return made


# Going well


async def test_a_password_alone_opens_nothing_where_there_is_a_second_factor(town):
    """F06."""
    started = await come_to_second(town)
    assert started.step is Step.SECOND_PROOF
    assert started.factors == {Factor.TOTP}
    assert started.account.name == "alice"
    assert town.store.state.sessions == {}
    assert Act.LOGIN not in {event.act for event in town.audit}
    assert town.tally.logins["success"] == 0


async def test_password_and_code_make_a_session_with_both(town):
    entered = await enter_with_code(town, remember=True, return_to="https://app.example.test/x")
    assert entered.session.methods == {Method.PASSWORD, Method.TOTP}
    assert entered.session.remembered
    assert entered.return_url == "https://app.example.test/x"
    assert await town.check(entered) is not None
    assert town.audit[-1].public["methods"] == "otp,pwd"


async def test_the_page_can_be_loaded_anew(town):
    started = await come_to_second(town)
    assert await town.sign_in.find(started.token, a_visitor(), now=town.now) == started
    assert await town.sign_in.find(started.token, a_visitor(browser="other"), now=town.now) is None


async def test_every_step_has_a_ticket_of_its_own(town):
    visitor = a_visitor()
    first = await town.begin(visitor)
    outcome = await town.submit(first.token, "alice", GOOD, visitor)
    assert outcome.started.token != first.token
    assert await town.sign_in.find(first.token, visitor, now=town.now) is None
    assert await submit_code(town, first, code_of(town)) == GONE


async def test_a_recovery_code_takes_the_place_of_the_app(town):
    """F08, F09: one of one's own, once."""
    (code, *_) = await give_codes(town)
    await town.add_user("bob")
    await give_totp(town, "bob")
    (theirs, *_) = await give_codes(town, "bob")
    started = await come_to_second(town)
    visitor = a_visitor()

    async def try_code(started, code):
        return await town.sign_in.submit_recovery_code(started.token, visitor, code=code, previous=None, now=town.now)

    assert (await try_code(started, theirs)).failure is Failure.WRONG_CODE
    entered = await try_code(started, code.upper().replace("-", " "))
    assert entered.session.methods == {Method.PASSWORD, Method.RECOVERY_CODE}
    town.clock.advance(timedelta(minutes=1))
    assert (await try_code(await come_to_second(town), code)).failure is Failure.WRONG_CODE
    assert LetterKind.RECOVERY_CODE_USED in {kind for kind, *_ in town.letters}


async def test_a_key_that_is_only_touched_is_a_second_proof(town):
    """G06."""
    key = Authenticator(verifies=False)
    await give_passkey(town, key)
    started = await come_to_second(town)
    assert started.passkey
    entered = await use_passkey(town, started, key)
    assert entered.session.methods == {Method.PASSWORD, Method.SECURITY_KEY}


async def test_somebody_elses_passkey_is_no_second_proof(town):
    """G07."""
    mine, theirs = Authenticator(), Authenticator()
    await give_passkey(town, mine)
    await town.add_user("bob")
    await give_passkey(town, theirs, "bob")
    started = await come_to_second(town)
    (credential,) = theirs.credentials.values()
    outcome = await use_passkey(town, started, theirs, credential=credential)
    assert outcome.failure is Failure.WRONG_PASSKEY
    assert town.store.state.sessions == {}


async def test_a_challenge_is_answered_once(town):
    key = Authenticator()
    await give_passkey(town, key)
    started = await come_to_second(town)
    visitor = a_visitor()
    answer = key.get(await town.sign_in.ask_passkey(started.token, visitor, now=town.now), challenge="AAAA")
    send = {"answer": answer, "remember": False, "previous": None, "now": town.now}
    assert (await town.sign_in.submit_passkey(started.token, visitor, **send)).failure is Failure.WRONG_PASSKEY
    right = key.get(await town.sign_in.ask_passkey(started.token, visitor, now=town.now))
    wrong = {**send, "answer": right}
    assert (await submit_code(town, started, "000000")).failure is Failure.WRONG_CODE
    assert (await town.sign_in.submit_passkey(started.token, visitor, **wrong)).failure is not Failure.WRONG_CODE
    assert town.store.state.sessions == {}


# Failures


async def test_a_wrong_code_may_be_mended(town):
    started = await come_to_second(town)
    assert (await submit_code(town, started, "000000")).failure is Failure.WRONG_CODE
    assert isinstance(await submit_code(town, started, code_of(town)), SignedIn)


async def test_a_wrong_code_takes_as_long_as_anything(town):
    """E01."""
    started = await come_to_second(town)
    began = town.clock.elapsed()
    await submit_code(town, started, "000000")
    assert town.clock.elapsed() - began >= MIN_FAILURE_TIME.total_seconds()


async def test_a_code_counts_once_however_many_bring_it(town):
    """F01."""
    visitors = [a_visitor(browser=f"b{number}") for number in range(2)]
    pages = [await come_to_second(town, visitor) for visitor in visitors]
    code = code_of(town)
    outcomes = await asyncio.gather(
        *(submit_code(town, *each) for each in zip(pages, [code] * 2, visitors, strict=True))
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refused", "SignedIn"]


async def test_one_ticket_answers_once(town):
    started = await come_to_second(town)
    code = code_of(town)
    outcomes = await asyncio.gather(*(submit_code(town, started, code) for _ in range(3)))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refused", "Refused", "SignedIn"]
    assert len(town.store.state.sessions) == 1


async def test_a_lock_counts_for_the_account_whatever_address_and_ticket(patient):
    """F04: the right code is refused while it holds."""
    failures = []
    for number in range(4):
        visitor = a_visitor(f"198.51.100.{number}", browser=f"b{number}")
        started = await come_to_second(patient, visitor)
        failures.append((await submit_code(patient, started, "000000", visitor)).failure)
    assert failures == [Failure.WRONG_CODE] * 2 + [Failure.LOCKED] * 2
    visitor = a_visitor("198.51.100.77")
    started = await come_to_second(patient, visitor)
    locked = await submit_code(patient, started, code_of(patient), visitor)
    assert locked.failure is Failure.LOCKED
    assert locked.retry_after > timedelta(0)
    assert Act.LOGIN_LOCKED in {event.act for event in patient.audit}
    patient.clock.advance(locked.retry_after)
    assert isinstance(await submit_code(patient, started, code_of(patient), visitor), SignedIn)


async def test_a_device_that_the_account_knows_is_not_locked_by_strangers(patient):
    home = a_visitor("203.0.113.7")
    known = await enter_with_code(patient, home)
    patient.clock.advance(timedelta(minutes=1))
    for number in range(3):
        visitor = a_visitor(f"198.51.100.{number}")
        await submit_code(patient, await come_to_second(patient, visitor), "000000", visitor)
    home = a_visitor("203.0.113.7", device=known.device)
    assert isinstance(await enter_with_code(patient, home), SignedIn)


async def test_codes_are_counted_by_address_before_they_are_looked_at(town):
    started = await come_to_second(town)
    for _ in range(3):
        await town.throttle.spend(Bucket.OTP_VERIFY, a_visitor(), now=town.now)
    assert isinstance(await submit_code(town, started, "000000"), Refused)
    assert isinstance(await submit_code(town, started, "000000"), Refused)
    throttled = await submit_code(town, started, code_of(town))
    assert throttled.failure is Failure.THROTTLED
    assert throttled.retry_after > timedelta(0)
    assert town.tally.limited["otp_verify"] == 1


async def test_all_addresses_together_have_only_so_many_tries_at_an_account():
    """F04."""
    limits = LoginLimits(login=WIDE, account=WIDE, lock=LockPolicy(threshold=100))
    town = Town(limits=limits)
    await town.add_user("alice")
    await give_totp(town)
    failures = []
    for number in range(11):
        visitor = a_visitor(f"198.51.100.{number}")
        started = await come_to_second(town, visitor)
        failures.append((await submit_code(town, started, "000000", visitor)).failure)
    assert failures == [Failure.WRONG_CODE] * 10 + [Failure.THROTTLED]


async def test_a_ticket_takes_only_so_many_wrong_codes():
    limits = LoginLimits(login=WIDE, lock=LockPolicy(threshold=100), budgets={Bucket.OTP_VERIFY: Budget(WIDE)})
    town = Town(limits=limits)
    await town.add_user("alice")
    await give_totp(town)
    started = await come_to_second(town)
    failures = [(await submit_code(town, started, "000000")).failure for _ in range(MAX_WRONG)]
    assert failures == [Failure.WRONG_CODE] * (MAX_WRONG - 1) + [Failure.TICKET_GONE]
    assert await submit_code(town, started, code_of(town)) == GONE


async def test_failures_are_in_the_history_that_the_owner_sees(town):
    started = await come_to_second(town)
    await submit_code(town, started, "000000")
    await submit_code(town, started, code_of(town))
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        good, bad = await transaction.list_sign_ins(user.id, limit=10)
    assert (bad.failure, bad.session) == ("wrong_code", None)
    assert good.failure == ""
    assert good.methods == {Method.PASSWORD, Method.TOTP}
    assert good.new_device


async def test_a_new_device_is_told_of_and_a_known_one_is_not(town):
    town.clock.advance(timedelta(minutes=1))
    entered = await enter_with_code(town)
    assert [kind for kind, *_ in town.letters] == [LetterKind.NEW_DEVICE]
    town.clock.advance(timedelta(minutes=1))
    await enter_with_code(town, a_visitor(device=entered.device))
    assert len(town.letters) == 1


async def test_a_secret_that_is_not_ours_refuses_and_is_written_down(town):
    """T-04: never taken for no second factor."""
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        totp = (await transaction.find_factors(user.id)).totp
        await transaction.put_totp(replace(totp, sealed="gcm1:0000000000000000:AAAA"))
    started = await come_to_second(town)
    with pytest.raises(TamperError):
        await submit_code(town, started, code_of(town))
    assert town.audit[-1].act is Act.TAMPERED
    assert town.store.state.sessions == {}


# What happens meanwhile


@pytest.mark.parametrize("act", ["disabled", "ended", "deleted"])
async def test_whoever_loses_rights_meanwhile_does_not_come_in(town, act):
    """E25, J04."""
    started = await come_to_second(town)
    match act:
        case "disabled":
            await town.administration.set_enabled(CLI, "alice", enabled=False, now=town.now)
        case "ended":
            await town.administration.end_sessions_of(CLI, "alice", now=town.now)
        case _:
            await town.administration.delete_user(CLI, "alice", now=town.now)
    assert await town.sign_in.find(started.token, a_visitor(), now=town.now) is None
    assert await submit_code(town, started, code_of(town)) == GONE
    assert town.store.state.sessions == {}


async def test_rights_lost_while_the_ticket_is_taken_stop_the_sign_in(town):
    started = await come_to_second(town)
    take = town.store.tickets.take

    async def take_late(*args):
        taken = await take(*args)
        await town.administration.end_sessions_of(CLI, "alice", now=town.now)
        return taken

    town.store.tickets.take = take_late
    assert await submit_code(town, started, code_of(town)) == GONE
    assert town.store.state.sessions == {}


async def test_a_ticket_that_somebody_else_takes_first_is_gone(town):
    started = await come_to_second(town)

    async def gone(*_):
        return None

    town.store.tickets.take = gone
    assert await submit_code(town, started, code_of(town)) == GONE


async def test_a_factor_taken_away_meanwhile_is_asked_for_no_more(town):
    started = await come_to_second(town)
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        await transaction.remove_totp(user.id)
    assert await submit_code(town, started, code_of(town)) == GONE


async def test_another_kind_of_factor_than_the_account_has_is_not_tried(town):
    started = await come_to_second(town)
    outcome = await town.sign_in.submit_recovery_code(started.token, a_visitor(), code="0", previous=None, now=town.now)
    assert outcome == GONE
    assert await town.sign_in.ask_passkey(started.token, a_visitor(), now=town.now) == GONE


async def test_a_second_proof_is_waited_for_five_minutes(town):
    """2.1."""
    started = await come_to_second(town)
    town.clock.advance(timedelta(minutes=5))
    assert await submit_code(town, started, code_of(town)) == GONE


async def test_a_password_is_no_second_proof(town):
    """The first step's form, sent at the second."""
    started = await come_to_second(town)
    assert await town.submit(started.token, "alice", GOOD, a_visitor()) == GONE


async def test_an_account_that_waits_to_be_let_in_is_told_so_only_by_its_owner(town):
    await change_user(town, enabled=False, awaits_approval=True)
    assert (await town.try_login("alice", GOOD, a_visitor())).failure is Failure.AWAITS_APPROVAL
    assert (await town.try_login("alice", "Wr0ng-Every-Time!", a_visitor())).failure is Failure.WRONG


async def test_a_step_up_begun_before_a_right_was_lost_takes_no_password(town):
    entered = await enter_with_code(town)
    visitor = a_visitor()
    started = await town.begin(visitor, subject=subject_of(entered))
    await change_user(town, generation=9)
    assert await town.submit(started.token, "", GOOD, visitor) == GONE


async def test_what_is_owed_is_looked_at_again_when_the_ticket_is_taken(town):
    """Policy that stops asking between the two looks: the code answers a question that nobody asks any more."""
    started = await come_to_second(town)
    take = town.store.tickets.take

    async def take_late(*args):
        taken = await take(*args)
        town.mfa = MfaTerms(MfaRequired.PER_RULE)
        return taken

    town.store.tickets.take = take_late
    assert await submit_code(town, started, code_of(town)) == GONE
