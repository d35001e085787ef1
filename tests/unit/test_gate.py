"""The gate, question by question: what each proxy is told, and what no proxy is ever told."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

import pytest

from doorward.rules.policy import App, Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Requirement, Rule
from doorward.rules.reason import Reason
from doorward.rules.session import Method
from doorward.web.client import Trust
from doorward.web.gate.answer import Answer, split_block
from doorward.web.gate.asgi_lane import read_target
from doorward.web.gate.dialect import Headers
from doorward.web.gate.identity import name_headers
from doorward.web.gate.proxies import DIALECTS
from doorward.web.gate.refusal_log import RefusalLog
from doorward.web.gate.table import SessionTable
from tests.fakes.gate import PROXY, STRANGER, FakeLog, World, ask, make_user

TRAEFIK, CADDY, NGINX, HAPROXY, ENVOY = DIALECTS
APP, ADMIN, OPEN = (HostPattern(f"{name}.example.test") for name in ("app", "admin", "open"))
RULES = [
    Rule("everyone here", Effect.ALLOW, (APP,), audience=Audience.ANY_USER),
    Rule("admins", Effect.ALLOW, (ADMIN,), groups=frozenset({"admins"})),
    Rule(
        "recent",
        Effect.REQUIRE,
        (ADMIN,),
        audience=Audience.ANYONE,
        requirement=Requirement(fresh=timedelta(minutes=15)),
    ),
    Rule("open", Effect.ALLOW, (OPEN,), paths=(PathPattern(PathKind.PREFIX, "/public"),), audience=Audience.ANYONE),
]
_REPEATED = frozenset({b"set-cookie", b"www-authenticate"})
APPS = [App("Photos", (APP,), contact="Ann", preflight=True)]


@pytest.fixture
def world() -> World:
    return World(Policy(RULES, apps=APPS))


def fields_of(answer: Answer) -> dict[str, str]:
    pairs = split_block(answer.head)
    fields = {name.decode(): value.decode() for name, value in pairs}
    assert all(count == 1 or name in _REPEATED for name, count in Counter(name for name, _ in pairs).items())
    return fields


def check(
    world: World, host: str, uri: str = "/", cookie: str = "", dialect=TRAEFIK, peer: str = PROXY, gate=None, **more
):
    headers = ask(host, uri, **more)
    if cookie:
        headers.append((b"cookie", f"theme=dark; doorward={cookie}; lang=en".encode()))
    return (gate or world.make_gate()).answer(dialect, b"GET", b"", headers, peer)


def test_a_session_and_a_matching_rule_give_200_with_every_identity_header(world: World) -> None:
    """C-06, C-10, T-21: exactly 200, an empty body, e-mail, name and groups."""
    answer = check(world, "app.example.test", cookie=world.sign_in(make_user("alice", "family", "admins")))
    assert answer.status == HTTPStatus.OK
    assert answer.body == b""
    assert fields_of(answer) == {
        "x-forwarded-user-email": "alice@example.test",
        "x-forwarded-user-name": "Alice",
        "x-forwarded-user-groups": "admins,family",
        "cookie": "theme=dark; lang=en",
        "cache-control": "no-store",
        "content-length": "0",
    }


def test_remote_headers_are_sent_when_asked_for(world: World) -> None:
    """C-10: header names are configurable."""
    world.settings = replace(world.settings, identity=name_headers(forwarded=True, remote=True))
    fields = fields_of(check(world, "app.example.test", cookie=world.sign_in(make_user("alice", "family"))))
    assert {name: fields[name] for name in fields if name.startswith("remote-")} == {
        "remote-user": "alice",
        "remote-email": "alice@example.test",
        "remote-name": "Alice",
        "remote-groups": "family",
    }


def test_an_empty_value_is_sent_and_not_left_out(world: World) -> None:
    """T-21: an absent header would let a client's pass through some proxies."""
    fields = fields_of(check(world, "app.example.test", cookie=world.sign_in(make_user("alice", email=""))))
    assert fields["x-forwarded-user-email"] == fields["x-forwarded-user-groups"] == ""


