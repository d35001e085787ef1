"""Setting up a second factor where policy asks for one: a step of a sign-in (docs/security-flow.md)."""

from typing import Final

from starlette.responses import Response

from doorward.flows.enrolment import Enrolment
from doorward.flows.factors import CodesOffer, TotpOffer
from doorward.flows.login import SignIn
from doorward.flows.outcome import Refused, Started
from doorward.rules.login import Step
from doorward.web.form import Form
from doorward.web.pages.desk import Desk
from doorward.web.pages.drawing import qr_drawing
from doorward.web.pages.options import give_options
from doorward.web.pages.steps import StepsPage
from doorward.web.visit import Visit

_KEPT_FIRST: Final = "Please confirm that you have put the codes in a safe place."


class EnrolPage:
    """`/login/enrol`, what is below it, and `/login/codes`."""

    def __init__(self, desk: Desk, sign_in: SignIn, enrolment: Enrolment, steps: StepsPage) -> None:
        self._desk = desk
        self._sign_in = sign_in
        self._enrolment = enrolment
        self._steps = steps

    async def get_enrol(self, visit: Visit) -> Response:
        """Offer the factors that can be set up."""
        started = await self._steps.look(visit, Step.ENROL)
        return started if isinstance(started, Response) else self._show_enrol(visit, started)

    async def post_later(self, visit: Visit, form: Form) -> Response:
        """Go on without one, while that is allowed."""
        started = await self._steps.receive(visit, form, Step.ENROL)
        if isinstance(started, Response):
            return started
        outcome = await self._sign_in.postpone_enrolment(
            started.token, visit.visitor, previous=visit.fingerprint, now=visit.now
        )
        if isinstance(outcome, Refused):
            return self._steps.refuse(visit, outcome) or self._show_enrol(visit, started, outcome)
        return self._steps.go_on(visit, outcome)

    async def post_totp(self, visit: Visit, form: Form) -> Response:
        """Show what to give to an authenticator app, or try its first code."""
        started = await self._steps.receive(visit, form, Step.ENROL)
        if isinstance(started, Response):
            return started
        offer = form.get("offer", "")
        if not offer:
            begun = await self._enrolment.begin_totp(started.token, visit.visitor, now=visit.now)
            if isinstance(begun, Refused):
                return self._steps.refuse(visit, begun) or self._show_enrol(visit, started, begun)
            return self._show_totp(visit, started, begun)
        outcome = await self._enrolment.confirm_totp(
            started.token,
            visit.visitor,
            offer=offer,
            code=form.get("code", ""),
            previous=visit.fingerprint,
            now=visit.now,
        )
        if not isinstance(outcome, Refused):
            return self._steps.go_on(visit, outcome)
        again = await self._enrolment.find_totp(started.token, visit.visitor, offer, now=visit.now)
        if again is None:
            return self._steps.refuse(visit, outcome) or self._show_enrol(visit, started, outcome)
        return self._show_totp(visit, started, again, outcome)

    async def post_passkey_options(self, visit: Visit, form: Form) -> Response:
        """What our script asks the browser to make a passkey with, as JSON."""
        self._desk.check_form(visit, form, page="/login")
        offer = await self._enrolment.begin_passkey(form.get("ticket", ""), visit.visitor, now=visit.now)
        if isinstance(offer, Refused):
            return give_options(visit, offer)
        return give_options(visit, offer.options, token=offer.token)

    async def post_passkey(self, visit: Visit, form: Form) -> Response:
        """Keep the passkey that the browser made."""
        started = await self._steps.receive(visit, form, Step.ENROL)
        if isinstance(started, Response):
            return started
        outcome = await self._enrolment.confirm_passkey(
            started.token,
            visit.visitor,
            offer=form.get("offer", ""),
            answer=form.get("answer", ""),
            name=form.get("name", ""),
            previous=visit.fingerprint,
            now=visit.now,
        )
        if isinstance(outcome, Refused):
            return self._steps.refuse(visit, outcome) or self._show_enrol(visit, started, outcome)
        return self._steps.go_on(visit, outcome)

    async def get_codes(self, visit: Visit) -> Response:
        """Show recovery codes: new ones each time, since what was shown and not kept is worth nothing."""
        started = await self._steps.look(visit, Step.RECOVERY_CODES)
        if isinstance(started, Response):
            return started
        offer = await self._enrolment.begin_codes(started.token, visit.visitor, now=visit.now)
        if isinstance(offer, Refused):
            return self._steps.refuse(visit, offer) or self._steps.gone(visit)
        return self._show_codes(visit, started, offer)

    async def post_codes(self, visit: Visit, form: Form) -> Response:
        """They are kept: now they count."""
        started = await self._steps.receive(visit, form, Step.RECOVERY_CODES)
        if isinstance(started, Response):
            return started
        token = form.get("offer", "")
        if "kept" not in form:
            offer = await self._enrolment.find_codes(started.token, visit.visitor, token, now=visit.now)
            return self._steps.gone(visit) if offer is None else self._show_codes(visit, started, offer, _KEPT_FIRST)
        outcome = await self._enrolment.acknowledge_codes(
            started.token, visit.visitor, offer=token, previous=visit.fingerprint, now=visit.now
        )
        if isinstance(outcome, Refused):
            return self._steps.refuse(visit, outcome) or self._steps.gone(visit)
        return self._steps.go_on(visit, outcome)

    def _show_enrol(self, visit: Visit, started: Started, refused: Refused | None = None) -> Response:
        return self._steps.show(
            visit,
            started,
            "enrol.html",
            refused=refused,
            may_postpone=started.may_postpone,
            enrol_by=started.enrol_by,
        )

    def _show_totp(self, visit: Visit, started: Started, offer: TotpOffer, refused: Refused | None = None) -> Response:
        return self._steps.show(
            visit, started, "enrol_totp.html", refused=refused, offer=offer, qr=qr_drawing(offer.qr)
        )

    def _show_codes(self, visit: Visit, started: Started, offer: CodesOffer, problem: str = "") -> Response:
        return self._steps.show(
            visit, started, "enrol_codes.html", problem=problem, offer=offer, site_host=self._desk.site.host
        )
