"""A glance never gives what the ordinary way would not: plain checks, and all that is almost one."""

import asyncio
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.rules.policy import Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Rule
from doorward.web.gate import glance
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.glance import Glance
from doorward.web.gate.settings import GateSettings
from tests.fakes.gate import PROXY, STRANGER, World, make_user
from tests.fakes.line import exchange

OPEN, GUARDED, NEAR = (HostPattern(f"{name}.example.test") for name in ("open", "guarded", "near"))
POLICY = Policy(
    [
        Rule("open", Effect.ALLOW, (OPEN, GUARDED), groups=frozenset({"family"})),
        Rule(
            "guarded", Effect.DENY, (GUARDED,), audience=Audience.ANYONE, paths=(PathPattern(PathKind.PREFIX, "/admin"),)
        ),
        Rule("near", Effect.ALLOW, (NEAR,), audience=Audience.ANY_USER, networks=(ip_network("203.0.113.0/24"),)),
    ]
)  # fmt: skip
SEED = World(POLICY)
COOKIES = [SEED.sign_in(make_user("alice", "family")), SEED.sign_in(make_user("bob"))]
KEYS = [
    SEED.make_key(make_user("alice", "family"), apps=(), hosts=("open.example.test", "guarded.example.test")),
    SEED.make_key(make_user("alice", "family"), apps=(), hosts=("open.example.test",), read_only=True, paths=("/x",)),
]
HOSTS = ["open.example.test", "guarded.example.test", "near.example.test", "OPEN.example.test", "a..b"]
TARGETS = ["/", "/x?y=/admin", "/admin", "/Admin/x", "//admin", "/a/../admin", "/x;y", "/%61dmin", "/#", "", "*", "/é"]
ADDRESSES = ["203.0.113.7", "198.51.100.9", "nonsense", ""]


def make_lines(cookie: str, host: str = HOSTS[0], target: str = "/") -> list[str]:
    """A plain check, as Traefik sends it."""
    return [
        "GET /api/auth/forwardauth HTTP/1.1",
        "Host: doorward:8080",
        "Accept: text/html",
        f"Cookie: theme=dark; doorward={cookie}",
        "X-Forwarded-For: 203.0.113.7",
        f"X-Forwarded-Host: {host}",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Proto: https",
        f"X-Forwarded-Uri: {target}",
    ]


def join(lines: list[str], end: str = "\r\n") -> bytes:
    return (end.join(lines) + end + end).encode()


def make_keyed(key: str, host: str = HOSTS[0], target: str = "/x") -> bytes:
    lines = make_lines("", host, target)
    lines[3] = f"Authorization: Bearer {key}"
    return join(lines)


PLAIN = join(make_lines(COOKIES[0]))
EXTRA = [
    "Content-Length: 0", "Content-Length: 4", "Transfer-Encoding: chunked", "Connection: close", "connection: keep-alive",
    "Upgrade: websocket", "Expect: 100-continue", "Cookie: doorward=x", "cookie: theme=light", f"COOKIE: doorward={COOKIES[1]}",
    "X-Forwarded-Host: guarded.example.test", "x-forwarded-uri: /admin", "X-Forwarded-For: 198.51.100.9", "X-Odd:", "X-Odd: a",
    f"Authorization: Bearer {KEYS[0]}", f"x-api-key: {KEYS[0]}", f"X-Api-Key: {KEYS[1]}", "Authorization: Bearer theirs",
    "Sec-Fetch-Mode: websocket", "Sec-WebSocket-Key: x", "Accept: */*", "accept: */*", " folded", "No colon", "X-Real-Ip: 1", ": no name", "X_Forwarded_Host: x",
]  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Plain, or almost."""
    lines = make_lines(draw(st.sampled_from(COOKIES)), draw(st.sampled_from(HOSTS)), draw(st.sampled_from(TARGETS)))
    match draw(st.sampled_from(["cookie", "cookie", "key", "both"])):
        case "key":
            lines[3] = f"Authorization: Bearer {draw(st.sampled_from(KEYS))}"
        case "both":
            lines.append(f"X-Api-Key: {draw(st.sampled_from(KEYS))}")
    lines[4] = f"X-Forwarded-For: {draw(st.sampled_from(ADDRESSES))}" if draw(st.booleans()) else lines[4]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(1, len(lines) - 1))
        match draw(st.sampled_from(["drop", "repeat", "spell", "add", "method", "path", "version"])):
            case "drop":
                del lines[at]
            case "repeat":
                lines.insert(draw(st.integers(1, len(lines))), lines[at])
            case "spell":
                name, colon, value = lines[at].partition(":")
                lines[at] = draw(st.sampled_from([name.lower(), name.upper(), name + " "])) + colon + value
            case "add":
                lines.insert(at, draw(st.sampled_from(EXTRA)))
            case "method":
                lines[0] = draw(st.sampled_from(["POST", "HEAD", "get", "OPTIONS"])) + lines[0].removeprefix("GET")
            case "path":
                lines[0] = lines[0].replace("/forwardauth", draw(st.sampled_from(["/forwardauth?a", "/x"])))
            case "version":
                lines[0] = lines[0].replace("1.1", draw(st.sampled_from(["1.0", "2.0", "1.1 "])))
    before = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\n", b" "]))
    after = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"abcd", b"G", b"GET / HTTP/1.1\r\n\r\n", PLAIN, PLAIN[:-2]]))
    return before + join(lines, draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n"]))) + after


async def exchange_blindly(gate: Gate, chunks: list[bytes], peer: str) -> tuple[bytes, bool]:
    """The fast lane without glances."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glance, "PATHS", {})
        return await exchange(gate, chunks, fast=True, peer=peer)


