"""What the gate remembers never gives another answer than judging afresh, whatever happened in between."""

from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from doorward.rules.policy import App, Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Rule
from doorward.web.gate.dialect import Dialect
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.key_reader import KeyReader
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, STRANGER, World, ask, make_user

OPEN = Rule("open", Effect.ALLOW, (HostPattern("app.example.test"),), groups=frozenset({"family"}))
PATHS = Rule(
    "paths", Effect.DENY, (HostPattern("app.example.test"),), paths=(PathPattern(PathKind.PREFIX, "/x"),),
    audience=Audience.ANYONE,
)  # fmt: skip
NETWORK = Rule(
    "network", Effect.ALLOW, (HostPattern("net.example.test"),), audience=Audience.ANY_USER,
    networks=(ip_network("203.0.113.0/24"),),
)  # fmt: skip
APPS = [App("App", (HostPattern("app.example.test"),), url_keys=True)]
POLICIES = [Policy(rules, apps=APPS) for rules in ([OPEN, NETWORK], [OPEN, PATHS, NETWORK], [NETWORK], [])]
TRAEFIK, CADDY, NGINX, *_ = DIALECTS


class Memory(RuleBasedStateMachine):
    """One gate lives through everything; for every question another one, without a past, is asked too."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(POLICIES[0], make_reader=KeyReader)
        self.users = {name: make_user(name, "family") for name in ("alice", "bob")}
        self.cookies = [self.world.sign_in(user) for user in self.users.values()]
        self.keys = [
            self.world.make_key(self.users["alice"]),
            self.world.make_key(self.users["alice"], paths=("/x",), read_only=True),
            self.world.make_key(
                self.users["bob"], methods=frozenset({"GET"}), networks=(ip_network("203.0.113.0/24"),), in_url=True
            ),
        ]
        self.gate: Gate = self.world.make_gate()

    @rule(cookie=st.integers(0, 1), uri=st.sampled_from(["/", "/x/y"]))
    def ask_plainly(self, cookie: int, uri: str) -> None:
        self.ask(cookie, TRAEFIK, PROXY, ask("app.example.test", uri))

    @rule(cookie=st.integers(0, 1), times=st.integers(2, 4))
    def ask_again_and_again(self, cookie: int, times: int) -> None:
        for _ in range(times):
            self.ask(cookie, TRAEFIK, PROXY, ask("app.example.test"))

    @rule(
        cookie=st.integers(0, 5),
        host=st.sampled_from(["app.example.test", "APP.example.test", "net.example.test", "no.example.test"]),
        uri=st.sampled_from(["/", "/x/y", "/a?b=1", "/a%20b", "/#", "", "/%2e/x"]),
        dialect=st.sampled_from([TRAEFIK, CADDY, NGINX]),
        more=st.sampled_from([{}, {"upgrade": "websocket"}, {"origin": "https://x"}]),
    )
    def ask_anything(self, cookie: int, host: str, uri: str, dialect: Dialect, more: dict[str, str]) -> None:
        self.ask(cookie, dialect, PROXY, ask(host, uri, **more))

    @rule(
        cookie=st.integers(0, 1),
        method=st.sampled_from(["GET", "POST", "OPTIONS", "get", "GETX"]),
        proto=st.sampled_from(["https", "http", "ftp", "HTTPS"]),
        uri=st.sampled_from(["/", "/#", "", "/a\x01", "/%"]),
        peer=st.sampled_from([PROXY, STRANGER]),
        forwarded=st.sampled_from(["203.0.113.7", "10.0.0.1", "nonsense"]),
    )
    def ask_wrongly(self, cookie: int, method: str, proto: str, uri: str, peer: str, forwarded: str) -> None:
        headers = [
            (name, value) for name, value in ask("app.example.test", uri, method, proto) if name != b"x-forwarded-for"
        ]
        self.ask(cookie, TRAEFIK, peer, [*headers, (b"x-forwarded-for", forwarded.encode())])

    @rule(
        key=st.integers(0, 2),
        cookie=st.sampled_from([99, 99, 0, 1]),
        way=st.sampled_from([
            "authorization: Bearer {}", "x-api-key: {}", "authorization: Bearer {}x", "authorization: Bearer theirs",
        ]),
        method=st.sampled_from(["GET", "GET", "POST", "OPTIONS"]),
        proto=st.sampled_from(["https", "https", "wss"]),
        uri=st.sampled_from(["/", "/x/y", "/x/../y", "/x//y", "/x?dw_key={}", "/x?t={}", "/x;y"]),
        forwarded=st.sampled_from(["203.0.113.7", "203.0.113.8", "10.0.0.1", "nonsense"]),
        more=st.sampled_from(["", "", "upgrade: websocket", "sec-fetch-mode: websocket", "sec-websocket-key: x"]),
    )  # fmt: skip
    def ask_by_key(
        self, key: int, cookie: int, way: str, method: str, proto: str, uri: str, forwarded: str, more: str
    ) -> None:
        text = self.keys[key]
        headers = [
            (name, value)
            for name, value in ask("app.example.test", uri.format(text), method, proto)
            if name != b"x-forwarded-for"
        ]
        lines = [way.format(text), f"x-forwarded-for: {forwarded}", *filter(None, [more])]
        pairs = [tuple(part.encode() for part in line.split(": ", 1)) for line in lines]
        for _ in range(2):
            self.ask(cookie, TRAEFIK, PROXY, [*headers, *pairs])  # type: ignore[list-item]

    @rule(key=st.integers(0, 2), change=st.sampled_from(["asleep", "awake", "soon", "wide", "shut", "open"]))
    def change_key(self, key: int, change: str) -> None:
        now = self.world.clock.now()
        match change:
            case "asleep" | "awake":
                self.world.change_key(self.keys[key], disabled_at=now if change == "asleep" else None)
            case "soon" | "wide":
                self.world.change_key(
                    self.keys[key], expires_at=now + timedelta(seconds=70) if change == "soon" else None
                )
            case _:
                self.world.lock_down(on=change == "shut")

    def ask(self, cookie: int, dialect: Dialect, peer: str, headers: list[tuple[bytes, bytes]]) -> None:
        if cookie < len(self.cookies):
            headers = [*headers, (b"cookie", f"theme=dark; doorward={self.cookies[cookie]}".encode())]
        fresh = self.world.make_gate()
        expected = fresh.answer(dialect, b"GET", b"", headers, peer)
        answer = self.gate.answer(dialect, b"GET", b"", headers, peer)
        assert answer.status == expected.status
        if answer.status == HTTPStatus.OK:
            assert answer.head == expected.head

    @rule(name=st.sampled_from(["alice", "bob"]), seconds=st.sampled_from([45, 90, 24 * 3600]))
    def sign_in(self, name: str, seconds: int) -> None:
        expires_at = self.world.clock.now() + timedelta(seconds=seconds)
        self.cookies.insert(0, self.world.sign_in(self.users[name], expires_at=expires_at))

    @rule(name=st.sampled_from(["alice", "bob"]))
    def end_sessions(self, name: str) -> None:
        self.world.end_sessions(name)

    @rule(name=st.sampled_from(["alice", "bob"]), enabled=st.booleans(), groups=st.sampled_from([(), ("family",)]))
    def change_user(self, name: str, enabled: bool, groups: tuple[str, ...]) -> None:
        self.world.change_user(name, enabled=enabled, groups=frozenset(groups), generation=self.users[name].generation)

    @rule(seconds=st.sampled_from([1, 44, 46, 60, 7140, 7260, 24 * 3600]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(timedelta(seconds=seconds))

    @rule(policy=st.sampled_from(POLICIES))
    def reload(self, policy: Policy) -> None:
        self.world.policy = self.gate.policy = policy

    @rule(cookie=st.integers(0, 1))
    def ask_while_the_store_is_broken(self, cookie: int) -> None:
        """What changed cannot be known then, so nothing remembered may be used."""
        self.world.view.broken = True
        self.world.view.commits += 1
        self.ask(cookie, TRAEFIK, PROXY, ask("app.example.test"))
        self.world.view.broken = False

    @invariant()
    def uses_are_written_down(self) -> None:
        """A fresh gate knows of earlier uses only what was handed over to be stored."""
        for fingerprint, at, *_ in self.world.touches:
            subject = self.world.view.subjects.get(fingerprint)
            if subject is not None and at > subject.session.last_seen_at:
                self.world.view.subjects[fingerprint] = subject._replace(
                    session=replace(subject.session, last_seen_at=at)
                )
        self.world.touches.clear()
        for key_id, at, *_ in self.world.key_touches:
            key, user = self.world.view.app_keys[key_id]
            self.world.view.app_keys[key_id] = (replace(key, last_used_at=max(at, key.last_used_at or at)), user)
        self.world.key_touches.clear()


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=250, stateful_step_count=50)
