"""Addresses that programs know from elsewhere: the same routes under other names."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from pydantic import Field

from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.factors import reads_shown, take_passkey
from doorward.web.api.own_answers import FactorStatus, PasskeyStatus
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import refusals
from doorward.web.visit import Visit

ALIASES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("POST", "/api/v1/account/password"): ("/api/auth/change-password",),
    ("POST", "/api/v1/account/factors/totp"): ("/api/auth/otp/setup", "/api/auth/totp/setup"),
    ("POST", "/api/v1/account/factors/totp/confirm"): ("/api/auth/otp/enable", "/api/auth/totp/enable"),
    ("POST", "/api/v1/account/factors/totp/remove"): ("/api/auth/otp/disable", "/api/auth/totp/disable"),
    ("GET", "/api/v1/account/factors/passkeys"): ("/api/auth/webauthn/credentials",),
    ("POST", "/api/v1/account/factors/passkeys/options"): ("/api/auth/webauthn/setup",),
    ("PATCH", "/api/v1/account/preferences"): ("/api/profile/settings",),
    ("POST", "/api/v1/account/factors/passkeys"): ("/api/auth/webauthn/enable",),
    ("PATCH", "/api/v1/account/factors/passkeys/{passkey_id}"): ("/api/auth/webauthn/credentials/{passkey_id}",),
    ("GET", "/api/v1/backups"): ("/api/backups",),
    ("POST", "/api/v1/backups"): ("/api/backups",),
    ("POST", "/api/v1/backups/{name}/restore"): ("/api/restore/{name}",),
    ("DELETE", "/api/v1/account/factors/passkeys/{passkey_id}"): ("/api/auth/webauthn/credentials/{passkey_id}",),
}
"""Method and address of a route, and what else it is called."""


class DisableAsk(Ask):
    """Which passkey, by its id."""

    passkey: str = Field(max_length=256)


def alias_routes(parts: ApiParts, routers: Iterable[APIRouter]) -> APIRouter:
    """The routes of `routers` once more, under their other names, and those few that only exist under such."""
    router = APIRouter(tags=["aliases"], route_class=StrictRoute)
    read_visit, read_shown = parts.reads_visit(), reads_shown(parts)
    factors = parts.flows.factors

    async def get_totp_status(visit: Annotated[Visit, Depends(read_visit)]) -> FactorStatus:
        """Whether I have an authenticator app."""
        found = await factors.list_of(get_subject(visit).user)
        return FactorStatus(enabled=found.totp is not None, recovery_codes_left=found.unused_codes)

    for path in ("/api/auth/otp/status", "/api/auth/totp/status"):
        router.add_api_route(path, get_totp_status, methods=["GET"], responses=refusals(401))

    @router.get("/api/auth/webauthn/status", responses=refusals(401))
    async def get_passkey_status(visit: Annotated[Visit, Depends(read_visit)]) -> PasskeyStatus:
        """Whether I have passkeys."""
        found = await factors.list_of(get_subject(visit).user)
        return PasskeyStatus(enabled=bool(found.passkeys), credentials=len(found.passkeys))

    @router.post("/api/auth/webauthn/disable", status_code=204, responses=refusals(401, 403, 404, 409))
    async def disable_passkey(ask: DisableAsk, visit: Annotated[Visit, Depends(read_shown)]) -> None:
        """Remove a passkey."""
        await take_passkey(parts, visit, ask.passkey)

    for route in (route for each in routers for route in each.routes if isinstance(route, APIRoute)):
        for method in sorted(route.methods or ()):
            for path in ALIASES.get((method, route.path), ()):
                router.add_api_route(
                    path,
                    route.endpoint,
                    methods=[method],
                    status_code=route.status_code,
                    responses=route.responses,
                    summary=f"The same as {method} {route.path}",
                )
    return router
