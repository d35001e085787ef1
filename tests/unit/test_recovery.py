"""Links to set a new password: they tell nobody who has an account, are good once, and prove no more than they do."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.outcome import Refused
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.login import Demand, Failure
from doorward.rules.session import Method, Subject
from doorward.rules.ticket import Purpose
from tests.fakes.accounts import Offices
from tests.fakes.flows import OTHER, a_visitor

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
async def offices():
    made = Offices()
    await made.town.add_user("root", is_admin=True)
    await made.town.add_user("alice")
    return made


async def ask(offices, login="alice", visitor=None):
    return await offices.recovery.ask(visitor or a_visitor(), login=login, language="de", now=offices.now)


async def follow(offices, token, visitor=None):
    return await offices.recovery.follow(token, visitor or a_visitor(), previous=None, now=offices.now)


# Asked for


@pytest.mark.parametrize("login", ["alice", "ALICE ", "Alice@Example.test"])
async def test_a_link_goes_to_the_accounts_own_address(offices, login):
    assert await ask(offices, login) is None
    letter = offices.outbox.letters[0]
    assert (letter.kind.value, letter.to, letter.language) == ("reset", "alice@example.test", "de")
    assert letter.values["url"] == f"https://auth.example.test/reset?token={offices.outbox.token()}"
    assert offices.outbox.token() not in str(offices.town.store.state)
    event = offices.town.audit[-1]
    assert (event.act.value, event.actor, event.subject) == (
        "user.password_reset_request",
        "anonymous",
        offices.users["alice"].id,
    )
    assert event.public == {"mailed": "yes"}


async def test_the_language_somebody_chose_stands_above_that_of_the_browser(offices):
    alice = await offices.user_of("alice")
    await offices.change(alice, replace(alice, language="en"))
    await ask(offices)
    assert offices.outbox.letters[0].language == "en"


async def test_no_answer_tells_whether_there_is_an_account(offices):
    """E01, E03."""
    alice = await offices.user_of("alice")
    await offices.change(alice, replace(alice, email=""))
    for login in ("root", "nobody", "alice", "\u0430lice", "nobody@example.test", ""):
        before = len(offices.town.store.state.tickets)
        at = len(offices.town.audit)
        assert await ask(offices, login, a_visitor(f"198.51.100.{at}")) is None
        assert offices.town.pause.waits[-1] == MIN_FAILURE_TIME.total_seconds()
        assert len(offices.town.store.state.tickets) == before + 1
        assert len(offices.town.audit) == at + 1
    assert [to for _, to in offices.outbox.sent()] == ["root@example.test"]
    assert len(set(offices.town.pause.waits)) == 1
    assert [event.subject for event in offices.town.audit[-2:]] == ["unknown", "unknown"]


@pytest.mark.parametrize("kind", ["disabled", "no password", "lockdown"])
async def test_who_could_not_sign_in_with_a_password_is_sent_none(offices, kind):
    """E22, E25. Nobody is, while an incident is being contained."""
    alice = await offices.user_of("alice")
    if kind == "disabled":
        await offices.change(alice, replace(alice, enabled=False))
    elif kind == "lockdown":
        offices.town.store.state.settings[LOCKDOWN_SETTING] = "{}"
    else:
        del offices.town.store.state.passwords[alice.id]
    assert await ask(offices) is None
    assert offices.outbox.letters == []
    assert offices.town.audit[-1].public == {"mailed": "no"}


async def test_an_answer_that_took_long_is_held_back_no_longer(offices):
    elapsed = iter([0.0, 9.0])
    offices.town.clock.elapsed = lambda: next(elapsed)
    assert await ask(offices) is None
    assert offices.town.pause.waits == []


async def test_without_mail_an_administrator_is_named(offices):
    offices.outbox.is_open = False
    assert not offices.recovery.is_open
    with pytest.raises(ForbiddenError):
        await ask(offices)


async def test_what_is_too_long_to_be_a_name_is_refused_unread(offices):
    """E13."""
    with pytest.raises(InputError):
        await ask(offices, "x" * 1025)


async def test_one_address_asks_only_so_often(offices):
    outcomes = [await ask(offices, f"user{at}") for at in range(4)]
    assert outcomes[:3] == [None, None, None]
    assert outcomes[3].failure is Failure.THROTTLED
    assert outcomes[3].retry_after > timedelta(0)


@pytest.mark.parametrize("login", ["alice", "nobody"])
async def test_an_account_is_asked_for_only_so_often_whether_or_not_there_is_one(offices, login):
    """E03."""
    outcomes = [await ask(offices, login, a_visitor(f"198.51.100.{at + 1}")) for at in range(4)]
    assert outcomes[:3] == [None, None, None]
    assert outcomes[3].failure is Failure.THROTTLED


# Handed out


async def test_an_administrator_hands_a_link_out(offices):
    """Without mail nobody is locked out."""
    offices.outbox.is_open = False
    entered = await offices.town.enter("root")
    actor = actor_of(Subject(entered.user, entered.session), a_visitor())
    link = await offices.recovery.hand_out(actor, "ALICE", now=offices.now)
    assert link.expires_at == offices.now + timedelta(hours=1)
    event = offices.town.audit[-1]
    assert (event.act.value, event.actor, event.public) == ("admin.reset_link", entered.user.id, {"minutes": "60"})
    assert await offices.recovery.is_good(link.url.rpartition("=")[2], now=offices.now)
    assert offices.outbox.letters == []


async def test_no_link_is_made_for_nobody_or_who_is_disabled_or_by_who_may_not(offices):
    """L10."""
    with pytest.raises(NotFoundError):
        await offices.recovery.hand_out(CLI, "nobody", now=offices.now)
    await offices.town.administration.set_enabled(CLI, "alice", enabled=False, now=offices.now)
    with pytest.raises(ConflictError):
        await offices.recovery.hand_out(CLI, "alice", now=offices.now)
    await offices.town.add_user("boss", is_admin=True)
    entered = await offices.town.enter("boss")
    actor = actor_of(Subject(entered.user, entered.session), a_visitor())
    await offices.town.administration.set_admin(CLI, "boss", is_admin=False, now=offices.now)
    with pytest.raises(ForbiddenError):
        await offices.recovery.hand_out(actor, "root", now=offices.now)


# Followed


async def test_following_a_link_begins_a_sign_in_that_demands_a_new_password(offices):
    """It proves that a link was read, and nothing else."""
    await ask(offices)
    visitor = a_visitor()
    await offices.recovery.follow(offices.outbox.token(), visitor, previous=None, now=offices.now)
    sent = offices.sent_on.pop()
    assert (sent["user"], sent["visitor"]) == (offices.users["alice"], visitor)
    assert (sent["proven"], sent["demand"], sent["remember"]) == ({Method.LINK}, Demand.RESET, False)


async def test_looking_uses_nothing_and_following_everything(offices):
    """K15."""
    await ask(offices)
    token = offices.outbox.token()
    for _ in range(3):
        assert await offices.recovery.is_good(token, now=offices.now)
    await asyncio.gather(*(follow(offices, token, a_visitor(f"198.51.100.{at + 1}")) for at in range(20)))
    assert len(offices.sent_on) == 1
    assert not await offices.recovery.is_good(token, now=offices.now)


async def test_a_browser_without_a_cookie_spoils_no_link(offices):
    await ask(offices)
    token = offices.outbox.token()
    assert await follow(offices, token, replace(a_visitor(), browser=b"")) == GONE
    assert await offices.recovery.is_good(token, now=offices.now)


async def test_a_link_is_good_for_an_hour(offices):
    await ask(offices)
    offices.town.clock.advance(timedelta(hours=1))
    assert not await offices.recovery.is_good(offices.outbox.token(), now=offices.now)
    assert await follow(offices, offices.outbox.token()) == GONE


@pytest.mark.parametrize("meanwhile", ["password", "disabled", "deleted"])
async def test_a_link_from_before_something_was_taken_away_is_dead(offices, meanwhile):
    """E25, J04."""
    await ask(offices)
    administration = offices.town.administration
    if meanwhile == "password":
        await administration.set_password(CLI, "alice", OTHER, now=offices.now)
    elif meanwhile == "disabled":
        alice = await offices.user_of("alice")
        await offices.change(alice, replace(alice, enabled=False))
    else:
        await administration.delete_user(CLI, "alice", now=offices.now)
    token = offices.outbox.token()
    assert not await offices.recovery.is_good(token, now=offices.now)
    assert await follow(offices, token) == GONE


async def test_what_was_made_for_nobody_leads_nowhere(offices):
    await ask(offices, "nobody")
    ticket = next(each for each in offices.town.store.state.tickets.values() if each.purpose is Purpose.RESET)
    assert await offices.recovery._find_user(ticket) is None


async def test_links_are_guessed_only_so_often(offices):
    for _ in range(5):
        assert await follow(offices, "nonsense") == GONE
    assert (await follow(offices, "nonsense")).failure is Failure.THROTTLED
