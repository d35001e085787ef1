"""What apps take from us: addresses compared, who asks handed on, and everything else answered for them."""

import asyncio
import logging
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.assertion import Algorithm
from doorward.verify import AssertionMiddleware, FixedKeys, KeysUnavailableError, RefusedError, WsgiAssertionMiddleware
from doorward.verify.token import normal_form
from tests.attacks.forger import AUDIENCE, HOME, ISSUER, PATH, Forger

FORGER = Forger(Algorithm.EDDSA)
HEADER = b"X-Doorward-Assertion"


@pytest.fixture(autouse=True)
def _now():
    """What they make is good for a minute, and the suites take longer than that."""
    FORGER.now = int(time.time())


class NoKeys:
    """A gateway that does not answer."""

    def knows(self, kid):
        return False

    def find(self, kid):
        raise KeysUnavailableError("nobody there")


class Slow(FixedKeys):
    """Keys that have to be asked for."""

    def knows(self, kid):
        return False


def settings(**more):
    return {"issuer": ISSUER, "audience": AUDIENCE, "public_url": HOME, "keys": FixedKeys(FORGER.key_set), **more}


def ask_asgi(headers=(), *, scope=None, **more):
    """What was sent, and the scope the app was given, if it was."""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)

    async def send(message):
        sent.append(message)

    async def receive():
        return {}

    whole = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "headers": headers,
        **(scope or {}),
    }
    asyncio.run(AssertionMiddleware(app, **settings(**more))(whole, receive, send))
    return sent, seen[0] if seen else None


def ask_wsgi(environ, **more):
    seen, sent = [], []

    def app(environ, start_response):
        seen.append(environ)
        return [b"app"]

    whole = {"REQUEST_METHOD": "GET", "PATH_INFO": PATH, **environ}
    body = WsgiAssertionMiddleware(app, **settings(**more))(whole, lambda *started: sent.append(started))
    return sent, b"".join(body), seen[0] if seen else None


def shown(**claims):
    return [(HEADER, FORGER.token(claims=FORGER.claims(**claims)).encode())]


def test_an_app_is_told_who_asks():
    _, scope = ask_asgi(shown())
    assert scope["doorward"]["sub"] == "A" * 22
    _, scope = ask_asgi(shown(), keys=Slow(FORGER.key_set))
    assert scope["doorward"]["sub"] == "A" * 22
    sent, body, environ = ask_wsgi({"HTTP_X_DOORWARD_ASSERTION": FORGER.token()})
    assert (sent, body, environ["doorward.claims"]["sub"]) == ([], b"app", "A" * 22)


def test_a_refusal_is_a_problem_and_says_nothing_to_who_forges(caplog):
    """RFC 9457; why it was is in the log of the app."""
    with caplog.at_level(logging.WARNING, "doorward.verify"):
        (start, body), scope = ask_asgi(shown(aud="NAS"))
    assert scope is None
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (401, b"application/problem+json")
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    assert b"aud" not in body["body"]
    assert "its aud is another" in caplog.text
    ((status, headers),), body, environ = ask_wsgi({})
    assert (status, dict(headers)["www-authenticate"], environ) == ("401 Unauthorized", "Doorward-Assertion", None)
    assert b'"status": 401' in body


def test_head_has_no_body():
    (_, body), _ = ask_asgi(scope={"method": "HEAD"})
    assert body["body"] == b""
    assert ask_wsgi({"REQUEST_METHOD": "HEAD"})[1] == b""


def test_a_gateway_that_does_not_answer_is_nobodys_fault():
    (start, _), scope = ask_asgi(shown(), keys=NoKeys())
    assert (start["status"], dict(start["headers"])[b"retry-after"], scope) == (503, b"10", None)
    ((status, _),), _, environ = ask_wsgi({"HTTP_X_DOORWARD_ASSERTION": FORGER.token()}, keys=NoKeys())
    assert (status, environ) == ("503 Service Unavailable", None)


def test_nobody_passes_only_where_nobody_may():
    """An empty header is what the gateway sends for who is not signed in; no header at all is no gateway."""
    assert ask_asgi([(HEADER, b"")])[1] is None
    assert ask_asgi([(HEADER, b"")], anonymous=True)[1]["doorward"] is None
    assert ask_asgi([], anonymous=True)[1] is None
    assert ask_wsgi({"HTTP_X_DOORWARD_ASSERTION": ""}, anonymous=True)[2]["doorward.claims"] is None
    assert ask_wsgi({}, anonymous=True)[2] is None
    assert ask_asgi(shown(aud="NAS"), anonymous=True)[1] is None


