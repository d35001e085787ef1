"""The door for machines: handles instead of secrets, the CSRF token on everything unsafe, prepared words for every refusal."""

import json
from dataclasses import replace
from ipaddress import ip_network

import pytest

from doorward.rules.registration import Mode
from doorward.web.api.application import build_api
from doorward.web.api.lazy import LazyApp
from doorward.web.api.parts import ApiParts
from doorward.web.client import Trust
from doorward.web.visit import Reader
from tests.fakes.door import Browser, Door, call_app
from tests.fakes.flows import SIGNING_KEY

JSON = {"accept": "application/json", "sec_fetch_mode": "cors"}


@pytest.fixture
async def door():
    made = Door()
    trust = Trust(networks=(ip_network("127.0.0.1"),))
    reader = Reader(made.cookies, trust, lambda: SIGNING_KEY, made.find_subject, made.touch)
    parts = ApiParts(
        flows=made.flows,
        reader=reader,
        csrf=made.csrf,
        cookies=made.cookies,
        clock=made.clock,
        random=made.random,
        version="0",
        remember_me=True,
    )
    made.server = replace(made.server, api=build_api(parts), reader=reader)
    await made.add_user("root", admin=True)
    await made.add_user("alice")
    await made.add_user("bob")
    return made


async def entered(door, name):
    browser = Browser(door)
    answer = await browser.sign_in(name)
    assert answer.status == 303, answer.text
    return browser


async def ask(browser, target, **headers):
    answer = await browser.get(target, **{**JSON, **headers})
    return answer, json.loads(answer.body) if answer.body else None


async def end(browser, handle, **headers):
    """DELETE with a token, as a page's script would."""
    _, told = await ask(browser, "/api/auth/csrf-token")
    more = {"x_csrf_token": told["csrf_token"], "origin": browser.door.site.origin, "sec_fetch_site": "same-origin"}
    return await browser._send("DELETE", f"/api/sessions/session/{handle}", {**JSON, **more, **headers})


async def test_the_list_is_keyed_by_handle_and_holds_no_secret(door):
    """C-36, T-10."""
    alice, again = await entered(door, "alice"), await entered(door, "alice")
    await entered(door, "bob")
    answer, sessions = await ask(alice, "/api/sessions/list")
    assert answer.status == 200
    assert len(sessions) == 2
    assert [session["current"] for session in sessions.values()].count(True) == 1
    assert {session["user_info"]["name"] for session in sessions.values()} == {"alice"}
    for browser in (alice, again):
        assert browser.jar["doorward"] not in answer.text
        assert browser.jar["doorward"].partition(".")[0] not in answer.text
    one = next(iter(sessions.values()))
    assert set(one) >= {"user_info", "last_seen", "user_agent", "created_at", "expires_at", "address"}
    assert one["last_seen"].endswith("Z")


async def test_nobody_signed_in_gets_401_as_a_problem(door):
    """C-40."""
    for method, target in (("GET", "/api/sessions/list"), ("DELETE", "/api/sessions/session/current")):
        answer = await Browser(door)._send(method, target, JSON)
        assert answer.status == 401
        assert answer.header("content-type") == "application/problem+json"
        assert answer.header("www-authenticate")
        assert json.loads(answer.body)["correlation_id"]


async def test_all_sessions_are_for_administrators(door):
    """C-36, L10."""
    alice, root = await entered(door, "alice"), await entered(door, "root")
    answer, problem = await ask(alice, "/api/sessions/list?all=true")
    assert answer.status == 403
    assert problem["status"] == 403
    answer, sessions = await ask(root, "/api/sessions/list?all=true")
    assert {session["user_info"]["name"] for session in sessions.values()} == {"alice", "root"}
    _, some = await ask(root, "/api/sessions/list?all=true&limit=1&offset=1")
    assert len(some) == 1


@pytest.mark.parametrize("query", ["all=maybe", "limit=0", "limit=501", "limit=x", "offset=-1", "limit=1e3", "limit="])
async def test_a_question_that_makes_no_sense_is_400(door, query):
    answer, problem = await ask(await entered(door, "root"), f"/api/sessions/list?{query}")
    assert answer.status == 400
    assert problem["title"]


