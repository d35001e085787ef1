"""An app that trusts no header: what it is told is signed, for this request, and nobody else can say it."""

import asyncio
import base64
import http.client
import json
import runpy
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doorward.verify import RefusedError, RemoteKeys, verify
from tests.integration.echo import EchoApp
from tests.integration.gateway import ALICE, AUTH, Gateway, start_gateway
from tests.integration.processes import free_ports
from tests.integration.recipes import FILES, PROXIES, Ports, Proxy, fill, traefik
from tests.integration.test_assertion_snippets import run_snippet
from tests.integration.tls import Certificates
from tests.integration.wire import Visitor

HEADER = "X-Doorward-Assertion"
HOST = "app.example.com"
ISSUER, AUDIENCE, HOME = f"https://{AUTH}", "Example", f"https://{HOST}"
SPELLINGS = (HEADER, HEADER.lower(), "X_Doorward_Assertion", "X-Doorward_Assertion", "X.Doorward.Assertion")


class Relay:
    """Hands on the set of keys of the real gateway, on this machine, where no name has to be looked up."""

    def __init__(self, port: int) -> None:
        class Handing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                    connection.request("GET", self.path, headers={"Host": AUTH})
                    answer = connection.getresponse()
                    body = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing is said."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handing)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"

    def close(self) -> None:
        """Hand on no more."""
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Scene:
    """A gateway that signs, Traefik, and an app."""

    gateway: Gateway
    proxy: Proxy
    app: EchoApp
    relay: Relay
    visitor: Visitor

    def ask(
        self, target: str = "/x?y=z", method: str = "GET", *, host: str = HOST, cookie: str = "", **sent: str
    ) -> list[str]:
        """Every value of the header, in any spelling, that reached the app."""
        self.app.arrivals.clear()
        headers = tuple((name.replace("__", "."), value) for name, value in sent.items())
        reply = self.visitor.send(method, target, headers, host=host, cookie=cookie)
        assert reply.status == 200, reply
        (arrival,) = self.app.arrivals
        return arrival.like(HEADER)

    def cookie(self) -> str:
        """A session of Alice's."""
        return self.gateway.session_of(ALICE, self.visitor)

    def keys(self, **settings: float) -> RemoteKeys:
        """The keys, as an app has them."""
        return RemoteKeys(self.relay.url, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that signs for its app, with an address that anyone may open."""
    [port] = free_ports(1)
    anyone = "authz:\n  rules:\n    - domain: app.example.com\n      path: /open\n      who: anyone\n"
    text = fill(
        (FILES / "doorward.yaml").read_text("utf-8"),
        {
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "authz:\n  rules:\n": anyone,
            "    hosts: [app.example.com]": "    hosts: [app.example.com]\n    assertion: true",
        },
    )
    text += '\nprometheus:\n  addr: "off"\n'
    gateway = start_gateway(tmp_path_factory.mktemp("signing"), text, port)
    try:
        gateway.add(ALICE)
        yield gateway
    finally:
        gateway.process.stop()
    assert "Traceback" not in gateway.process.log


@pytest.fixture(scope="module")
def relay(signing: Gateway) -> Iterator[Relay]:
    relay = Relay(signing.port)
    yield relay
    relay.close()


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, app: EchoApp, signing: Gateway, relay: Relay
) -> Iterator[Scene]:
    """All of it behind Traefik."""
    with traefik(tmp_path_factory.mktemp("traefik"), Ports(signing.port, app.port), certificates) as proxy:
        yield Scene(signing, proxy, app, relay, Visitor(proxy.port, certificates.authority))


@pytest.fixture(scope="module", params=["caddy", "nginx", "haproxy", "envoy"])
def other(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    app: EchoApp,
    signing: Gateway,
    relay: Relay,
) -> Iterator[Scene]:
    """And behind each of the others."""
    folder = tmp_path_factory.mktemp(request.param)
    with PROXIES[request.param](folder, Ports(signing.port, app.port), certificates) as proxy:
        yield Scene(signing, proxy, app, relay, Visitor(proxy.port, certificates.authority))


def claims_of(token: str, keys: RemoteKeys, url: str = HOME + "/x", method: str = "GET") -> dict[str, object]:
    """What the app makes of it."""
    now = _read(token.split(".")[1])["iat"]
    return verify(token, keys=keys, issuer=ISSUER, audience=AUDIENCE, method=method, url=url, now=now)


def _read(part: str) -> dict[str, object]:
    read: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def test_the_app_can_prove_who_asks_it_for_what(scene: Scene) -> None:
    """By the gateway's published keys, and for nothing but this request."""
    keys = scene.keys()
    (token,) = scene.ask(cookie=scene.cookie())
    claims = claims_of(token, keys)
    assert (claims["preferred_username"], claims["email"], claims["name"]) == (ALICE.name, ALICE.email, ALICE.display)
    assert (claims["groups"], claims["amr"], claims["htu"]) == (["ops", "staff"], ["pwd"], f"{HOME}/x")
    for changes in ({"url": HOME + "/y"}, {"method": "POST"}, {"url": "https://api.example.com/x"}):
        with pytest.raises(RefusedError):
            claims_of(token, keys, **changes)
    (posted,) = scene.ask(method="POST", cookie=scene.cookie())
    assert claims_of(posted, keys, method="POST")["htm"] == "POST"
    # One is used again for a while, so that the check keeps its speed.
    assert scene.ask(cookie=scene.cookie()) == [token]


def test_a_program_with_a_key_is_told_from_a_person(scene: Scene) -> None:
    """It says that a key was shown and which, and nothing of a sign-in that never was; the key stays with us."""
    arguments = ("key", "create", "--user", ALICE.name, "--name", "script", "--app", AUDIENCE, "--json")
    key = json.loads(scene.gateway.command(*arguments))
    (token,) = scene.ask(Authorization=f"Bearer {key['key']}")
    (arrival,) = scene.app.arrivals
    assert arrival.like("Authorization") in ([], [""])
    assert not any("dw_" in value for _, value in arrival.headers)
    claims = claims_of(token, scene.keys())
    assert (claims["preferred_username"], claims["amr"]) == (ALICE.name, ["key"])
    assert claims["sid"] == f"key-{key['key'].split('_')[1]}"
    assert "auth_time" not in claims


@pytest.mark.parametrize("path", ["/x", "/a%20b/%C3%A9", "/dav/a@b.example/", "/a%2Fb"])
def test_it_is_for_the_address_as_the_visitor_asked_for_it(scene: Scene, path: str) -> None:
    (token,) = scene.ask(path + "?q=1", cookie=scene.cookie())
    assert claims_of(token, scene.keys(), HOME + path)


def test_what_a_visitor_sends_under_its_name_never_survives(scene: Scene) -> None:
    """C01: not beside ours, not where nobody is signed in, in no spelling a server might read as it."""
    check_spellings(scene)


def test_nor_does_it_behind_any_other_proxy(other: Scene) -> None:
    """C01: with the files of the guides, as they stand."""
    check_spellings(other)


def check_spellings(scene: Scene) -> None:
    """Ours arrives, once and good; what a visitor sends does not."""
    keys = scene.keys()
    (good,) = scene.ask(cookie=scene.cookie())
    for name in SPELLINGS:
        for sent in ("x", good):
            (token,) = scene.ask("/x", cookie=scene.cookie(), **{name.replace(".", "__"): sent})
            assert claims_of(token, keys)["preferred_username"] == ALICE.name
            assert scene.ask("/open", **{name.replace(".", "__"): sent}) in ([], [""])
    # Who is signed in is told about on an open page, too.
    (token,) = scene.ask("/open", cookie=scene.cookie())
    assert claims_of(token, keys, HOME + "/open")["preferred_username"] == ALICE.name


def test_the_guides_python_takes_it(scene: Scene) -> None:
    """Both examples, as they stand."""
    keys = scene.keys()
    asgi, wsgi = (runpy.run_path(str(FILES / f"assertions/{kind}.py"))["app"] for kind in ("asgi", "wsgi"))
    for app in (asgi, wsgi):
        expected = app._gatekeeper
        expected._keys, expected._homes = keys, [HOME]
        expected._expected = type(expected._expected)(ISSUER, AUDIENCE, leeway=60)
    (token,) = scene.ask(cookie=scene.cookie())
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for shown, path, good in ((token, "/x", True), (token, "/y", False), (forged, "/x", False)):
        assert (_by_asgi(asgi, shown, path) == b"Hello alice") is good
        assert (_by_wsgi(wsgi, shown, path) == b"Hello alice") is good


@pytest.mark.parametrize("language", ["mjs", "php"])
def test_the_guides_other_languages_take_it(scene: Scene, language: str) -> None:
    """With the keys fetched from the gateway by their own code."""
    (token,) = scene.ask(cookie=scene.cookie())
    now = _read(token.split(".")[1])["iat"]
    about = {
        "method": "GET",
        "url": HOME + "/x",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithm": "EdDSA",
        "now": now,
    }
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    cases = [
        {**about, "token": token},
        {**about, "token": forged},
        {**about, "token": token, "now": now + 120},
        {**about, "token": token, "audience": "NAS"},
        {**about, "token": token, "method": "POST"},
        {**about, "token": token, "url": HOME + "/y"},
    ]
    said = run_snippet(language, cases, scene.relay.url)
    assert [isinstance(each, dict) for each in said] == [True, False, False, False, False, False], said


def test_keys_are_replaced_while_everything_runs(scene: Scene) -> None:
    """The new one is published before it signs; the old one is good for as long as anything it signed."""
    keys, others = scene.keys(), scene.keys(cooldown=0)
    (before,) = scene.ask("/before", cookie=scene.cookie())
    assert claims_of(before, keys, HOME + "/before")
    told = json.loads(scene.gateway.command("keys", "rotate", "assertion", "--json"))
    assert told["at_once"] is False
    (after,) = scene.ask("/after", cookie=scene.cookie())
    assert _kid(after) == _kid(before)
    assert others.find(told["kid"]) is not None
    assert claims_of(after, keys, HOME + "/after")
    # Ten minutes later, as far as the database knows.
    with closing(sqlite3.connect(scene.gateway.folder / "data" / "doorward.db")) as connection, connection:
        connection.execute("UPDATE signing_keys SET created_at = created_at - 600000000 WHERE purpose = 'assertion'")
    told = json.loads(scene.gateway.command("keys", "rotate", "assertion", "--at-once", "--json"))
    (last,) = scene.ask("/last", cookie=scene.cookie())
    assert _kid(last) == told["kid"]
    assert claims_of(last, others, HOME + "/last")
    with pytest.raises(RefusedError):
        claims_of(before, others, HOME + "/before")


def _kid(token: str) -> str:
    return str(_read(token.split(".", maxsplit=1)[0])["kid"])


def _by_asgi(app: Callable[..., object], token: str, path: str) -> bytes:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(HEADER.lower().encode(), token.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    return bytes(sent[-1]["body"])  # type: ignore[call-overload]


def _by_wsgi(app: Callable[..., list[bytes]], token: str, path: str) -> bytes:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_X_DOORWARD_ASSERTION": token}
    return b"".join(app(environ, lambda *_: None))
