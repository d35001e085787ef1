"""What people do to their own account: proven, confirmed, and never more than is theirs."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.flows.profile import LINK_LIFETIME, SAME_PASSWORD
from doorward.outside.letters.renderer import LetterWriter
from doorward.rules.alert import AlertKind
from doorward.rules.login import Failure
from doorward.rules.session import RECENT, Method, Subject, is_recent
from tests.fakes.accounts import Offices
from tests.fakes.flows import GOOD, OTHER, a_visitor
from tests.fakes.second import give_totp

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
async def offices():
    made = Offices()
    await made.town.add_user("root", is_admin=True)
    await made.town.add_user("alice")
    return made


@pytest.fixture
async def alice(offices):
    return await open_session(offices)


async def open_session(offices, login="alice", methods=frozenset({Method.PASSWORD}), *, remember=False):
    user = await offices.user_of(login)
    opened = offices.opening.prepare(user, a_visitor(), methods=methods, remember=remember, now=offices.now)
    await offices.opening.store(opened)
    return Subject(user, opened.session)


def fields(outcome):
    assert isinstance(outcome, Unacceptable), outcome
    return [name for name, _ in outcome.problems]


def sessions(offices):
    return list(offices.town.store.state.sessions.values())


async def change_password(offices, subject, visitor=None, **changes):
    values = {"current": GOOD, "password": OTHER, "again": OTHER, **changes}
    return await offices.profile.change_password(subject, visitor or a_visitor(), now=offices.now, **values)


# Name and language


async def test_a_name_and_a_language_are_changed(offices, alice):
    changed = await offices.profile.change_name(
        alice, a_visitor(), display_name="Alice \u00c5", language="de", now=offices.now
    )
    assert (changed.display_name, changed.language, changed.name) == ("Alice \u00c5", "de", "alice")
    assert await offices.user_of("alice") == changed
    assert sessions(offices) == [alice.session]
    assert offices.town.audit[-1].act.value == "user.profile_change"


async def test_what_is_not_asked_for_is_left_as_it_is_by_now(offices, alice):
    """R08: two who change one thing each both have their way."""
    await offices.profile.change_name(alice, a_visitor(), language="de", now=offices.now)
    changed = await offices.profile.change_name(alice, a_visitor(), display_name="Al", now=offices.now)
    assert (changed.display_name, changed.language) == ("Al", "de")
    changed = await offices.profile.change_name(alice, a_visitor(), language="", now=offices.now)
    assert (changed.display_name, changed.language) == ("Al", "")
    unspoken = await offices.profile.change_name(alice, a_visitor(), language="xx", now=offices.now)
    assert fields(unspoken) == ["language"]


async def test_a_name_that_shows_nothing_and_a_language_unknown_are_said(offices, alice):
    outcome = await offices.profile.change_name(alice, a_visitor(), display_name="", language="xx", now=offices.now)
    assert fields(outcome) == ["display_name", "language"]


# Password


async def test_a_new_password_ends_all_sessions_and_this_browser_gets_a_new_one(offices, alice):
    """D-05, J01."""
    await open_session(offices)
    await offices.town.administration.force_password_change(CLI, "alice", now=offices.now)
    alice = await open_session(offices)
    outcome = await change_password(offices, alice)
    assert isinstance(outcome, SignedIn)
    assert sessions(offices) == [outcome.session]
    assert outcome.session.handle != alice.session.handle
    assert outcome.session.generation == outcome.user.generation == alice.user.generation + 1
    assert not outcome.user.must_change_password
    assert offices.outbox.sent() == [("password_changed", "alice@example.test")]
    event = offices.town.audit[-1]
    assert (event.act.value, event.public["replaced"]) == ("user.password_change", alice.session.handle)
    await offices.town.enter("alice", OTHER)


async def test_the_new_session_lasts_no_longer_and_claims_no_more_than_the_old_one(offices):
    methods = frozenset({Method.UPSTREAM, Method.UPSTREAM_MFA, Method.TOTP})
    alice = await open_session(offices, methods=methods, remember=True)
    offices.town.clock.advance(timedelta(minutes=30))
    outcome = await change_password(offices, alice)
    assert outcome.session.methods == {Method.PASSWORD, Method.TOTP}
    assert outcome.session.expires_at == alice.session.expires_at
    assert outcome.session.remembered


async def test_a_changed_password_makes_no_old_session_recent_or_fresh(offices):
    """Who knows the password, and sits at a session that somebody left open, has shown no second factor (2.1)."""
    alice = await open_session(offices, methods=frozenset({Method.PASSKEY}))
    offices.town.clock.advance(timedelta(hours=1))
    outcome = await change_password(offices, alice)
    assert outcome.session.authenticated_at == alice.session.authenticated_at
    assert not is_recent(outcome.session, offices.now, RECENT)


async def test_wrong_tries_count_with_those_of_the_sign_in(offices, alice):
    """E06."""
    visitor = a_visitor("198.51.100.9")
    for _ in range(2):
        assert await change_password(offices, alice, visitor, current=OTHER) == Refused(Failure.WRONG)
    assert offices.town.pause.waits[-1] == pytest.approx(0.35)
    third = await change_password(offices, alice, visitor, current=OTHER)
    assert third.failure is Failure.LOCKED
    assert offices.town.acts()[-2:] == ["user.login_failed", "user.login_locked"]
    assert offices.town.audit[-2].public == {"method": "pwd", "known_device": "no", "at": "password_change"}
    assert [each.kind for each in offices.town.alarm.raised] == [AlertKind.LOCKED_OUT]
    # The lock stands at both doors, for what is right, too.
    assert (await change_password(offices, alice, visitor)).failure is Failure.LOCKED
    assert (await offices.town.try_login("alice", GOOD, visitor)).failure is Failure.LOCKED


async def test_a_right_password_forgets_the_wrong_ones(offices, alice):
    for _ in range(2):
        await change_password(offices, alice, current=OTHER)
    assert fields(await change_password(offices, alice, again=GOOD)) == ["password_again"]
    assert await change_password(offices, alice, current=OTHER) == Refused(Failure.WRONG)


async def test_a_refusal_that_took_long_is_held_back_no_longer(offices, alice):
    elapsed = iter([0.0, 9.0])
    offices.town.clock.elapsed = lambda: next(elapsed)
    assert await change_password(offices, alice, current=OTHER) == Refused(Failure.WRONG)
    assert offices.town.pause.waits == []


@pytest.mark.parametrize("kind", ["short", "again", "same", "name"])
async def test_a_new_password_is_good_new_and_typed_twice(offices, alice, kind):
    """B-20 to B-24."""
    values = {
        "short": {"password": "x", "again": "x"},
        "again": {"again": GOOD},
        "same": {"password": GOOD, "again": GOOD},
        "name": {"password": "Alice-is-1-here!", "again": "Alice-is-1-here!"},
    }[kind]
    outcome = await change_password(offices, alice, **values)
    assert set(fields(outcome)) <= {"password", "password_again"}
    assert (outcome == SAME_PASSWORD) is (kind == "same")
    assert sessions(offices) == [alice.session]


async def test_passwords_are_tried_only_so_often(offices, alice):
    """B-27."""
    outcomes = [await change_password(offices, alice, again=GOOD) for _ in range(6)]
    assert all(isinstance(outcome, Unacceptable) for outcome in outcomes[:5])
    assert outcomes[5].failure is Failure.THROTTLED
    assert outcomes[5].retry_after > timedelta(0)


async def test_a_password_field_of_megabytes_is_refused_unread(offices, alice):
    """E13."""
    with pytest.raises(InputError):
        await change_password(offices, alice, current="x" * 10**6)


async def test_who_has_no_password_cannot_guess_one(offices, alice):
    """E22."""
    offices.town.store.state.passwords.clear()
    assert await change_password(offices, alice, current="") == Refused(Failure.WRONG)


async def test_a_session_that_was_ended_meanwhile_changes_nothing(offices, alice):
    """J04, E24."""
    offices.town.hasher.gate.clear()
    offices.town.hasher.reached.clear()
    changing = asyncio.create_task(change_password(offices, alice))
    await offices.town.hasher.reached.wait()
    await offices.town.administration.end_sessions_of(CLI, "alice", now=offices.now)
    offices.town.hasher.gate.set()
    with pytest.raises(ForbiddenError):
        await changing
    await offices.town.enter("alice", GOOD)


# Address


async def ask_email(offices, subject, email="new@example.test", visitor=None):
    return await offices.profile.ask_email(subject, visitor or a_visitor(), email=email, now=offices.now)


async def confirm(offices, token=None, visitor=None):
    return await offices.profile.confirm_email(token or offices.outbox.token(), visitor or a_visitor(), now=offices.now)


async def test_a_letter_to_an_address_that_may_be_a_strangers_names_nobody(offices, alice):
    """E16: whoever calls themselves like a link has us send it to nobody."""
    name = "https://prize.example"
    await offices.profile.change_name(alice, a_visitor(), display_name=name, language="", now=offices.now)
    await ask_email(offices, alice, "stranger@example.test")
    (letter,) = offices.outbox.letters
    assert set(letter.values) == {"url", "until"}
    written = LetterWriter("https://auth.example.test").render(letter.kind, "", letter.values)
    assert written.text.startswith("Hello,")
    assert name not in written.text + written.html


async def test_a_new_address_counts_once_it_is_confirmed_there(offices, alice):
    """D-05, E16."""
    assert await ask_email(offices, alice, "NEW@Example.test") is None
    assert offices.outbox.sent() == [("email_confirm", "new@example.test")]
    assert (await offices.user_of("alice")).email == "alice@example.test"
    assert "new@example.test" not in str(offices.town.audit[-1].public)
    token = offices.outbox.token()
    for _ in range(2):
        assert await offices.profile.look_email(token, now=offices.now) == "new@example.test"
    changed = await confirm(offices)
    assert changed.email == "new@example.test"
    assert sessions(offices) == []
    assert offices.outbox.sent()[1:] == [("email_changed", "alice@example.test")]
    assert offices.outbox.letters[1].values["address"]
    assert [event.act.value for event in offices.town.audit[-2:]] == [
        "user.email_change_request",
        "user.email_change",
    ]
    assert await confirm(offices, token) == GONE


async def test_who_has_an_address_is_nobody_elses_to_learn(offices, alice):
    """E01, E03: neither by what is answered nor by how long that takes."""
    assert await ask_email(offices, alice, "root@example.test") is None
    assert offices.outbox.letters == []
    assert await ask_email(offices, alice) is None
    assert offices.town.pause.waits == [MIN_FAILURE_TIME.total_seconds()] * 2


async def test_whoever_has_a_factor_shows_it_before_there_is_another_address(offices, alice):
    """B-12: where nobody is asked when signing in, the password alone moves the account to no other letter box."""
    offices.town.clock.advance(timedelta(minutes=1))
    await give_totp(offices.town)
    offices.town.clock.advance(timedelta(minutes=1))
    alice = await open_session(offices)
    with pytest.raises(ForbiddenError):
        await ask_email(offices, alice)
    assert offices.outbox.letters == []
    assert await ask_email(offices, await open_session(offices, methods=frozenset({Method.TOTP}))) is None


@pytest.mark.parametrize("email", ["", "a@b@c"])
async def test_an_address_that_is_none_is_said(offices, alice, email):
    """E19."""
    assert fields(await ask_email(offices, alice, email)) == ["email"]


async def test_without_mail_nobody_can_confirm_an_address(offices, alice):
    offices.outbox.is_open = False
    with pytest.raises(ForbiddenError):
        await ask_email(offices, alice)


@pytest.mark.parametrize("meanwhile", ["sessions ended", "taken", "disabled", "deleted", "changed", "late"])
async def test_a_link_that_something_came_between_confirms_nothing(offices, alice, meanwhile):
    """J04, R02."""
    await ask_email(offices, alice)
    token = offices.outbox.token()
    administration = offices.town.administration
    if meanwhile == "sessions ended":
        await administration.end_sessions_of(CLI, "alice", now=offices.now)
    elif meanwhile == "taken":
        await administration.edit_user(
            CLI, "root", name="root", display_name="", email="new@example.test", now=offices.now
        )
    elif meanwhile == "disabled":
        await offices.change(alice.user, replace(alice.user, enabled=False))
    elif meanwhile == "deleted":
        await administration.delete_user(CLI, "alice", now=offices.now)
    elif meanwhile == "changed":
        await offices.change(alice.user, replace(alice.user, email=""))
    else:
        offices.town.clock.advance(LINK_LIFETIME)
    assert (await offices.profile.look_email(token, now=offices.now) is None) is (meanwhile != "taken")
    assert await confirm(offices, token) == GONE


async def test_letters_and_guesses_are_counted(offices, alice):
    outcomes = [await ask_email(offices, alice) for _ in range(4)]
    assert outcomes[:3] == [None, None, None]
    assert outcomes[3].failure is Failure.THROTTLED
    for _ in range(5):
        assert await confirm(offices, "nonsense") == GONE
    assert (await confirm(offices, "nonsense")).failure is Failure.THROTTLED


# Leaving


async def test_an_account_that_is_deleted_is_gone_with_its_sessions(offices, alice):
    """E30."""
    assert await offices.profile.delete(alice, a_visitor(), now=offices.now) is None
    assert "alice" not in offices.users
    assert sessions(offices) == []
    event = offices.town.audit[-1]
    assert (event.act.value, event.subject) == ("user.delete", alice.user.id)
    assert "alice" not in str(event.public)


async def test_whoever_has_a_factor_shows_it_before_they_leave(offices):
    """B-12: where nobody is asked when signing in, the password alone deletes nothing."""
    await give_totp(offices.town)
    offices.town.clock.advance(timedelta(minutes=1))
    with pytest.raises(ForbiddenError):
        await offices.profile.delete(await open_session(offices), a_visitor(), now=offices.now)
    shown = await open_session(offices, methods=frozenset({Method.TOTP}))
    assert await offices.profile.delete(shown, a_visitor(), now=offices.now) is None


async def test_the_last_administrator_does_not_leave(offices):
    """R05."""
    root = await open_session(offices, "root")
    with pytest.raises(ConflictError):
        await offices.profile.delete(root, a_visitor(), now=offices.now)
    await offices.town.add_user("boss", is_admin=True)
    boss = await open_session(offices, "boss")
    outcomes = await asyncio.gather(
        *(offices.profile.delete(subject, a_visitor(), now=offices.now) for subject in (root, boss)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConflictError", "NoneType"]


async def test_leaving_is_counted(offices):
    root = await open_session(offices, "root")
    for _ in range(3):
        with pytest.raises(ConflictError):
            await offices.profile.delete(root, a_visitor(), now=offices.now)
    assert (await offices.profile.delete(root, a_visitor(), now=offices.now)).failure is Failure.THROTTLED


ACTS = {
    "change_name": lambda flow, subject, now: flow.change_name(
        subject, a_visitor(), display_name="x", language="", now=now
    ),
    "change_password": lambda flow, subject, now: flow.change_password(
        subject, a_visitor(), current=GOOD, password=OTHER, again=OTHER, now=now
    ),
    "ask_email": lambda flow, subject, now: flow.ask_email(subject, a_visitor(), email="x@example.test", now=now),
    "delete": lambda flow, subject, now: flow.delete(subject, a_visitor(), now=now),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("lost", ["generation", "enabled"])
async def test_who_lost_a_right_since_the_page_was_opened_does_nothing(offices, alice, act, lost):
    """J04, L09."""
    if lost == "generation":
        await offices.town.administration.end_sessions_of(CLI, "alice", now=offices.now)
    else:
        await offices.change(alice.user, replace(alice.user, enabled=False))
    before = offices.town.store.state.users
    with pytest.raises(ForbiddenError):
        await act(offices.profile, alice, offices.now)
    assert offices.town.store.state.users == before
    assert offices.outbox.letters == []


async def test_whose_account_is_gone_does_nothing(offices, alice):
    await offices.town.administration.delete_user(CLI, "alice", now=offices.now)
    with pytest.raises(ForbiddenError):
        await ask_email(offices, alice)
    assert await change_password(offices, alice) == Refused(Failure.WRONG)
