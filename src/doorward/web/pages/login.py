"""Signing in, and confirming that it is still you (docs/security-flow.md)."""

from collections.abc import Callable
from typing import Final, assert_never
from urllib.parse import urlsplit

from starlette.responses import Response

from doorward.errors import InputError
from doorward.flows.login import SignIn
from doorward.flows.outcome import Continued, Departed, Refused, SignedIn, Started, UpstreamRefused
from doorward.flows.registration import Registration
from doorward.flows.setup import Setup
from doorward.flows.upstream import UpstreamSignIn
from doorward.flows.ways import Ways
from doorward.rules.access import Challenge
from doorward.rules.login import Demand, Failure, Step
from doorward.rules.policy import Policy
from doorward.rules.provider import Provider
from doorward.rules.reason import Reason
from doorward.web.csrf import CsrfError
from doorward.web.errors import Words, words_for
from doorward.web.form import Form
from doorward.web.pages.apps import judge, tile_of
from doorward.web.pages.asserted import AssertedEntry
from doorward.web.pages.buttons import list_buttons
from doorward.web.pages.desk import Desk, Link, login_path
from doorward.web.pages.entering import STATUS_OF, enter, step_path
from doorward.web.pages.loop import MAX_BOUNCES, find_causes, follow, is_on, read_trail
from doorward.web.pages.options import give_options
from doorward.web.pages.proof import is_just_proven
from doorward.web.pages.round_trip import status_of, wait_of
from doorward.web.pages.steps import StepsPage
from doorward.web.pages.waiting import seconds
from doorward.web.visit import Visit
from doorward.web.way import Way

_INSECURE = Words(
    "Please use https",
    "This page was opened with http, and a sign-in made here would be lost: its cookie travels over https only.",
)
_RETURN_REFUSED = "The address you came from is not one we lead back to. You will see your apps."
_NOT_SET_UP = (
    "This Doorward is not set up yet. If you run it: open the setup link that it printed when it started, or get a new "
    "one with the command doorward setup-link."
)
_DEMANDS: Final = {demand.value: demand for demand in Demand if demand.is_of_someone}
"""What a page asked for may be asked again when it was open for too long."""


