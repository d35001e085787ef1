"""Keys of somebody who owes a second factor: at the check, they open what their owner could, and no more."""

from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from doorward.rules.identity import User
from doorward.rules.mfa import Standing
from tests.fakes.gate import World, make_user
from tests.unit.test_gate_keys import POLICY, TRAEFIK, ask, check, reason_of

ALICE = make_user("alice", "family")
OPENS = Standing(owes=False)


class Judged:
    """What is said of whoever owns a key, and how often it was asked."""

    def __init__(self) -> None:
        self.standing, self.asked = OPENS, 0

    def judge(self, user: User, now: datetime) -> Standing:
        self.asked += 1
        assert user.name == "alice"
        return self.standing if self.standing.until is None or now < self.standing.until else Standing(True, now)


@pytest.fixture
def judged() -> Judged:
    return Judged()


@pytest.fixture
def world(judged: Judged) -> World:
    return World(POLICY, judge=judged.judge)


def test_a_key_opens_nothing_while_its_owner_owes_a_second_factor(world: World, judged: Judged) -> None:
    """A-18: not with the owner's own session beside it either; and everything again with the factor."""
    key, cookie = world.make_key(ALICE, hosts=("app.example.test",)), f"doorward={world.sign_in(ALICE)}"
    judged.standing = Standing(True, world.clock.now())
    for more in ({}, {"cookie": cookie}):
        refused = check(world, x_api_key=key, **more)
        assert (refused.status, reason_of(refused)) == (HTTPStatus.FORBIDDEN, "owner_pending")
    judged.standing = OPENS
    assert check(world, x_api_key=key).status == HTTPStatus.OK


def test_it_is_felt_by_a_gate_that_remembers_the_key(world: World, judged: Judged) -> None:
    """The grace runs out, the factor is set up: each with the next check, though nothing was committed meanwhile."""
    gate = world.make_gate()
    key = world.make_key(ALICE, hosts=("app.example.test",))
    headers = [each for each in ask("app.example.test", x_api_key=key) if each[0] != b"accept"]

    def answer() -> int:
        return gate.answer(TRAEFIK, b"GET", b"", headers, "127.0.0.2").status

    judged.standing = Standing(False, world.clock.now() + timedelta(seconds=30))
    assert [answer(), answer()] == [HTTPStatus.OK] * 2
    assert judged.asked == 1
    world.clock.advance(timedelta(seconds=30))
    assert [answer(), answer()] == [HTTPStatus.FORBIDDEN] * 2
    assert len(gate.table) == 0
    judged.standing = OPENS
    assert [answer(), answer()] == [HTTPStatus.OK] * 2


def test_a_wrong_key_is_a_wrong_key(world: World, judged: Judged) -> None:
    """Whoever shows a wrong one learns nothing of whose it was."""
    key = world.make_key(ALICE, hosts=("app.example.test",))
    judged.standing = Standing(True, world.clock.now())
    wrong = check(world, x_api_key=key[:-1] + ("a" if key[-1] != "a" else "b"))
    assert (wrong.status, reason_of(wrong)) == (HTTPStatus.UNAUTHORIZED, "key_invalid")
