"""The secrets we show apps, for administrators: set and removed, never shown."""

from typing import Final

from starlette.responses import Response

from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.acting import actor_of
from doorward.flows.app_secrets import AppSecrets
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.visit import Visit

PAGE: Final = "/admin/app-secrets"
_NOTES: Final = {
    "set": ("good", "The secret is set. It is shown to its apps from the next request on."),
    "removed": ("good", "The secret is removed."),
    "gone": ("good", "There is no such secret any more."),
}
_BAD: Final = (
    "A name has lower-case letters, digits, dots, dashes or underscores. A secret is one line, without spaces around "
    "it. Nothing was changed."
)
_NEEDED: Final = "The configuration still shows it to an app, which would let nobody in. Nothing was changed."


class AppSecretsPage:
    """`/admin/app-secrets` and `/admin/app-secrets/remove`."""

    def __init__(self, desk: Desk, secrets: AppSecrets) -> None:
        self._desk = desk
        self._secrets = secrets

    async def get(self, visit: Visit) -> Response:
        """Show which there are, which are missing, and to whom they are shown."""
        return await self._show(visit, name=visit.query.get("name", "")[:64])

    async def post(self, visit: Visit, form: Form) -> Response:
        """Set one."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        name = form.get("name", "").strip()
        try:
            await self._secrets.put(actor, name, form.get("secret", ""), now=visit.now)
        except InputError:
            return await self._show(visit, name=name[:64], problem=_BAD)
        return self._desk.redirect(visit, f"{PAGE}?done=set")

    async def post_remove(self, visit: Visit, form: Form) -> Response:
        """Forget one that no app is shown."""
        actor = admit_administrator(self._desk, visit, form, PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            await self._secrets.remove(actor, form.get("name", ""), now=visit.now)
        except ConflictError:
            return await self._show(visit, problem=_NEEDED)
        except NotFoundError:
            return self._desk.redirect(visit, f"{PAGE}?done=gone")
        return self._desk.redirect(visit, f"{PAGE}?done=removed")

    async def _show(self, visit: Visit, *, name: str = "", problem: str = "") -> Response:
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "app_secrets.html",
            status=400 if problem else 200,
            here="safekeeping",
            secrets=await self._secrets.look(actor_of(subject_of(visit), visit.visitor)),
            name=name,
            problem=problem,
            note=note,
            note_kind=kind,
            wait_seconds=0,
        )
