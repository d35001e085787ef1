"""GitHub's web application flow and the two questions to its API, as its documentation writes them; on loopback.

What makes it GitHub: errors of the token endpoint come with 200, the `iss` is not the host, `redirect_uri` is not asked
again at the exchange, and addresses are a list of their own.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from doorward.outside.upstream.github import GitHubAddresses
from doorward.rules.provider import GITHUB_ISSUER, Kind, Provider, ProviderId
from tests.fakes.keys import encode
from tests.fakes.loopback import Answer, LoopbackServer, Request

CLIENT_ID = "Iv1.0123456789abcdef"
CLIENT_SECRET = "0123456789abcdef0123456789abcdef01234567"
REDIRECT_URI = "https://auth.example.com/login/callback/github"


class FakeGitHub:
    """`users`, `emails` and `answers` may be changed at any time; `requests` is what it saw."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = {
            "login": "octocat",
            "id": 583231,
            "node_id": "MDQ6VXNlcjU4MzIzMQ==",
            "type": "User",
            "name": "The Octocat",
            "email": "anybody@profile.example",
        }
        self.emails: Any = [
            {"email": "zoe@example.com", "primary": False, "verified": True, "visibility": None},
            {"email": "octocat@example.com", "primary": True, "verified": True, "visibility": "private"},
            {"email": "not.mine@example.com", "primary": False, "verified": False, "visibility": None},
        ]
        self.redirect_uri = REDIRECT_URI
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []
        self._codes: dict[str, Mapping[str, str]] = {}
        self._tokens: set[str] = set()
        self._server = LoopbackServer(self._respond)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def addresses(self) -> GitHubAddresses:
        """Where our client finds it."""
        url = self._server.url
        return GitHubAddresses(
            authorize=f"{url}/login/oauth/authorize",
            token=f"{url}/login/oauth/access_token",
            user=f"{url}/user",
            emails=f"{url}/user/emails?per_page=100",
        )

    def settings(self, **changes: Any) -> Provider:
        """Settings of ours for it."""
        given: dict[str, Any] = {
            "id": ProviderId("github"),
            "kind": Kind.GITHUB,
            "name": "GitHub",
            "issuer": GITHUB_ISSUER,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scopes": ("user:email", "read:user"),
        }
        return Provider(**given | changes)

    def authorize(self, url: str) -> dict[str, str]:
        """What the browser brings back after the person agreed."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == self.redirect_uri
        assert query["code_challenge_method"] == "S256"
        code = hashlib.sha256(urlencode(query).encode()).hexdigest()[:20]
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": "https://github.com/login/oauth"}

    async def _respond(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.path in self.answers:
            return self.answers[request.path]
        if request.path == "/login/oauth/access_token":
            return self._exchange(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _json({"message": "Bad credentials", "status": "401"}, 401)
        return _json(self.user if request.path == "/user" else self.emails)

    def _exchange(self, request: Request) -> Answer:
        """JSON only for those who ask for it, and 200 whatever happened."""
        form = request.form
        assert request.headers["accept"] == "application/json"
        if form["client_id"] != CLIENT_ID:
            return _json({"error": "Not Found"}, 404)
        if form["client_secret"] != CLIENT_SECRET:
            words = "The client_id and/or client_secret passed are incorrect."
            return _json({"error": "incorrect_client_credentials", "error_description": words})
        query = self._codes.pop(form["code"], {})
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not query or not hmac.compare_digest(challenge, query["code_challenge"]):
            words = "The code passed is incorrect or expired."
            return _json({"error": "bad_verification_code", "error_description": words})
        token = f"gho_{form['code']}"
        self._tokens.add(token)
        return _json({"access_token": token, "scope": "read:user,user:email", "token_type": "bearer"})


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json; charset=utf-8")