@settings(max_examples=600)
@given(
    st.lists(st.one_of(st.just(PLAIN), requests()), min_size=1, max_size=5), st.sampled_from([PROXY, PROXY, STRANGER])
)
def test_a_glance_gives_what_judging_gives(chunks: list[bytes], peer: str) -> None:
    """P03, A09, J06: on a gate that remembers, in one read each, with plain checks before and between."""

    async def run() -> None:
        fast, slow = World(POLICY, view=SEED.view).make_gate(), World(POLICY, view=SEED.view).make_gate()
        for cookie in COOKIES:
            for host in HOSTS[:3]:
                warm = [join(make_lines(cookie, host))]
                await exchange(fast, warm, fast=True, peer=PROXY)
                await exchange_blindly(slow, warm, PROXY)
        for key in KEYS:
            await exchange(fast, [make_keyed(key)], fast=True, peer=PROXY)
            await exchange_blindly(slow, [make_keyed(key)], PROXY)
        for _ in range(2):
            given = await exchange(fast, chunks, fast=True, peer=peer)
            assert given == await exchange_blindly(slow, chunks, peer)

    asyncio.run(run())


def make_glance(world: World, *warm: bytes) -> Glance:
    gate = world.make_gate()

    async def ask() -> None:
        await exchange(gate, warm, fast=True, peer=PROXY)

    asyncio.run(ask())
    return Glance(gate)


@pytest.mark.parametrize("target", ["/", "/x", "/x?y=/admin"])
@pytest.mark.parametrize("host", HOSTS[:2])
def test_what_was_allowed_before_is_repeated_at_a_glance(host: str, target: str) -> None:
    eye = make_glance(World(POLICY, view=SEED.view), join(make_lines(COOKIES[0], host)))
    wire = eye.answer(join(make_lines(COOKIES[0], host, target)), PROXY)
    assert wire is not None
    assert wire.startswith(b"HTTP/1.1 200 OK\r\nx-forwarded-user-email: alice@example.test\r\n")


@pytest.mark.parametrize("target", ["/x", "/x/y?z=1"])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_answered_at_a_glance_like_a_cookie(key: str, target: str) -> None:
    eye = make_glance(World(POLICY, view=SEED.view), make_keyed(key))
    wire = eye.answer(make_keyed(key, target=target), PROXY)
    assert wire is not None
    assert wire.startswith(b"HTTP/1.1 200 OK\r\nx-forwarded-user-email: alice@example.test\r\n")
    assert b"dw_" not in wire
    assert eye.answer(make_keyed(key[:-1] + "_", target=target), PROXY) is None
    assert eye.answer(make_keyed(key).replace(b"Authorization", b"X-Api-Key"), PROXY) is None


