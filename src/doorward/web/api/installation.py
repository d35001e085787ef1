"""What a program may ask about this installation, and the CSRF token it needs for anything else."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from doorward.web.api.answers import ClientIp, CsrfToken, Mode, Registration, describe_ways
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import refusals
from doorward.web.visit import Visit


def installation_routes(parts: ApiParts) -> APIRouter:
    """`/api/auth/…` and `/api/diagnostics/…`."""
    router = APIRouter(tags=["installation"])
    read_visit = parts.reads_visit()

    @router.get("/api/auth/csrf-token")
    async def get_csrf_token(visit: Annotated[Visit, Depends(read_visit)], response: Response) -> CsrfToken:
        """The token that unsafe requests must carry, and its cookie; also before anybody is signed in (C-07)."""
        if not visit.binding:
            parts.know_browser(visit)
        token = parts.give_token(visit)
        response.raw_headers.extend(visit.cookies_out)
        return CsrfToken(csrf_token=token)

    @router.get("/api/auth/mode")
    async def get_mode() -> Mode:
        """How people sign in here, as it stands at this moment."""
        asserted = parts.reader.asserted is not None
        return describe_ways(await parts.flows.ways.find(), asserted=asserted, remember_me=parts.remember_me)

    @router.get("/api/auth/registration-available")
    async def get_registration() -> Registration:
        """Who can make an account, at the page `/register`; and whether the first one is still to be made."""
        found = await parts.flows.registration.describe()
        return Registration(
            available=found.open,
            invited=found.mode.takes_invited,
            mode=found.mode.value,
            asks_email=found.asks_email,
            approval=found.approval,
            setup_required=not await parts.flows.setup.is_set_up(),
        )

    @router.get("/api/diagnostics/client-ip", responses=refusals(401))
    async def get_client_ip(request: Request, visit: Annotated[Visit, Depends(read_visit)]) -> ClientIp:
        """Which address we take for yours, and why; for whoever is signed in, since it shows our proxies."""
        get_subject(visit)
        client = request.scope.get("client")
        peer = client[0] if client else ""
        address = visit.visitor.address
        forwarded = [value for name, value in visit.headers if name == b"x-forwarded-for"]
        return ClientIp(
            client=str(address) if address else None,
            peer=peer or "unix",
            peer_trusted=parts.reader.trust.trusts(peer),
            forwarded_for=b", ".join(forwarded).decode("latin-1") if forwarded else None,
        )

    return router
