"""Who may go on to a page, and by which way somebody gets there who was sent from another site.

A browser keeps cookies that are `SameSite=Strict` back from a navigation that another site began: a link in a mail, the
way back from a provider. The companion of the session is one, the session cookie may be (`cookie.samesite`). Whoever
comes so is answered with a page that asks for the same address again, from here; then they are all there.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from doorward.errors import ForbiddenError
from doorward.web.pages.desk import Desk
from doorward.web.pages.loop import MAX_BOUNCES, is_on, read_trail
from doorward.web.route import Route, Who
from doorward.web.visit import Visit, find_header


class Threshold:
    """Stands before every page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def stop(self, route: Route, visit: Visit) -> Response | None:
        """The answer to somebody for whom the page is not, or not yet; None where it is."""
        if self._held_back(route, visit) and self._is_from_elsewhere(route, visit):
            return self._desk.lead_round(visit)
        if route.who is Who.ANYBODY:
            return None
        page = visit.path if route.get is not None else route.back
        if route.carries and route.carries in visit.query:
            page += f"?{urlencode({route.carries: visit.query[route.carries]})}"
        if visit.subject is None:
            return self._desk.to_login(visit, page)
        # SECURITY: an app, or a script on its host, can have the session cookie and plant one; what is here, the
        # console above all, asks for what only our own host gets (J18). tests/unit/test_companion.py would fail.
        if not visit.accompanied:
            return self._desk.to_confirm(visit, page)
        if not route.who.admits(visit.subject):
            raise ForbiddenError("this is for administrators")
        return None

    def _held_back(self, route: Route, visit: Visit) -> bool:
        """Whether a cookie is missing that the browser may well have."""
        if visit.subject is not None:
            # `need`: a second factor is added to a session only where that came with its companion.
            return not visit.accompanied and (route.who is not Who.ANYBODY or "need" in visit.query)
        # Whoever never was here has no session either; they need not be led round.
        is_strict = self._desk.cookies.same_site == "Strict"
        return is_strict and visit.fingerprint is None and not visit.torn and bool(visit.browser)

    def _is_from_elsewhere(self, route: Route, visit: Visit) -> bool:
        """Whether another site began this navigation, as far as can be known; never for long the same."""
        if visit.method == "POST" or route.framed or not (visit.navigates and visit.stands_alone):
            return False
        trail = read_trail(visit.trail)
        here = self._desk.own_url(visit)
        site = find_header(visit.headers, b"sec-fetch-site")
        if site is None:
            # Nobody says. Once is harmless; that cookies are kept, and so the trail, is known from the others.
            return bool(visit.browser) and not is_on(trail, here, visit.now)
        lost = trail is not None and trail.count >= MAX_BOUNCES and is_on(trail, here, visit.now)
        return site == b"cross-site" and not lost