async def test_the_current_session_ends_with_its_cookie(door):
    """C-40, C-41: dead in the store, gone from the browser."""
    alice = await entered(door, "alice")
    stolen = dict(alice.jar)
    answer = await end(alice, "current")
    assert (answer.status, answer.body) == (204, b"")
    assert "doorward" not in alice.jar
    alice.jar = stolen
    answer, _ = await ask(alice, "/api/sessions/list")
    assert answer.status == 401
    assert door.town.acts()[-1] == "user.logout"


async def test_another_session_of_ones_own_ends_by_handle(door):
    """C-39, C-40."""
    here, there = await entered(door, "alice"), await entered(door, "alice")
    _, sessions = await ask(here, "/api/sessions/list")
    handle = next(handle for handle, session in sessions.items() if not session["current"])
    assert (await end(here, handle)).status == 204
    assert (await ask(there, "/api/sessions/list"))[0].status == 401
    assert (await end(here, handle)).status == 404


async def test_ones_own_handle_is_as_good_as_current(door):
    alice = await entered(door, "alice")
    _, sessions = await ask(alice, "/api/sessions/list")
    assert (await end(alice, next(iter(sessions)))).status == 204
    assert "doorward" not in alice.jar


@pytest.mark.parametrize("handle", ["nothing", "%00", "..%2f..", "x" * 3000, "%F0%9F%98%80", "%ff"])
async def test_a_handle_of_nobody_is_404(door, handle):
    """J15, P14."""
    assert (await end(await entered(door, "alice"), handle)).status == 404
    assert (await end(await entered(door, "root"), handle)).status == 404


async def test_somebody_elses_session_is_404_but_for_administrators(door):
    """C-40."""
    alice, bob, root = await entered(door, "alice"), await entered(door, "bob"), await entered(door, "root")
    _, sessions = await ask(bob, "/api/sessions/list")
    handle = next(iter(sessions))
    assert (await end(alice, handle)).status == 404
    assert (await ask(bob, "/api/sessions/list"))[0].status == 200
    assert (await end(root, handle)).status == 204
    assert (await ask(bob, "/api/sessions/list"))[0].status == 401


FORGED = {
    "no token": {"x_csrf_token": ""},
    "another token": {"x_csrf_token": "A" * 22 + "." + "B" * 43},
    "another origin": {"origin": "https://evil.test"},
    "another site": {"sec_fetch_site": "cross-site"},
}


@pytest.mark.parametrize("told", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_request_ends_nothing(door, told):
    """C-40, K03, K06."""
    alice = await entered(door, "alice")
    answer = await end(alice, "current", **told)
    assert answer.status == 403
    assert json.loads(answer.body)["code"] == "CSRF_FAILED"
    assert b"GET /api/auth/csrf-token" in answer.body
    assert (await ask(alice, "/api/sessions/list"))[0].status == 200


TRANSPORTS = {
    "a form field": ("application/x-www-form-urlencoded", "csrf_token={}"),
    "a form field in a charset": ("application/x-www-form-urlencoded; charset=UTF-8", "a=1&csrf_token={}"),
    "a JSON field": ("application/json", '{{"csrf_token": "{}"}}'),
    "a JSON field in a charset": ("application/json; charset=utf-8", '{{"a": [1], "csrf_token": "{}"}}'),
}


async def end_by(browser, kind: str, body: str, **headers):
    more = {
        **JSON,
        "content_type": kind,
        "origin": browser.door.site.origin,
        "sec_fetch_site": "same-origin",
        **headers,
    }
    return await browser._send("DELETE", "/api/sessions/session/current", more, body.encode())


@pytest.mark.parametrize(("kind", "body"), TRANSPORTS.values(), ids=TRANSPORTS.keys())
async def test_the_token_may_come_in_a_field(door, kind, body):
    """A-25, D-13, D-15, D-17: header, form field or JSON field; what `GET /api/auth/csrf-token` gives is good in each."""
    alice = await entered(door, "alice")
    assert (await end_by(alice, kind, body.format("A" * 22 + "." + "B" * 43))).status == 403
    assert (await end_by(alice, kind, body.format(""), x_api_key="x")).status == 401
    answer, told = await ask(alice, "/api/auth/csrf-token")
    assert answer.status == 200
    assert alice.jar[door.cookies.csrf] == told["csrf_token"]
    assert (await end_by(alice, kind, body.format(told["csrf_token"]))).status == 204
    assert (await ask(alice, "/api/sessions/list"))[0].status == 401


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", '{"csrf_token": 1}', 403),
        ("application/json", '{"csrf_token": {"csrf_token": "x"}}', 403),
        ("application/json", '["csrf_token"]', 400),
        ("application/json", '{"csrf_token": "x"', 400),
        ("application/json", '{"csrf_token": "x", "csrf_token": "y"}', 400),
        ("application/x-www-form-urlencoded", "csrf_token=x&csrf_token=y", 400),
        ("text/plain", "csrf_token=x", 403),
        ("multipart/form-data; boundary=x", "csrf_token=x", 403),
    ],
)
async def test_a_body_that_holds_no_token_changes_nothing(door, kind, body, status):
    """K03."""
    alice = await entered(door, "alice")
    await ask(alice, "/api/auth/csrf-token")
    assert (await end_by(alice, kind, body)).status == status
    assert (await ask(alice, "/api/sessions/list"))[0].status == 200


