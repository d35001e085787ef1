"""Signing in at once whom a proxy names (docs/adr 0023)."""

from collections.abc import Callable
from typing import Final, assert_never

from starlette.responses import Response

from doorward.flows.asserted import AssertedSignIn
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.rules.login import Failure
from doorward.rules.policy import Policy
from doorward.web.errors import Words, words_for
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.entering import STATUS_OF, enter, step_path
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit
from doorward.web.way import Way

_UNKNOWN: Final = "We do not know you"
_ASK: Final = "Ask your administrator for an account of that name. If you have one of another, sign in another way."
_WAITS: Final = "An administrator has to let you in first"
_LATER: Final = "You can sign in as soon as that is done."


class AssertedEntry:
    """What the sign-in page does before it shows itself."""

    def __init__(self, desk: Desk, asserted: AssertedSignIn, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._asserted = asserted
        self._policy = policy

    async def go(self, visit: Visit, return_to: str | None) -> Response | None:
        """Sign in whoever is named; None where nobody is, or where the visitor is to choose.

        Whoever signed out sees the page first, as with a provider; a picture or a frame elsewhere signs nobody in.
        """
        if not visit.asserted or "choose" in visit.query or not visit.stands_alone:
            return None
        if Way.read(visit.way).left and "continue" not in visit.query:
            return None
        self._desk.know_browser(visit)
        outcome = await self._asserted.enter(
            visit.asserted, visit.visitor, return_to=return_to or None, previous=visit.fingerprint, now=visit.now
        )
        match outcome:
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy(), refused=bool(return_to))
            case Continued(onward):
                return self._desk.redirect(visit, step_path(onward))
            case Refused(Failure.THROTTLED, retry_after):
                wait = max(seconds(retry_after), 1)
                return self._desk.message(visit, words_for(429), status=429, wait_seconds=wait)
            case Refused(failure):
                waits = failure is Failure.AWAITS_APPROVAL
                words = Words(_WAITS if waits else _UNKNOWN, failure.sentence)
                link = Link("Sign in another way", login_path(self._desk.vet(return_to), asking="choose"))
                return self._desk.message(
                    visit,
                    words,
                    status=STATUS_OF[failure],
                    advice=_LATER if waits else _ASK,
                    actions=[link],
                    fan="shut",
                )
            case _:
                assert_never(outcome)