@pytest.mark.parametrize("state", ["none", "expired", "disabled"])
def test_an_open_path_carries_no_identity_without_a_live_session(world: World, state: str) -> None:
    """C07."""
    user = make_user("alice", enabled=state != "disabled")
    cookie = "" if state == "none" else world.sign_in(user)
    if state == "expired":
        world.clock.advance(timedelta(days=3))
    fields = fields_of(check(world, "open.example.test", "/public/x", cookie))
    assert {fields[name] for name in fields if name.startswith("x-forwarded-user")} == {""}


def test_a_navigation_is_sent_to_sign_in_and_back(world: World) -> None:
    """C-05, C-06, C-41: 303 with an absolute Location that carries path and query byte for byte."""
    answer = check(world, "app.example.test:8443", "/a%20b?x=%2F1&y=ü".replace("ü", "%C3%BC"))
    assert answer.status == HTTPStatus.SEE_OTHER
    location = urlsplit(fields_of(answer)["location"])
    assert (location.scheme, location.netloc, location.path) == ("https", "auth.example.test", "/login")
    assert parse_qs(location.query) == {"rd": ["https://app.example.test:8443/a%20b?x=%2F1&y=%C3%BC"]}


@pytest.mark.parametrize(
    "more",
    [
        {"sec_fetch_mode": "cors"},
        {"x_requested_with": "XMLHttpRequest"},
        {"upgrade": "websocket"},
        {"method": "OPTIONS"},
    ],
)
def test_a_program_is_told_401_and_where_to_sign_in(world: World, more: dict[str, str]) -> None:
    """C-06, B26: no redirect for XHR, websockets and preflights of an app that lets none pass."""
    world.policy = Policy(RULES)
    answer = check(world, "app.example.test", **more)
    assert answer.status == HTTPStatus.UNAUTHORIZED
    fields = fields_of(answer)
    assert "location" not in fields
    assert fields["www-authenticate"]
    assert fields["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["reason"] == "no_session"
    assert problem["login_url"] == fields["x-doorward-login"]


def test_a_preflight_passes_where_the_app_says_so_and_carries_nobody(world: World) -> None:
    """B25: both headers are needed, and no identity is given."""
    more = {"method": "OPTIONS", "origin": "https://x.test", "access_control_request_method": "PUT"}
    answer = check(world, "app.example.test", cookie=world.sign_in(make_user("alice")), **more)
    assert answer.status == HTTPStatus.OK
    assert fields_of(answer)["x-forwarded-user-name"] == ""
    del more["origin"]
    assert check(world, "app.example.test", **more).status == HTTPStatus.UNAUTHORIZED


def test_an_account_for_the_console_opens_no_app_from_its_very_next_check(world: World) -> None:
    """D-06: also what was allowed a moment ago, and where anyone may pass."""
    cookie = world.sign_in(make_user("alice", is_admin=True))
    gate = world.make_gate()
    for _ in range(2):
        assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
    world.change_user("alice", console_only=True)
    for host, uri in (("app.example.test", "/"), ("open.example.test", "/public/x")):
        answer = check(world, host, uri, cookie, gate=gate)
        assert answer.status == HTTPStatus.FORBIDDEN
        assert b"console_only" in answer.body
        assert not any(name.startswith("x-forwarded-user") for name in fields_of(answer))


def test_a_denial_is_a_page_for_a_person_and_a_problem_for_a_program(world: World) -> None:
    cookie = world.sign_in(make_user("alice", "family"))
    page = check(world, "admin.example.test", cookie=cookie)
    assert page.status == HTTPStatus.FORBIDDEN
    assert b"403 no_rule admin.example.test" in page.body
    assert fields_of(page)["content-security-policy"] == "default-src 'none'"
    problem = check(world, "admin.example.test", cookie=cookie, sec_fetch_mode="cors")
    assert json.loads(problem.body)["reason"] == "no_rule"
    assert json.loads(problem.body)["correlation_id"]


def test_what_asks_for_a_recent_sign_in_leads_to_a_fresh_one(world: World) -> None:
    """Step-up: a sign-in older than the requirement is asked for again."""
    cookie = world.sign_in(make_user("root", "admins"))
    assert check(world, "admin.example.test", cookie=cookie).status == HTTPStatus.OK
    world.clock.advance(timedelta(minutes=15))
    answer = check(world, "admin.example.test", cookie=cookie)
    assert answer.status == HTTPStatus.SEE_OTHER
    assert fields_of(answer)["location"].endswith("&fresh=1")


def demanding(**requirement: object) -> Policy:
    asked = Requirement(**requirement)  # type: ignore[arg-type]
    return Policy([*RULES, Rule("asked", Effect.REQUIRE, (APP,), audience=Audience.ANYONE, requirement=asked)])


RECENT = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("requirement", "age", "reason", "words"),
    [
        ({"two_factor": True}, 0, "two_factor_required", {"need": ["two_factor"]}),
        ({"passkey": True}, 0, "passkey_required", {"need": ["passkey"]}),
        ({"passkey": True, "two_factor": True, "fresh": RECENT}, 6, "passkey_required", {"need": ["passkey"]}),
        ({"fresh": RECENT}, 6, "not_fresh", {"fresh": ["1"]}),
    ],
)
def test_what_can_be_proven_is_asked_for_in_place(
    world: World, requirement: dict[str, object], age: int, reason: str, words: dict[str, list[str]]
) -> None:
    """Step-up: what to prove travels as a word, and the address to come back to with it."""
    world.policy = demanding(**requirement)
    cookie = world.sign_in(make_user("alice"))
    world.clock.advance(timedelta(minutes=age))
    answer = check(world, "app.example.test", "/x?y=1", cookie)
    assert answer.status == HTTPStatus.SEE_OTHER
    assert fields_of(answer)["cache-control"] == "no-store"
    location = urlsplit(fields_of(answer)["location"])
    assert location.path == "/login"
    assert parse_qs(location.query) == {"rd": ["https://app.example.test/x?y=1"], **words}
    told = json.loads(check(world, "app.example.test", "/x?y=1", cookie, sec_fetch_mode="cors").body)
    assert (told["status"], told["reason"]) == (401, reason)
    assert told["login_url"] == fields_of(answer)["location"]


