"""The fast lane and the ASGI lane give the same bytes for any request."""

import asyncio
import re
from base64 import b64encode
from datetime import timedelta
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.rules.policy import App, Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Requirement, Rule
from tests.fakes.gate import PROXY, STRANGER, World, make_user
from tests.fakes.line import exchange

APP, PUBLIC, ADMIN = (HostPattern(f"{name}.example.test") for name in ("app", "pub", "admin"))
POLICY = Policy(
    [
        Rule("app", Effect.ALLOW, (APP,), audience=Audience.ANY_USER),
        Rule(
            "public",
            Effect.ALLOW,
            (PUBLIC,),
            paths=(PathPattern(PathKind.PREFIX, "/public"),),
            audience=Audience.ANYONE,
        ),
        Rule("admin", Effect.ALLOW, (ADMIN,), groups=frozenset({"admins"})),
        Rule(
            "fresh",
            Effect.REQUIRE,
            (ADMIN,),
            audience=Audience.ANYONE,
            requirement=Requirement(fresh=timedelta(minutes=5)),
        ),
        Rule("not there", Effect.DENY, (APP,), networks=(ip_network("198.51.100.0/24"),), audience=Audience.ANYONE),
    ],
    apps=[App("App", (APP,), preflight=True), App("Admin", (ADMIN,), guard_cross_site=True)],
)
SEED = World(POLICY)
SEED.put_user(make_user("family"))
COOKIES = [
    SEED.sign_in(make_user("alice", "family")),
    SEED.sign_in(make_user("root", "admins", display_name="Łukasz Ünal", email="")),
    SEED.sign_in(make_user("dora", enabled=False)),
    "x" * 43 + "." + "y" * 43,
    "",
]

KEYS = [
    SEED.make_key(make_user("alice", "family")),
    SEED.make_key(make_user("alice", "family"), read_only=True, paths=("/public",), apps=("App", "Admin")),
    SEED.make_key(make_user("root", "admins"), apps=("Admin",), disabled_at=SEED.clock.now()),
]
BASICS = [b64encode(f"x:{key}".encode()).decode() for key in KEYS]

