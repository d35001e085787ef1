"""Where local passwords are closed, none is taken, whosever it is; and what a confirmation asks for."""

from datetime import timedelta

import pytest

from doorward.errors import Clash, ConflictError
from doorward.flows.admin import CLI
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.session import Method, Subject
from tests.fakes.accounts import Offices
from tests.fakes.flows import GOOD, OTHER, Town, a_visitor, fingerprint_of

CONFIRM = {True: Demand.CONFIRM, False: Demand.STEP_UP}
CLOSED = Refused(Failure.PASSWORDS_CLOSED)


@pytest.fixture
async def town():
    made = Town()
    await made.add_user("alice")
    made.hasher.work = 0
    return made


@pytest.mark.parametrize(("login", "password"), [("alice", GOOD), ("alice", "Wr0ng-Every-Time!"), ("nobody", GOOD)])
async def test_a_closed_door_is_closed_to_everybody_alike(town, login, password):
    """Right, wrong or unknown: the same answer, at the same cost, and nothing is counted against the account."""
    town.passwords_open = False
    began = town.clock.elapsed()
    assert await town.try_login(login, password, a_visitor()) == CLOSED
    assert town.hasher.work == 0
    assert town.clock.elapsed() == began
    assert town.store.state.sessions == {}
    assert town.acts() == ["admin.user_create"]
    assert town.tally.logins == {"passwords_closed": 1}


async def test_what_counts_is_whether_it_is_open_when_the_form_arrives(town):
    visitor = a_visitor()
    started = await town.begin(visitor)
    town.passwords_open = False
    assert await town.submit(started.token, "alice", GOOD, visitor) == CLOSED
    town.passwords_open = True
    assert isinstance(await town.submit(started.token, "alice", GOOD, visitor), SignedIn)


async def test_a_closed_door_is_counted_like_an_open_one(town):
    town.passwords_open = False
    failures = [(await town.try_login("alice", GOOD, a_visitor())).failure for _ in range(6)]
    assert failures == [Failure.PASSWORDS_CLOSED] * 5 + [Failure.THROTTLED]


@pytest.mark.parametrize("confirm", [True, False])
async def test_a_step_up_takes_no_password_either(town, confirm):
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    town.passwords_open = False
    subject = Subject(old.user, old.session)
    started = await town.sign_in.begin(visitor, return_to=None, now=town.now, subject=subject, demand=CONFIRM[confirm])
    assert await town.submit(started.token, "", GOOD, visitor, previous=fingerprint_of(old)) == CLOSED
    assert await town.check(old) is not None


@pytest.mark.parametrize(
    ("signed_in", "confirm", "demand"),
    [
        (False, False, Demand.SIGN_IN),
        (False, True, Demand.SIGN_IN),
        (True, False, Demand.STEP_UP),
        (True, True, Demand.CONFIRM),
    ],
)
async def test_the_page_is_told_what_is_asked_for_and_stays_told(town, signed_in, confirm, demand):
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    subject = Subject(old.user, old.session) if signed_in else None
    started = await town.sign_in.begin(visitor, return_to=None, now=town.now, subject=subject, demand=CONFIRM[confirm])
    assert (started.demand, started.step) == (demand, Step.FIRST_PROOF)
    assert await town.sign_in.find(started.token, visitor, now=town.now) == started


async def test_a_password_confirms_and_proves_anew(town):
    visitor = a_visitor()
    old = await town.enter(visitor=visitor)
    town.clock.advance(timedelta(hours=1))
    subject = Subject(old.user, old.session)
    started = await town.sign_in.begin(visitor, return_to=None, now=town.now, subject=subject, demand=Demand.CONFIRM)
    new = await town.submit(started.token, "", GOOD, visitor, previous=fingerprint_of(old))
    assert new.session.authenticated_at == new.session.created_at == town.now


# Neither a link nor an invitation is a way around


async def test_a_link_to_a_new_password_opens_nothing_while_passwords_are_closed(town):
    """Getting in again is never weaker than signing in (docs/adr 0022)."""
    offices = Offices(town)
    token = (await offices.recovery.hand_out(CLI, "alice", now=town.now)).url.rpartition("=")[2]
    town.passwords_open = False
    assert await offices.recovery.follow(token, a_visitor(), previous=None, now=town.now) == CLOSED
    assert await offices.recovery.ask(a_visitor(), login="alice", language="", now=town.now) == CLOSED
    assert offices.outbox.sent() == []
    with pytest.raises(ConflictError) as caught:
        await offices.recovery.hand_out(CLI, "alice", now=town.now)
    assert caught.value.clash is Clash.PASSWORDS_CLOSED
    town.passwords_open = True
    await offices.recovery.follow(token, a_visitor(), previous=None, now=town.now)
    assert [sent["demand"] for sent in offices.sent_on] == [Demand.RESET]


async def test_passwords_that_are_closed_while_a_link_is_followed_are_closed_there_too(town):
    visitor, alice = a_visitor(), next(iter(town.store.state.users.values()))
    outcome = await town.sign_in.continue_as(
        alice, visitor, proven=frozenset({Method.LINK}), demand=Demand.RESET, previous=None, now=town.now
    )
    assert isinstance(outcome, Continued)
    sent = {"password": OTHER, "again": OTHER, "previous": None, "now": town.now}
    town.passwords_open = False
    assert await town.sign_in.submit_new_password(outcome.started.token, visitor, **sent) == CLOSED
    assert town.store.state.sessions == {}
    town.passwords_open = True
    assert isinstance(await town.sign_in.submit_new_password(outcome.started.token, visitor, **sent), SignedIn)


@pytest.mark.parametrize("invited", [True, False])
async def test_nobody_registers_with_a_password_while_passwords_are_closed(town, invited):
    offices = Offices(town)
    made = await offices.invites.make(CLI, max_uses=1, lifetime=None, now=town.now)
    invite = made.url.rpartition("=")[2] if invited else ""
    town.passwords_open = False
    assert await offices.register(invite=invite) == CLOSED
    mail = {"email": "carol@example.test", "language": "", "now": town.now}
    assert await offices.registration.ask_mail(a_visitor(), **mail) == CLOSED
    assert set(offices.users) == {"alice"}
    assert offices.outbox.sent() == []
