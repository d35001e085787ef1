"""Sessions as a program sees them: listed and ended by handle (C-35 to C-41)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from doorward.errors import NotFoundError
from doorward.flows.admin import actor_of
from doorward.rules.session import SessionHandle
from doorward.web.api.answers import SessionSummary, describe
from doorward.web.api.own_sessions import sign_out_here
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import refusals
from doorward.web.visit import Visit

_MOST_SESSIONS = 500


def session_routes(parts: ApiParts) -> APIRouter:
    """`/api/sessions/…`."""
    router = APIRouter(tags=["sessions"])
    read_visit, read_act = parts.reads_visit(), parts.reads_act()

    @router.get("/api/sessions/list", responses=refusals(401, 403))
    async def list_sessions(
        visit: Annotated[Visit, Depends(read_visit)],
        all_accounts: Annotated[bool, Query(alias="all", description="Everybody's, for administrators.")] = False,
        limit: Annotated[int, Query(ge=1, le=_MOST_SESSIONS)] = 200,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, SessionSummary]:
        """Live sessions by handle, last seen first: one's own, or everybody's (C-36)."""
        subject = get_subject(visit)
        here = subject.session.handle
        if not all_accounts:
            own = await parts.flows.account.list_sessions(subject, now=visit.now)
            chosen = [(session, subject.user) for session in own[offset : offset + limit]]
        else:
            actor = actor_of(subject, visit.visitor)
            chosen = await parts.flows.administration.list_sessions(actor, now=visit.now, limit=limit, offset=offset)
        return {session.handle: describe(session, user, current=session.handle == here) for session, user in chosen}

    @router.delete("/api/sessions/session/{handle}", status_code=204, responses=refusals(401, 403, 404, 429))
    async def end_session(handle: str, visit: Annotated[Visit, Depends(read_act)], response: Response) -> None:
        """End a session at once: by handle, or `current` for this one (C-40). Needs the CSRF token.

        Somebody else's is 404, but for administrators.
        """
        subject = get_subject(visit)
        named = SessionHandle(handle)
        if handle in {"current", subject.session.handle}:
            ended = await sign_out_here(parts, visit, response)
        elif subject.user.administers:
            actor = actor_of(subject, visit.visitor)
            await parts.count_act(visit)
            ended = await parts.flows.administration.end_session(actor, named, now=visit.now)
        else:
            ended = await parts.flows.account.end_session(subject, named, visit.visitor, now=visit.now)
        if not ended:
            raise NotFoundError("no such session")

    return router
