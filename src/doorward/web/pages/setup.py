"""Making the first administrator with the one-time link."""

from collections.abc import Callable, Mapping
from typing import assert_never
from urllib.parse import quote

from starlette.responses import Response

from doorward.errors import ConflictError
from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable
from doorward.flows.setup import Setup
from doorward.rules.login import Failure
from doorward.rules.policy import Policy
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, Link
from doorward.web.pages.entering import enter, step_path
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit
from doorward.words import translate

_FIELDS = ("display_name", "name", "email", "password", "password_again")
_GONE = Words(
    "This link does not open anything",
    "Setup links work once and for 15 minutes. While there is no administrator yet, the next start of Doorward prints "
    "a new one, and so does the command: doorward setup-link.",
)


class SetupPage:
    """`/setup`. Looking at the page consumes nothing (attack K15)."""

    def __init__(self, desk: Desk, setup: Setup, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._setup = setup
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show the form, while the link is good."""
        token = visit.query.get("token", "")
        if not await self._setup.is_open(token, now=visit.now):
            return self._gone(visit)
        self._desk.know_browser(visit)
        return self._show(visit, token, {}, {})

    async def post(self, visit: Visit, form: Form) -> Response:
        """Make the administrator and sign this browser in."""
        token = form.get("token", "")
        self._desk.check_form(visit, form, page=f"/setup?token={quote(token, safe='')}")
        try:
            outcome = await self._setup.create_admin(
                token,
                visit.visitor,
                name=form.get("name", ""),
                display_name=form.get("display_name", ""),
                email=form.get("email", ""),
                password=form.get("password", ""),
                password_again=form.get("password_again", ""),
                previous=visit.fingerprint,
                now=visit.now,
            )
        except ConflictError:
            # Somebody else was faster: there is an administrator now.
            return self._gone(visit)
        match outcome:
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy())
            case Continued(started):
                return self._desk.redirect(visit, step_path(started))
            case Unacceptable(problems):
                wrong: dict[str, str] = {}
                for name, sentence in problems:
                    said = translate(visit.language, sentence)
                    wrong[name] = f"{wrong[name]} {said}" if name in wrong else said
                return self._show(visit, token, form, wrong)
            case Refused(Failure.THROTTLED | Failure.LOCKED, retry_after):
                wait = max(seconds(retry_after), 1)
                words = Words("One moment, please", outcome.failure.sentence)
                return self._desk.message(visit, words, status=429, wait_seconds=wait)
            case Refused():
                return self._gone(visit)
            case _:
                assert_never(outcome)

    def _show(self, visit: Visit, token: str, form: Form, wrong: Mapping[str, str]) -> Response:
        # Passwords are never sent back.
        values = {name: "" if "password" in name else form.get(name, "") for name in _FIELDS}
        return self._desk.page(
            visit,
            "setup.html",
            status=400 if wrong else 200,
            token=token,
            values=values,
            wrong={name: wrong.get(name, "") for name in _FIELDS},
            problem="Please look at what is marked below. No account was made yet." if wrong else "",
            console_only=self._setup.console_only,
            shortest_password=self._desk.site.shortest_password,
        )

    def _gone(self, visit: Visit) -> Response:
        return self._desk.message(
            visit, _GONE, status=404, fan="shut", actions=[Link("Sign in", "/login")], reference=False
        )
