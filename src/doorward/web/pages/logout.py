"""Signing out. Always a POST with a token: a link or a picture elsewhere signs nobody out (attack K05)."""

from starlette.responses import Response

from doorward.flows.logout import SignOut
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.visit import Visit

_SIGNED_OUT = Words("You are signed out", "Your sign-in has ended, in every app at once.")


class LogoutPage:
    """`/logout` and `/signed-out`."""

    def __init__(self, desk: Desk, sign_out: SignOut) -> None:
        self._desk = desk
        self._sign_out = sign_out

    async def get(self, visit: Visit) -> Response:
        """Ask first. `rd`, where it may be followed, is where a sign-in as somebody else will lead."""
        if visit.subject is None:
            return self._end(visit, visit.query.get("rd"))
        return_to = visit.query.get("rd", "")
        return self._desk.page(visit, "logout.html", rd=return_to if self._desk.vet(return_to) else "")

    async def post(self, visit: Visit, form: Form) -> Response:
        """End the sign-in."""
        if visit.subject is not None and visit.fingerprint is not None:
            self._desk.check_form(visit, form, page="/logout")
            await self._sign_out.sign_out(visit.fingerprint, visit.visitor, now=visit.now)
        return self._end(visit, form.get("rd"))

    async def get_signed_out(self, visit: Visit) -> Response:
        """Say that it is done."""
        if visit.subject is not None:
            return self._desk.redirect(visit, "/")
        return self._desk.message(visit, _SIGNED_OUT, actions=[Link("Sign in again", "/login")], reference=False)

    def _end(self, visit: Visit, return_to: str | None) -> Response:
        # SECURITY: a form on another site is sent without our cookie (SameSite), and the browser would obey an answer
        # that deletes it: so only who showed one is told to drop it (K05). tests/unit/test_people_pages.py would fail.
        if visit.fingerprint is not None or visit.torn:
            visit.cookies_out += self._desk.cookies.end_session()
            visit.cookies_out += self._desk.cookies.end_trail()
        target = self._desk.vet(return_to)
        return self._desk.redirect(visit, login_path(target) if target else "/signed-out")