@pytest.mark.parametrize(
    ("requirement", "method", "need"),
    [({"passkey": True}, Method.PASSKEY, "passkey"), ({"two_factor": True}, Method.TOTP, "two_factor")],
)
def test_what_a_rule_asks_for_beside_a_recent_sign_in_is_asked_for_with_it(
    world: World, requirement: dict[str, object], method: Method, need: str
) -> None:
    """One journey instead of two, of which the second would undo the first."""
    world.policy = demanding(fresh=RECENT, **requirement)
    cookie = world.sign_in(make_user("alice"), methods=frozenset({Method.PASSWORD, method}))
    assert check(world, "app.example.test", cookie=cookie).status == HTTPStatus.OK
    world.clock.advance(RECENT)
    location = fields_of(check(world, "app.example.test", cookie=cookie))["location"]
    assert parse_qs(urlsplit(location).query)["fresh"] == ["1"]
    assert parse_qs(urlsplit(location).query)["need"] == [need]


def test_without_a_session_nothing_but_a_sign_in_is_asked_for(world: World) -> None:
    world.policy = demanding(passkey=True, fresh=RECENT)
    assert parse_qs(urlsplit(fields_of(check(world, "app.example.test"))["location"]).query).keys() == {"rd"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("dialect", [TRAEFIK, CADDY, HAPROXY], ids=lambda dialect: dialect.name)
def test_a_form_is_not_lost_without_a_word(world: World, method: str, dialect) -> None:
    """A redirect would arrive as a GET without the form. So a page says that nothing was sent, and how to go on."""
    world.policy = demanding(passkey=True)
    cookie = world.sign_in(make_user("alice"))
    answer = check(
        world, "app.example.test", "/x", cookie, dialect=dialect, method=method, sec_fetch_site="same-origin"
    )
    fields = fields_of(answer)
    assert answer.status == HTTPStatus.FORBIDDEN
    assert fields["cache-control"] == "no-store"
    assert "location" not in fields
    assert not any(name.startswith(("x-forwarded-user", "remote-")) for name in fields)
    assert b"passkey_required app.example.test" in answer.body
    login = urlsplit(answer.body.decode().partition(" unsent ")[2].removesuffix("</html>"))
    assert (login.netloc, login.path) == ("auth.example.test", "/login")
    assert parse_qs(login.query) == {"rd": ["https://auth.example.test/confirmed"], "need": ["passkey"]}


def test_a_form_sent_after_the_sign_in_has_ended_is_held_back_and_counted_as_a_challenge(world: World) -> None:
    cookie = world.sign_in(make_user("alice"), expires_at=world.clock.now() + timedelta(minutes=1))
    world.clock.advance(timedelta(minutes=1))
    gate = world.make_gate()
    answer = check(world, "app.example.test", "/x", cookie, gate=gate, method="POST")
    assert answer.status == HTTPStatus.FORBIDDEN
    assert b"session_expired" in answer.body
    ((key, _),) = gate.tally.checks.items()
    assert key[1:4] == ("challenge", Reason.SESSION_EXPIRED, HTTPStatus.FORBIDDEN)


def test_a_form_beside_two_cookies_of_our_name_clears_them_all_the_same(world: World) -> None:
    """J06."""
    cookies = [world.sign_in(make_user("alice")), world.sign_in(make_user("bob"))]
    line = "; ".join(f"doorward={cookie}" for cookie in cookies).encode()
    headers = [*ask("app.example.test", method="POST"), (b"cookie", line)]
    answer = world.make_gate().answer(TRAEFIK, b"GET", b"", headers, PROXY)
    assert answer.status == HTTPStatus.FORBIDDEN
    assert len([value for name, value in split_block(answer.head) if name == b"set-cookie"]) == 2


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_nobody_is_asked_to_send_again_what_was_made_elsewhere(world: World, site: str) -> None:
    """K02: a forged form would otherwise be confirmed, and sent once more, by its victim."""
    world.policy = demanding(passkey=True)
    cookie = world.sign_in(make_user("alice"))
    answer = check(world, "app.example.test", "/x", cookie, method="POST", sec_fetch_site=site)
    assert answer.status == HTTPStatus.SEE_OTHER
    assert b"unsent" not in answer.body


def test_a_script_that_posts_is_told_401_as_ever(world: World) -> None:
    world.policy = demanding(two_factor=True)
    cookie = world.sign_in(make_user("alice"))
    answer = check(world, "app.example.test", "/x", cookie, method="POST", sec_fetch_mode="cors")
    assert answer.status == HTTPStatus.UNAUTHORIZED


def test_a_held_back_form_is_refused_even_where_its_page_cannot_be_drawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_refusal: object) -> tuple[bytes, Headers]:
        raise LookupError

    monkeypatch.setattr("tests.fakes.gate.draw", fail)
    answer = check(world, "app.example.test", "/x", method="POST")
    assert answer.status == HTTPStatus.FORBIDDEN
    told = json.loads(answer.body)
    assert told["reason"] == "no_session"
    assert told["login_url"].startswith("https://auth.example.test/login?rd=")


