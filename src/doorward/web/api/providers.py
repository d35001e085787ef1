"""The providers, for administrators: which there are, whether they work, on and off. New ones are the console's."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from doorward.rules.provider import ProviderId
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.house_answers import (
    KnownProviders,
    ProviderFindings,
    tell_findings,
    tell_providers,
)
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.problems import UNPROCESSABLE, refusals
from doorward.web.api.users import ACTS, LOOKS

_PROVIDERS: Final = "/api/v1/providers"
_PROVIDER: Final = f"{_PROVIDERS}/{{provider}}"


class ProviderSwitch(Ask):
    """Whether people can sign in with it."""

    enabled: bool


def provider_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/providers` and what is under it."""
    router = APIRouter(tags=["providers"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    providers = parts.flows.providers

    @router.get(_PROVIDERS, responses=LOOKS)
    async def list_providers(admin: Annotated[Administrator, Depends(looks)]) -> KnownProviders:
        """All providers, with what is wrong with each."""
        return tell_providers(await providers.list(admin.actor))

    @router.patch(_PROVIDER, responses=refusals(401, 403, 404, 409, UNPROCESSABLE, 429))
    async def switch_provider(
        provider: str, ask: ProviderSwitch, admin: Annotated[Administrator, Depends(acts)]
    ) -> KnownProviders:
        """Enable or disable a provider of the console. Disabled, what it granted is taken back, and sign-ins end."""
        await providers.set_enabled(admin.actor, ProviderId(provider), ask.enabled, now=admin.visit.now)
        return tell_providers(await providers.list(admin.actor))

    @router.delete(_PROVIDER, status_code=204, responses=ACTS)
    async def remove_provider(provider: str, admin: Annotated[Administrator, Depends(acts)]) -> None:
        """Remove a provider of the console. What it granted is taken back; the accounts stay."""
        await providers.remove(admin.actor, ProviderId(provider), now=admin.visit.now)

    @router.post(f"{_PROVIDER}/test", responses=ACTS)
    async def test_provider(provider: str, admin: Annotated[Administrator, Depends(acts)]) -> ProviderFindings:
        """Try whatever can be tried without a person."""
        return tell_findings(await providers.test(admin.actor, ProviderId(provider), now=admin.visit.now))

    return router
