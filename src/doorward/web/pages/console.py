"""What a lockdown means for the console: every page of it says so, and it may be open from named networks only.

By being in the table of pages, like `counted.py`: none can forget to ask.
"""

from dataclasses import replace
from typing import Final

from starlette.responses import Response

from doorward.flows.lockdown import Lockdowns
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, Link
from doorward.web.route import Get, Post, Route, Routes, Who
from doorward.web.visit import Visit

SHUT: Final = Words(
    "The console is shut here",
    "There is a lockdown, and the console is open from named networks only. At the machine itself, "
    "doorward incident lift ends it.",
)


def hold_console(routes: Routes, desk: Desk, lockdowns: Lockdowns) -> Routes:
    """The same pages, where those for administrators first ask whether there is a lockdown."""
    return {path: _held(route, desk, lockdowns) for path, route in routes.items()}


def _held(route: Route, desk: Desk, lockdowns: Lockdowns) -> Route:
    if route.who is not Who.ADMINISTRATOR:
        return route
    return replace(
        route,
        get=None if route.get is None else _hold_get(route.get, desk, lockdowns),
        post=None if route.post is None else _hold_post(route.post, desk, lockdowns),
    )


def _hold_get(get: Get, desk: Desk, lockdowns: Lockdowns) -> Get:
    async def held(visit: Visit) -> Response:
        return await _stop(visit, desk, lockdowns) or await get(visit)

    return held


def _hold_post(post: Post, desk: Desk, lockdowns: Lockdowns) -> Post:
    async def held(visit: Visit, form: Form) -> Response:
        return await _stop(visit, desk, lockdowns) or await post(visit, form)

    return held


async def _stop(visit: Visit, desk: Desk, lockdowns: Lockdowns) -> Response | None:
    # SECURITY: read anew for every request, so that one made on the command line counts with the next;
    # tests/cli/test_incident.py asks from outside right after.
    lockdown = await lockdowns.find()
    if lockdown is None or lockdown.admits(visit.visitor.address):
        # Whoever is let in sees it on every page; the page that refuses says it by itself, and leads nowhere shut.
        visit.lockdown = lockdown
        return None
    return desk.message(visit, SHUT, status=403, fan="shut", actions=[Link("Your apps", "/")])
