"""Our client and a provider on loopback, talking through the guarded way out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from doorward.outside.fetch import GuardedFetch
from doorward.outside.upstream.client import UpstreamClient
from doorward.outside.upstream.github import GitHubAddresses
from doorward.rules.oidc import Arrival, Authenticated, Departure
from doorward.rules.outbound import Allowance, OutboundPolicy
from doorward.rules.provider import Provider
from tests.fakes.provider import REDIRECT_URI, FakeProvider
from tests.fakes.system import FakeClock, FakeRandom

PUBLIC_URL = "https://auth.example.com"


@dataclass(slots=True)
class Parley:
    provider: FakeProvider
    client: UpstreamClient
    clock: FakeClock
    _drawn: FakeRandom = field(default_factory=lambda: FakeRandom("parley"))

    def depart(self, **changes: Any) -> Departure:
        """A request of somebody's."""
        given: dict[str, Any] = {name: self._drawn.token(32).hex() for name in ("state", "nonce", "verifier")}
        return Departure(**{"redirect_uri": REDIRECT_URI} | given | changes)

    async def go(self, settings: Provider, departure: Departure) -> dict[str, str]:
        """There and back as the browser goes."""
        return await self.provider.authorize(await self.client.depart(settings, departure))

    def arrive(self, departure: Departure, back: dict[str, str], **changes: Any) -> Arrival:
        """What came back, with what we remember."""
        given: dict[str, Any] = {
            "redirect_uri": departure.redirect_uri,
            "code": back["code"],
            "nonce": departure.nonce,
            "verifier": departure.verifier,
            "issuer": back.get("iss"),
            "max_age": departure.max_age,
            "began_at": self.clock.now(),
        }
        return Arrival(**given | changes)

    async def sign_in(self, settings: Provider | None = None, **changes: Any) -> Authenticated:
        """The whole round trip; `changes` are of the request."""
        chosen = settings or self.provider.settings()
        departure = self.depart(**changes)
        back = await self.go(chosen, departure)
        return await self.client.arrive(chosen, self.arrive(departure, back), now=self.clock.now())


@asynccontextmanager
async def parley(key: str = "RS256", *, google: bool = False) -> AsyncIterator[Parley]:
    """A provider that signs with `key`; with `google` it is where Google is."""
    clock = FakeClock()
    async with FakeProvider(clock, key=key) as provider:
        discovery = f"{provider.url}/.well-known/openid-configuration" if google else ""
        yield Parley(provider, make_client(clock, provider.url, google_discovery=discovery), clock)


def make_client(
    clock: FakeClock,
    url: str,
    *,
    google_discovery: str = "",
    github: GitHubAddresses | None = None,
    timeout: float = 10,
) -> UpstreamClient:
    """Our client, to whom loopback is open at the port of `url` alone."""
    allowance = Allowance(network=ip_network("127.0.0.0/8"), port=urlsplit(url).port)
    policy = OutboundPolicy(allowances=(allowance,), insecure_http=True)
    fetch = GuardedFetch(policy, timeout=timedelta(seconds=timeout))
    return UpstreamClient(
        fetch=fetch, clock=clock, random=FakeRandom(), google_discovery=google_discovery, github=github
    )


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address, each of which is there once."""
    pairs = parse_qsl(urlsplit(url).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
