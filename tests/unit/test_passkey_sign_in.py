"""Signing in with a passkey alone: it verified its user, or it is no sign-in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import TamperError, UnavailableError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.proving import MAX_WRONG
from doorward.flows.throttle import LoginLimits
from doorward.rules.audit import Act
from doorward.rules.letter import LetterKind
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.session import Method
from doorward.rules.throttle import Window
from tests.fakes.authenticator import BE, UP, UV, Authenticator
from tests.fakes.flows import GOOD, Town, a_visitor, fingerprint_of
from tests.fakes.second import change_user, come_to_second, find_user, give_passkey, give_totp, subject_of, use_passkey

GONE = Refused(Failure.TICKET_GONE)
WRONG = Refused(Failure.WRONG_PASSKEY)


@pytest.fixture
async def town():
    made = Town(limits=LoginLimits(login=(Window(20, timedelta(minutes=1)),)))
    await made.add_user("alice")
    return made


@pytest.fixture
async def phone(town):
    made = Authenticator(counts=1)
    await give_passkey(town, made)
    return made


async def test_a_passkey_alone_is_a_whole_sign_in(town, phone):
    await give_totp(town)
    started = await town.begin(a_visitor(), "https://app.example.test/x")
    assert started.passkey
    entered = await use_passkey(town, started, phone, remember=True)
    assert entered.user.name == "alice"
    assert entered.session.methods == {Method.PASSKEY}
    assert entered.session.remembered
    assert entered.return_url == "https://app.example.test/x"
    assert await town.check(entered) is not None


@pytest.mark.parametrize("flags", [UP, UV, 0])
async def test_a_touch_is_no_sign_in(town, phone, flags):
    """G06."""
    outcome = await use_passkey(town, await town.begin(a_visitor()), phone, flags=flags)
    assert outcome == WRONG
    assert town.store.state.sessions == {}
    assert town.audit[-1].act is Act.LOGIN_FAILED


async def test_a_key_that_verified_nobody_when_it_was_added_does_not_sign_in_alone(town):
    key = Authenticator(verifies=False)
    await give_passkey(town, key)
    key.verifies = True
    assert await use_passkey(town, await town.begin(a_visitor()), key) == WRONG


async def test_a_proof_that_is_no_more_than_a_touch_opens_nothing(town, phone):
    """G06: whatever the method calls it, only a verified passkey is a first proof."""
    prove = town.methods.passkey.prove

    class Weak:
        def __getattr__(self, name):
            return getattr(town.methods.passkey, name)

        async def prove(self, *args, **kwargs):
            found = await prove(*args, **kwargs)
            return found[0], Method.SECURITY_KEY

    town.sign_in._passkeys._method = Weak()
    assert await use_passkey(town, await town.begin(a_visitor()), phone) == WRONG
    assert town.store.state.sessions == {}


COPIED = {"counter": {"sign_count": 1}, "backup_eligible": {"flags": UP | UV | BE}}


async def recent(town):
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        return user, await transaction.list_sign_ins(user.id, limit=5)


@pytest.mark.parametrize("flaw", COPIED)
async def test_a_passkey_that_looks_copied_is_refused_and_its_owner_sees_it(town, phone, flaw):
    """G08, G17: whose it is is known by the signature."""
    assert isinstance(await use_passkey(town, await town.begin(a_visitor()), phone), SignedIn)
    town.clock.advance(timedelta(minutes=1))
    town.letters.clear()
    thief = a_visitor("198.51.100.9")
    outcome = await use_passkey(town, await town.begin(thief), phone, thief, **COPIED[flaw])
    assert outcome == Refused(Failure.PASSKEY_COPIED)
    user, (note, _) = await recent(town)
    assert (note.failure, note.methods, note.new_device) == ("passkey_copied", {Method.PASSKEY}, True)
    refused, failed = town.audit[-2:]
    assert (refused.act, refused.subject, refused.public["flaw"]) == (Act.PASSKEY_REFUSED, user.id, flaw)
    assert (failed.act, failed.subject, failed.public["failure"]) == (Act.LOGIN_FAILED, user.id, "passkey_copied")
    ((kind, name, said),) = town.letters
    assert (kind, name, said["address"]) == (LetterKind.PASSKEY_REFUSED, "alice", "198.51.100.9")


async def test_a_passkey_that_looks_copied_is_a_failed_second_proof_that_its_owner_sees(town, phone):
    """G08."""
    assert isinstance(await use_passkey(town, await town.begin(a_visitor()), phone), SignedIn)
    town.clock.advance(timedelta(minutes=1))
    town.letters.clear()
    outcome = await use_passkey(town, await come_to_second(town), phone, sign_count=1)
    assert outcome == Refused(Failure.PASSKEY_COPIED)
    _, (note, _) = await recent(town)
    assert (note.failure, note.methods) == ("passkey_copied", {Method.SECURITY_KEY})
    assert [kind for kind, *_ in town.letters] == [LetterKind.PASSKEY_REFUSED]


@pytest.mark.parametrize("enabled", [True, False])
async def test_what_is_said_of_a_copy_says_nothing_of_the_account(town, phone, enabled):
    """E03: disabled or not, its key gets the same words."""
    assert isinstance(await use_passkey(town, await town.begin(a_visitor()), phone), SignedIn)
    await change_user(town, enabled=enabled)
    outcome = await use_passkey(town, await town.begin(a_visitor()), phone, sign_count=1)
    assert outcome == Refused(Failure.PASSKEY_COPIED)


async def test_the_letter_stands_or_falls_with_what_was_written_down(town, phone):
    """G08: both or neither."""
    assert isinstance(await use_passkey(town, await town.begin(a_visitor()), phone), SignedIn)
    before = len(town.audit), len((await recent(town))[1])

    async def lost(*_):
        raise UnavailableError("the queue is gone")

    town.methods.passkey._notify = lost
    with pytest.raises(UnavailableError):
        await use_passkey(town, await town.begin(a_visitor()), phone, sign_count=1)
    assert (len(town.audit), len((await recent(town))[1])) == before


async def test_a_challenge_answers_once_and_only_in_its_browser(town, phone):
    visitor = a_visitor()
    started = await town.begin(visitor)
    options = await town.sign_in.ask_passkey(started.token, visitor, now=town.now)
    answer = phone.get(options)
    send = {"answer": answer, "remember": False, "previous": None, "now": town.now}
    stranger = a_visitor(browser="other")
    assert await town.sign_in.submit_passkey(started.token, stranger, **send) == GONE
    assert await town.sign_in.ask_passkey(started.token, stranger, now=town.now) == GONE
    assert isinstance(await town.sign_in.submit_passkey(started.token, visitor, **send), SignedIn)
    assert await town.sign_in.submit_passkey(started.token, visitor, **send) == GONE


async def test_an_answer_that_nobody_asked_for_is_none(town, phone):
    visitor = a_visitor()
    started = await town.begin(visitor)
    outcome = await town.sign_in.submit_passkey(
        started.token, visitor, answer="{}", remember=False, previous=None, now=town.now
    )
    assert outcome == GONE


async def test_a_newer_challenge_takes_the_place_of_the_older(town, phone):
    visitor = a_visitor()
    started = await town.begin(visitor)
    old = phone.get(await town.sign_in.ask_passkey(started.token, visitor, now=town.now))
    await town.sign_in.ask_passkey(started.token, visitor, now=town.now)
    outcome = await town.sign_in.submit_passkey(
        started.token, visitor, answer=old, remember=False, previous=None, now=town.now
    )
    assert outcome == WRONG


async def test_who_fails_may_try_again_a_few_times(town, phone):
    started = await town.begin(a_visitor())
    for _ in range(MAX_WRONG - 1):
        assert await use_passkey(town, started, phone, challenge="AAAA") == WRONG
    assert await use_passkey(town, started, phone, challenge="AAAA") == WRONG
    assert await town.sign_in.ask_passkey(started.token, a_visitor(), now=town.now) == GONE


async def test_asking_for_challenges_has_an_end(town):
    visitor = a_visitor()
    started = await town.begin(visitor)
    for _ in range(119):
        await town.sign_in.ask_passkey(started.token, visitor, now=town.now)
    assert (await town.sign_in.ask_passkey(started.token, visitor, now=town.now)).failure is Failure.THROTTLED


async def test_tries_are_counted_by_address(phone, town):
    started = await town.begin(a_visitor())
    for _ in range(20):
        await town.throttle.spend_login(a_visitor(), now=town.now)
    assert (await use_passkey(town, started, phone)).failure is Failure.THROTTLED


async def test_a_ticket_that_changes_while_a_challenge_is_made_is_gone(town):
    started = await town.begin(a_visitor())

    async def lost(*_):
        return False

    town.store.tickets.advance = lost
    assert await town.sign_in.ask_passkey(started.token, a_visitor(), now=town.now) == GONE


@pytest.mark.parametrize(("awaits", "failure"), [(True, Failure.AWAITS_APPROVAL), (False, Failure.WRONG_PASSKEY)])
async def test_a_disabled_account_stays_out(town, phone, awaits, failure):
    await change_user(town, enabled=False, awaits_approval=awaits)
    assert (await use_passkey(town, await town.begin(a_visitor()), phone)).failure is failure
    user = await find_user(town)
    async with town.store.records.transaction() as transaction:
        assert [note.failure for note in await transaction.list_sign_ins(user.id, limit=5)] == [failure.value]


async def test_what_is_sealed_must_be_ours(town, phone):
    """T-04."""
    (passkey,) = (await town.factors.list_of(await find_user(town))).passkeys
    visitor = a_visitor()
    started = await town.begin(visitor)
    answer = phone.get(await town.sign_in.ask_passkey(started.token, visitor, now=town.now))
    async with town.store.records.transaction() as transaction:
        await transaction.advance_passkey(passkey, replace(passkey, sealed="gcm1:0000000000000000:AAAA"))
    with pytest.raises(TamperError):
        await town.sign_in.submit_passkey(
            started.token, visitor, answer=answer, remember=False, previous=None, now=town.now
        )
    assert town.audit[-1].act is Act.TAMPERED


# Asked again


async def enter(town, phone, visitor):
    return await use_passkey(town, await town.begin(visitor), phone, visitor)


@pytest.mark.parametrize("demand", [Demand.CONFIRM, Demand.STEP_UP, Demand.PASSKEY])
async def test_a_passkey_confirms(town, phone, demand):
    visitor = a_visitor()
    old = await enter(town, phone, visitor)
    town.clock.advance(timedelta(hours=1))
    started = await town.begin(visitor, subject=subject_of(old), demand=demand)
    assert (started.step, started.passkey, started.account) == (Step.FIRST_PROOF, True, old.user)
    new = await use_passkey(town, started, phone, visitor, previous=fingerprint_of(old))
    assert new.session.authenticated_at == town.now
    assert await town.check(old) is None


async def test_nothing_but_a_passkey_answers_where_a_rule_asks_for_one(town, phone):
    visitor = a_visitor()
    old = await enter(town, phone, visitor)
    started = await town.begin(visitor, subject=subject_of(old), demand=Demand.PASSKEY)
    assert await town.submit(started.token, "", GOOD, visitor) == GONE


async def test_an_account_without_a_passkey_is_offered_none(town):
    visitor = a_visitor()
    old = await town.enter()
    started = await town.begin(visitor, subject=subject_of(old), demand=Demand.PASSKEY)
    assert not started.passkey
    assert await town.sign_in.ask_passkey(started.token, visitor, now=town.now) == GONE


async def test_somebody_elses_passkey_confirms_nothing(town, phone):
    """G07."""
    await town.add_user("bob")
    theirs = Authenticator()
    await give_passkey(town, theirs, "bob")
    visitor = a_visitor()
    old = await enter(town, phone, visitor)
    started = await town.begin(visitor, subject=subject_of(old), demand=Demand.CONFIRM)
    (credential,) = theirs.credentials.values()
    assert await use_passkey(town, started, theirs, visitor, credential=credential) == WRONG


async def test_rights_lost_between_question_and_answer_count(town, phone):
    visitor = a_visitor()
    old = await enter(town, phone, visitor)
    started = await town.begin(visitor, subject=subject_of(old), demand=Demand.CONFIRM)
    answer = phone.get(await town.sign_in.ask_passkey(started.token, visitor, now=town.now))
    await town.administration.end_sessions_of(CLI, "alice", now=town.now)
    outcome = await town.sign_in.submit_passkey(
        started.token, visitor, answer=answer, remember=False, previous=None, now=town.now
    )
    assert outcome == GONE
