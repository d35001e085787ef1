"""Letting somebody in, and leading on to what a sign-in asks for next; the same from every page that does."""

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.flows.outcome import SignedIn, Started
from doorward.rules.login import Failure, Step
from doorward.rules.policy import Policy
from doorward.web.pages.apps import tile_of
from doorward.web.pages.desk import Desk, login_path
from doorward.web.pages.loop import follow
from doorward.web.visit import Visit
from doorward.web.way import Way

STATUS_OF: Final = {
    # RFC 9110: 403 is for credentials that are insufficient; a 401 would have to name a scheme browsers then ask for.
    Failure.WRONG: 403,
    Failure.LOCKED: 429,
    Failure.THROTTLED: 429,
    Failure.TICKET_GONE: 409,
    Failure.PASSWORDS_CLOSED: 403,
    Failure.WRONG_CODE: 403,
    Failure.WRONG_PASSKEY: 403,
    Failure.PASSKEY_COPIED: 403,
    Failure.NOBODY: 403,
    Failure.AWAITS_APPROVAL: 403,
    Failure.FACTORS_LOST: 403,
    Failure.UPSTREAM_GONE: 409,
    Failure.ENROLMENT_DUE: 409,
    Failure.FACTOR_NEEDED: 409,
    Failure.PASSKEY_KNOWN: 409,
    Failure.TOO_MANY_PASSKEYS: 409,
    Failure.LOCKDOWN: 409,
}
"""The HTTP status of a refusal."""

STEP_PATHS: Final = {
    Step.SECOND_PROOF: "/login/factor",
    Step.NEW_PASSWORD: "/login/new-password",
    Step.ENROL: "/login/enrol",
    Step.RECOVERY_CODES: "/login/codes",
}


def step_path(started: Started) -> str:
    """The address of the page for the step a sign-in is at."""
    path = STEP_PATHS.get(started.step)
    return f"{path}?ticket={quote(started.token, safe='')}" if path else login_path(started.return_url)


def enter(desk: Desk, visit: Visit, signed_in: SignedIn, policy: Policy, *, refused: bool = False) -> Response:
    """Let somebody in who has proven all that was asked. `refused`: whether the way back was."""
    if visit.subject is None:
        note_way(desk, visit, Way())
    tile = tile_of(policy, signed_in.return_url)
    return welcome(desk, visit, signed_in, refused=refused, app=tile.name if tile else "")


def welcome(desk: Desk, visit: Visit, signed_in: SignedIn, *, refused: bool = False, app: str = "") -> Response:
    """Give a browser its new sign-in and send it on; `app`: the name of what it goes to."""
    session = signed_in.session
    outlives = session.remembered or desk.cookies.persistent
    visit.cookies_out += desk.cookies.set_session(
        signed_in.cookie, expires_at=session.expires_at if outlives else None, now=visit.now
    )
    visit.cookies_out += desk.cookies.set_device(signed_in.device)
    if not signed_in.return_url:
        return desk.redirect(visit, "/?return=refused" if refused else "/")
    visit.cookies_out += desk.cookies.set_trail(follow(None, signed_in.return_url, visit.now).text)
    return desk.lead_on(visit, signed_in.return_url, app=app)


def note_way(desk: Desk, visit: Visit, way: Way) -> None:
    """Have the browser remember how somebody signed in, or that they signed out."""
    if way.text != visit.way:
        visit.cookies_out += desk.cookies.set_way(way.text)
