"""One's own sessions: where I am signed in, ending that, and "that was not me"."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from doorward.errors import NotFoundError
from doorward.rules.session import SessionHandle
from doorward.web.api.own_answers import OwnSession, OwnSessions, SessionsEnded, tell_session
from doorward.web.api.parts import ApiParts, get_subject
from doorward.web.api.problems import refusals
from doorward.web.visit import Visit
from doorward.web.way import Way

_SESSIONS = "/api/v1/account/sessions"
_CURRENT = "current"


def own_session_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/account/sessions…`. A handle may always be `current`, for the session that asks."""
    router = APIRouter(tags=["sessions"])
    read_visit, read_act = parts.reads_visit(), parts.reads_act()
    flows = parts.flows

    async def list_all(visit: Visit) -> list[OwnSession]:
        subject = get_subject(visit)
        here = subject.session.handle
        own = await flows.account.list_sessions(subject, now=visit.now)
        return [tell_session(session, current=session.handle == here) for session in own]

    @router.get(_SESSIONS, responses=refusals(401))
    async def list_own_sessions(visit: Annotated[Visit, Depends(read_visit)]) -> OwnSessions:
        """Where I am signed in (C-36)."""
        return OwnSessions(sessions=tuple(await list_all(visit)))

    @router.get(f"{_SESSIONS}/{{handle}}", responses=refusals(401, 404))
    async def get_own_session(handle: str, visit: Annotated[Visit, Depends(read_visit)]) -> OwnSession:
        """One of them. Somebody else's is 404, like none."""
        for session in await list_all(visit):
            if session.handle == handle or (session.current and handle == _CURRENT):
                return session
        raise NotFoundError("no such session")

    @router.delete(f"{_SESSIONS}/{{handle}}", status_code=204, responses=refusals(401, 403, 404))
    async def end_own_session(handle: str, visit: Annotated[Visit, Depends(read_act)], response: Response) -> None:
        """End one at once. For administrators, too, only their own: the others are elsewhere."""
        subject = get_subject(visit)
        if handle in {_CURRENT, subject.session.handle}:
            ended = await sign_out_here(parts, visit, response)
        else:
            named = SessionHandle(handle)
            ended = await flows.account.end_session(subject, named, visit.visitor, now=visit.now)
        if not ended:
            raise NotFoundError("no such session")

    @router.post(f"{_SESSIONS}/end-others", responses=refusals(401, 403))
    async def end_other_sessions(visit: Annotated[Visit, Depends(read_act)]) -> SessionsEnded:
        """End all but this one (J03)."""
        ended = await flows.account.end_other_sessions(get_subject(visit), visit.visitor, now=visit.now)
        return SessionsEnded(ended=ended)

    @router.post(f"{_SESSIONS}/{{handle}}/disown", status_code=204, responses=refusals(401, 403, 404))
    async def disown(handle: str, visit: Annotated[Visit, Depends(read_act)], response: Response) -> None:
        """That was not me: every session ends, this one too, and the next sign-in asks for a new password.

        It may have ended before. No proof is asked for, since every minute counts.
        """
        subject = get_subject(visit)
        named = subject.session.handle if handle == _CURRENT else SessionHandle(handle)
        await flows.own_record.disown(subject, named, visit.visitor, now=visit.now)
        end_here(parts, visit, response)

    return router


async def sign_out_here(parts: ApiParts, visit: Visit, response: Response) -> bool:
    """End the session that asks. False where something else was faster."""
    fingerprint = get_subject(visit).session.fingerprint
    signed_out = await parts.flows.sign_out.sign_out(fingerprint, visit.visitor, now=visit.now)
    end_here(parts, visit, response)
    return signed_out.ended


def end_here(parts: ApiParts, visit: Visit, response: Response) -> None:
    """Take the session from the browser, and see to it that nobody is signed in again unasked (`web/way.py`)."""
    way = Way.read(visit.way).leave()
    response.raw_headers += [*parts.cookies.end_session(), *parts.cookies.end_trail(), *parts.cookies.set_way(way.text)]