async def test_a_good_token_in_the_body_makes_no_bad_one_in_the_header_good(door):
    alice = await entered(door, "alice")
    _, told = await ask(alice, "/api/auth/csrf-token")
    body = json.dumps(told)
    assert (await end_by(alice, "application/json", body, x_csrf_token="A" * 22 + "." + "B" * 43)).status == 403
    assert (await end_by(alice, "application/json", body)).status == 204


async def test_every_call_that_changes_something_asks_for_the_token(door):
    """K03, K06, T-03: whatever will be added, too; a wrong key excuses from nothing."""
    alice = await entered(door, "alice")
    _, described = await ask(alice, "/api/openapi.json")
    unsafe = [
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method in operations
        if method in {"post", "put", "patch", "delete"}
    ]
    assert unsafe
    for method, path in unsafe:
        for headers, expected in ((JSON, (403, "CSRF_FAILED")), ({**JSON, "x_api_key": "x"}, (401, "WRONG_KEY"))):
            answer = await alice._send(method, path.replace("{", "").replace("}", ""), headers)
            assert (answer.status, json.loads(answer.body).get("code")) == expected, path


async def test_reading_needs_no_token_and_changes_nothing(door):
    """K05."""
    alice = await entered(door, "alice")
    answer, _ = await ask(alice, "/api/sessions/session/current")
    assert answer.status == 405
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("allow") == "DELETE"
    assert (await ask(alice, "/api/sessions/list"))[0].status == 200


async def test_a_token_is_given_before_anybody_signs_in(door):
    """C-07, K02."""
    browser = Browser(door)
    answer, told = await ask(browser, "/api/auth/csrf-token")
    assert answer.status == 200
    assert {name for name in browser.jar if "browser" in name}
    assert told["csrf_token"] in browser.jar.values()
    _, again = await ask(browser, "/api/auth/csrf-token")
    assert again == told


async def test_the_ways_of_signing_in_are_told(door):
    _, told = await ask(Browser(door), "/api/auth/mode")
    alone = {"mode": "local", "methods": ["password", "passkey"], "providers": []}
    alone |= {"straight": None, "remember_me": True}
    assert told == alone
    door.add_provider("google")
    door.add_provider("off", enabled=False)
    door.town.straight = "google"
    _, told = await ask(Browser(door), "/api/auth/mode")
    google = {"id": "google", "name": "Google", "type": "google"}
    ways = {"mode": "both", "methods": ["password", "provider", "passkey"], "providers": [google], "straight": "google"}
    assert told == alone | ways
    await door.close_passwords("google")
    _, told = await ask(Browser(door), "/api/auth/mode")
    assert told == alone | ways | {"mode": "provider", "methods": ["provider", "passkey"]}
    assert "secret" not in str(told)


