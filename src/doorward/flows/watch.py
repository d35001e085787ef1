"""Keeping an eye on the providers: the log says which does not answer, and when it does again.

Nobody waits for this. It runs from the start on, so that whoever wants to sign in finds a provider that was asked
already, and a provider that was down when the gateway started is noticed when it is back.
"""

import asyncio
from datetime import datetime
from typing import Final

from doorward.flows.ways import Ways
from doorward.interfaces import Log, Upstream
from doorward.rules.oidc import UpstreamError
from doorward.rules.provider import Provider, ProviderId

AT_ONCE: Final = 4
"""Providers asked at the same time."""


class Watch:
    """Asks the enabled providers what must be known of them. How often they are really asked is `Upstream`'s business.

    Each change is said once.
    """

    def __init__(self, *, ways: Ways, upstream: Upstream, log: Log) -> None:
        self._ways = ways
        self._upstream = upstream
        self._log = log
        self._troubles: dict[ProviderId, str] = {}

    async def look(self, _now: datetime) -> None:
        """Look at all of them once."""
        providers = [provider for provider in await self._ways.list_all() if provider.enabled]
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(provider: Provider) -> tuple[Provider, str]:
            async with room:
                try:
                    await self._upstream.acquaint(provider)
                except UpstreamError as error:
                    return provider, str(error)
                return provider, ""

        answers = await asyncio.gather(*(ask(provider) for provider in providers))
        self._tell(answers)

    def _tell(self, answers: list[tuple[Provider, str]]) -> None:
        before, self._troubles = self._troubles, {provider.id: trouble for provider, trouble in answers if trouble}
        for provider, trouble in answers:
            if trouble and not before.get(provider.id):
                self._log.warning("provider_trouble", provider=provider.id, issuer=provider.issuer, trouble=trouble)
            elif not trouble and before.get(provider.id):
                self._log.info("provider_recovered", provider=provider.id, issuer=provider.issuer)
