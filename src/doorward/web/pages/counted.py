"""Every act of an administrator is counted, by being in the table of pages: none can forget to ask (D-24)."""

from dataclasses import replace

from starlette.responses import Response

from doorward.flows.throttle import Bucket
from doorward.flows.turnstile import Turnstile
from doorward.web.csrf import CsrfError
from doorward.web.errors import Refusal
from doorward.web.form import Form
from doorward.web.pages.desk import Desk
from doorward.web.pages.waiting import seconds
from doorward.web.route import Post, Route, Routes, Who
from doorward.web.visit import Visit


def count_acts(routes: Routes, desk: Desk, turnstile: Turnstile) -> Routes:
    """The same pages, where what administrators send is counted before it is looked at."""
    return {path: _counted(route, desk, turnstile) for path, route in routes.items()}


async def count_act(visit: Visit, turnstile: Turnstile, *, also: Bucket | None = None) -> None:
    """Refusal (429) where it is too much."""
    refused = await turnstile.count_act(visit.visitor, also=also, now=visit.now)
    if refused is not None:
        raise Refusal(429, retry_after=max(seconds(refused.retry_after), 1))


def _counted(route: Route, desk: Desk, turnstile: Turnstile) -> Route:
    if route.who is not Who.ADMINISTRATOR or route.post is None:
        return route
    return replace(route, post=_count(route.post, desk, turnstile, also=route.also_counts))


def _count(post: Post, desk: Desk, turnstile: Turnstile, *, also: Bucket | None) -> Post:
    async def counted(visit: Visit, form: Form) -> Response:
        if _is_ours(desk, visit, form):
            await count_act(visit, turnstile, also=also)
        return await post(visit, form)

    return counted


def _is_ours(desk: Desk, visit: Visit, form: Form) -> bool:
    # SECURITY: what another site has a browser send is refused by the page and not counted, or that site could use up
    # what its administrator may do (tests/attacks/test_every_form.py).
    try:
        desk.check_form(visit, form, page="")
    except CsrfError:
        return False
    return True
