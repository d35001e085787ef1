"""The keys an app fetches from its gateway: seldom, within limits, and kept while the gateway is away."""

import asyncio
import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from doorward.rules.assertion import Algorithm
from doorward.verify import AssertionMiddleware, KeysUnavailableError, RemoteKeys
from tests.attacks.forger import AUDIENCE, HOME, ISSUER, PATH, Forger

ONE, OTHER = Forger(Algorithm.EDDSA, "one"), Forger(Algorithm.EDDSA, "other")
BOTH = json.dumps({"keys": [json.loads(each.key_set)["keys"][0] for each in (ONE, OTHER)]}).encode()


@pytest.fixture(autouse=True)
def _now():
    """What they make is good for a minute, and the suites take longer than that."""
    ONE.now = int(time.time())
    OTHER.now = int(time.time())


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Gateway:
    """Answers on this machine with whatever comes next; the last answer is repeated."""

    def __init__(self):
        self.answers = deque([(200, ONE.key_set)])
        self.asked = 0
        self.headers = []
        gateway = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self):
                gateway.asked += 1
                gateway.headers.append(dict(self.headers))
                status, body = gateway.answers[0]
                if len(gateway.answers) > 1:
                    gateway.answers.popleft()
                if status == 0:  # it hangs up
                    self.connection.close()
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{gateway.url}/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nothing is said."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def gateway():
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(gateway, clock):
    return RemoteKeys(f"{gateway.url}/.well-known/jwks.json", clock=clock)


def test_the_set_is_fetched_when_it_is_needed_and_kept(gateway, keys, clock):
    assert not keys.knows(ONE.kid)
    for _ in range(3):
        assert keys.find(ONE.kid).kid == ONE.kid
    assert (gateway.asked, keys.knows(ONE.kid)) == (1, True)
    clock.now += 300
    assert not keys.knows(ONE.kid)
    assert keys.find(ONE.kid)
    assert gateway.asked == 2
    assert gateway.headers[0]["Cache-Control"] == "no-cache"


def test_a_key_that_is_not_known_is_looked_for_but_not_for_everybody_who_names_one(gateway, keys, clock):
    """I05: whatever is presented, the gateway is asked once in ten seconds."""
    assert keys.find(ONE.kid)
    gateway.answers = deque([(200, BOTH)])
    for number in range(50):
        assert keys.find(f"made-up-{number}") is None
    assert gateway.asked == 1
    clock.now += 10
    assert keys.find(OTHER.kid).kid == OTHER.kid
    assert [keys.find(f"made-up-{number}") for number in range(50)] == [None] * 50
    assert gateway.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (404, b"{}"),
        (302, b""),
        (200, b""),
        (200, b"[]"),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": [], "keys": []}'),
        (200, json.dumps({"keys": [{}] * 65}).encode()),
        (200, b'{"keys": [' + b" " * 70_000 + b"]}"),
        (0, b""),
    ],
)
def test_what_is_there_counts_on_while_the_gateway_is_away_or_talks_nonsense(gateway, keys, clock, answer):
    assert keys.find(ONE.kid)
    gateway.answers = deque([answer])
    clock.now += 300
    assert keys.find(ONE.kid)
    asked = gateway.asked
    assert keys.find(ONE.kid)
    assert gateway.asked == asked  # not at every request
    clock.now += 86400
    with pytest.raises(KeysUnavailableError):
        keys.find(ONE.kid)
    gateway.answers = deque([(200, ONE.key_set)])
    with pytest.raises(KeysUnavailableError):
        keys.find(ONE.kid)
    clock.now += 10
    assert keys.find(ONE.kid)


def test_a_key_that_is_published_no_more_is_none_any_more(gateway, keys, clock):
    """What `doorward keys rotate assertion --at-once` is for."""
    assert keys.find(ONE.kid)
    gateway.answers = deque([(200, OTHER.key_set)])
    clock.now += 300
    assert keys.find(ONE.kid) is None
    assert keys.find(OTHER.kid)


def test_an_answer_that_drips_is_given_up(gateway, clock):
    class Running(Clock):
        def __call__(self):
            self.now += 6
            return self.now

    keys = RemoteKeys(gateway.url, clock=Running(), timeout=5)
    with pytest.raises(KeysUnavailableError):
        keys.find(ONE.kid)


def test_no_proxy_of_the_environment_is_asked(gateway, keys, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert keys.find(ONE.kid)


def test_who_has_the_key_waits_for_nobody(gateway, keys, clock):
    """And of many who do not, one looks."""
    assert keys.find(ONE.kid)
    clock.now += 300
    with keys._turn:
        assert keys.find(ONE.kid)
    assert gateway.asked == 1
    gateway.answers = deque([(200, BOTH)])
    threads = [threading.Thread(target=keys.find, args=(OTHER.kid,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gateway.asked == 2


def test_a_middleware_fetches_beside_the_event_loop(gateway, keys):
    told = []

    async def app(scope, receive, send):
        told.append(scope["doorward"]["sub"])

    middleware = AssertionMiddleware(app, issuer=ISSUER, audience=AUDIENCE, public_url=HOME, keys=keys)
    scope = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "headers": [(b"x-doorward-assertion", ONE.token().encode())],
    }

    async def ask():
        for _ in range(2):
            await middleware(scope, None, None)

    asyncio.run(ask())
    assert (told, gateway.asked) == (["A" * 22] * 2, 1)
