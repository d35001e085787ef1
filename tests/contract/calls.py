"""Calls to a server on loopback, with a resolver that says what a test wants."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address

from doorward.outside.fetch import GuardedFetch
from doorward.rules.outbound import OutboundPolicy, parse_allowance
from tests.fakes.peer import OK, listening

PUBLIC = "93.184.216.34"


class Resolver:
    """Gives each answer once, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, host):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(text) for text in answer]


def make_fetch(*allow, timeout=timedelta(seconds=20), own=(), **others):
    policy = OutboundPolicy(tuple(map(parse_allowance, allow)), insecure_http=True, own_origins=frozenset(own))
    return GuardedFetch(policy, timeout=timeout, **others)


@asynccontextmanager
async def answering(answer=OK, **others):
    """A peer, a way to it that is open, and its address."""
    async with listening(answer) as peer:
        yield peer, make_fetch(f"127.0.0.1:{peer.port}", **others), f"http://127.0.0.1:{peer.port}/token"


async def silence(writer):
    await asyncio.Event().wait()
