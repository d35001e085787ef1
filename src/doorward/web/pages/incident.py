"""When something went wrong, for administrators: lock down, see how it stands, and lift it again (E-90)."""

from dataclasses import replace
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, ById, actor_of
from doorward.flows.break_glass import BreakGlass
from doorward.flows.lockdown import Lockdowns
from doorward.rules.break_glass import SERVE
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.pages.entering import welcome
from doorward.web.visit import Visit

PAGE: Final = "/admin/incident"
_NOTES: Final = {
    "locked": ("good", "Locked down. Everybody else is signed out."),
    "revoked": ("good", "The unused codes were taken back."),
    "lifted": ("good", "The lockdown is lifted. What it ended stays ended."),
}
_NO_WAY: Final = "No administrator could sign in again, so nothing was done. At the machine itself it can be done."
_NO_KIT: Final = "No kit was made: the account has to be enabled and administer."
_NOT_SURE: Final = "Tick the box that says you are sure. Nothing was done."


class IncidentPage:
    """`/admin/incident` and what is under it."""

    def __init__(self, desk: Desk, lockdowns: Lockdowns, break_glass: BreakGlass) -> None:
        self._desk = desk
        self._lockdowns = lockdowns
        self._break_glass = break_glass

    async def get(self, visit: Visit) -> Response:
        """Show how it stands, and who could sign in afterwards."""
        return await self._show(visit, actor_of(subject_of(visit), visit.visitor))

    async def post_lockdown(self, visit: Visit, form: Form) -> Response:
        """Lock down."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        if "sure" not in form:
            return await self._show(visit, actor, form=form, problem=_NOT_SURE)
        try:
            contained = await self._lockdowns.begin(
                actor,
                networks=form.get("networks", "").split(),
                reason=form.get("reason", ""),
                keys_too="keys" in form,
                subject=subject_of(visit) if "keep" in form else None,
                visitor=visit.visitor,
                now=visit.now,
            )
        except InputError as error:
            return await self._show(visit, actor, form=form, wrong=str(error))
        except ConflictError as error:
            if error.clash is not Clash.LAST_WAY:
                raise
            return await self._show(visit, actor, form=form, problem=_NO_WAY)
        if contained.signed_in is None:
            return self._desk.to_login_anew(visit, PAGE)
        here = f"{self._desk.site.public_url}{PAGE}?done=locked"
        return welcome(self._desk, visit, replace(contained.signed_in, return_url=here))

    async def post_lift(self, visit: Visit, form: Form) -> Response:
        """Lift it."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        await self._lockdowns.lift(actor, now=visit.now)
        return self._desk.redirect(visit, f"{PAGE}?done=lifted")

    async def post_kit(self, visit: Visit, form: Form) -> Response:
        """Make a kit and show it, this once: to be printed."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            made = await self._break_glass.make(actor, ById(form.get("user", "")), now=visit.now)
        except (ConflictError, NotFoundError):
            return await self._show(visit, actor, problem=_NO_KIT)
        return self._desk.page(
            visit,
            "kit.html",
            here="safekeeping",
            kit=made,
            qr=[Markup(self._break_glass.draw(code)) for code in made.codes],  # noqa: S704 -- drawn by us
            url=f"{self._desk.site.public_url}/break-glass",
            command=SERVE,
        )

    async def post_revoke(self, visit: Visit, form: Form) -> Response:
        """Take an account's unused codes back."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        await self._break_glass.revoke(actor, ById(form.get("user", "")), now=visit.now)
        return self._desk.redirect(visit, f"{PAGE}?done=revoked")

    async def _show(
        self, visit: Visit, actor: Actor, *, form: Form | None = None, problem: str = "", wrong: str = ""
    ) -> Response:
        view = await self._lockdowns.look(actor, visit.visitor, now=visit.now)
        kits = await self._break_glass.list_kits(actor)
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        values = {name: (form or {}).get(name, "") for name in ("networks", "reason")}
        if form is None and view.lockdown is not None:
            # What is not typed anew goes on: nobody opens the console to everywhere by leaving a field empty.
            values = {"networks": "\n".join(map(str, view.lockdown.networks)), "reason": view.lockdown.reason}
        return self._desk.page(
            visit,
            "incident.html",
            status=400 if problem or wrong else 200,
            here="safekeeping",
            view=view,
            kits=kits,
            unused={kit.user_id for kit, _ in kits if kit.used_at is None},
            values=values,
            keep=form is None or "keep" in form,
            keys_too=form is not None and "keys" in form,
            problem=problem,
            wrong=wrong,
            note=note,
            note_kind=kind,
        )