@pytest.mark.parametrize("host", ["nothere.example.test", "localhost", "127.0.0.1", "auth.example.test"])
def test_an_unknown_host_is_refused_signed_in_or_not(world: World, host: str) -> None:
    """B22: 403 and no way to sign in that could lead there."""
    for cookie in ("", world.sign_in(make_user("alice"))):
        answer = check(world, host, cookie=cookie)
        assert answer.status == HTTPStatus.FORBIDDEN
        assert "location" not in fields_of(answer)


def test_a_plain_http_request_is_told_to_use_https_instead_of_looping(world: World) -> None:
    """A11, C-44: a Secure cookie never comes back over http."""
    answer = check(world, "app.example.test", proto="http")
    assert answer.status == HTTPStatus.FORBIDDEN
    assert b"insecure_scheme" in answer.body


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_stranger_is_refused_whatever_it_says(world: World, dialect) -> None:
    """A01, A02: forwarded headers from an untrusted peer are not used at all; the log says what to add."""
    cookie = world.sign_in(make_user("alice"))
    answer = check(world, "app.example.test", cookie=cookie, dialect=dialect, peer=STRANGER)
    assert answer.status == HTTPStatus.FORBIDDEN
    assert b"proxy_untrusted" in answer.body
    assert any(f"add {STRANGER} to proxy.trusted" in str(fields.get("hint")) for _, _, fields in world.log.lines)


def test_a_unix_socket_is_trusted_only_when_listed(world: World) -> None:
    """A22."""
    cookie = world.sign_in(make_user("alice"))
    assert check(world, "app.example.test", cookie=cookie, peer="").status == HTTPStatus.FORBIDDEN
    world.trust = Trust(unix=True)
    assert check(world, "app.example.test", cookie=cookie, peer="").status == HTTPStatus.OK


