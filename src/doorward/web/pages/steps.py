"""What a sign-in asks for after the first proof: a page for each step (docs/security-flow.md).

The ticket stands in the address, so that a page can be loaded anew without sending a form again. It is good for this
browser alone, and opens nothing but the step it is at.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never
from urllib.parse import quote

from starlette.responses import Response

from doorward.flows.app_keys import AppKeys
from doorward.flows.login import SignIn
from doorward.flows.outcome import Continued, Refused, SignedIn, Started, Unacceptable
from doorward.rules.factor import Factor
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.policy import Policy
from doorward.web.errors import Words
from doorward.web.form import Form
from doorward.web.pages.apps import tile_of
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.entering import STATUS_OF, STEP_PATHS, enter, step_path
from doorward.web.pages.marked import gather
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit

_PASSWORD_FIELDS: Final = ("password", "password_again")
_CHANGED: Final = Words(
    "Your password is changed",
    "Everywhere else you are signed out. Your keys for apps go on as they are: see whether you know them all.",
)


class StepsPage:
    """`/login/factor`, `/login/recovery-code` and `/login/new-password`; and what every step has in common."""

    def __init__(self, desk: Desk, sign_in: SignIn, app_keys: AppKeys, policy: Callable[[], Policy]) -> None:
        self._desk = desk
        self._sign_in = sign_in
        self._app_keys = app_keys
        self._policy = policy

    async def get_factor(self, visit: Visit) -> Response:
        """Ask for the second factor."""
        started = await self.look(visit, Step.SECOND_PROOF)
        return started if isinstance(started, Response) else self.show_factor(visit, started)

    async def post_factor(self, visit: Visit, form: Form) -> Response:
        """Try a code of an authenticator app."""
        started = await self.receive(visit, form, Step.SECOND_PROOF)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.submit_code(
            started.token, visit.visitor, code=form.get("code", ""), previous=visit.fingerprint, now=visit.now
        )
        if isinstance(outcome, Refused):
            return self.refuse(visit, outcome) or self.show_factor(visit, started, outcome)
        return self.go_on(visit, outcome)

    async def post_recovery_code(self, visit: Visit, form: Form) -> Response:
        """Try a recovery code."""
        started = await self.receive(visit, form, Step.SECOND_PROOF)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.submit_recovery_code(
            started.token, visit.visitor, code=form.get("recovery_code", ""), previous=visit.fingerprint, now=visit.now
        )
        if isinstance(outcome, Refused):
            return self.refuse(visit, outcome) or self.show_factor(visit, started, outcome, recovering=True)
        return self.go_on(visit, outcome)

    async def get_new_password(self, visit: Visit) -> Response:
        """Ask for a new password."""
        started = await self.look(visit, Step.NEW_PASSWORD)
        return started if isinstance(started, Response) else self._show_new_password(visit, started)

    async def post_new_password(self, visit: Visit, form: Form) -> Response:
        """Set it."""
        started = await self.receive(visit, form, Step.NEW_PASSWORD)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.submit_new_password(
            started.token,
            visit.visitor,
            password=form.get("password", ""),
            again=form.get("password_again", ""),
            previous=visit.fingerprint,
            now=visit.now,
        )
        match outcome:
            case Unacceptable(problems):
                return self._show_new_password(visit, started, wrong=gather(problems))
            case Refused():
                return self.refuse(visit, outcome) or self._show_new_password(visit, started, outcome)
            case SignedIn() if await self._app_keys.has_working(outcome.user, now=visit.now):
                enter(self._desk, visit, outcome, self._policy())
                links = [Link("Go on", outcome.return_url or "/"), Link("Your keys", "/keys")]
                return self._desk.message(visit, _CHANGED, actions=links, reference=False)
            case _:
                return self.go_on(visit, outcome)

    async def look(self, visit: Visit, step: Step) -> Started | Response:
        """The sign-in of the address; or where it is now, if that is another step."""
        started = await self._sign_in.find(visit.query.get("ticket", ""), visit.visitor, now=visit.now)
        if started is None:
            return self.gone(visit)
        return started if started.step is step else self._desk.redirect(visit, step_path(started))

    async def receive(self, visit: Visit, form: Form, step: Step) -> Started | Response:
        """The sign-in a form belongs to; or the answer where it is elsewhere by now."""
        ticket = form.get("ticket", "")
        self._desk.check_form(visit, form, page=f"{STEP_PATHS[step]}?ticket={quote(ticket, safe='')}")
        started = await self._sign_in.find(ticket, visit.visitor, now=visit.now)
        if started is None:
            return self.gone(visit)
        return started if started.step is step else self._desk.redirect(visit, step_path(started))

    def go_on(self, visit: Visit, outcome: SignedIn | Continued) -> Response:
        """Lead on to the next step, or in."""
        match outcome:
            case Continued(started):
                return self._desk.redirect(visit, step_path(started))
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy())
            case _:
                assert_never(outcome)

    def refuse(self, visit: Visit, refused: Refused) -> Response | None:
        """The answer where the sign-in is over; None where the same page can be shown again."""
        return self.gone(visit) if refused.failure is Failure.TICKET_GONE else None

    def gone(self, visit: Visit) -> Response:
        """The page that says that a sign-in is over."""
        words = Words("That sign-in is over", Failure.TICKET_GONE.sentence)
        link = Link("Sign in", login_path(None, asking="choose"))
        return self._desk.message(visit, words, status=409, fan="shut", actions=[link], reference=False, is_error=False)

    def show_factor(
        self, visit: Visit, started: Started, refused: Refused | None = None, *, recovering: bool = False
    ) -> Response:
        """The page for the second factor; `refused` is what became of the last try."""
        return self.show(
            visit,
            started,
            "factor.html",
            refused=refused,
            with_code=Factor.TOTP in started.factors,
            with_passkey=started.passkey,
            with_recovery=Factor.RECOVERY_CODE in started.factors,
            recovering=recovering,
        )

    def _show_new_password(
        self,
        visit: Visit,
        started: Started,
        refused: Refused | None = None,
        *,
        wrong: Mapping[str, str] | None = None,
    ) -> Response:
        return self.show(
            visit,
            started,
            "new_password.html",
            refused=refused,
            problem="Please look at what is marked below." if wrong else "",
            wrong={name: (wrong or {}).get(name, "") for name in _PASSWORD_FIELDS},
            password_hint=self._desk.site.password_hint,
            resetting=started.demand is Demand.RESET,
        )

    def show(
        self,
        visit: Visit,
        started: Started,
        template: str,
        *,
        refused: Refused | None = None,
        problem: str = "",
        **more: Any,
    ) -> Response:
        """The page of a step; `refused` is what became of the last try, `problem` another reason to look again."""
        wait = seconds(refused.retry_after) if refused else 0
        response = self._desk.page(
            visit,
            template,
            status=STATUS_OF[refused.failure] if refused else 400 if problem else 200,
            app=tile_of(self._policy(), started.return_url),
            ticket=started.token,
            rd=started.return_url,
            user_shown=started.account.name if started.account else "",
            problem=refused.failure.sentence if refused else problem,
            wait_seconds=wait,
            **more,
        )
        # The address holds the ticket: no page, not even ours, is told it. Our forms still say where they come from.
        response.raw_headers.append((b"referrer-policy", b"strict-origin"))
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response
