"""`interfaces.Upstream`: one door to all providers, whichever protocol they speak."""

from dataclasses import replace
from datetime import datetime

from doorward.interfaces import Clock, Fetch, Random, Renewed
from doorward.outside.upstream.conversation import Conversation
from doorward.outside.upstream.examination import Examination
from doorward.outside.upstream.github import GitHubAddresses, GitHubSpeaker
from doorward.outside.upstream.knowledge import Knowledge
from doorward.outside.upstream.openid import OpenIdSpeaker
from doorward.rules.oidc import Arrival, Authenticated, Departure, Finding, LogoutToken
from doorward.rules.provider import GOOGLE_ISSUER, Kind, Provider


class UpstreamClient:
    """Passes each question to the one who speaks the provider's protocol.

    `google_discovery` and `github` are where Google and GitHub are, for those who replay them; no setting leads here.
    """

    def __init__(
        self,
        *,
        fetch: Fetch,
        clock: Clock,
        random: Random,
        google_discovery: str = "",
        github: GitHubAddresses | None = None,
    ) -> None:
        conversation = Conversation(fetch, clock, random)
        self._knowledge = Knowledge(conversation, clock)
        self._openid = OpenIdSpeaker(conversation, self._knowledge)
        self._github = GitHubSpeaker(conversation, github or GitHubAddresses())
        self._google_discovery = google_discovery
        self._examination = Examination(conversation, random)

    async def acquaint(self, provider: Provider) -> None:
        """Find out what must be known before anybody can be sent there. GitHub needs no asking."""
        if provider.kind is not Kind.GITHUB:
            await self._knowledge.get_metadata(self._settle(provider))

    async def depart(self, provider: Provider, departure: Departure) -> str:
        """The URL to send the browser to."""
        return await self._speaker(provider).depart(self._settle(provider), departure)

    async def arrive(self, provider: Provider, arrival: Arrival, *, now: datetime) -> Authenticated:
        """Exchange the code and verify everything that came."""
        return await self._speaker(provider).arrive(self._settle(provider), arrival, now=now)

    async def renew(self, provider: Provider, refresh_token: str, *, subject: str, now: datetime) -> Renewed:
        """Use a refresh token. UpstreamError CODE_REFUSED where the provider does not take it (any more)."""
        return await self._speaker(provider).renew(self._settle(provider), refresh_token, subject=subject, now=now)

    async def read_logout_token(self, provider: Provider, token: str, *, now: datetime) -> LogoutToken:
        """Verify a back-channel logout token."""
        return await self._speaker(provider).read_logout_token(self._settle(provider), token, now=now)

    async def find_logout_url(self, provider: Provider, *, id_token: str, return_url: str) -> str | None:
        """Where the browser signs out at the provider and is sent back to `return_url`; None where there is none."""
        if not provider.logout:
            return None
        return await self._speaker(provider).find_logout_url(
            self._settle(provider), id_token=id_token, return_url=return_url
        )

    async def examine(self, provider: Provider, *, public_url: str, now: datetime) -> list[Finding]:
        """Try whatever can be tried without a person. What is remembered of the provider is asked anew after this."""
        settled = self._settle(provider)
        self._knowledge.forget(settled)
        if provider.kind is Kind.GITHUB:
            return await self._github.examine(settled, public_url=public_url, now=now)
        return await self._examination.examine(settled, public_url=public_url, now=now)

    def find_trouble(self, provider: Provider) -> str | None:
        """Why the provider cannot be used just now as far as is known, without asking it; None when nothing is."""
        return self._knowledge.find_trouble(self._settle(provider))

    def _speaker(self, provider: Provider) -> OpenIdSpeaker | GitHubSpeaker:
        return self._github if provider.kind is Kind.GITHUB else self._openid

    def _settle(self, provider: Provider) -> Provider:
        """Google is where it is, whatever the settings say."""
        if provider.kind is Kind.GOOGLE:
            return replace(provider, issuer=GOOGLE_ISSUER, discovery_url=self._google_discovery)
        return provider
