"""Getting back in: asking for a link, and following it (K15: looking at a link uses nothing)."""

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.recovery import Recovery
from doorward.rules.login import Failure
from doorward.rules.policy import Policy
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, Link
from doorward.web.pages.entering import STATUS_OF, enter, step_path
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

GONE: Final = Words(
    "This link does not open anything",
    "It was used already, is too old, or the account has changed since it was made.",
)


class RecoveryPage:
    """`/recover` and `/reset`."""

    def __init__(self, desk: Desk, recovery: Recovery, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._recovery = recovery
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show the form, or what to do where no mail is set up."""
        self._desk.know_browser(visit)
        return await self._show(visit, asked="sent" in visit.query)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Send a link. The answer is the same whether or not there is an account (E03)."""
        self._desk.check_form(visit, form, page="/recover")
        refused = await self._recovery.ask(
            visit.visitor, login=form.get("login", ""), language=visit.language, now=visit.now
        )
        return self._desk.redirect(visit, "/recover?sent=1") if refused is None else await self._show(visit, refused)

    async def get_reset(self, visit: Visit) -> Response:
        """Ask whether to go on: mail programs open links, too."""
        token = visit.query.get("token", "")
        if not await self._recovery.is_good(token, now=visit.now):
            return self._gone(visit)
        self._desk.know_browser(visit)
        return self._show_reset(visit, token)

    async def post_reset(self, visit: Visit, form: Form) -> Response:
        """Use the link."""
        token = form.get("token", "")
        self._desk.check_form(visit, form, page="/recover")
        outcome = await self._recovery.follow(token, visit.visitor, previous=visit.fingerprint, now=visit.now)
        match outcome:
            case Continued(started):
                return self._desk.redirect(visit, step_path(started))
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy())
            case Refused(Failure.TICKET_GONE):
                return self._gone(visit)
            case Refused():
                return self._show_reset(visit, token, outcome)

    async def _show(self, visit: Visit, refused: Refused | None = None, *, asked: bool = False) -> Response:
        wait = seconds(refused.retry_after) if refused else 0
        return self._desk.page(
            visit,
            "recover.html",
            status=STATUS_OF[refused.failure] if refused else 200,
            asked=asked,
            closed="" if await self._recovery.takes_passwords() else Failure.PASSWORDS_CLOSED.sentence,
            mail_open=self._recovery.is_open,
            problem=refused.failure.sentence if refused else "",
            wait_seconds=wait,
        )

    def _show_reset(self, visit: Visit, token: str, refused: Refused | None = None) -> Response:
        return show_link(
            self._desk,
            visit,
            refused,
            action="/reset",
            token=token,
            heading="Choose a new password?",
            text="This link is yours alone, and works once.",
            label="Go on",
        )

    def _gone(self, visit: Visit) -> Response:
        links = [Link("Get a new one", "/recover"), Link("Sign in", "/login")]
        return self._desk.message(visit, GONE, status=404, fan="shut", actions=links, reference=False)


def show_link(
    desk: Desk,
    visit: Visit,
    refused: Refused | None,
    *,
    action: str,
    token: str,
    heading: str,
    text: str,
    label: str,
    about: str = "",
) -> Response:
    """A link of a mail was opened: ask before it is used. `about` is what it is for, as somebody wrote it."""
    wait = seconds(refused.retry_after) if refused else 0
    response = desk.page(
        visit,
        "follow.html",
        status=STATUS_OF[refused.failure] if refused else 200,
        action=action,
        token=token,
        heading=heading,
        text=text,
        label=label,
        about=about,
        problem=refused.failure.sentence if refused else "",
        wait_seconds=wait,
    )
    # The address holds the token: no page, not even ours, is told it. Our forms still say where they come from.
    response.raw_headers.append((b"referrer-policy", b"strict-origin"))
    if wait:
        response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
    return response