def test_a_proxy_with_a_secret_must_show_it(world: World) -> None:
    world.settings = replace(world.settings, secrets={"traefik": b"s3cret"})
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    for secret in ("", "wrong", "s3cre", "s3cret "):
        answer = check(world, "app.example.test", cookie=cookie, gate=gate, x_doorward_proxy_secret=secret)
        assert answer.status == HTTPStatus.FORBIDDEN
    for _ in range(3):
        answer = check(world, "app.example.test", cookie=cookie, gate=gate, x_doorward_proxy_secret="s3cret")
        assert answer.status == HTTPStatus.OK
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.FORBIDDEN
    # Another endpoint is no way around it: where one proxy has a secret, the others need one too.
    assert check(world, "app.example.test", cookie=cookie, gate=gate, dialect=CADDY).status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_cookies_of_our_name_are_none_and_are_cleared(world: World, order: tuple[int, int]) -> None:
    """J06."""
    cookies = [world.sign_in(make_user("alice")), world.sign_in(make_user("bob"))]
    line = "; ".join(f"doorward={cookies[index]}" for index in order).encode()
    answer = world.make_gate().answer(TRAEFIK, b"GET", b"", [*ask("app.example.test"), (b"cookie", line)], PROXY)
    assert answer.status == HTTPStatus.SEE_OTHER
    cleared = [value for name, value in split_block(answer.head) if name == b"set-cookie"]
    assert len(cleared) == 2
    assert all(b"Max-Age=0" in value for value in cleared)
    split = [*ask("app.example.test"), *((b"cookie", f"doorward={cookie}".encode()) for cookie in cookies)]
    assert world.make_gate().answer(TRAEFIK, b"GET", b"", split, PROXY).status == HTTPStatus.SEE_OTHER


def test_a_session_ends_at_its_very_instant_however_often_it_was_asked_for(world: World) -> None:
    """C-30, J13: what is remembered lives no longer than the session."""
    cookie = world.sign_in(make_user("alice"), expires_at=world.clock.now() + timedelta(seconds=45))
    gate = world.make_gate()
    for _ in range(3):
        assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
        world.clock.advance(timedelta(seconds=14))
    world.clock.advance(timedelta(seconds=2))
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
    world.clock.advance(timedelta(seconds=1))
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.SEE_OTHER


def test_use_extends_an_idle_session_but_not_its_lifetime(world: World) -> None:
    """A-09: 120 minutes without use end it; 24 hours end it in any case."""
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    for _ in range(12):
        world.clock.advance(timedelta(minutes=119))
        assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
    world.clock.advance(timedelta(minutes=12))
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.SEE_OTHER


def test_no_session_outlives_what_is_stored_of_it(world: World) -> None:
    """J13: a use within a minute of the last one is not written down, so it may not count here either."""
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    for seconds, status in ((0, HTTPStatus.OK), (44, HTTPStatus.OK), (7200 - 44, HTTPStatus.SEE_OTHER)):
        world.clock.advance(timedelta(seconds=seconds))
        assert check(world, "app.example.test", cookie=cookie, gate=gate).status == status
    assert world.touches == []


def test_an_idle_session_ends(world: World) -> None:
    """A-09."""
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
    world.clock.advance(timedelta(minutes=120))
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.SEE_OTHER


def test_a_use_is_handed_over_at_most_once_a_minute(world: World) -> None:
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    for _ in range(180):
        world.clock.advance(timedelta(seconds=1))
        check(world, "app.example.test", cookie=cookie, gate=gate, user_agent="A\x00B" + "x" * 9000)
    assert len(world.touches) == 3
    assert world.touches[0][2].startswith("A\ufffdB")
    assert len(world.touches[0][2]) == 256
    assert world.touches[0][3] == "203.0.113.7"


def test_a_store_that_does_not_answer_is_503_and_never_open(world: World) -> None:
    """R11, R12: fail closed, also for what was allowed a moment ago."""
    cookie = world.sign_in(make_user("alice"))
    gate = world.make_gate()
    assert check(world, "app.example.test", cookie=cookie, gate=gate).status == HTTPStatus.OK
    world.view.broken, world.view.commits = True, world.view.commits + 1
    for dialect, status in ((TRAEFIK, 503), (CADDY, 503), (HAPROXY, 503)):
        answer = check(world, "app.example.test", cookie=cookie, gate=gate, dialect=dialect)
        assert answer.status == status
        assert "x-forwarded-user-email" not in fields_of(answer)