ENDPOINTS = st.sampled_from([
    "/api/auth/forwardauth", "/api/auth/forwardauth?x=1", "/api/authz/traefik", "/api/authz/caddy?a=b", "/api/authz/nginx",
    "/api/authz/haproxy", "/api/authz/envoy/", "/api/authz/envoy/public/x?y=1", "/api/authz/envoy//x", "/api/authz/envoy",
    "/api/authz/envoy/..;/a", "/api/authz", "/api/authz/", "/api/authz/x", "/api/authz/traefik/", "/api/auth/forwardauth/x",
    "/api/auth/forwardauthx", "/api/authz/Traefik",
])  # fmt: skip
HOSTS = st.sampled_from([
    "app.example.test", "APP.example.test:443", "pub.example.test", "admin.example.test", "nothere.example.test", "",
    "a..b", "app.example.test:8443", "u@app.example.test",
])  # fmt: skip
URIS = st.sampled_from(
    [
        "/",
        f"/public/x?dw_key={KEYS[0]}",
        f"/public/x?token={KEYS[0]}",
        "/public/x?y=%2F1",
        "/a//b",
        "/a%20b",
        "/a#b",
        "",
        "/%zz",
        "/public/..;/x",
        "/" + "a" * 3000,
    ]
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "X-Forwarded-Method": st.sampled_from(["GET", "POST", "OPTIONS", "get", ""]),
    "X-Forwarded-Proto": st.sampled_from(["https", "http", "wss", "javascript", ""]),
    "X-Forwarded-Host": HOSTS,
    "X-Forwarded-Uri": URIS,
    "X-Forwarded-For": st.sampled_from(
        [
            "203.0.113.7",
            "198.51.100.9",
            "a",
            "203.0.113.7, 127.0.0.2",
            "",
            "::1",
            "192.168.1.7",
            "127.0.0.2",
            "192.168.1.7, 203.0.113.7",
        ]
    ),
    "X-Original-Method": st.sampled_from(["GET", "PUT", "x"]),
    "X-Original-URL": st.tuples(HOSTS, URIS).map(lambda pair: f"https://{pair[0]}{pair[1]}"),
    "Host": HOSTS,
    "Cookie": st.lists(
        st.sampled_from([*(f"doorward={cookie}" for cookie in COOKIES), "theme=dark", "[x]=1", "a b=2", "Doorward=1"]),
        max_size=3,
    ).map("; ".join),
    "Accept": st.sampled_from(["text/html", "*/*", "application/json"]),
    "Sec-Fetch-Mode": st.sampled_from(["navigate", "cors"]),
    "X-Requested-With": st.just("XMLHttpRequest"),
    "Origin": st.sampled_from(["https://app.example.test", "https://admin.example.test", "null"]),
    "Sec-Fetch-Site": st.sampled_from(["same-origin", "same-site", "cross-site"]),
    "Access-Control-Request-Method": st.just("PUT"),
    "Connection": st.sampled_from(["keep-alive", "close", "Upgrade"]),
    "Upgrade": st.sampled_from(["websocket", "h2c"]),
    "User-Agent": st.sampled_from(["Mozilla/5.0", "curl"]),
    "Remote-User": st.just("root"),
    "Authorization": st.sampled_from(
        [
            "Bearer x",
            "bearer",
            "Basic !",
            "Basic eDp5",
            "",
            *(f"Bearer {key}" for key in KEYS),
            f"Bearer {KEYS[0]}x",
            f"Bearer a, Bearer {KEYS[0]}",
            *(f"Basic {each}" for each in BASICS),
        ]
    ),
    "X-Api-Key": st.sampled_from([*KEYS, "dw_", "theirs", ""]),
    "Content-Length": st.just("4"),
}
USUAL = ["X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For", "Host"]


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    names = draw(st.permutations(USUAL + draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=7))))
    if draw(st.integers(0, 9)) == 0:
        names = names[1:]
    lines = [f"{name.lower() if draw(st.booleans()) else name}: {draw(VALUES[name])}" for name in names]
    body = "abcd" * sum(name == "Content-Length" for name in names[-1:])
    if "Content-Length" in names:
        lines = [line for line in lines if not line.lower().startswith("content-length")] + ["Content-Length: 4"]
        body = "abcd"
    method = draw(st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.1", "1.0", "2.0"]))
    return f"{method} {draw(ENDPOINTS)} HTTP/{version}\r\n{''.join(line + chr(13) + chr(10) for line in lines)}\r\n{body}".encode()


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Requests on one connection, in chunks that need not end where requests end."""
    stream = b"".join(draw(st.lists(raw_requests(), min_size=1, max_size=4)))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    edges = [0, *cuts, len(stream)]
    return [stream[start:end] for start, end in pairwise(edges) if start < end]


@settings(max_examples=400)
@given(conversations(), st.sampled_from([PROXY, PROXY, PROXY, STRANGER]), st.sampled_from(["", "family", "nobody"]))
def test_both_lanes_give_the_same_bytes(chunks: list[bytes], peer: str, single_user: str) -> None:
    async def run() -> None:
        world = World(POLICY, view=SEED.view, single_user=single_user)
        fast = await exchange(world.make_gate(), chunks, fast=True, peer=peer)
        slow = await exchange(world.make_gate(), chunks, fast=False, peer=peer)
        assert without_refusal(fast) == without_refusal(slow)

    asyncio.run(run())


def without_refusal(end: tuple[bytes, bool]) -> tuple[bytes, bool]:
    """What a server says to bytes that are no HTTP is no answer of either lane, and each server's own."""
    wire, ended = end
    return re.sub(
        rb"HTTP/1\.1 400 Bad Request\r\n(?:[a-z-]+: [^\r\n]*\r\n)+\r\n(?:Invalid HTTP request received\.)?\Z",
        b"no HTTP",
        wire,
    ), ended


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", "3.0"])
@pytest.mark.parametrize("target", ["/api/auth/forwardauth", "/api/authz/envoy/x", "/api/authz/nowhere", "/login"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_other_versions_of_http_are_refused_and_the_connection_ends(
    version: str, target: str, method: str
) -> None:
    """P02: in both lanes, byte for byte, and what follows is not answered."""
    world = World(POLICY, view=SEED.view)
    headers = f"Host: app.example.test\r\nCookie: doorward={COOKIES[0]}\r\nX-Forwarded-For: 203.0.113.7\r\n"
    headers += "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example.test\r\n"
    headers += "X-Forwarded-Uri: /\r\n\r\n"
    again = f"GET /api/auth/forwardauth HTTP/1.1\r\n{headers}"
    chunk = f"{method} {target} HTTP/{version}\r\n{headers}{again}".encode()
    fast, slow = [await exchange(world.make_gate(), [chunk], fast=fast, peer=PROXY) for fast in (True, False)]
    assert fast == (
        b"HTTP/1.1 400 Bad Request\r\ncache-control: no-store\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        True,
    )
    if version in {"0.9", "2.0"}:  # the others are refused by the parser, and what uvicorn says then is its own
        assert slow == fast
    assert (await exchange(world.make_gate(), [again.encode()], fast=True, peer=PROXY))[0].startswith(b"HTTP/1.1 200 ")


@settings(max_examples=200)
@given(raw_requests(), st.sampled_from([PROXY, STRANGER]))
def test_a_2xx_always_has_every_identity_header_once_and_no_body(request: bytes, peer: str) -> None:
    """T-21, C07, C09: the invariants of any answer, read off the wire."""

    async def run() -> bytes:
        return (await exchange(World(POLICY, view=SEED.view).make_gate(), [request], fast=True, peer=peer))[0]

    wire = asyncio.run(run())
    head, _, body = wire.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    own = {b"x-forwarded-user-email", b"x-forwarded-user-name", b"x-forwarded-user-groups"}
    if wire.startswith(b"HTTP/1.1 200 "):
        assert peer == PROXY
        assert body == b""
        removed = b"".join(line for line in head.split(b"\r\n") if line.startswith(b"x-envoy-auth-headers-to-remove"))
        assert all((names.count(name) == 1) != (name in removed) for name in own)
        assert b"doorward=" not in head
        assert b"dw_" not in head
    else:
        assert not own & set(names)
        assert not wire.startswith(b"HTTP/1.1 2")
    assert b"cache-control: no-store" in head or wire.startswith(b"HTTP/1.1 400") or not wire


@pytest.mark.parametrize("fast", [True, False])
async def test_requests_on_one_connection_are_answered_in_order(fast: bool) -> None:
    """P03: pipelined checks, one with a body, get one answer each."""
    first = (
        b"POST /api/auth/forwardauth HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"
        + b"GET /api/authz/x HTTP/1.1\r\nHost: y\r\n\r\n".ljust(40)
    )
    second = b"GET /api/authz/nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    wire, closed = await exchange(World(POLICY).make_gate(), [first + second], fast=fast, peer=PROXY)
    assert re.findall(rb"HTTP/1.1 (\d+) ", wire) == [b"400", b"404"]
    assert not closed
