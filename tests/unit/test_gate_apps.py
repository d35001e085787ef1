"""What one app is told besides who somebody is: headers of its own, and a signed assertion."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from doorward.errors import TamperError, UnavailableError
from doorward.rules.app_header import parse_basic, parse_header, write_headers
from doorward.rules.identity import User
from doorward.rules.policy import App, Audience, Effect, HostPattern, PathKind, PathPattern, Policy, Rule
from doorward.rules.session import Subject
from doorward.web.gate import allowing
from doorward.web.gate.answer import Answer, split_block, to_wire
from doorward.web.gate.dialect import Headers
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, World, ask, make_user

TRAEFIK, CADDY, _, _, ENVOY = DIALECTS
PLAIN, DRESSED, PROVEN = (HostPattern(f"{name}.example.test") for name in ("plain", "dressed", "proven"))
APPS = [
    App("Plain", (PLAIN,)),
    App(
        "Dressed", (DRESSED,), headers=(parse_header("Remote-User", "{user}!"), parse_basic("{user}", "wiki")),
    ),
    App("Proven", (PROVEN, HostPattern("other.example.test")), assertion=True),
]  # fmt: skip
POLICY = Policy(
    [
        Rule("here", Effect.ALLOW, (PLAIN, DRESSED, PROVEN), groups=frozenset({"family"})),
        Rule(
            "public", Effect.ALLOW, (DRESSED, PROVEN), audience=Audience.ANYONE,
            paths=(PathPattern(PathKind.PREFIX, "/public"),),
        ),
    ],
    apps=APPS,
)  # fmt: skip
ALICE = make_user("alice", "family")
ASSERTION = "x-doorward-assertion"


class Shown:
    """Headers of apps, from a secret that may be missing."""

    def __init__(self) -> None:
        self.secrets = {"wiki": "swordfish"}
        self.broken = False

    def render(self, app: App, user: User | None, groups: Collection[str]) -> Headers:
        if self.broken:
            raise TamperError("it does not open")
        written = write_headers(app.headers, user, groups, self.secrets.get)
        if written is None:
            raise UnavailableError("a secret is missing")
        return written


class Signer:
    """Signs by writing down what it signs."""

    lifetime = timedelta(seconds=60)

    def __init__(self) -> None:
        self.signed: list[str] = []

    def mint(self, subject: Subject, app: App, method: str, url: str, now: datetime) -> bytes:
        self.signed.append(f"{subject.user.name} {app.name} {method} {url} {now:%M:%S}")
        return self.signed[-1].encode()


@pytest.fixture
def world() -> World:
    made = World(POLICY, app_headers=Shown(), minter=Signer())
    made.settings = replace(made.settings, assertion_header=ASSERTION.encode())
    return made


def fields_of(answer: Answer) -> dict[str, str]:
    assert answer.status == HTTPStatus.OK
    pairs = split_block(answer.head)
    fields = {name.decode(): value.decode() for name, value in pairs}
    assert len(fields) == len(pairs)
    assert to_wire(answer, head_only=False, close=False).endswith(b"\r\n\r\n")
    return fields


def test_an_app_is_told_what_it_asked_for_and_no_other_app_is(world: World) -> None:
    """In every answer, the repeated ones too; and what a visitor sent under such a name is replaced."""
    gate, cookie = world.make_gate(), f"doorward={world.sign_in(ALICE)}"
    for _ in range(3):
        for host in ("dressed", "plain", "proven"):
            headers = ask(f"{host}.example.test", cookie=cookie, authorization="Bearer theirs", remote_user="root")
            fields = fields_of(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY))
            expected = "Basic YWxpY2U6c3dvcmRmaXNo" if host == "dressed" else "Bearer theirs"
            assert fields["authorization"] == expected
            assert fields.get("remote-user") == ("alice!" if host == "dressed" else None)
            assert (fields[ASSERTION] != "") == (host == "proven")


def test_where_nobody_is_known_every_name_is_there_and_empty(world: World) -> None:
    gate = world.make_gate()
    dressed = fields_of(gate.answer(CADDY, b"GET", b"", ask("dressed.example.test", "/public"), PROXY))
    assert (dressed["remote-user"], dressed["authorization"], dressed[ASSERTION]) == ("", "", "")
    headers = [(b"host", b"proven.example.test"), (b"x-forwarded-proto", b"https")]
    proven = fields_of(gate.answer(ENVOY, b"GET", b"/public", headers, PROXY))
    assert ASSERTION in proven["x-envoy-auth-headers-to-remove"].split(",")


def test_where_a_secret_is_missing_or_does_not_open_nobody_is_let_in(world: World) -> None:
    """And not without the header either, which an app might take for nobody."""
    gate, cookie = world.make_gate(), f"doorward={world.sign_in(ALICE)}"
    shown = world.app_headers
    assert isinstance(shown, Shown)

    def reach(gate: Gate, host: str = "dressed") -> Answer:
        return gate.answer(TRAEFIK, b"GET", b"", ask(f"{host}.example.test", cookie=cookie), PROXY)

    for change in ({"secrets": {}}, {"secrets": {"wiki": "x"}, "broken": True}):
        for name, value in change.items():
            setattr(shown, name, value)
        assert reach(gate).status == HTTPStatus.SERVICE_UNAVAILABLE
        assert b"app_secret" in reach(gate).body
        assert reach(gate, "plain").status == HTTPStatus.OK
    world.app_headers = world.minter = None
    assert b"app_secret" in reach(world.make_gate()).body
    assert b"unavailable" in reach(world.make_gate(), "proven").body
    assert world.log.lines[-1][1] == "check_refused"


def test_an_assertion_is_signed_once_for_each_thing_and_half_of_its_life(world: World) -> None:
    gate, signer = world.make_gate(), world.minter
    assert isinstance(signer, Signer)
    shown = {"cookie": f"doorward={world.sign_in(ALICE)}"}

    def reach(uri: str = "/a?b=1", method: str = "GET", host: str = "proven", **more: str) -> str:
        headers = ask(f"{host}.example.test", uri, method, **(shown | more))
        return fields_of(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY))[ASSERTION]

    first = reach()
    assert first == "alice Proven GET https://proven.example.test/a 00:00"
    assert [reach(), reach("/a"), reach("/a?c")] == [first] * 3
    assert reach(upgrade="websocket") == first
    assert len(signer.signed) == 1
    assert reach("/b") != reach("/b", "POST")
    assert len(signer.signed) == 3
    world.clock.advance(timedelta(seconds=29))
    assert reach() == first
    world.clock.advance(timedelta(seconds=1))
    assert reach().endswith("00:30")
    world.change_user("alice", display_name="Other")
    world.clock.advance(timedelta(seconds=1))
    assert reach().endswith("00:31")
    world.policy = gate.policy = Policy(POLICY.rules, apps=[*APPS[:2], replace(APPS[2], audience="new")])
    world.clock.advance(timedelta(seconds=1))
    assert reach().endswith("00:32")


def test_assertions_that_are_kept_are_bounded_and_so_are_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowing, "MOST_MINTED", 2)
    gate, cookie = world.make_gate(), f"doorward={world.sign_in(ALICE)}"
    for number in range(5):
        headers = ask("proven.example.test", f"/{number}", cookie=cookie)
        assert fields_of(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY))[ASSERTION]
        assert len(gate.table.minted) <= 2
    for number in range(40):
        headers = ask(f"proven.example.test:{8000 + number}", cookie=cookie)
        assert f":{8000 + number}/" in fields_of(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY))[ASSERTION]
    (recalled,) = gate.table._headers.values()
    assert len(recalled.answers) <= 16
    gate.table._forget()
    for number in range(5):
        headers = ask("proven.example.test", f"/{number}" + "x" * allowing.MOST_MINTED_PATH, cookie=cookie)
        assert fields_of(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY))[ASSERTION]
    assert not gate.table.minted


def test_answers_of_apps_of_their_own_count_towards_what_is_held(world: World) -> None:
    """A visitor can make up any number of headers, and each is kept with an answer for every such app."""
    gate, cookie = world.make_gate(), f"doorward={world.sign_in(ALICE)}"
    gate.table._max_held = 60_000
    held = 0
    for number in range(40):
        for host in ("proven", "dressed"):
            for port in (":8000", ":8001", ":8002", ":8003"):
                headers = ask(f"{host}.example.test{port}", cookie=cookie, x_api_key=f"{number:04}" + "x" * 1000)
                assert gate.answer(TRAEFIK, b"GET", b"", headers, PROXY).status == HTTPStatus.OK
        kept = [own for each in gate.table._headers.values() for own in each.answers.values()]
        held = max(held, sum(len(own.before) + len(own.after) for own in kept))
    assert 30_000 < held <= 60_000
