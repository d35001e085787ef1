"""Requests to a provider and how their answers are judged.

Nothing is remembered here, and no answer is ever shown beyond the `error` and `error_description` of OAuth (O12).
"""

import base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from doorward.errors import InputError, PeerError
from doorward.interfaces import Clock, Fetch, Fetched, Random
from doorward.outside.upstream.signatures import make_assertion
from doorward.rules.authorization import TokenAnswer, find_words, judge_refusal, make_basic, read_token_answer
from doorward.rules.discovery import Metadata, choose_client_auth
from doorward.rules.jose import encode
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import ClientAuth, Provider
from doorward.rules.strict_json import parse_object

MOST_ANSWER: Final = 256 * 1024
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SUCCESS: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_SECRET_FIELDS: Final = (
    "client_secret",
    "client_assertion",
    "code",
    "code_verifier",
    "refresh_token",
    "state",
    "nonce",
)


class Conversation:
    """Asks, and turns whatever goes wrong into an UpstreamError for the operator."""

    def __init__(self, fetch: Fetch, clock: Clock, random: Random) -> None:
        self._fetch = fetch
        self._clock = clock
        self._random = random

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Fetched:
        """Ask for `url`. UpstreamError UNREACHABLE where no answer comes, whatever the answer otherwise."""
        return await self._ask("GET", url, {"accept": "application/json", **(headers or {})}, b"")

    async def post(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> Fetched:
        """Send a form to `url`. UpstreamError UNREACHABLE where no answer comes, whatever the answer otherwise."""
        sent = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            **(headers or {}),
        }
        return await self._ask("POST", url, sent, urlencode(form).encode("ascii"))

    async def post_as_client(
        self, provider: Provider, metadata: Metadata, url: str, form: Mapping[str, str]
    ) -> tuple[Fetched, Mapping[str, str]]:
        """Send a form with the proof of who we are; the answer, and what was sent, for its secrets (`take_object`)."""
        sent, headers = {**form}, {}
        match choose_client_auth(provider, metadata):
            case ClientAuth.BASIC:
                pair = make_basic(provider.client_id, provider.client_secret)
                headers["authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
            case ClientAuth.POST:
                sent |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
            case ClientAuth.PRIVATE_KEY:
                assertion = make_assertion(
                    provider,
                    # The issuer, and it alone: an endpoint's address may be one that a lying provider shares.
                    audience=metadata.issuer,
                    announced=metadata.assertion_algorithms,
                    jti=encode(self._random.token(16)),
                    now=self._clock.now(),
                )
                sent |= {
                    "client_id": provider.client_id,
                    "client_assertion_type": _ASSERTION_TYPE,
                    "client_assertion": assertion,
                }
            case ClientAuth.NONE:
                sent["client_id"] = provider.client_id
        return await self.post(url, sent, headers=headers), {**sent, "client_secret": provider.client_secret}

    async def ask_tokens(self, provider: Provider, metadata: Metadata, form: Mapping[str, str]) -> TokenAnswer:
        """Ask the token endpoint. UpstreamError with what it says where it refuses."""
        answer, sent = await self.post_as_client(provider, metadata, metadata.token_endpoint, form)
        return read_token_answer(take_object(answer, "token endpoint", sent))

    async def push_request(self, provider: Provider, metadata: Metadata, form: Mapping[str, str]) -> str:
        """Push an authorization request (RFC 9126); the `request_uri` to send the browser with."""
        answer, sent = await self.post_as_client(provider, metadata, metadata.par_endpoint, form)
        uri = take_object(answer, "pushed authorization request endpoint", sent).get("request_uri")
        if not isinstance(uri, str) or not uri.isascii() or not uri.isprintable() or " " in uri or not uri:
            raise UpstreamError(Failure.DISCOVERY, "it took the pushed request and named nothing to go on with")
        return uri

    async def ask_userinfo(self, metadata: Metadata, access_token: str) -> Mapping[str, Any]:
        """Ask the userinfo endpoint; JSON only."""
        answer = await self.get(metadata.userinfo_endpoint, headers={"authorization": f"Bearer {access_token}"})
        if answer.headers.get("content-type", "").lower().startswith("application/jwt"):
            raise UpstreamError(
                Failure.DISCOVERY, "its userinfo is signed, which is not understood here: set it to plain JSON there"
            )
        return take_object(answer, "userinfo endpoint", {"token": access_token})

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        try:
            return await self._fetch(method, url, headers=headers, body=body, limit=MOST_ANSWER)
        except PeerError as error:
            raise UpstreamError(Failure.UNREACHABLE, str(error)) from error


def take_object(answer: Fetched, who: str, sent: Mapping[str, str]) -> Mapping[str, Any]:
    """The JSON object of a success. UpstreamError otherwise, with the provider's words and nothing secret of `sent`."""
    if answer.status not in _SUCCESS:
        words = find_words(answer.body, list_secrets(sent))
        said = f": {words.text}" if words else ""
        where = " (redirects are not followed)" if answer.status in _REDIRECTS else ""
        raise UpstreamError(judge_refusal(answer.status, words), f"its {who} answered {answer.status}{where}{said}")
    try:
        return parse_object(answer.body)
    except InputError as error:
        raise UpstreamError(Failure.TOKEN, f"its {who} answered with something unreadable: {error}") from None


def list_secrets(sent: Mapping[str, str]) -> list[str]:
    """What of a request nobody is to read, should the provider repeat it."""
    return [value for name, value in sent.items() if name in {*_SECRET_FIELDS, "token"} and value]
