"""Races about accounts, on every store: what is one stays one, however many come at once."""

import asyncio
from datetime import timedelta

import pytest

from doorward.errors import ConflictError
from doorward.flows.admin import CLI, actor_of
from doorward.flows.invites import find_state
from doorward.flows.registration import NAME_TAKEN
from doorward.rules.invite import InviteState
from doorward.rules.session import Subject
from tests.fakes.accounts import Offices
from tests.fakes.flows import GOOD, Town, a_visitor

AT_ONCE = 50
ROUNDS = 20


@pytest.fixture
def offices(store):
    return Offices(town=Town(store=store))


def a_stranger(at):
    return a_visitor(f"198.51.100.{at + 1}")


async def names(offices):
    return [user.name for user in await offices.town.administration.list_users(CLI)]


async def test_50_registrations_with_one_name_make_one_account(offices):
    """R02, E16."""
    offices.outbox.is_open = False
    spelt = ("carol", "Carol", "CAROL ", " carol", "cArOl")
    outcomes = await asyncio.gather(
        *(offices.register(spelt[at % len(spelt)], a_stranger(at)) for at in range(AT_ONCE))
    )
    assert await names(offices) == ["carol"]
    assert outcomes.count(NAME_TAKEN) == AT_ONCE - 1


async def test_an_invitation_for_three_lets_three_in(offices):
    """T-23, E27, R04."""
    made = await offices.invites.make(CLI, max_uses=3, lifetime=timedelta(days=1), now=offices.now)
    token = made.url.rpartition("=")[2]
    await asyncio.gather(*(offices.register(f"guest{at}", a_stranger(at), invite=token) for at in range(AT_ONCE)))
    assert len(await names(offices)) == 3
    async with offices.town.store.elsewhere.transaction() as transaction:
        (invite,) = await transaction.list_invites()
        assert await find_state(transaction, invite, offices.now) is InviteState.USED_UP
    assert invite.uses == 3


async def test_one_mailed_link_makes_one_account(offices):
    await offices.registration.ask_mail(a_visitor(), email="carol@example.test", language="en", now=offices.now)
    token = offices.outbox.token()
    await asyncio.gather(*(offices.register(f"guest{at}", a_stranger(at), link=token) for at in range(AT_ONCE)))
    assert len(await names(offices)) == 1


async def test_50_at_the_setup_link_make_one_administrator(offices):
    """R01."""
    token = await offices.town.setup.issue(now=offices.now)
    assert token is not None
    await asyncio.gather(
        *(
            offices.town.setup.create_admin(
                token,
                a_stranger(at),
                name=f"root{at}",
                display_name="",
                email="",
                password=GOOD,
                password_again=GOOD,
                previous=None,
                now=offices.now,
            )
            for at in range(AT_ONCE)
        )
    )
    assert len(await names(offices)) == 1


async def test_two_administrators_who_demote_each_other_leave_one(offices):
    """R05."""
    town = offices.town
    await town.add_user("root", is_admin=True)
    await town.add_user("boss", is_admin=True)
    for _ in range(ROUNDS):
        actors = []
        for login in ("root", "boss"):
            user = await offices.user_of(login)
            opened = offices.opening.prepare(user, a_visitor(), methods=frozenset(), remember=False, now=offices.now)
            actors.append(actor_of(Subject(user, opened.session), a_visitor()))
        outcomes = await asyncio.gather(
            town.administration.set_admin(actors[0], "boss", is_admin=False, now=offices.now),
            town.administration.set_admin(actors[1], "root", is_admin=False, now=offices.now),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
        left = [user.name for user in await town.administration.list_users(CLI) if user.administers]
        assert len(left) == 1
        for login in ("root", "boss"):
            if login not in left:
                await town.administration.set_admin(CLI, login, is_admin=True, now=offices.now)


async def test_two_administrators_who_leave_at_once_leave_one(offices):
    """R05."""
    subjects = []
    for login in ("root", "boss"):
        user = await offices.town.add_user(login, is_admin=True)
        opened = offices.opening.prepare(user, a_visitor(), methods=frozenset(), remember=False, now=offices.now)
        await offices.opening.store(opened)
        subjects.append(Subject(user, opened.session))
    outcomes = await asyncio.gather(
        *(offices.profile.delete(subject, a_visitor(), now=offices.now) for subject in subjects),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [ConflictError]
    assert len(await names(offices)) == 1
