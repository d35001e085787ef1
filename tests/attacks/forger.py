"""Assertions as an attacker makes them, and the three ways in which an app takes them."""

import asyncio
import base64
import json
import time
from io import BytesIO

from doorward.outside.assertion_signatures import draw_secret, open_signer, write_public_part
from doorward.rules.assertion import Algorithm, kid_of, write_key_set
from doorward.rules.stored_key import ASSERTION, StoredKey
from doorward.verify import AssertionMiddleware, FixedKeys, RefusedError, WsgiAssertionMiddleware, verify
from tests.fakes.system import START, FakeRandom

ISSUER, AUDIENCE, HOME = "https://auth.example.test", "Wiki", "https://wiki.example.test"
PATH = "/page"
TYPE = "doorward-assertion+jwt"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


class Forger:
    """A gateway's key, and everything one could make with and without it."""

    def __init__(self, algorithm, seed="forger"):
        self.algorithm = algorithm
        self.secret = draw_secret(algorithm, FakeRandom(seed))
        self.public = write_public_part(algorithm, self.secret)
        self.kid = kid_of(self.public)
        self.sign = open_signer(algorithm, self.secret)
        self.stored = StoredKey(1, ASSERTION, "", START, self.public)
        self.key_set = write_key_set([self.stored], START)
        self.now = int(time.time())

    def header(self, **changes):
        return {"alg": self.algorithm.value, "kid": self.kid, "typ": TYPE, **changes}

    def claims(self, **changes):
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "A" * 22,
            "htm": "GET",
            "htu": HOME + PATH,
            "iat": self.now,
            "exp": self.now + 60,
            **changes,
        }

    def token(self, header=None, claims=None, sign=None):
        """Signed by our key, unless something else signs. Header and claims may be bytes."""
        parts = [self.header() if header is None else header, self.claims() if claims is None else claims]
        signed = ".".join(b64(compact(part)) for part in parts)
        return f"{signed}.{b64((sign or self.sign)(signed.encode()))}"


class Refused(Exception):  # noqa: N818 -- what a way says
    pass


def by_function(forger, token, *, method="GET", path=PATH, keys=None, **more):
    """What `verify` says."""
    try:
        return verify(
            token,
            keys=keys or FixedKeys(forger.key_set),
            issuer=ISSUER,
            audience=AUDIENCE,
            method=method,
            url=HOME + path,
            now=forger.now,
            algorithm=forger.algorithm.value,
            **more,
        )
    except RefusedError as error:
        raise Refused(str(error)) from error


def _settings(forger, keys):
    return {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "public_url": HOME,
        "keys": keys or FixedKeys(forger.key_set),
        "algorithm": forger.algorithm.value,
    }


def by_asgi(forger, *tokens, method="GET", path=PATH, keys=None):
    """What an ASGI app behind the middleware is told."""
    told, sent = [], []

    async def app(scope, receive, send):
        told.append(scope["doorward"])

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": [
            (b"x-doorward-assertion", token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass"))
            for token in tokens
        ],
    }
    asyncio.run(AssertionMiddleware(app, **_settings(forger, keys))(scope, receive, send))
    if told:
        assert not sent
        return told[0]
    assert sent[0]["status"] == 401
    raise Refused(sent[1]["body"].decode())


def by_wsgi(forger, *tokens, method="GET", path=PATH, keys=None):
    """What a WSGI app behind the middleware is told."""
    told, sent = [], []

    def app(environ, start_response):
        told.append(environ["doorward.claims"])
        return []

    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.input": BytesIO()}
    if tokens:
        texts = [token.decode("latin-1") if isinstance(token, bytes) else token for token in tokens]
        environ["HTTP_X_DOORWARD_ASSERTION"] = ",".join(texts)
    middleware = WsgiAssertionMiddleware(app, **_settings(forger, keys))
    body = list(middleware(environ, lambda status, headers: sent.append((status, headers))))
    if told:
        assert not sent
        return told[0]
    assert sent[0][0] == "401 Unauthorized"
    raise Refused(body[0].decode())


WAYS = {"function": by_function, "ASGI": by_asgi, "WSGI": by_wsgi}
ALGORITHMS = list(Algorithm)
