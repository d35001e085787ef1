"""Making an account for oneself: what each mode opens, decided when the account is made."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Refused, Unacceptable
from doorward.flows.pace import MIN_FAILURE_TIME
from doorward.flows.registration import LINK_LIFETIME, NAME_TAKEN, Waiting
from doorward.rules.invite import InviteState
from doorward.rules.login import Demand, Failure
from doorward.rules.registration import MODE_SETTING, Mode
from doorward.rules.session import Method
from doorward.rules.ticket import Purpose
from tests.fakes.accounts import Offices
from tests.fakes.flows import OTHER, a_visitor

GONE = Refused(Failure.TICKET_GONE)


@pytest.fixture
async def offices():
    made = Offices()
    made.outbox.is_open = False
    await made.town.add_user("root", is_admin=True)
    return made


async def invite(offices, **changes):
    values = {"max_uses": 1, "lifetime": timedelta(days=7), **changes}
    made = await offices.invites.make(CLI, now=offices.now, **values)
    return made.url.rpartition("=")[2]


async def ask(offices, email="carol@example.test", visitor=None):
    return await offices.registration.ask_mail(visitor or a_visitor(), email=email, language="de", now=offices.now)


async def follow(offices, **changes):
    """Ask for a link by mail, and take it out of the letter."""
    assert await ask(offices) is None
    return offices.outbox.token()


def fields(outcome):
    assert isinstance(outcome, Unacceptable), outcome
    return [name for name, _ in outcome.problems]


# Open


async def test_a_stranger_registers_and_is_sent_on_to_the_sign_in(offices):
    visitor = a_visitor()
    await offices.register(
        "Carol", visitor, display_name="Carol \u00c5", return_to="https://app.example.test/x", language="de"
    )
    carol = offices.users["carol"]
    assert (carol.display_name, carol.email, carol.groups, carol.language) == ("Carol \u00c5", "", frozenset(), "de")
    assert carol.enabled
    assert not carol.is_admin
    sent = offices.sent_on.pop()
    assert (sent["user"], sent["visitor"], sent["return_to"]) == (carol, visitor, "https://app.example.test/x")
    assert (sent["proven"], sent["demand"]) == ({Method.PASSWORD}, Demand.SIGN_IN)
    assert not sent["remember"]
    event = offices.town.audit[-1]
    assert (event.act.value, event.subject, event.public) == (
        "user.register",
        carol.id,
        {"mode": "open", "waits": "no"},
    )
    assert (await offices.town.enter("carol")).user.id == carol.id


async def test_a_language_that_nobody_speaks_here_is_left_to_the_browser(offices):
    await offices.register(language="xx")
    assert offices.users["carol"].language == ""


@pytest.mark.parametrize("mode", [Mode.FIRST_USER_THEN_LOCKED, Mode.CLOSED, Mode.INVITE, Mode.OIDC_AUTO])
async def test_where_it_is_not_open_no_stranger_registers(offices, mode):
    """B-13, B-25, E-24, E-25."""
    offices.mode = mode
    with pytest.raises(ForbiddenError):
        await offices.register()
    offices.outbox.is_open = True
    with pytest.raises(ForbiddenError):
        await ask(offices)
    assert set(offices.users) == {"root"}
    assert not (await offices.registration.describe()).open


async def test_a_gateway_without_an_administrator_is_nobodys_for_the_taking():
    """R01, E-24: the first account comes with the setup link."""
    offices = Offices(mode=Mode.FIRST_USER_THEN_LOCKED)
    with pytest.raises(ForbiddenError):
        await offices.register()


async def test_what_is_closed_meanwhile_stays_closed(offices):
    """R02."""
    offices.town.hasher.gate.clear()
    offices.town.hasher.reached.clear()
    registering = asyncio.create_task(offices.register())
    await offices.town.hasher.reached.wait()
    async with offices.town.store.records.transaction() as transaction:
        await transaction.put_setting(MODE_SETTING, "closed")
    offices.town.hasher.gate.set()
    with pytest.raises(ForbiddenError):
        await registering
    assert set(offices.users) == {"root"}


async def test_every_problem_is_said_at_once(offices):
    """B-20 to B-24, E16."""
    outcome = await offices.register(
        "r\u043e\u043et", password="short", again="other", display_name="a\nb", email="x@example.test"
    )
    assert set(fields(outcome)) == {"name", "display_name", "password", "password_again", "email"}
    assert fields(await offices.register(again=OTHER)) == ["password_again"]


@pytest.mark.parametrize("name", ["root", "ROOT", " Root ", "operators"])
async def test_nobody_takes_a_name_that_is_taken_or_that_rules_speak_of(offices, name):
    """E16, E30."""
    offices.reserved.add("operators")
    assert await offices.register(name) == NAME_TAKEN


async def test_50_who_want_one_name_get_one_account(offices):
    """R02."""
    names = ["carol", "Carol", "CAROL ", " carol", "cArOl"]
    outcomes = await asyncio.gather(
        *(offices.register(names[at % 5], a_visitor(f"198.51.100.{at + 1}")) for at in range(50))
    )
    assert sorted(offices.users) == ["carol", "root"]
    assert sum(outcome == NAME_TAKEN for outcome in outcomes) == 49
    assert len(offices.sent_on) == 1


async def test_an_address_that_nobody_confirmed_is_taken_from_nobody(offices):
    assert fields(await offices.register(email="carol@example.test")) == ["email"]


# Approval


async def test_with_approval_the_account_waits_and_administrators_are_told(offices):
    offices.approval = True
    await offices.town.add_user("gone", is_admin=True)
    await offices.town.administration.set_enabled(CLI, "gone", enabled=False, now=offices.now)
    offices.outbox.is_open = True
    token = await follow(offices)
    outcome = await offices.register(link=token)
    assert isinstance(outcome, Waiting)
    assert outcome.user == offices.users["carol"]
    assert outcome.user.awaits_approval
    assert not outcome.user.enabled
    assert offices.sent_on == []
    assert offices.outbox.sent()[1:] == [("registration_waits", "root@example.test")]
    assert offices.outbox.letters[1].values["who"] == "carol"


async def test_who_was_invited_waits_for_nobody(offices):
    offices.approval = True
    await offices.register(invite=await invite(offices))
    assert offices.users["carol"].enabled


# Invitations


@pytest.mark.parametrize("mode", [Mode.FIRST_USER_THEN_LOCKED, Mode.INVITE, Mode.OPEN, Mode.OIDC_AUTO])
async def test_a_guest_gets_what_the_inviter_said_and_no_more(offices, mode):
    """B-13, E27."""
    offices.mode = mode
    token = await invite(offices, groups=["staff"], email="carol@example.test")
    await offices.register(invite=token, email="boss@example.test")
    carol = offices.users["carol"]
    assert (carol.groups, carol.email, carol.is_admin) == ({"staff"}, "carol@example.test", False)
    assert [act for act in offices.town.acts() if act.startswith("user.")] == ["user.invite_use", "user.register"]
    assert await offices.registration.find_invite(token, now=offices.now) is InviteState.USED_UP


async def test_an_invitation_counts_as_often_as_it_says_however_many_come_at_once(offices):
    """T-23, R04."""
    token = await invite(offices, max_uses=3)
    await asyncio.gather(
        *(offices.register(f"guest{at}", a_visitor(f"198.51.100.{at + 1}"), invite=token) for at in range(50))
    )
    assert len(offices.users) == 1 + 3
    assert (await offices.invites.list_states(CLI, now=offices.now))[0][0].uses == 3


async def test_an_invitation_that_is_not_good_makes_nothing(offices):
    offices.mode = Mode.INVITE
    assert await offices.register(invite="nonsense") == GONE
    token = await invite(offices)
    await offices.register("carol", invite=token)
    assert await offices.register("dave", invite=token) == GONE
    assert "dave" not in offices.users


@pytest.mark.parametrize("meanwhile", ["revoked", "removed", "closed"])
async def test_an_invitation_taken_back_while_the_guest_types_makes_nothing(offices, meanwhile):
    """E27."""
    offices.mode = Mode.INVITE
    token = await invite(offices)
    offices.town.hasher.gate.clear()
    offices.town.hasher.reached.clear()
    registering = asyncio.create_task(offices.register(invite=token))
    await offices.town.hasher.reached.wait()
    made = (await offices.invites.list_states(CLI, now=offices.now))[0][0]
    if meanwhile == "closed":
        offices.mode = Mode.CLOSED
    else:
        act = offices.invites.revoke if meanwhile == "revoked" else offices.invites.remove
        await act(CLI, made.id, now=offices.now)
    offices.town.hasher.gate.set()
    assert await registering == GONE
    assert set(offices.users) == {"root"}


async def test_where_everything_is_closed_no_invitation_counts(offices):
    offices.mode = Mode.CLOSED
    token = await invite(offices)
    assert await offices.registration.find_invite(token, now=offices.now) is InviteState.REVOKED
    assert await offices.register(invite=token) == GONE


async def test_a_problem_uses_no_invitation_up(offices):
    token = await invite(offices)
    assert await offices.register("root", invite=token) == NAME_TAKEN
    await offices.register("carol", invite=token)
    assert "carol" in offices.users


async def test_an_invitation_for_an_address_that_has_an_account_makes_nothing(offices):
    token = await invite(offices, email="root@example.test")
    assert await offices.register(invite=token) == GONE


# By mail


async def test_the_address_is_confirmed_before_there_is_an_account(offices):
    offices.outbox.is_open = True
    assert (await offices.registration.describe()).asks_email
    token = await follow(offices)
    letter = offices.outbox.letters[0]
    assert (letter.kind.value, letter.to, letter.language) == ("registration_confirm", "carol@example.test", "de")
    assert letter.values["url"].startswith("https://auth.example.test/register?link=")
    assert set(offices.users) == {"root"}
    assert await offices.registration.find_link(token, now=offices.now) == "carol@example.test"
    await offices.register(link=token, email="other@example.test")
    assert offices.users["carol"].email == "carol@example.test"
    assert await offices.registration.find_link(token, now=offices.now) is None
    assert await offices.register("dave", link=token) == GONE


async def test_with_mail_nobody_registers_without_a_link(offices):
    offices.outbox.is_open = True
    assert await offices.register() == GONE
    assert await offices.register(link="nonsense") == GONE


async def test_a_link_is_good_for_a_day(offices):
    offices.outbox.is_open = True
    token = await follow(offices)
    offices.town.clock.advance(LINK_LIFETIME)
    assert await offices.register(link=token) == GONE


async def test_whether_an_address_has_an_account_is_told_to_its_reader_alone(offices):
    """E01, E03."""
    offices.outbox.is_open = True
    before = len(offices.town.store.state.tickets)
    assert await ask(offices, "ROOT@example.test") is None
    known = offices.town.pause.waits[-1]
    assert await ask(offices, "carol@example.test") is None
    assert offices.town.pause.waits[-1] == known == MIN_FAILURE_TIME.total_seconds()
    assert [kind for kind, _ in offices.outbox.sent()] == ["registration_known", "registration_confirm"]
    assert "url" not in offices.outbox.letters[0].values
    assert len(offices.town.store.state.tickets) == before + 2


async def test_an_answer_that_took_long_is_held_back_no_longer(offices):
    offices.outbox.is_open = True
    elapsed = iter([0.0, 9.0])
    offices.town.clock.elapsed = lambda: next(elapsed)
    assert await ask(offices) is None
    assert offices.town.pause.waits == []


@pytest.mark.parametrize("email", ["", "a@b@c", "carol"])
async def test_an_address_that_is_none_is_said(offices, email):
    """E19."""
    offices.outbox.is_open = True
    assert fields(await ask(offices, email)) == ["email"]


async def test_a_name_taken_a_moment_ago_costs_no_link(offices):
    offices.outbox.is_open = True
    token = await follow(offices)
    assert await offices.register("root", link=token) == NAME_TAKEN
    await offices.register("carol", link=token)
    assert offices.users["carol"].email == "carol@example.test"


async def test_one_link_makes_one_account(offices):
    offices.outbox.is_open = True
    token = await follow(offices)
    outcomes = await asyncio.gather(
        *(offices.register(f"guest{at}", a_visitor(f"198.51.100.{at + 1}"), link=token) for at in range(20))
    )
    assert len(offices.users) == 2
    assert outcomes.count(GONE) == 19


async def test_a_link_for_an_address_that_was_taken_meanwhile_makes_nothing(offices):
    offices.outbox.is_open = True
    token = await follow(offices)
    root = await offices.user_of("root")
    await offices.change(root, replace(root, email="carol@example.test"))
    assert await offices.register(link=token) == GONE
    assert await offices.town.store.tickets.find(token, Purpose.REGISTRATION, offices.now) is None


# Limits


async def test_one_address_registers_only_so_often(offices):
    """B-25."""
    for at in range(10):
        await offices.register(f"guest{at}")
    outcome = await offices.register("carol")
    assert isinstance(outcome, Refused)
    assert outcome.failure is Failure.THROTTLED
    assert outcome.retry_after > timedelta(0)
    # Invitations have room of their own.
    assert await offices.register("carol", invite="nonsense") == GONE
    offices.outbox.is_open = True
    assert (await ask(offices)).failure is Failure.THROTTLED


async def test_nobodys_letter_box_is_filled_from_many_places(offices):
    offices.outbox.is_open = True
    outcomes = [await ask(offices, visitor=a_visitor(f"198.51.100.{at + 1}")) for at in range(6)]
    assert len(offices.outbox.letters) < 6
    assert outcomes[-1].failure is Failure.THROTTLED


async def test_a_password_of_megabytes_is_refused_unread(offices):
    """E13."""
    assert "password" in fields(await offices.register(password="x" * 10**6, again="x" * 10**6))
    assert offices.town.hasher.work == 1


@pytest.mark.parametrize("email", ["root@example.test", "nobody@example.test"])
async def test_two_forms_together_tell_no_more_of_an_address_than_each(offices, email):
    """What was asked for at one counts at the other, whether or not there is an account (E01, E03)."""
    offices.outbox.is_open = True
    for number in range(3):
        assert await ask(offices, email, a_visitor(f"198.51.100.{number}")) is None
    stranger = a_visitor("203.0.113.77")
    asked = await offices.recovery.ask(stranger, login=email, language="", now=offices.now)
    assert isinstance(asked, Refused)
    assert asked.failure is Failure.THROTTLED