def test_nginx_is_answered_200_401_or_403_only(world: World) -> None:
    """C10: a way to sign in is a 401 with a Location; faults are 403."""

    def nginx(url: str, cookie: str = "", **more: str) -> Answer:
        headers = [(b"x-original-method", b"GET"), (b"x-original-url", url.encode()), (b"accept", b"text/html")]
        headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
        headers += [(b"cookie", f"doorward={cookie}".encode())] if cookie else []
        return world.make_gate().answer(NGINX, b"GET", b"", headers, PROXY)

    assert nginx("https://app.example.test:443/x", world.sign_in(make_user("alice"))).status == HTTPStatus.OK
    login = nginx("https://app.example.test:443/x?y=1")
    assert login.status == HTTPStatus.UNAUTHORIZED
    assert parse_qs(urlsplit(fields_of(login)["location"]).query)["rd"] == ["https://app.example.test/x?y=1"]
    assert "location" not in fields_of(nginx("https://app.example.test/x", sec_fetch_mode="cors"))
    for url in (
        "http://[::1",
        "https://%zz/",
        "/%",
        "https://app.example.test",
        "x",
        "",
        "https://app.example.test/a#b",
    ):
        assert nginx(url).status == HTTPStatus.FORBIDDEN
    world.view.broken = True
    assert nginx("https://app.example.test/", world.sign_in(make_user("alice"))).status == HTTPStatus.FORBIDDEN


def test_envoy_asks_with_the_visitors_own_request_line(world: World) -> None:
    headers = [(b"host", b"app.example.test"), (b"x-forwarded-proto", b"https"), (b"accept", b"text/html")]
    gate = world.make_gate()
    answer = gate.answer(ENVOY, b"GET", b"/orders?id=1", headers, PROXY)
    assert answer.status == HTTPStatus.SEE_OTHER
    assert "orders%3Fid%3D1" in fields_of(answer)["location"]
    cookie = (b"cookie", f"doorward={world.sign_in(make_user('alice', email=''))}".encode())
    fields = fields_of(gate.answer(ENVOY, b"POST", b"/orders", [*headers, cookie], PROXY))
    assert fields["x-envoy-auth-headers-to-remove"] == "x-forwarded-user-email,x-forwarded-user-groups,cookie"
    assert gate.answer(ENVOY, b"POST", b"?x", headers, PROXY).status == HTTPStatus.BAD_REQUEST
    world.view.broken = True
    world.view.commits += 1
    assert gate.answer(ENVOY, b"GET", b"/", [*headers, cookie], PROXY).status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("missing", ["method", "proto", "host", "uri"])
def test_a_check_that_lacks_something_is_400_even_with_a_session(world: World, missing: str) -> None:
    """A16: nothing is guessed."""
    cookie = (b"cookie", f"doorward={world.sign_in(make_user('alice'))}".encode())
    gate = world.make_gate()
    for repeat in range(2):
        whole = gate.answer(TRAEFIK, b"GET", b"", [*ask("app.example.test"), cookie], PROXY)
        assert whole.status == HTTPStatus.OK, repeat
        headers = [pair for pair in ask("app.example.test") if pair[0] != f"x-forwarded-{missing}".encode()]
        assert gate.answer(TRAEFIK, b"GET", b"", [*headers, cookie], PROXY).status == HTTPStatus.BAD_REQUEST


def test_a_flood_of_refusals_is_counted_instead_of_written(world: World) -> None:
    """P15."""
    gate = world.make_gate()
    for _ in range(5000):
        check(world, "nothere.example.test", gate=gate)
    assert len(world.log.lines) == 20
    gate.refusal_log.flush()
    assert world.log.lines[-1][2]["held_back"] == 4980
    check(world, "nothere.example.test", gate=gate)
    assert len(world.log.lines) == 22


def test_a_page_that_cannot_be_drawn_is_a_problem_document(world: World) -> None:
    gate = world.make_gate()

    def fail(refusal: object) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        raise RuntimeError("no template")

    gate._refuser._page = fail
    answer = check(world, "nothere.example.test", gate=gate)
    assert answer.status == HTTPStatus.FORBIDDEN
    assert json.loads(answer.body)["reason"] == "unknown_host"


