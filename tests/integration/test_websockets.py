"""Websockets follow the same rules as pages, and are never answered with a redirect."""

import json
import socket
import ssl

import pytest
from websockets.sync.client import connect

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, BOB, Gateway, Person
from tests.integration.wire import Headers, write_request

UPGRADE: Headers = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
    ("Origin", "https://app.example.com"),
)
BROWSER: Headers = (("Sec-Fetch-Mode", "websocket"), ("Sec-Fetch-Dest", "websocket"))


@pytest.mark.parametrize("extra", [(), BROWSER], ids=["program", "browser"])
@pytest.mark.parametrize(("person", "status"), [(None, 401), (BOB, 403)], ids=["stranger", "without a rule"])
def test_an_upgrade_that_is_not_allowed_is_refused_without_a_redirect(
    scene: Scene, person: Person | None, status: int, extra: Headers
) -> None:
    """B26: 401 or 403, no Location, never 101."""
    cookie = scene.cookie_of(person) if person else ""
    reply = scene.visitor.send("GET", "/ws", (*UPGRADE, *extra), cookie=cookie)
    assert reply.status == status
    assert reply.all("Location") == []
    assert scene.arrivals == []


@pytest.mark.parametrize("extra", [(), BROWSER], ids=["program", "browser"])
def test_an_allowed_websocket_talks_to_the_app(scene: Scene, extra: Headers) -> None:
    """Frames go both ways, and the app knows who it is talking to."""
    headers = (*UPGRADE, *extra, ("Cookie", scene.cookie_of(ALICE)))
    with scene.visitor.connect() as connection:
        reply = connection.exchange(write_request("GET", "/ws?x=1", "app.example.com", headers))
        assert reply.status == 101
        assert connection.send_text_frame("hello") == b"hello"
        assert connection.send_text_frame("again, éè") == "again, éè".encode()
    arrival = scene.only_arrival()
    assert arrival.target == "/ws?x=1"
    for name, value in ALICE.headers.items():
        assert arrival.like(name) == [value]


def test_a_cleartext_upgrade_to_http2_is_no_way_in(scene: Scene) -> None:
    """P11: `Upgrade: h2c` changes nothing."""
    headers = (("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"))
    reply = scene.visitor.send("GET", "/x", headers)
    assert reply.status in {303, 400, 401, 403}
    assert scene.arrivals == []


def test_a_websocket_client_gets_through_with_a_key(scene: Scene, keys: dict[str, str]) -> None:
    """A-18: an ordinary client library, which shows a key and nothing else; the app sees no key."""
    visitor = scene.visitor
    trust = ssl.create_default_context(cafile=str(visitor.authority))
    with (
        socket.create_connection(("127.0.0.1", visitor.port)) as plain,
        connect(
            "wss://app.example.com/ws",
            sock=plain,
            ssl=trust,
            additional_headers={"Authorization": f"Bearer {keys['any']}"},
        ) as connection,
    ):
        connection.send("hello")
        assert connection.recv(timeout=10) == "hello"
    arrival = scene.only_arrival()
    assert arrival.like("Authorization") in ([], [""])
    for name, value in ALICE.headers.items():
        assert arrival.like(name) == [value]


def test_a_key_that_only_reads_opens_no_websocket(scene: Scene, keys: dict[str, str]) -> None:
    """A websocket is a GET and can do anything."""
    reply = scene.visitor.send("GET", "/ws", (*UPGRADE, ("X-Api-Key", keys["reading"])))
    assert reply.status == 403
    assert scene.arrivals == []


@pytest.fixture(scope="session")
def keys(gateway: Gateway) -> dict[str, str]:
    """Keys of Alice's for the app."""
    made = {}
    for name, options in (("any", ()), ("reading", ("--read-only",))):
        arguments = ("key", "create", "--user", ALICE.name, "--name", name, "--app", "Example", *options, "--json")
        made[name] = json.loads(gateway.command(*arguments))["key"]
    return made
