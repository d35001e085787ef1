"""Signing out. Always a POST with a token: a link or a picture elsewhere signs nobody out (attack K05)."""

from urllib.parse import urlsplit

from starlette.responses import Response

from doorward.flows.logout import SignOut
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.entering import note_way
from doorward.web.pages.register import register_path
from doorward.web.visit import Visit
from doorward.web.way import Way

_SIGNED_OUT = Words("You are signed out", "Your sign-in has ended, in every app at once.")


class LogoutPage:
    """`/logout` and `/signed-out`."""

    def __init__(self, desk: Desk, sign_out: SignOut) -> None:
        self._desk = desk
        self._sign_out = sign_out

    async def get(self, visit: Visit) -> Response:
        """Ask first. `rd`, where it may be followed, is where a sign-in as somebody else will lead."""
        if visit.subject is None:
            await self._end_former(visit)
            return self._end(visit, visit.query.get("rd"))
        return_to = visit.query.get("rd", "")
        return self._desk.page(visit, "logout.html", rd=return_to if self._desk.vet(return_to) else "", invite="")

    async def post(self, visit: Visit, form: Form) -> Response:
        """End the sign-in, here and at the provider it was made with."""
        onward, invite = "", form.get("invite", "")
        if visit.subject is not None and visit.fingerprint is not None:
            self._desk.check_form(visit, form, page=register_path(invite, "") if invite else "/logout")
            onward = (await self._sign_out.sign_out(visit.fingerprint, visit.visitor, now=visit.now)).onward
            leave(self._desk, visit)
        else:
            await self._end_former(visit)
        return self._end(visit, form.get("rd"), onward=onward, invite=invite)

    async def get_signed_out(self, visit: Visit) -> Response:
        """Say that it is done."""
        if visit.subject is not None:
            return self._desk.redirect(visit, "/")
        again = Link("Sign in again", login_path(None, asking="choose"))
        return self._desk.message(visit, _SIGNED_OUT, actions=[again], reference=False)

    async def _end_former(self, visit: Visit) -> None:
        """End the session whose cookie is about to be dropped, where a proxy names somebody else than its owner."""
        # SECURITY: nobody confirms it with a token, for whose session it is does not sit there any more. Every app is
        # sent the session cookie; so only who has its companion, too, ends it. tests/unit/test_asserted.py would fail.
        if visit.asserted and visit.accompanied and visit.fingerprint is not None:
            await self._sign_out.sign_out(visit.fingerprint, visit.visitor, now=visit.now)

    def _end(self, visit: Visit, return_to: str | None, *, onward: str = "", invite: str = "") -> Response:
        # SECURITY: a form on another site is sent without our cookie (SameSite), and the browser would obey an answer
        # that deletes it: so only who showed one is told to drop it (K05). tests/unit/test_people_pages.py would fail.
        if visit.fingerprint is not None or visit.torn:
            visit.cookies_out += self._desk.cookies.end_session()
            visit.cookies_out += self._desk.cookies.end_trail()
        if invite:
            # They are not leaving, only making another account. The way over a provider would not lead back to it.
            return self._desk.redirect(visit, register_path(invite, ""))
        if onward:
            # Where they go next is asked for there; the provider leads back to `/signed-out` and nowhere else.
            name = urlsplit(onward).hostname or "the provider"
            return self._desk.lead_out(visit, onward, title="You are signed out here", name=name)
        target = self._desk.vet(return_to)
        return self._desk.redirect(visit, login_path(target, asking="choose") if target else "/signed-out")


def leave(desk: Desk, visit: Visit) -> None:
    """See to it that nobody is signed in again unasked (`web/way.py`)."""
    note_way(desk, visit, Way.read(visit.way).leave())