def test_a_websocket_begins_with_a_get():
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope)

    async def send(message):
        sent.append(message)

    middleware = AssertionMiddleware(app, **settings())
    for headers in (shown(), []):
        whole = {"type": "websocket", "path": PATH, "raw_path": PATH.encode(), "headers": headers}
        asyncio.run(middleware(whole, None, send))
    assert [each["doorward"]["htm"] for each in seen] == ["GET"]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_life_of_the_app_is_its_own():
    assert ask_asgi(scope={"type": "lifespan"})[1]["type"] == "lifespan"


def test_an_app_may_have_several_addresses_and_a_part_of_a_path():
    homes = ["https://a.example.test", HOME + "/app/"]
    assert ask_asgi(shown(htu=HOME + "/app/page"), public_url=homes)[1]
    assert ask_asgi(shown(), public_url=homes)[1] is None


def test_a_path_is_compared_as_it_came():
    """An escaped slash is no slash: where the server has decoded it already, it is refused."""
    dav = "/dav/a%40b.example/%2Fx"
    assert ask_asgi(shown(htu=HOME + dav), scope={"raw_path": b"/dav/a@b.example/%2fx"})[1]
    assert ask_asgi(shown(htu=HOME + dav), scope={"raw_path": b"/dav/a@b.example//x"})[1] is None
    assert ask_asgi(shown(htu=HOME + "/%C3%A9"), scope={"raw_path": None, "path": "/é"})[1]
    assert ask_asgi(shown(), scope={"raw_path": b"/page?query"})[1]
    for htu, environ in (("/dav/a%40b/%C3%A9%25", "/dav/a@b/\xc3\xa9%"), ("/page", "/page")):
        given_path = {"SCRIPT_NAME": environ[:3], "PATH_INFO": environ[3:]}
        token = FORGER.token(claims=FORGER.claims(htu=HOME + htu))
        assert ask_wsgi({**given_path, "HTTP_X_DOORWARD_ASSERTION": token})[2]
    token = FORGER.token(claims=FORGER.claims(htu=HOME + "/a%2Fb"))
    assert ask_wsgi({"PATH_INFO": "/a/b", "HTTP_X_DOORWARD_ASSERTION": token})[2] is None


def test_the_header_may_be_called_otherwise():
    headers = [(b"X-Who", shown()[0][1])]
    assert ask_asgi(headers, header="X-Who")[1]
    assert ask_asgi(headers)[1] is None


def test_keys_come_from_the_gateway_unless_they_are_given():
    """And by https: nobody in between hands out keys of his own."""
    middleware = AssertionMiddleware(None, issuer=ISSUER, audience=AUDIENCE, public_url=HOME)
    assert middleware._gatekeeper._keys._url == "https://auth.example.test/.well-known/jwks.json"
    for issuer in ("http://auth.example.test", "file:///etc", "ftp://127.0.0.1"):
        with pytest.raises(ValueError, match="https"):
            AssertionMiddleware(None, issuer=issuer, audience=AUDIENCE, public_url=HOME)


def test_spellings_of_one_address_are_the_same():
    """RFC 3986, 6.2: and what differs differs."""
    one = normal_form("https://wiki.example.test/a%20b")
    assert normal_form("HTTPS://Wiki.Example.Test:443/%61%20b?c") == one
    assert normal_form("https://wiki.example.test") == normal_form("https://wiki.example.test/")
    for other in (
        "http://wiki.example.test/a%20b",
        "https://wiki.example.test:8443/a%20b",
        "https://wiki.example.test/a%20b/",
    ):
        assert normal_form(other) != one
    for malformed in (
        "",
        "/page",
        "https:///page",
        "https://u@h/",
        "https://h:x/",
        "https://[h/",
        "https://h/#a",
        "https://h/\ta",
    ):
        with pytest.raises(RefusedError):
            normal_form(malformed)


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=5), st.lists(st.binary(max_size=5), min_size=1, max_size=5))
def test_two_paths_are_the_same_only_where_every_segment_is(one, other):
    def write(segments):
        return "https://h/" + "/".join("".join(f"%{byte:02x}" for byte in segment) for segment in segments)

    assert (normal_form(write(one)) == normal_form(write(other))) is (one == other)


def test_apps_take_it_without_the_rest():
    """An app that verifies has neither our server nor our database in its process."""
    program = (
        "import sys, doorward.verify\n"
        "ours = sorted(name for name in sys.modules if name.startswith('doorward'))\n"
        "assert all(name == 'doorward' or name.startswith('doorward.verify') for name in ours), ours\n"
        "heavy = {'starlette', 'fastapi', 'pydantic', 'sqlalchemy', 'uvicorn', 'jinja2', 'yaml', 'typing_extensions'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