class LoginPage:
    """`/login` and `/login/with`. GET shows what may be proven, or goes straight on; POST proves it, or sets out."""

    def __init__(
        self,
        desk: Desk,
        sign_in: SignIn,
        setup: Setup,
        ways: Ways,
        upstream: UpstreamSignIn,
        policy: Callable[[], Policy],
        steps: StepsPage,
        registration: Registration,
        asserted: AssertedEntry,
    ) -> None:
        self._desk = desk
        self._sign_in = sign_in
        self._steps = steps
        self._registration = registration
        self._asserted = asserted
        self._setup = setup
        self._ways = ways
        self._upstream = upstream
        self._policy = policy

    async def get(self, visit: Visit) -> Response:
        """Show the form, or send on whoever needs none."""
        return_to = visit.query.get("rd")
        target = self._desk.vet(return_to)
        if self._is_insecure(visit):
            return self._insecure(visit, return_to)
        trail = read_trail(visit.trail)
        if visit.torn:
            visit.cookies_out += self._desk.cookies.end_session()
        if visit.subject is None:
            # A cookie of ours that is there did come back: its session was ended meanwhile, and that is no circle.
            if target is not None and visit.fingerprint is None and is_on(trail, target, visit.now):
                return self._loop(visit, target)
            return (
                await self._asserted.go(visit, return_to)
                or await self._go_straight(visit, return_to)
                or await self._begin(visit, return_to)
            )
        # Where the companion is missing, a fresh session is what is asked for, however young this one is.
        if "confirm" in visit.query and not (visit.accompanied and is_just_proven(visit.subject.session, visit.now)):
            return await self._begin(visit, return_to, demand=Demand.CONFIRM)
        if target is None:
            return self._desk.redirect(visit, "/?return=refused" if return_to else "/")
        demand = self._find_demand(visit, target)
        return self._go_on(visit, target) if demand is None else await self._begin(visit, return_to, demand=demand)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Try a password."""
        started = await self._receive(visit, form)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.submit_password(
            started.token,
            visit.visitor,
            login=form.get("login", ""),
            password=form.get("password", ""),
            remember="remember" in form,
            previous=visit.fingerprint,
            now=visit.now,
        )
        return await self._answer(visit, form, started, outcome)

    async def post_passkey_options(self, visit: Visit, form: Form) -> Response:
        """What our script asks the browser for a passkey with, at either proof."""
        self._desk.check_form(visit, form, page="/login")
        found = await self._sign_in.ask_passkey(form.get("ticket", ""), visit.visitor, now=visit.now)
        return give_options(visit, found)

    async def post_passkey(self, visit: Visit, form: Form) -> Response:
        """Try what a passkey signed, at either proof."""
        started = await self._receive(visit, form)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.submit_passkey(
            started.token,
            visit.visitor,
            answer=form.get("answer", ""),
            remember="remember" in form,
            previous=visit.fingerprint,
            now=visit.now,
        )
        return await self._answer(visit, form, started, outcome)

    async def _answer(
        self, visit: Visit, form: Form, started: Started, outcome: SignedIn | Continued | Refused
    ) -> Response:
        match outcome:
            case SignedIn():
                return enter(self._desk, visit, outcome, self._policy(), refused=started.return_refused)
            case Continued(onward):
                return self._desk.redirect(visit, step_path(onward))
            case Refused(Failure.TICKET_GONE):
                return await self._begin_anew(visit, form, outcome)
            case Refused() if started.step is Step.SECOND_PROOF:
                return self._steps.show_factor(visit, started, outcome)
            case Refused():
                return await self._show(visit, started, form.get("rd"), failure=outcome, form=form)
            case _:
                assert_never(outcome)

    async def post_with(self, visit: Visit, form: Form) -> Response:
        """Set out for a provider."""
        started = await self._receive(visit, form)
        if isinstance(started, Response):
            return started
        chosen = form.get("provider", "")
        outcome = await self._upstream.depart(
            started.token, visit.visitor, provider=chosen, remember="remember" in form, now=visit.now
        )
        if isinstance(outcome, UpstreamRefused):
            return await self._begin_anew(visit, form, outcome)
        return self._lead_out(visit, outcome, await self._ways.find_provider(chosen))

    async def _receive(self, visit: Visit, form: Form) -> Started | Response:
        """What the form belongs to, or the answer where it cannot be taken."""
        if self._is_insecure(visit):
            return self._insecure(visit, form.get("rd"))
        if "rd" in visit.query:
            raise InputError("the return address is given twice")
        try:
            self._desk.check_form(visit, form, page=login_path(self._desk.vet(form.get("rd"))))
        except CsrfError as error:
            if error.elsewhere or visit.subject is None:
                raise
            # Somebody who signed in in another tab meanwhile: nothing is left to prove, so the way is simply gone on.
            target = self._desk.vet(form.get("rd"))
            return self._desk.lead_on(visit, login_path(target), app=self._name_of(target))
        # A step-up ticket remembers whose it is; what the form says about the account is ignored then.
        started = await self._sign_in.find(form.get("ticket", ""), visit.visitor, now=visit.now)
        if started is None:
            return await self._begin_anew(visit, form, Refused(Failure.TICKET_GONE))
        return started

    async def _go_straight(self, visit: Visit, return_to: str | None) -> Response | None:
        """Set out for the provider that is gone to unasked; None where the visitor is to choose."""
        way = Way.read(visit.way)
        # A picture or a frame on another page goes nowhere, and spends none of what this address may set out.
        if way.left or "choose" in visit.query or not visit.stands_alone or not await self._setup.is_set_up():
            return None
        provider = (await self._ways.find(last=way.last)).straight
        if provider is None:
            return None
        self._desk.know_browser(visit)
        outcome = await self._upstream.depart_straight(
            visit.visitor, provider=provider, return_to=return_to or None, now=visit.now
        )
        if isinstance(outcome, UpstreamRefused):
            return await self._begin(visit, return_to, failure=outcome)
        return self._lead_out(visit, outcome, provider)

    def _lead_out(self, visit: Visit, departed: Departed, provider: Provider | None) -> Response:
        name = provider.name if provider else "the provider"
        return self._desk.lead_out(visit, departed.url, title="Signing in with %(name)s", name=name)

    async def _begin_anew(self, visit: Visit, form: Form, failure: Refused | UpstreamRefused) -> Response:
        demand = _DEMANDS.get(form.get("demand", ""), Demand.CONFIRM if "confirm" in form else Demand.STEP_UP)
        return await self._begin(visit, form.get("rd"), failure=failure, demand=demand)

    async def _begin(
        self,
        visit: Visit,
        return_to: str | None,
        *,
        failure: Refused | UpstreamRefused | None = None,
        demand: Demand = Demand.STEP_UP,
    ) -> Response:
        self._desk.know_browser(visit)
        if demand is Demand.SECOND_FACTOR and not visit.accompanied:
            # SECURITY: what the session proved must not count for whoever has its cookie alone, or one more code would
            # get them a companion (J18). tests/unit/test_companion.py would fail.
            demand = Demand.CONFIRM
        started = await self._sign_in.begin(
            visit.visitor,
            return_to=return_to or None,
            now=visit.now,
            subject=visit.subject,
            demand=demand,
        )
        if isinstance(started, Refused):
            return self._slow_down(visit, started)
        if started.step is not Step.FIRST_PROOF:
            return self._desk.redirect(visit, step_path(started))
        note = _RETURN_REFUSED if started.return_refused else ""
        if not await self._setup.is_set_up():
            note = _NOT_SET_UP
        return await self._show(visit, started, return_to, failure=failure, note=note)

    async def _show(
        self,
        visit: Visit,
        started: Started,
        return_to: str | None,
        *,
        failure: Refused | UpstreamRefused | None = None,
        form: Form | None = None,
        note: str = "",
    ) -> Response:
        account = started.account
        way = Way.read(visit.way)
        ways = await self._ways.find(last=way.last, user=account)
        status, wait = _answer_to(failure)
        response = self._desk.page(
            visit,
            "login.html",
            status=status,
            app=tile_of(self._policy(), started.return_url),
            confirming=account is not None,
            confirm=started.demand is Demand.CONFIRM,
            demand=started.demand.value,
            with_password=ways.password and started.demand is not Demand.PASSKEY,
            with_passkey=started.passkey,
            registers=account is None and (await self._registration.describe()).open,
            buttons=list_buttons(filter(started.demand.takes, ways.providers), self._upstream, last=way.last),
            login=account.name if account else (form or {}).get("login", ""),
            ticket=started.token,
            rd=return_to or "",
            remember_offer=self._desk.site.remember_for,
            remember="remember" in (form or {}),
            problem=failure.failure.sentence if failure else "",
            wait_seconds=wait,
            note=note,
            asserted=visit.asserted if account is None else "",
        )
        if wait:
            response.raw_headers.append((b"retry-after", str(wait).encode("ascii")))
        return response

    def _slow_down(self, visit: Visit, refused: Refused) -> Response:
        wait = max(seconds(refused.retry_after), 1)
        return self._desk.message(visit, words_for(429), status=429, wait_seconds=wait)

    def _find_demand(self, visit: Visit, target: str) -> Demand | None:
        """What is to be proven before this address opens; None where the sign-in that is there will do."""
        verdict = judge(self._policy(), target, visit.subject, visit.visitor.address, now=visit.now)
        missing = verdict.reason if isinstance(verdict, Challenge) else None
        # The gate says `fresh` and `need` because it knows the method, too; asking once more is the safe side.
        need = visit.query.get("need", "")
        if need == "passkey" or missing is Reason.PASSKEY_REQUIRED:
            return Demand.PASSKEY
        if "fresh" in visit.query or missing is Reason.NOT_FRESH:
            return Demand.STEP_UP
        if need == "two_factor" or missing is Reason.TWO_FACTOR_REQUIRED:
            return Demand.SECOND_FACTOR
        return None

    def _go_on(self, visit: Visit, target: str) -> Response:
        trail = follow(read_trail(visit.trail), target, visit.now)
        if trail.count > MAX_BOUNCES:
            return self._loop(visit, target)
        visit.cookies_out += self._desk.cookies.set_trail(trail.text)
        return self._desk.redirect(visit, target)

    def _loop(self, visit: Visit, target: str) -> Response:
        site, cookies = self._desk.site, self._desk.cookies
        causes = find_causes(
            target,
            public_host=site.host,
            cookie_domain=cookies.domain,
            secure=cookies.secure,
            scheme=visit.scheme,
            signed_in=visit.subject is not None,
            torn=visit.torn,
        )
        self._desk.log.warning(
            "login_loop",
            host=urlsplit(target).hostname,
            causes=[cause.title for cause in causes if cause.seen],
            correlation_id=visit.correlation_id,
        )
        # The trail ends here, so that trying again gives another try and not this page.
        visit.cookies_out += cookies.end_trail()
        return self._desk.page(
            visit,
            "loop.html",
            status=409,
            app=tile_of(self._policy(), target),
            signed_in=visit.subject is not None,
            causes=causes,
            causes_seen=any(cause.seen for cause in causes),
            again=login_path(target),
            correlation_id=visit.correlation_id,
        )

    def _name_of(self, url: str | None) -> str:
        tile = tile_of(self._policy(), url)
        return tile.name if tile else ""

    def _is_insecure(self, visit: Visit) -> bool:
        return self._desk.cookies.secure and visit.scheme == "http"

    def _insecure(self, visit: Visit, return_to: str | None) -> Response:
        link = self._desk.site.public_url + login_path(return_to if self._desk.vet(return_to) else None)
        return self._desk.message(visit, _INSECURE, status=400, actions=[Link("Open it with https", link)])


def _answer_to(failure: Refused | UpstreamRefused | None) -> tuple[int, int]:
    """Status, and seconds to wait."""
    match failure:
        case None:
            return 200, 0
        case Refused():
            return STATUS_OF[failure.failure], seconds(failure.retry_after)
        case UpstreamRefused():
            return status_of(failure), wait_of(failure)
        case _:
            assert_never(failure)
