"""The secrets we show apps, for administrators: set and removed, never told."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from doorward.rules.app_header import MAX_SECRET
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LOOKS

_SECRETS = "/api/v1/app-secrets"


class SecretWish(Ask):
    """A password or token, on one line."""

    secret: str = Field(min_length=1, max_length=MAX_SECRET)


class KnownSecret(Answer):
    """A secret without its value. `changed_at`: null where the configuration names it and there is none.

    `apps`: who is shown it; while it is missing, they let nobody in.
    """

    name: str
    changed_at: datetime | None
    apps: tuple[str, ...]


class KnownSecrets(Answer):
    """All there are, and all that the configuration names."""

    secrets: tuple[KnownSecret, ...]


def app_secret_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/app-secrets` and what is under it."""
    router = APIRouter(tags=["app secrets"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    flow = parts.flows.app_secrets

    @router.get(_SECRETS, responses=LOOKS)
    async def list_app_secrets(admin: Annotated[Administrator, Depends(looks)]) -> KnownSecrets:
        """Which there are, which are missing, and to whom they are shown."""
        found = await flow.look(admin.actor)
        return KnownSecrets(
            secrets=tuple(KnownSecret(name=each.name, changed_at=each.changed_at, apps=each.apps) for each in found)
        )

    @router.put(f"{_SECRETS}/{{name}}", responses=ACTS, status_code=204)
    async def set_app_secret(name: str, ask: SecretWish, admin: Annotated[Administrator, Depends(acts)]) -> Response:
        """Set one, in place of any of this name. It is shown from the next request on."""
        await flow.put(admin.actor, name, ask.secret, now=admin.visit.now)
        return Response(status_code=204)

    @router.delete(f"{_SECRETS}/{{name}}", responses=ACTS, status_code=204)
    async def remove_app_secret(name: str, admin: Annotated[Administrator, Depends(acts)]) -> Response:
        """Forget one. 409 while the configuration shows it to an app."""
        await flow.remove(admin.actor, name, now=admin.visit.now)
        return Response(status_code=204)

    return router
