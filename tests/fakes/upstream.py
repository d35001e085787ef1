"""Providers that answer as they are told, and hold still in the middle of it so that something else can happen."""

import asyncio
from collections import deque
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from doorward.flows.outcome import UpstreamRefused
from doorward.interfaces import Renewed
from doorward.rules.oidc import Authenticated, Failure, Finding, Health, UpstreamError
from doorward.rules.provider import Kind, Provider, ProviderId

ISSUER = "https://id.example.test"


def a_provider(provider_id="idp", **changes):
    """A provider that lets everybody in and knows nobody."""
    values = {
        "kind": Kind.OIDC,
        "name": provider_id.title(),
        "issuer": ISSUER,
        "client_id": "doorward",
        "client_secret": "s3cret",
        "auto_provision": True,
        **changes,
    }
    return Provider(id=ProviderId(provider_id), **values)


def somebody(subject="sub-alice", **changes):
    """What a provider has proven about Alice, unless told otherwise."""
    values = {
        "issuer": ISSUER,
        "email": "alice@example.test",
        "email_verified": True,
        "name": "Alice Liddell",
        "user_name": "alice",
        "id_token": f"id-token-of-{subject}",
        "refresh_token": f"refresh-token-of-{subject}",
        **changes,
    }
    claims = {"email": values["email"], "email_verified": values["email_verified"], **changes.get("claims", {})}
    return Authenticated(subject=subject, **{**values, "claims": claims})


class FakeUpstream:
    """`interfaces.Upstream`. A code is good once, and only with the nonce and the verifier of its departure.

    `meanwhile` are coroutine functions, one for each call that follows: each runs after the provider has answered and
    before we hear of it. `failing` are providers that are down, `renewals` what the next refreshes come to.
    """

    def __init__(self):
        self.departures = {}
        self.arrivals = []
        self.renewed = []
        self.failing = {}
        self.meanwhile = deque()
        self.renewals = deque()
        self.logout_tokens = {}
        self.logout_urls = {}
        self.findings = None
        self._codes = {}

    # What a test tells it

    def grant(self, url, answer):
        """Somebody has signed in at the provider that `url` led to: the code and state they are sent back with."""
        state = state_of(url)
        code = f"code-{len(self._codes)}"
        self._codes[code] = (state, answer)
        return state, code

    # What it is asked

    async def depart(self, provider, departure):
        self._check(provider)
        self.departures[departure.state] = departure
        await asyncio.sleep(0)
        return f"{provider.issuer}/authorize?client_id={provider.client_id}&state={departure.state}"

    async def arrive(self, provider, arrival, *, now):
        self._check(provider)
        self.arrivals.append(arrival)
        await asyncio.sleep(0)
        state, answer = self._codes.pop(arrival.code, ("", None))
        departure = self.departures.get(state)
        if departure is None or (departure.nonce, departure.verifier) != (arrival.nonce, arrival.verifier):
            raise UpstreamError(Failure.CODE_REFUSED, "invalid_grant: the code is not known")
        if departure.redirect_uri != arrival.redirect_uri or departure.max_age != arrival.max_age:
            raise UpstreamError(Failure.CODE_REFUSED, "invalid_grant: not what the browser was sent with")
        if self.meanwhile:
            await self.meanwhile.popleft()()
        if isinstance(answer, UpstreamError):
            raise answer
        if arrival.max_age is not None:
            too_old = arrival.began_at - arrival.max_age - timedelta(seconds=60)
            if answer.auth_time is None or answer.auth_time < too_old:
                raise UpstreamError(Failure.NOT_FRESH, "auth_time is missing or too long ago")
        return replace(answer, issuer=provider.issuer)

    async def renew(self, provider, refresh_token, *, subject, now):
        self._check(provider)
        self.renewed.append((provider.id, refresh_token, subject))
        await asyncio.sleep(0)
        if self.meanwhile:
            await self.meanwhile.popleft()()
        answer = self.renewals.popleft() if self.renewals else Renewed("", None)
        if isinstance(answer, UpstreamError):
            raise answer
        return answer

    async def read_logout_token(self, provider, token, *, now):
        self._check(provider)
        await asyncio.sleep(0)
        if token not in self.logout_tokens:
            raise UpstreamError(Failure.TOKEN, "the signature does not fit")
        return self.logout_tokens[token]

    async def find_logout_url(self, provider, *, id_token, return_url):
        self._check(provider)
        await asyncio.sleep(0)
        return self.logout_urls.get(provider.id)

    async def examine(self, provider, *, public_url, now):
        if self.findings is not None:
            return self.findings
        trouble = self.find_trouble(provider)
        return [Finding("Discovery", Health.BAD if trouble else Health.GOOD, trouble or "It answers.")]

    async def acquaint(self, provider):
        self._check(provider)

    def find_trouble(self, provider):
        failing = self.failing.get(provider.id)
        return None if failing is None else str(failing)

    def _check(self, provider):
        if provider.id in self.failing:
            raise self.failing[provider.id]


def state_of(url):
    """The state that an authorization request carries."""
    (state,) = parse_qs(urlsplit(url).query)["state"]
    return state


def failure_of(outcome):
    """Why a round trip came to nothing; it must have."""
    assert isinstance(outcome, UpstreamRefused), outcome
    return outcome.failure
