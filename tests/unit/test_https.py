"""Whoever comes by plain http is sent to https, and never to another host."""

from ipaddress import ip_network

import pytest

from doorward.config.load import Loaded, parse_config
from doorward.errors import ConfigError
from doorward.web.client import Trust
from doorward.web.headers import HeaderPolicy
from tests.fakes.door import Answer, Door, call_app

PROXY = "10.0.0.2"
SITE = "server: {public_url: 'https://auth.example.com'}\n"
TRUSTED = "proxy: {trusted: [10.0.0.0/8]}\n"
PLAIN = "server: {public_url: 'http://auth.localhost'}\n"


@pytest.fixture
def door() -> Door:
    trust = Trust(networks=(ip_network("10.0.0.0/8"),), unix=False, hops=None)
    return Door(https_only=True, trust=trust, headers=HeaderPolicy(hsts_seconds=31536000, upgrade=True))


async def ask(
    door: Door, target: str, *, proto: str = "http", host: str = "auth.example.test", method: str = "GET",
    peer: str = PROXY, body: bytes = b"",
) -> Answer:  # fmt: skip
    headers = [
        (b"host", host.encode()),
        (b"accept", b"text/html"),
        *[(b"x-forwarded-proto", proto.encode())][: bool(proto)],
    ]
    return await call_app(door.server, method, target, headers, body, peer=peer)


@pytest.mark.parametrize(
    ("target", "onward"),
    [
        ("/", "/"),
        ("/login?rd=https%3A%2F%2Fapp.example.test%2F&x=%22", "/login?rd=https%3A%2F%2Fapp.example.test%2F&x=%22"),
        ("/nowhere/%C3%A4 b", "/nowhere/%C3%A4%20b"),
        ("//elsewhere.test/x", "//elsewhere.test/x"),
        ("/api/sessions/list", "/api/sessions/list"),
        ("/static/x.css", "/static/x.css"),
        ("/a?\xff\x22<>", "/a?%C3%BF%22%3C%3E"),
    ],
)
async def test_the_same_address_by_https(door: Door, target: str, onward: str) -> None:
    """B-08."""
    answer = await ask(door, target)
    assert (answer.status, answer.location) == (308, "https://auth.example.test" + onward)
    assert answer.header("strict-transport-security") == "max-age=31536000"


@pytest.mark.parametrize("host", ["elsewhere.test", "auth.example.test:81", "auth.example.test.elsewhere.test"])
async def test_the_host_is_never_the_visitors(door: Door, host: str) -> None:
    """B-08: who forges a Host header leads nobody away."""
    assert (await ask(door, "/login", host=host)).location == "https://auth.example.test/login"


async def test_a_form_keeps_its_method(door: Door) -> None:
    assert (await ask(door, "/login", method="POST", body=b"a=b")).status == 308


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_asked_for_by_http(door: Door, path: str) -> None:
    assert (await ask(door, path)).status == 200


@pytest.mark.parametrize(("proto", "peer"), [("https", PROXY), ("", PROXY), ("http", "198.51.100.7")])
async def test_nobody_else_is_moved(door: Door, proto: str, peer: str) -> None:
    """Nobody but a trusted proxy knows how a visitor came: a circle would be the price of a guess."""
    assert (await ask(door, "/login", proto=proto, peer=peer)).status == 200


async def test_pages_ask_for_everything_by_https(door: Door) -> None:
    """B-35."""
    for target in ("/login", "/nowhere"):
        answer = await ask(door, target, proto="https")
        assert answer.header("content-security-policy").endswith("; upgrade-insecure-requests")


async def test_without_the_setting_a_form_by_http_is_told_why(door: Door) -> None:
    """The cookie would not be kept: no silent circle."""
    plain = Door(trust=Trust(networks=(ip_network("10.0.0.0/8"),), unix=False, hops=None))
    for method in ("GET", "POST"):
        headers = [
            (b"host", b"auth.example.test"),
            (b"x-forwarded-proto", b"http"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]
        answer = await call_app(plain.server, method, "/login", headers, b"login=alice", peer=PROXY)
        assert answer.status == 400
        assert "Please use https" in answer.text


def load(text: str, **environ: str) -> Loaded:
    return parse_config(text.encode(), environ=environ)


@pytest.mark.parametrize(
    ("text", "environ", "start"),
    [
        (SITE + "https: {force: true}", {}, "https.force"),
        (PLAIN + "https: {force: true}\nproxy: {trusted: [10.0.0.0/8]}", {}, "https.force"),
        (SITE, {"FORCE_HTTPS": "true"}, "https.force"),
        ("server: {public_url: 'http://auth.example.com', insecure_http: true}", {"HTTPS": "true"}, "cookie.secure"),
        (SITE, {"HTTPS": "false"}, "cookie.secure"),
        (SITE + "csrf: {secure: false}", {}, "csrf.secure"),
        ("server: {public_url: 'http://a.b', insecure_http: true}\ncsrf: {secure: true}", {}, "csrf.secure"),
        (PLAIN + "csrf: {cookie_name: __Host-x}", {}, "csrf.cookie_name"),
        (SITE + "csrf: {cookie_name: doorward}", {}, "csrf.cookie_name"),
        (SITE + "csrf: {cookie_name: __Host-doorward-console}", {}, "csrf.cookie_name"),
        (SITE + "csrf: {same_site: none}", {}, "csrf.same_site"),
        (SITE + "cookie: {samesite: none}", {}, "cookie.samesite"),
        (SITE + "cookie: {name: doorward-console}", {}, "cookie.name"),
        (
            SITE.replace("'}", "', insecure_http: true}") + "cookie: {secure: false}\nhttps: {force: true}\n" + TRUSTED,
            {},
            "https.force",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(text: str, environ: dict[str, str], start: str) -> None:
    """B-08, D-14 to D-18."""
    with pytest.raises(ConfigError) as refused:
        load(text, **environ)
    assert any(problem.startswith(start) for problem in refused.value.problems), refused.value.problems


def test_the_variable_forces_https() -> None:
    """B-08."""
    assert load(SITE + TRUSTED, FORCE_HTTPS="true").config.https.force


def test_cookie_secure_counts_before_https() -> None:
    """D-04, D-18: one decision for both cookies."""
    loaded = load("server: {public_url: 'http://auth.localhost'}", HTTPS="true", COOKIE_SECURE="false")
    assert (loaded.config.cookie_secure, loaded.config.csrf_secure) == (False, False)
    apart = load("server: {public_url: 'http://auth.localhost'}\ncsrf: {secure: true}")
    assert (apart.config.cookie_secure, apart.config.csrf_secure) == (False, True)
