"""Everybody's sessions, for administrators (C-36)."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from doorward.errors import NotFoundError
from doorward.rules.session import SessionHandle
from doorward.web.api.own_sessions import sign_out_here
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.people_answers import AccountSessions, tell_session
from doorward.web.api.problems import refusals
from doorward.web.api.users import LOOKS, MOST

_SESSIONS: Final = "/api/v1/sessions"


def everybody_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/sessions` and what is under it."""
    router = APIRouter(tags=["sessions"])
    looks, ends = parts.reads_administrator(), parts.reads_ending()
    people = parts.flows.administration

    @router.get(_SESSIONS, responses=LOOKS)
    async def list_all_sessions(
        admin: Annotated[Administrator, Depends(looks)],
        limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
        offset: Annotated[int, Query(ge=0, le=1_000_000, description="Counts sessions that are over, too.")] = 0,
    ) -> AccountSessions:
        """Everybody's live sessions."""
        found = await people.list_sessions(admin.actor, now=admin.visit.now, limit=limit, offset=offset)
        here = admin.handle
        return AccountSessions(
            sessions=tuple(tell_session(each, user, current=each.handle == here) for each, user in found)
        )

    @router.delete(f"{_SESSIONS}/{{handle}}", status_code=204, responses=refusals(401, 403, 404, 429))
    async def end_any_session(handle: str, admin: Annotated[Administrator, Depends(ends)], response: Response) -> None:
        """End anybody's session at once. No proof is asked for, since every minute counts."""
        if handle == admin.handle:
            ended = await sign_out_here(parts, admin.visit, response)
        else:
            ended = await people.end_session(admin.actor, SessionHandle(handle), now=admin.visit.now)
        if not ended:
            raise NotFoundError("no such session")

    return router
