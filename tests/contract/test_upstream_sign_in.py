"""Signing in at an OpenID provider, over real connections on loopback."""

from ipaddress import ip_network

from doorward.outside.fetch import GuardedFetch
from doorward.outside.upstream.client import UpstreamClient
from doorward.rules.oidc import Arrival, Departure
from doorward.rules.outbound import Allowance, OutboundPolicy
from tests.fakes.provider import REDIRECT_URI, FakeProvider
from tests.fakes.system import FakeClock, FakeRandom


async def test_a_code_becomes_somebody() -> None:
    clock = FakeClock()
    async with FakeProvider(clock) as provider:
        port = int(provider.url.rpartition(":")[2])
        policy = OutboundPolicy(
            allowances=(Allowance(network=ip_network("127.0.0.0/8"), port=port),), insecure_http=True
        )
        client = UpstreamClient(fetch=GuardedFetch(policy), clock=clock, random=FakeRandom())
        departure = Departure(redirect_uri=REDIRECT_URI, state="s" * 43, nonce="n" * 43, verifier="v" * 43)
        settings = provider.settings()
        back = await provider.authorize(await client.depart(settings, departure))
        arrival = Arrival(
            redirect_uri=REDIRECT_URI,
            code=back["code"],
            nonce="n" * 43,
            verifier="v" * 43,
            issuer=back["iss"],
            began_at=clock.now(),
        )
        who = await client.arrive(settings, arrival, now=clock.now())
    assert who.subject == "alice-1"
