"""`/break-glass`: a code on paper, when nothing else opens. While nobody has an unused one there is no such page."""

from typing import Final

from starlette.responses import Response

from doorward.flows.break_glass import BreakGlass
from doorward.flows.outcome import SignedIn
from doorward.rules.login import Failure
from doorward.web.errors import Refusal
from doorward.web.form import Form
from doorward.web.pages.desk import Desk
from doorward.web.pages.entering import STATUS_OF, welcome
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

PAGE: Final = "/break-glass"
_WRONG: Final = "That code opens nothing: it is not right, or it was used or taken back."


class BreakGlassPage:
    """Asks for the code, and lets in."""

    def __init__(self, desk: Desk, break_glass: BreakGlass) -> None:
        self._desk = desk
        self._break_glass = break_glass

    async def get(self, visit: Visit) -> Response:
        """Ask for the code. Refusal (404) while there is nothing to come in with."""
        if not await self._break_glass.is_open(visit.visitor, now=visit.now):
            raise Refusal(404)
        self._desk.know_browser(visit)
        return self._show(visit)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Try it."""
        self._desk.check_form(visit, form, page=PAGE)
        outcome = await self._break_glass.use(
            form.get("code", ""), visit.visitor, previous=visit.fingerprint, now=visit.now
        )
        if isinstance(outcome, SignedIn):
            return welcome(self._desk, visit, outcome)
        problem = _WRONG if outcome.failure is Failure.WRONG else outcome.failure.sentence
        wait = seconds(outcome.retry_after)
        response = self._show(visit, problem=problem, wait=wait, status=STATUS_OF[outcome.failure])
        if wait:
            response.headers["retry-after"] = str(wait)
        return response

    def _show(self, visit: Visit, *, problem: str = "", wait: int = 0, status: int = 200) -> Response:
        return self._desk.page(visit, "break_glass.html", status=status, problem=problem, wait_seconds=wait)
