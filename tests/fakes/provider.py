"""An OpenID provider on loopback that behaves well until it is told to lie.

    async with FakeProvider(clock) as provider:
        settings = provider.settings()                       # a `Provider` that points at it
        url = await upstream.depart(settings, departure)
        back = await provider.authorize(url)                 # what the browser brings to the callback
        provider.lie(ID_TOKEN_LIES["no nonce"])              # tests/fakes/lies.py; a lie is told until the next `lie(None)`
        provider.answers["/jwks"] = Answer(status=503)       # any answer instead of its own, or a function of the request

What can be changed at any time: `metadata` (its description), `keys` and `rotate()`, `users` (by login name, chosen by
`login_hint`, else the first), `userinfo` (what its userinfo endpoint says more), `claims` (what goes into the ID token more),
`clients`, `answers`. What it saw is in `requests`. It checks what a good provider checks: redirect URI, client, PKCE, that
a code is used once; it signs with `cryptography` alone, so that it shares no mistake with what it tests.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from doorward.interfaces import Clock
from doorward.rules.provider import Kind, Provider, ProviderId
from tests.fakes.keys import SigningKey, encode, make_key, verify_assertion
from tests.fakes.loopback import Answer, LoopbackServer, Request

REDIRECT_URI = "https://auth.example.com/login/callback/fake"
CLIENT_ID = "doorward client:1"
CLIENT_SECRET = "s3cr3t +/%:ü"

Respond = Callable[[Request], Answer | Awaitable[Answer]]
Lie = Callable[["Draft"], str]


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who may ask. `auth` is the one way it may prove who it is."""

    secret: str = CLIENT_SECRET
    auth: str = "client_secret_basic"
    redirect_uris: tuple[str, ...] = (REDIRECT_URI,)
    public_pem: bytes = b""