@pytest.mark.parametrize(
    "target", ["//admin", "/a/../admin", "/a;b", "/./admin", "/Admin", "/%61dmin", "/admin.json", "", "/#"]
)
def test_a_path_that_may_be_a_guarded_one_is_judged(target: str) -> None:
    eye = make_glance(World(POLICY, view=SEED.view), join(make_lines(COOKIES[0], HOSTS[1])))
    assert eye.answer(join(make_lines(COOKIES[0], HOSTS[1], target)), PROXY) is None
    assert eye.answer(join(make_lines(COOKIES[0], HOSTS[1], "/x/admin")), PROXY) is not None


@pytest.mark.parametrize(
    "rest", [b"G", b"\r", b"\n", b"\r\n", b"\x00", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n\r\n", PLAIN]
)
def test_what_is_more_or_less_than_one_request_is_not_for_a_glance(rest: bytes) -> None:
    """P03."""
    eye = make_glance(World(POLICY, view=SEED.view), PLAIN)
    for data in (PLAIN + rest, rest + PLAIN, PLAIN.removesuffix(b"\n"), PLAIN[: len(PLAIN) // 2]):
        assert eye.answer(data, PROXY) is None
        assert eye.answer(PLAIN, PROXY) is not None


@pytest.mark.parametrize("extra", EXTRA)
def test_a_header_that_matters_to_the_message_is_not_for_a_glance(extra: str) -> None:
    eye = make_glance(World(POLICY, view=SEED.view), PLAIN)
    lines = make_lines(COOKIES[0])
    given = eye.answer(join([*lines, extra]), PROXY)
    plain = {"X-Odd:", "X-Odd: a", "X-Real-Ip: 1", "X_Forwarded_Host: x", "Sec-Fetch-Mode: websocket"}
    assert (given is not None) == (extra in plain | {"Sec-WebSocket-Key: x"})
    assert eye.answer(PLAIN, PROXY) is not None


@pytest.mark.parametrize("shown", [None, "wrong", "right"])
def test_a_proxy_that_must_show_a_secret_shows_it_at_a_glance_too(shown: str | None) -> None:
    """A08."""
    chosen = GateSettings(
        "https://auth.example.test", b"doorward", "", cookie_secure=True, secrets={"traefik": b"right"}
    )
    lines = make_lines(COOKIES[0])
    warm = join([*lines, "X-Doorward-Proxy-Secret: right"])
    eye = make_glance(World(POLICY, view=SEED.view, settings=chosen), warm)
    more = [f"X-Doorward-Proxy-Secret: {shown}"] if shown else []
    assert (eye.answer(join([*lines, *more]), PROXY) is not None) == (shown == "right")


def test_header_names_are_a_visitors_choice_and_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "_MAX_SHAPES", 2)
    eye = make_glance(World(POLICY, view=SEED.view), PLAIN)
    for number in range(9):
        assert eye.answer(join([*make_lines(COOKIES[0]), f"X-{number}: 1"]), PROXY) is not None
    long = [f"X-{'n' * 90}{number}: 1" for number in range(60)]
    assert eye.answer(join([*make_lines(COOKIES[0]), *long]), PROXY) is not None
    assert max(len(line.shapes) for line in eye._lines.values()) <= 2
    assert eye.answer(join([*make_lines(COOKIES[0]), *long, *(f"Y{n}: 1" for n in range(60))]), PROXY) is None
    assert eye.answer(join([*make_lines(COOKIES[0]), "X-Long: " + "x" * glance.MAX_HEADER_BYTES]), PROXY) is None


def test_what_is_repeated_at_a_glance_is_counted_as_an_allow() -> None:
    world = World(POLICY, view=SEED.view)
    gate = world.make_gate()
    eye = Glance(gate)
    assert eye.answer(PLAIN, PROXY) is None
    asyncio.run(_feed(gate, PLAIN))
    for _ in range(3):
        assert eye.answer(PLAIN, PROXY) is not None
    ((key, (number, _)),) = gate.tally.checks.items()
    assert (key[:2], number) == (("traefik", "allow"), 4)


async def _feed(gate: Gate, data: bytes) -> None:
    await exchange(gate, [data], fast=True, peer=PROXY)