async def test_signing_out_is_remembered_so_that_nobody_is_signed_in_again_unasked(door):
    alice = await entered(door, "alice")
    assert (await end(alice, "current")).status == 204
    assert alice.jar[door.cookies.way] == "-"


async def test_who_can_register_is_told_as_it_stands():
    """2.12, B-13: by the mode of this moment, and that the first account needs the setup link."""
    door = Door()
    parts = ApiParts(door.flows, door.server.reader, door.csrf, door.cookies, door.clock, door.random, "0", True)
    door.server = replace(door.server, api=build_api(parts))
    _, told = await ask(Browser(door), "/api/auth/registration-available")
    locked = {"available": False, "invited": True, "mode": "first_user_then_locked", "setup_required": True}
    assert told == locked | {"asks_email": False, "approval": False}
    await door.add_user("root", admin=True)
    seen = {}
    for mode in Mode:
        door.town.mode = mode
        _, told = await ask(Browser(door), "/api/auth/registration-available")
        assert (told["mode"], told["setup_required"]) == (mode.value, False)
        seen[mode] = (told["available"], told["invited"])
    assert seen == {
        Mode.FIRST_USER_THEN_LOCKED: (False, True),
        Mode.CLOSED: (False, False),
        Mode.INVITE: (False, True),
        Mode.OPEN: (True, True),
        Mode.OIDC_AUTO: (False, True),
    }


async def test_the_client_address_is_explained_to_whoever_is_signed_in(door):
    """2.5."""
    assert (await ask(Browser(door), "/api/diagnostics/client-ip"))[0].status == 401
    alice = await entered(door, "alice")
    _, told = await ask(alice, "/api/diagnostics/client-ip", x_forwarded_for="198.51.100.7, 127.0.0.1")
    assert told == {
        "client": "198.51.100.7",
        "peer": "127.0.0.1",
        "peer_trusted": True,
        "forwarded_for": "198.51.100.7, 127.0.0.1",
    }
    _, told = await ask(alice, "/api/diagnostics/client-ip")
    assert told["client"] is None


async def test_the_description_covers_every_route_and_loads_nothing_from_elsewhere(door):
    browser = Browser(door)
    answer, described = await ask(browser, "/api/openapi.json")
    assert answer.status == 200
    assert set(described["paths"]) >= {
        "/api/sessions/list",
        "/api/sessions/session/{handle}",
        "/api/auth/csrf-token",
        "/api/auth/mode",
        "/api/auth/registration-available",
        "/api/diagnostics/client-ip",
    }
    for target in ("/docs", "/redoc", "/api/docs", "/api/redoc", "/openapi.json"):
        assert (await ask(browser, target))[0].status == 404


@pytest.mark.parametrize("target", ["/api", "/api/", "/api/nothing", "/api/sessions", "/api/sessions/list/"])
async def test_an_address_that_is_none_is_404_as_a_problem(door, target):
    """C12: nothing of ours answers 2xx by accident, and nothing redirects."""
    answer, problem = await ask(Browser(door), target)
    assert answer.status == 404
    assert answer.header("content-type") == "application/problem+json"
    assert problem["correlation_id"]


async def test_every_answer_carries_the_security_headers(door):
    """D-28..D-33, K08, K14."""
    for target in ("/api/auth/mode", "/api/sessions/list", "/api/nothing", "/api/openapi.json"):
        answer, _ = await ask(Browser(door), target)
        assert answer.header("cache-control") == "no-store"
        assert answer.header("x-content-type-options") == "nosniff"
        assert "default-src 'self'" in answer.header("content-security-policy")


async def test_the_application_is_made_once_and_only_when_asked_for():
    made = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def make():
        made.append(1)
        return app

    lazy = LazyApp(make)
    assert made == []
    for _ in range(3):
        assert (await call_app(lazy, "GET", "/api/x", [])).status == 204
    assert made == [1]
