"""Where devices ask for a key: the device authorization and token endpoints of RFC 8628, in front of the API.

Forms go in and JSON comes out, with the words of RFC 6749 (5.2) and RFC 8628 (3.5); JSON is not taken, as the RFCs have
it. There is no client secret: an app that everybody can install could keep none, and `client_id` is the name it goes
by, which is shown to people as what it says and believed by nobody.

SECURITY: no cookie is read here, nor anything else that a browser sends by itself, and a session changes nothing. So
there is nothing that another site could have a browser do in somebody's name, and no token against it: it could begin
a pairing, as anybody can, and read no answer, for no other origin is let in (CORS). tests/unit/test_pairing_door.py
would fail.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from doorward.errors import ConflictError, InputError, UnavailableError
from doorward.flows.outcome import Refused
from doorward.flows.pairing import Pairing
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock
from doorward.rules.pairing import Answer
from doorward.web.client import Trust
from doorward.web.errors import Refusal
from doorward.web.form import Form, read_form
from doorward.web.headers import RawHeaders

CODE_PATH: Final = "/api/device/code"
TOKEN_PATH: Final = "/api/device/token"  # noqa: S105 -- an address
PAGE_PATH: Final = "/device"
GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
MAX_BODY: Final = 8 * 1024
_TOO_LARGE: Final = 413

_WORDS: Final = {
    Answer.PENDING: "nobody has approved it yet",
    Answer.SLOW_DOWN: "ask less often: wait five seconds longer from now on",
    Answer.DENIED: "it was refused, or whoever approved it may not give it",
    Answer.EXPIRED: "nobody approved it in time: begin anew",
    Answer.UNKNOWN: "this device code is unknown, was used, or belongs to another client",
}


class PairingDoor:
    """Answers the two addresses; everything else is `api`'s."""

    def __init__(self, api: ASGIApp, pairing: Pairing, trust: Trust, clock: Clock, public_url: str) -> None:
        self._api = api
        self._pairing = pairing
        self._trust = trust
        self._clock = clock
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._pairing.is_open or scope["path"] not in {CODE_PATH, TOKEN_PATH}:
            await self._api(scope, receive, send)
            return
        response = await self._answer(scope, receive)
        response.raw_headers += [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"allow": "POST, OPTIONS"})
        if scope["method"] != "POST":
            return _refuse("invalid_request", "this address takes POST", 405, {"allow": "POST, OPTIONS"})
        headers: RawHeaders = list(scope["headers"])
        try:
            form = {
                name: value
                for name, value in (await read_form(headers, receive, limit=MAX_BODY)).items()
                # A parameter without a value counts as left out (RFC 6749, 3.1).
                if value
            }
            visitor = self._find_visitor(scope, headers)
        except Refusal as refusal:
            if refusal.status == _TOO_LARGE:
                return _refuse("invalid_request", "that is too much", _TOO_LARGE, {"connection": "close"})
            return _refuse("invalid_request", "send a form: application/x-www-form-urlencoded")
        except InputError as error:
            return _refuse("invalid_request", str(error))
        try:
            return await (self._begin if scope["path"] == CODE_PATH else self._fetch)(form, visitor)
        except (ConflictError, UnavailableError):
            return _refuse("temporarily_unavailable", "try again in a moment", 503)

    async def _begin(self, form: Form, visitor: Visitor) -> Response:
        client = form.get("client_id", "").strip()
        if not client:
            return _refuse("invalid_request", "client_id is missing: the name of the app, as people are to see it")
        try:
            begun = await self._pairing.begin(client, form.get("scope", ""), visitor, now=self._clock.now())
        except InputError as error:
            return _refuse("invalid_scope", str(error))
        if isinstance(begun, Refused):
            wait = str(max(ceil(begun.retry_after.total_seconds()), 1))
            words = "too many devices ask to be paired: try again later"
            return _refuse("temporarily_unavailable", words, 429, {"retry-after": wait})
        page = self._public_url + PAGE_PATH
        return _json(
            {
                "device_code": begun.device_code,
                "user_code": begun.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={begun.user_code}",
                "expires_in": begun.expires_in // timedelta(seconds=1),
                "interval": begun.interval // timedelta(seconds=1),
            }
        )

    async def _fetch(self, form: Form, visitor: Visitor) -> Response:
        if "grant_type" not in form:
            return _refuse("invalid_request", "grant_type is missing")
        if form["grant_type"] != GRANT_TYPE:
            return _refuse("unsupported_grant_type", f"the only one there is is {GRANT_TYPE}")
        device_code, client = form.get("device_code", ""), form.get("client_id", "").strip()
        if not device_code or not client:
            return _refuse("invalid_request", "device_code and client_id are needed")
        now = self._clock.now()
        found = await self._pairing.fetch(device_code, client, visitor, now=now)
        if isinstance(found, Answer):
            return _refuse(found.value, _WORDS[found])
        body: dict[str, object] = {
            "access_token": found.text,
            "token_type": "Bearer",
            "scope": found.reach.text,
        }
        if found.key.expires_at is not None:
            body["expires_in"] = (found.key.expires_at - now) // timedelta(seconds=1)
        return _json(body)

    def _find_visitor(self, scope: Scope, headers: RawHeaders) -> Visitor:
        """Who asks, by the connection alone."""
        client = scope.get("client")
        forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
        agent = next((value for name, value in headers if name == b"user-agent"), b"")
        return Visitor(
            address=self._trust.client_address(client[0] if client else "", b",".join(forwarded) or None),
            user_agent=agent.decode("utf-8", "replace"),
            browser=b"",
        )


def _json(body: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(dict(body)), status, dict(headers or {}), "application/json")


def _refuse(error: str, description: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Response:
    # The RFC allows printable ASCII in descriptions, but for quotes and backslashes.
    words = description.encode("ascii", "replace").decode("ascii").translate({0x22: "'", 0x5C: "/"})
    return _json({"error": error, "error_description": words}, status, headers)