def test_every_answer_is_counted_under_bounded_labels(world: World) -> None:
    """C-42: neither users nor hosts."""
    gate = world.make_gate()
    for number in range(50):
        check(world, f"h{number}.example.test", gate=gate)
    gate.answer(TRAEFIK, b"BREW", b"", ask("app.example.test"), PROXY)
    assert sum(cell[0] for cell in gate.tally.checks.values()) == 51
    assert {key[:1] + key[4:] for key in gate.tally.checks} == {("traefik", "GET"), ("traefik", "other")}


def test_the_log_says_nothing_of_ordinary_visits() -> None:
    log = FakeLog()
    from doorward.rules.reason import Reason

    RefusalLog(log).note("check_refused", Reason.NO_SESSION)
    RefusalLog(log).note("check_refused", Reason.UNAVAILABLE)
    assert [level for level, *_ in log.lines] == ["debug", "error"]


def test_the_table_forgets_the_oldest_when_it_is_full(world: World) -> None:
    table = SessionTable(world.view, max_entries=4)
    for name in "abcdefgh":
        world.sign_in(make_user(name))
    for fingerprint in world.view.subjects:
        assert table.find(fingerprint, world.clock.now()) is not None
        assert len(table) <= 4
    assert table.find(next(iter(world.view.subjects)), world.clock.now()) is not None


def test_the_table_remembers_no_more_headers_than_it_may(world: World) -> None:
    table = SessionTable(world.view, max_entries=2)
    world.sign_in(make_user("a"))
    entry = table.find(next(iter(world.view.subjects)), world.clock.now())
    assert entry is not None
    for header in (b"a=1", b"a=2", b"a=3"):
        table.remember(header, entry)
    assert [table.recall(header) is not None for header in (b"a=1", b"a=2", b"a=3")] == [False, False, True]


def test_the_cookies_one_visitor_makes_up_fill_no_memory(world: World) -> None:
    """J10: around one good session anybody can send as many different headers as they like."""
    table = SessionTable(world.view, max_held=1000)
    world.sign_in(make_user("a"))
    entry = table.find(next(iter(world.view.subjects)), world.clock.now())
    assert entry is not None
    headers = [b"doorward=x; junk=%090d" % number for number in range(100)]
    for header in headers:
        table.remember(header, entry)
        assert table.recall(header) is not None
    assert sum(len(header) for header in headers if table.recall(header) is not None) <= 1000
    for _ in range(100):
        table.remember(headers[-1], entry)
    assert table.recall(headers[-1]) is not None


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("127.0.0.2", b"203.0.113.7", "203.0.113.7"),
        ("127.0.0.2", b"6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.2", b"6.6.6.6, 203.0.113.7, 10.1.1.1, 127.0.0.2", "203.0.113.7"),
        ("127.0.0.2", b"10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("127.0.0.2", b"::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.2", b"2001:db8::1", "2001:db8::1"),
        ("127.0.0.2", None, "None"),
        ("::ffff:127.0.0.2", b"203.0.113.7", "203.0.113.7"),
        ("127.0.0.3", b"203.0.113.7", "127.0.0.3"),
        ("::ffff:127.0.0.3", None, "127.0.0.3"),
        ("", b"203.0.113.7", "None"),
    ],
)
def test_the_client_is_the_first_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: bytes | None, expected: str
) -> None:
    """B-07, A-34, T-07, A08, A10."""
    trust = Trust((ip_network("127.0.0.2/32"), ip_network("10.0.0.0/8")))
    for _ in range(2):
        assert str(trust.client_address(peer, forwarded)) == expected


def test_a_number_of_hops_counts_from_the_right() -> None:
    """B-07: TRUST_PROXY=1."""
    trust = Trust((ip_network("127.0.0.2/32"),), hops=2)
    assert str(trust.client_address("127.0.0.2", b"6.6.6.6, 203.0.113.7, 10.0.0.1")) == "203.0.113.7"
    assert str(trust.client_address("127.0.0.2", b"203.0.113.7")) == "203.0.113.7"


