"""The guard against what pages elsewhere have a browser do at an app (`apps[].guard_cross_site`)."""

import pytest

from doorward.rules.policy import App, Audience, Effect, HostPattern, Policy, Rule
from doorward.rules.remedy import find_remedy
from doorward.rules.request import AccessRequest, acts_from_elsewhere
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, World, ask, make_user

HOST = HostPattern("app.example.test")
RULES = [
    Rule("app", Effect.ALLOW, (HOST,), audience=Audience.ANY_USER),
    Rule("hook", Effect.ALLOW, (HOST,), methods=frozenset({"POST"}), audience=Audience.ANYONE),
]
GUARDED = Policy(RULES, apps=[App("App", (HOST,), guard_cross_site=True)])
OWN = "https://app.example.test"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"origin": OWN}, False),
        ({"origin": OWN + ":8443"}, False),
        ({"origin": OWN.upper()}, False),
        ({"origin": OWN, "site": "same-origin"}, False),
        ({"site": "none"}, False),
        ({"origin": "https://evil.test"}, True),
        ({"origin": "https://app.example.test.evil.test"}, True),
        ({"origin": "https://other.example.test"}, True),
        ({"origin": "https://evil.test", "site": "same-origin"}, True),
        ({"origin": OWN, "site": "same-site"}, True),
        ({"site": "cross-site"}, True),
        ({"site": "same-site"}, True),
        ({"site": ""}, True),
        ({"site": "SAME-ORIGIN"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "https://"}, True),
        ({"origin": "https://user@app.example.test"}, True),
        ({"origin": "https://app.example.test\xe9"}, True),
        ({"origin": f"{OWN}, https://evil.test"}, True),
    ],
)
def test_a_page_elsewhere_is_known_by_what_browsers_say(method: str, headers: dict[str, str], elsewhere: bool) -> None:
    told = {name: value.encode("latin-1") for name, value in headers.items()}
    origin, site = told.get("origin"), told.get("site")
    assert acts_from_elsewhere(method, HOST.name, origin=origin, site=site) is elsewhere
    for safe in ("GET", "HEAD", "OPTIONS"):
        assert not acts_from_elsewhere(safe, HOST.name, origin=origin, site=site)
        assert acts_from_elsewhere(safe, HOST.name, origin=origin, site=site, websocket=True) is elsewhere


def send(world: World, method: str = "POST", cookie: str = "", gate=None, **headers: str):
    more = {**headers, **({"cookie": f"doorward={cookie}"} if cookie else {})}
    return (gate or world.make_gate()).answer(
        DIALECTS[0], b"GET", b"", ask("app.example.test", method=method, **more), PROXY
    )


def test_what_a_page_elsewhere_sends_with_our_session_is_denied() -> None:
    """Also after the same session was allowed and is remembered."""
    world = World(GUARDED)
    gate, cookie = world.make_gate(), world.sign_in(make_user("alice"))
    for _ in range(3):
        assert send(world, cookie=cookie, gate=gate).status == 200
        assert send(world, "GET", cookie, gate, sec_fetch_site="cross-site").status == 200
    answer = send(world, cookie=cookie, gate=gate, origin="https://evil.test", sec_fetch_site="cross-site")
    assert answer.status == 403
    assert b"cross_site" in answer.body
    websocket = send(world, "GET", cookie, gate, origin="https://evil.test", sec_fetch_mode="websocket")
    assert websocket.status == 403


@pytest.mark.parametrize(
    "sign",
    [
        {"sec_fetch_mode": "websocket"},
        {"upgrade": "websocket"},
        {"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="},
        {"sec_websocket_version": "13"},
        {"proto": "ws"},
        {"proto": "wss"},
    ],
)
def test_a_websocket_is_known_by_any_of_its_signs(sign: dict[str, str]) -> None:
    """Over plain http no browser says `Sec-Fetch-Mode`, and each proxy leaves out another sign; `Origin` is always there.

    The same without it, or from the app's own page, is let through.
    """
    world = World(GUARDED)
    cookie = world.sign_in(make_user("alice"))
    assert send(world, "GET", cookie, **sign).status == 200
    assert send(world, "GET", cookie, origin=OWN, **sign).status == 200
    assert send(world, "GET", cookie, origin="http://evil.test").status == 200
    assert send(world, "GET", cookie, origin="http://evil.test", **sign).status == 403


def test_it_is_denied_to_a_network_that_stands_for_an_account_too() -> None:
    """Nobody has to sign in there, so every page on the internet could have its browsers act."""
    world = World(GUARDED, single_user="family")
    world.put_user(make_user("family"))
    world.at_home = (*world.at_home, *world.trust.networks)
    headers = [(name, value) for name, value in ask("app.example.test", method="POST") if name != b"x-forwarded-for"]
    headers += [(b"x-forwarded-for", b"192.168.1.20"), (b"origin", b"https://evil.test")]
    assert world.make_gate().answer(DIALECTS[0], b"GET", b"", headers, PROXY).status == 403


def test_nobodys_rights_need_no_guard() -> None:
    """A hook that anyone may call may be called from anywhere."""
    assert send(World(GUARDED), origin="https://evil.test").status == 200


def test_without_the_guard_it_is_the_apps_own_affair() -> None:
    world = World(Policy(RULES, apps=[App("App", (HOST,))]))
    assert send(world, cookie=world.sign_in(make_user("alice")), origin="https://evil.test").status == 200
    world = World(Policy(RULES))
    assert send(world, cookie=world.sign_in(make_user("alice")), origin="https://evil.test").status == 200


def test_the_remedy_for_what_is_asked_from_elsewhere_is_to_ask_from_the_app() -> None:
    world = World(GUARDED)
    world.sign_in(make_user("alice"))
    [subject] = world.view.subjects.values()
    request = AccessRequest("PUT", "https", HOST.name, "/", "/", ambiguous=False, client=None, cross_site=True)
    found = find_remedy(request, subject, GUARDED, now=world.clock.now())
    assert found is not None
    assert found.steps == ("do it from a page of the app's own",)