@dataclass(slots=True)
class Draft:
    """An ID token about to be signed. A lie changes it, or makes something else of it altogether."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: SigningKey
    provider: "FakeProvider"

    def sign(self) -> str:
        return self.key.sign(self.header, self.claims)


@dataclass(slots=True)
class Grant:
    """What a person agreed to."""

    client_id: str
    user: str
    scope: frozenset[str]
    redirect_uri: str
    challenge: str
    nonce: str
    signed_in_at: int
    tokens: list[str] = field(default_factory=list)


class FakeProvider:
    def __init__(self, clock: Clock, *, key: str = "RS256", tls: ssl.SSLContext | None = None) -> None:
        self.clock = clock
        self.users: dict[str, dict[str, Any]] = {
            "alice": {"sub": "alice-1", "name": "Alice", "email": "alice@example.com", "email_verified": True},
            "bob": {"sub": "bob-2", "name": "Bob", "email": "bob@example.com", "email_verified": True},
        }
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.profile_in_id_token = True
        self.too_far = 61  # seconds from now that no clock may be off; with a clock that runs, take some more
        self.clients = {CLIENT_ID: Client()}
        self.answers: dict[str, Answer | Respond] = {}
        self.requests: list[Request] = []
        self.keys = [make_key(key, "key-1")]
        self.metadata: dict[str, Any] = {}
        self.refresh_tokens: dict[str, Grant] = {}
        self._codes: dict[str, Grant] = {}
        self._access_tokens: dict[str, Grant] = {}
        self._pushed: dict[str, dict[str, str]] = {}
        self._lie: Lie | None = None
        self._server = LoopbackServer(self._respond, tls=tls)
        self._count = 0

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        self.metadata = self._describe()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def issuer(self) -> str:
        return str(self.metadata["issuer"])

    def settings(self, **changes: Any) -> Provider:
        """Settings of ours that point at it."""
        given: dict[str, Any] = {
            "id": ProviderId("fake"),
            "kind": Kind.OIDC,
            "name": "Fake",
            "issuer": self.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        return Provider(**given | changes)

    def lie(self, lie: Lie | None) -> None:
        """From now on, sign this instead of the truth; None: the truth again."""
        self._lie = lie

    def rotate(self, key: str = "RS256", *, keep: bool = False) -> None:
        """Sign with a new key from now on, and publish no other; with `keep`, the old ones too."""
        kept = self.keys if keep else []
        self.keys = [make_key(key, self._draw("key")), *kept]

    async def authorize(self, url: str) -> dict[str, str]:
        """Do what the browser and the person do with `url`: sign in and agree. The parameters of the callback."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
        answer = self._authorize(Request("GET", parts.path, query, {}, {}))
        assert answer.status == 302, answer.body
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def make_id_token(self, user: str = "alice", *, nonce: str = "", **changes: Any) -> str:
        """An ID token as it would sign it now, lies included; None as a change takes a claim out."""
        grant = Grant(CLIENT_ID, user, frozenset({"openid", "email", "profile"}), "", "", nonce, self.now())
        return self._make_id_token(grant, "", changes)

    def make_logout_token(self, user: str = "alice", **changes: Any) -> str:
        """A genuine logout token, with changes; None takes a claim out."""
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": self.now(),
            "exp": self.now() + 120,
            "jti": self._draw("jti"),
            "sub": self.users[user]["sub"],
            "sid": f"sid-{user}",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        header = {"alg": self.keys[0].algorithm, "kid": self.keys[0].kid, "typ": "logout+jwt"}
        draft = Draft(header, _without_none(claims | changes), self.keys[0], self)
        return self._lie(draft) if self._lie else draft.sign()

    def asked(self, path: str) -> list[Request]:
        """The requests for `path` so far."""
        return [request for request in self.requests if request.path == path]

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    # What it answers

    async def _respond(self, request: Request) -> Answer:
        self.requests.append(request)
        chosen = self.answers.get(request.path)
        if isinstance(chosen, Answer):
            return chosen
        if chosen is not None:
            made = chosen(request)
            return made if isinstance(made, Answer) else await made
        return self.answer(request)

    def answer(self, request: Request) -> Answer:
        """The honest answer (but for what `lie` says of tokens)."""
        match request.method, request.path:
            case "GET", "/.well-known/openid-configuration":
                return self._json(self.metadata)
            case "GET", "/jwks":
                return self._json({"keys": [key.public_jwk() for key in self.keys]})
            case "GET", "/authorize":
                return self._authorize(request)
            case "POST", "/token":
                return self._token(request)
            case "POST", "/par":
                return self._push(request)
            case "GET", "/userinfo":
                return self._userinfo(request)
            case "GET", "/end":
                return Answer(302, headers={"location": request.query["post_logout_redirect_uri"]})
            case _:
                return self._json({"error": "not_found"}, 404)

    def _describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/end",
            "response_types_supported": ["code"],
            "scopes_supported": ["openid", "email", "profile", "groups"],
            "id_token_signing_alg_values_supported": [
                "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
            ],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
            ],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
        }  # fmt: skip

    def _authorize(self, request: Request) -> Answer:
        given = dict(request.query)
        if "request_uri" in given:
            given = self._pushed.pop(given["request_uri"], {})
        problem = self._find_problem(given)
        if problem:
            return self._json({"error": "invalid_request", "error_description": problem}, 400)
        back = {"state": given["state"], "iss": self.issuer}
        if given.get("prompt") == "none":
            back["error"] = "login_required"
        else:
            user = given.get("login_hint") or next(iter(self.users))
            code = back["code"] = self._draw("code")
            self._codes[code] = Grant(
                client_id=given["client_id"],
                user=user,
                scope=frozenset(given["scope"].split()),
                redirect_uri=given["redirect_uri"],
                challenge=given["code_challenge"],
                nonce=given["nonce"],
                signed_in_at=self.now(),
            )
        return Answer(302, headers={"location": f"{given['redirect_uri']}?{urlencode(back)}"})

    def _find_problem(self, given: Mapping[str, str]) -> str:
        client = self.clients.get(given.get("client_id", ""))
        if client is None:
            return "no such client"
        if given.get("redirect_uri") not in client.redirect_uris:
            return "redirect_uri is not registered"
        if given.get("response_type") != "code" or given.get("code_challenge_method") != "S256":
            return "not the code flow with PKCE"
        if len(given.get("code_challenge", "")) != 43 or len(given.get("nonce", "")) < 22:
            return "challenge or nonce is too short"
        return "" if given.get("state") else "no state"

    def _push(self, request: Request) -> Answer:
        client_id = self._authenticate(request)
        given = {**request.form, "client_id": client_id or ""}
        if client_id is None:
            return self._json({"error": "invalid_client"}, 401)
        problem = self._find_problem(given)
        if problem:
            return self._json({"error": "invalid_request", "error_description": problem}, 400)
        uri = f"urn:ietf:params:oauth:request_uri:{self._draw('par')}"
        self._pushed[uri] = given
        return self._json({"request_uri": uri, "expires_in": 60}, 201)

    def _token(self, request: Request) -> Answer:
        client_id = self._authenticate(request)
        if client_id is None:
            return self._json({"error": "invalid_client", "error_description": "Who are you?"}, 401)
        form = request.form
        if form.get("grant_type") == "refresh_token":
            grant = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
        else:
            grant = self._codes.pop(form.get("code", ""), None)
            if grant is not None and not self._may_redeem(grant, form):
                grant = None
        if grant is None or grant.client_id != client_id:
            return self._json({"error": "invalid_grant", "error_description": "The code or token is not valid."}, 400)
        access_token, refresh_token = self._draw("access"), self._draw("refresh")
        self._access_tokens[access_token] = grant
        if "offline_access" in grant.scope:
            self.refresh_tokens[refresh_token] = grant
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 60}
        if "offline_access" in grant.scope:
            answer["refresh_token"] = refresh_token
        changes = {"nonce": None} if form.get("grant_type") == "refresh_token" else {}
        return self._json(answer | {"id_token": self._make_id_token(grant, access_token, changes)})

    def _may_redeem(self, grant: Grant, form: Mapping[str, str]) -> bool:
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        return form.get("redirect_uri") == grant.redirect_uri and hmac.compare_digest(challenge, grant.challenge)

    def _userinfo(self, request: Request) -> Answer:
        grant = self._access_tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if grant is None:
            return self._json({"error": "invalid_token"}, 401)
        return self._json(_without_none(self.users[grant.user] | self.userinfo))

    def _authenticate(self, request: Request) -> str | None:
        """Who asks, if it proves so in exactly the way that is registered."""
        form, header = request.form, request.headers.get("authorization", "")
        if header.startswith("Basic "):
            halves = base64.b64decode(header.removeprefix("Basic ")).decode().split(":")
            client_id, secret, way = unquote_plus(halves[0]), unquote_plus(halves[1]), "client_secret_basic"
            if "client_secret" in form or "client_assertion" in form or len(halves) != 2:
                return None
        elif "client_assertion" in form:
            client_id, secret, way = form.get("client_id", ""), "", "private_key_jwt"
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
            way = "client_secret_post" if secret else "none"
        client = self.clients.get(client_id)
        if client is None or client.auth != way:
            return None
        if way == "private_key_jwt":
            good = verify_assertion(form["client_assertion"], client.public_pem, client_id, self.issuer, self.now())
        else:
            good = way == "none" or hmac.compare_digest(secret.encode(), client.secret.encode())
        return client_id if good else None

    def _make_id_token(self, grant: Grant, access_token: str, changes: Mapping[str, Any]) -> str:
        user = self.users[grant.user]
        key = self.keys[0]
        claims = {
            "iss": self.issuer,
            "aud": grant.client_id,
            "sub": user["sub"],
            "iat": self.now(),
            "exp": self.now() + 300,
            "auth_time": grant.signed_in_at,
            "nonce": grant.nonce,
            "sid": f"sid-{grant.user}",
        }
        if access_token:
            digest = hashlib.new(key.hash_name, access_token.encode()).digest()
            claims["at_hash"] = encode(digest[: len(digest) // 2])
        if self.profile_in_id_token:
            claims |= user
        header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
        draft = Draft(header, _without_none(claims | self.claims | changes), key, self)
        return self._lie(draft) if self._lie else draft.sign()

    def _json(self, value: Any, status: int = 200) -> Answer:
        date = format_datetime(datetime.fromtimestamp(self.now(), UTC), usegmt=True)
        return Answer(status, json.dumps(value).encode(), headers={"date": date, "cache-control": "no-store"})

    def _draw(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._count}-{hashlib.sha256(f'{what}{self._count}'.encode()).hexdigest()[:16]}"


def never(_request: Request) -> Awaitable[Answer]:
    """An answer that does not come, for `answers`."""
    return asyncio.get_running_loop().create_future()


def _without_none(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
