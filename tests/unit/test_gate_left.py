"""What an app is left of the headers that show who asks: no session, and everything that is its own."""

import pytest

from doorward.rules.policy import Audience, Effect, HostPattern, Policy, Rule
from doorward.web.gate.answer import split_block
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, World, ask, make_user

HOST = HostPattern("app.example.test")
POLICY = Policy([Rule("open", Effect.ALLOW, (HOST,), audience=Audience.ANYONE)])


def ask_with(world: World, cookie: str, authorization: str) -> str:
    headers = ask("app.example.test", cookie=f"doorward={cookie}", authorization=authorization)
    answer = world.make_gate().answer(DIALECTS[0], b"GET", b"/", headers, PROXY)
    return dict(split_block(answer.head)).get(b"authorization", b"").decode()


@pytest.mark.parametrize("around", ["Bearer {}", "{}", "Basic x{}y"])
def test_a_session_is_not_told_to_an_app_in_another_header(around: str) -> None:
    """C13: a script of an app may put the cookie's value anywhere."""
    world = World(POLICY)
    cookie = world.sign_in(make_user("alice"))
    assert ask_with(world, cookie, around.format(cookie)) == ""


@pytest.mark.parametrize("cookie", ["", "e", "Bearer"])
def test_what_is_no_session_takes_nothing_from_an_app(cookie: str) -> None:
    assert ask_with(World(POLICY), cookie, "Bearer theirs") == "Bearer theirs"
