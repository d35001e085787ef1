"""Backups, for administrators: the schedule, what there is and how old, a new one now, and restoring."""

from typing import Final

from starlette.responses import Response

from doorward.errors import Clash, ConfigError, ConflictError, DoorwardError, InputError, NotFoundError, TamperError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.backups import Backups
from doorward.flows.restoring import Restoring
from doorward.rules.backup import Openers, Reason
from doorward.rules.restoring import Plan
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk
from doorward.web.visit import Visit

_PAGE: Final = "/admin/backups"
_REASONS: Final = {
    Reason.SCHEDULED: "on schedule",
    Reason.ASKED: "asked for",
    Reason.RESTORE: "before a restore",
    Reason.UPGRADE: "before an upgrade",
    Reason.BROUGHT: "from elsewhere",
}
_NOTES: Final = {
    "made": ("good", "The backup is made."),
    "proven": ("good", "The newest backup restores: all of it was compared, and every sealed value opened."),
    "deleted": ("good", "The backup is deleted."),
    "restored": ("good", "The backup is restored. What was here before is saved: it is in the list below."),
}
_BUSY: Final = "A backup or a restore is under way. Try again in a moment."
_CHANGED: Final = "Something was changed since the preview. Look at it again."
_LAST: Final = "Nobody could administer the gateway afterwards, so this is refused."


class BackupsPage:
    """`/admin/backups` and what is under it."""

    def __init__(self, desk: Desk, backups: Backups, restoring: Restoring) -> None:
        self._desk = desk
        self._backups = backups
        self._restoring = restoring

    async def get(self, visit: Visit) -> Response:
        """Show what there is."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor))

    async def post_create(self, visit: Visit, form: Form) -> Response:
        """Make one now."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            await self._backups.create(actor, now=visit.now)
        except (ConflictError, ConfigError) as error:
            return await self._show(visit, actor, problem=_spell(error))
        return self._desk.redirect(visit, f"{_PAGE}?done=made")

    async def post_drill(self, visit: Visit, form: Form) -> Response:
        """Prove that the newest restores."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            await self._backups.drill(actor, now=visit.now)
        except (ConflictError, ConfigError, InputError, TamperError) as error:
            return await self._show(visit, actor, problem=_spell(error))
        return self._desk.redirect(visit, f"{_PAGE}?done=proven")

    async def post_preview(self, visit: Visit, form: Form) -> Response:
        """Say what restoring one would do."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        name, openers = form.get("backup", ""), Openers(form.get("passphrase", ""))
        try:
            plan = await self._restoring.preview(actor, name, openers, now=visit.now)
        except (ConflictError, InputError, NotFoundError, TamperError) as error:
            return await self._show(visit, actor, problem=_spell(error))
        # What could be opened only with what was typed needs it typed once more: it is not put back into the page.
        return await self._show(visit, actor, plan=plan, asks_passphrase=bool(openers.passphrase))

    async def post_restore(self, visit: Visit, form: Form) -> Response:
        """Restore one, as the preview said. Who asked is signed out with everybody else."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        name, openers = form.get("backup", ""), Openers(form.get("passphrase", ""))
        try:
            await self._restoring.apply(actor, name, form.get("token", ""), openers, now=visit.now)
        except (ConflictError, InputError, NotFoundError, TamperError) as error:
            return await self._show(visit, actor, problem=_spell(error))
        return self._desk.to_login_anew(visit, f"{_PAGE}?done=restored")

    async def post_delete(self, visit: Visit, form: Form) -> Response:
        """Delete one."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            await self._backups.remove(actor, form.get("backup", ""), now=visit.now)
        except (InputError, NotFoundError) as error:
            return await self._show(visit, actor, problem=_spell(error))
        return self._desk.redirect(visit, f"{_PAGE}?done=deleted")

    async def _show(
        self, visit: Visit, actor: Actor, *, plan: Plan | None = None, asks_passphrase: bool = False, problem: str = ""
    ) -> Response:
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "backups.html",
            status=400 if problem else 200,
            here="safekeeping",
            state=await self._backups.look(actor),
            reasons=_REASONS,
            plan=plan,
            asks_passphrase=asks_passphrase,
            problem=problem,
            note=note,
            note_kind=kind,
        )


def _spell(error: DoorwardError) -> str:
    """What stands in the way. Sentences of ours about a file are for whoever runs the machine, and are in English."""
    if isinstance(error, ConflictError):
        if error.clash is Clash.LAST_ADMINISTRATOR:
            return _LAST
        return _CHANGED if "preview" in str(error) else _BUSY
    return str(error)
