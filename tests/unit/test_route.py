"""One table says which page answers where and to whom; a star in it stands for one name and nothing else."""

from urllib.parse import parse_qs, urlsplit

import pytest

from doorward.web.route import Route, Who, find_route
from tests.fakes.door import Answer, Browser, Door

EXACT, STAR = Route(Who.ANYBODY), Route(Who.SOMEBODY, secretive=True)
TABLE = {"/login": EXACT, "/login/callback/*": STAR, "/api/auth/login": EXACT}


def test_a_path_of_the_table_is_found_as_it_stands() -> None:
    assert find_route(TABLE, "/login") == (EXACT, "")
    assert find_route(TABLE, "/api/auth/login") == (EXACT, "")


@pytest.mark.parametrize("name", ["google", "g", "0", "my-own-idp", "a" * 32, "a-"])
def test_a_star_stands_for_a_name(name: str) -> None:
    assert find_route(TABLE, f"/login/callback/{name}") == (STAR, name)


@pytest.mark.parametrize(
    "path",
    ["/login/callback/", "/login/callback", "/login/callback/*", "/login/callback/-x", "/login/callback/Google",
     "/login/callback/a/b", "/login/callback//a", "/login/callback/a.b", "/login/callback/a b", "/login/callback/é",
     "/login/callback/..", "/login/callback/" + "a" * 33, "/login/callback/a\n", "/login/", "/login/google", "//login",
     "/callback/google", "login", "", "*", "/*", "/nothing"],
)  # fmt: skip
def test_nothing_else_is_an_address(path: str) -> None:
    assert find_route(TABLE, path) is None


def test_a_secretive_address_is_told_to_nobody() -> None:
    assert STAR.headers == [(b"referrer-policy", b"no-referrer")]
    assert EXACT.headers == []


ROUTES = Door().server.routes
OPEN_UNDER = (
    "/login",
    "/logout",
    "/signed-out",
    "/setup",
    "/api/auth/",
    "/register",
    "/register/with",
    "/recover",
    "/reset",
    "/account/email",
    "/break-glass",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/security.txt",
)
GUARDED = [path for path, route in ROUTES.items() if route.who is not Who.ANYBODY]
FOR_ADMINISTRATORS = [path for path, route in ROUTES.items() if route.who is Who.ADMINISTRATOR]


async def knock(browser: Browser, path: str) -> list[Answer]:
    """By every method that the address has."""
    target, route = path.replace("*", "some-name"), ROUTES[path]
    answers = [await browser.get(target)] if route.get else []
    return answers + ([await browser.post(target, {"a": "1"})] if route.post else [])


def test_every_address_says_for_whom_it_is_and_few_are_for_anybody() -> None:
    """L10: deny by default. What stands open is what somebody needs who is not signed in, or is leaving."""
    with pytest.raises(TypeError):
        Route()  # type: ignore[call-arg]
    for path, route in ROUTES.items():
        assert isinstance(route.who, Who)
        assert route.who is not Who.ANYBODY or path.startswith(OPEN_UNDER)
        assert route.who is Who.ADMINISTRATOR or not path.startswith("/admin")


@pytest.mark.parametrize("path", GUARDED)
async def test_a_stranger_is_led_to_sign_in_and_back_to_something_that_can_be_shown(path: str) -> None:
    for answer in await knock(Browser(Door()), path):
        assert answer.status == 303
        login = urlsplit(answer.location)
        assert (login.netloc, login.path) == ("auth.example.test", "/login")
        (back,) = parse_qs(login.query)["rd"]
        found = find_route(ROUTES, urlsplit(back).path)
        assert found is not None
        assert found[0].get is not None


@pytest.mark.parametrize("path", FOR_ADMINISTRATORS)
async def test_what_is_for_administrators_is_for_nobody_else(path: str) -> None:
    """L10: told so before the page is asked, whatever the page itself looks at."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    for answer in await knock(browser, path):
        assert answer.status == 403


async def test_nothing_is_read_of_a_form_that_somebody_may_not_send() -> None:
    door = Door()
    answer = await Browser(door).post("/sessions/end", {"x": "y" * 100_000})
    assert answer.status == 303


@pytest.mark.parametrize("path", GUARDED)
async def test_an_address_has_no_methods_that_were_not_given(path: str) -> None:
    """L10: whoever asks, a method that is not there is 405, and not a way to sign in."""
    route = ROUTES[path]
    browser = Browser(Door())
    target = path.replace("*", "some-name")
    if route.get is None:
        assert (await browser.get(target)).status == 405
    if route.post is None:
        assert (await browser.post(target, {})).status == 405