@pytest.mark.parametrize(
    "value", [b"a", b"unknown", b'"]', b"1.2.3.4.5", b"::1%25x", b"fe80::1%eth0", b"," * 10000, b"1.2.3.4,", b"\xff"]
)
def test_a_malformed_forwarded_for_is_a_refusal(world: World, value: bytes) -> None:
    """A07: never fewer checks."""
    headers = [*ask("app.example.test"), (b"cookie", f"doorward={world.sign_in(make_user('alice'))}".encode())]
    headers = [(name, value if name == b"x-forwarded-for" else old) for name, old in headers]
    gate = world.make_gate()
    for _ in range(2):
        assert gate.answer(TRAEFIK, b"GET", b"", headers, PROXY).status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "name", [b"x-forwarded-host", b"x-forwarded-uri", b"x-forwarded-proto", b"host", b"x-doorward-proxy-secret"]
)
def test_a_header_that_may_stand_once_may_not_stand_twice(world: World, name: bytes) -> None:
    headers = [*ask("app.example.test"), (name, b"app.example.test"), (name, b"app.example.test")]
    assert world.make_gate().answer(TRAEFIK, b"GET", b"", headers, PROXY).status == HTTPStatus.BAD_REQUEST


def test_memory_of_spellings_does_not_grow_without_end(world: World) -> None:
    world.policy = Policy(
        [Rule("all", Effect.ALLOW, (HostPattern("example.test", below=True),), audience=Audience.ANY_USER)]
    )
    gate = world.make_gate()
    cookies = [world.sign_in(make_user(name)) for name in ("alice", "bob")]
    for number in range(4200):
        assert check(world, f"h{number}.example.test", cookie=cookies[number % 2], gate=gate).status == HTTPStatus.OK
    assert len(gate._origins) <= 4096
    assert len(gate._hosts) <= 1024
    for name in ("alice", "bob"):
        world.end_sessions(name)
    assert check(world, "h1.example.test", cookie=cookies[1], gate=gate).status == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(("secure", "domain"), [(True, ""), (False, ".example.test")])
def test_cookies_are_cleared_as_they_were_set(world: World, secure: bool, domain: str) -> None:
    """J12: deletion uses the same attributes."""
    world.settings = replace(world.settings, cookie_secure=secure, cookie_domain=domain)
    headers = [*ask("app.example.test"), (b"cookie", b"doorward=a; doorward=b")]
    answer = world.make_gate().answer(TRAEFIK, b"GET", b"", headers, PROXY)
    cleared = [value for name, value in split_block(answer.head) if name == b"set-cookie"]
    assert len(cleared) == (2 if domain else 1)
    assert all((b"; Secure" in value) is secure for value in cleared)


@pytest.mark.parametrize("host", ["\u0430dmin.example.test", "\xe9.example.test"])
def test_a_host_that_is_not_ascii_is_refused(world: World, host: str) -> None:
    """B20."""
    assert check(world, host).status == HTTPStatus.BAD_REQUEST


def test_haproxy_is_told_every_header_and_what_is_left_of_the_cookie(world: World) -> None:
    cookie = f"doorward={world.sign_in(make_user('alice', 'family'))}".encode()
    headers = [*ask("app.example.test"), (b"cookie", cookie)]
    fields = fields_of(world.make_gate().answer(HAPROXY, b"GET", b"", headers, PROXY))
    assert fields["x-forwarded-user-name"] == "Alice"
    refused = world.make_gate().answer(HAPROXY, b"GET", b"", ask("app.example.test"), PROXY)
    assert refused.status == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"doorward.target": b"/a?b#c", "path": "/x"}, b"/a?b#c"),
        ({"path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=d"}, b"/a%20b?c=d"),
        ({"path": "/a", "raw_path": None}, b"/a"),
    ],
)
def test_a_server_without_the_fast_lane_tells_the_target_as_well_as_it_can(
    scope: dict[str, object], target: bytes
) -> None:
    assert read_target(scope) == target


def test_a_flush_says_nothing_when_nothing_was_held_back(world: World) -> None:
    gate = world.make_gate()
    check(world, "nothere.example.test", gate=gate)
    written = len(world.log.lines)
    gate.refusal_log.flush()
    assert len(world.log.lines) == written


def test_a_very_long_cookie_header_is_judged_every_time(world: World) -> None:
    """J10: nothing that long is kept in memory."""
    cookie = f"doorward={world.sign_in(make_user('alice'))}; x={'y' * 5000}".encode()
    gate = world.make_gate()
    for _ in range(3):
        assert gate.answer(TRAEFIK, b"GET", b"", [*ask("app.example.test"), (b"cookie", cookie)], PROXY).status == 200
    assert gate.table.recall(cookie) is None
