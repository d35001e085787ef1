"""One's own keys, for what cannot sign in on a page: what they open, how they live, and making and revoking them."""

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.app_keys import AppKeys
from doorward.flows.factors import Factors
from doorward.flows.lockdown import Lockdowns
from doorward.rules.session import Subject
from doorward.web.form import Form
from doorward.web.pages.admit import admit, admit_shown
from doorward.web.pages.desk import Desk
from doorward.web.pages.key_form import Typed
from doorward.web.pages.key_maker import Asked, KeyMaker
from doorward.web.pages.key_rows import row_of
from doorward.web.pages.proof import is_just_proven
from doorward.web.visit import Visit

_PAGE: Final = "/keys"
_NEW: Final = "/keys/new"
_BAD_NAME: Final = "That name cannot be used."
_NAME_IN_USE: Final = "Another of your keys has this name already."
_NOTES: Final = {
    "revoked": ("good", "Revoked. It opens nothing any more, from this moment on; your other keys are as they were."),
    "renamed": ("good", "Renamed."),
    "woken": ("good", "It is awake, and opens what it opened before."),
    "gone": ("warn", "That was gone already, or somebody else changed it meanwhile. Nothing was changed."),
    "held": ("warn", "There is a lockdown, so no key is woken."),
}


class OwnKeysPage:
    """`/keys`, and below it `new`, `revoke`, `rename` and `wake`."""

    def __init__(self, desk: Desk, app_keys: AppKeys, factors: Factors, lockdowns: Lockdowns, maker: KeyMaker) -> None:
        self._desk = desk
        self._app_keys = app_keys
        self._factors = factors
        self._lockdowns = lockdowns
        self._maker = maker

    async def get(self, visit: Visit) -> Response:
        """Show them."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, visit.subject)

    async def get_new(self, visit: Visit) -> Response:
        """The form, with an app chosen where there is only one or the address names it."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        if not is_just_proven(visit.subject.session, visit.now):
            wanted = visit.query.get("app", "")
            return self._desk.to_confirm(visit, f"{_NEW}?app={quote(wanted, safe='')}" if wanted else _NEW)
        names = [app.name for app in self._maker.list_apps(visit.subject.user)]
        chosen = tuple(name for name in names if len(names) == 1 or name == visit.query.get("app"))
        return self._maker.show_form(visit, _asked(visit.subject), Typed(apps=chosen))

    async def post_new(self, visit: Visit, form: Form) -> Response:
        """Make one, and show it: it is stored nowhere, so this page is the only place it stands."""
        # SECURITY: a key passes by every other proof, so whoever has a second factor shows it before there is one
        # (B-12); tests/unit/test_own_keys_page.py tries with the password alone.
        subject = await admit_shown(self._desk, visit, form, _NEW, self._factors)
        if isinstance(subject, Response):
            return subject
        taken = {key.name for key in await self._app_keys.list_of(subject)}
        return await self._maker.make(
            visit,
            form,
            _asked(subject),
            taken=taken,
            create=lambda wish: self._app_keys.create(subject, wish, visit.visitor, now=visit.now),
        )

    async def post_revoke(self, visit: Visit, form: Form) -> Response:
        """Take one back. No proof is asked for: whoever lost a phone is in a hurry."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        try:
            await self._app_keys.revoke(subject, form.get("key", ""), visit.visitor, now=visit.now)
        except NotFoundError:
            return self._back(visit, "gone")
        return self._back(visit, "revoked")

    async def post_rename(self, visit: Visit, form: Form) -> Response:
        """Give one another name."""
        subject = admit(self._desk, visit, form, _PAGE, proven=False)
        if isinstance(subject, Response):
            return subject
        try:
            await self._app_keys.rename(
                subject, form.get("key", ""), form.get("name", ""), visit.visitor, now=visit.now
            )
        except InputError:
            return await self._show(visit, subject, problem=_BAD_NAME)
        except ConflictError as error:
            if error.clash is Clash.TAKEN:
                return await self._show(visit, subject, problem=_NAME_IN_USE)
            return self._back(visit, "gone")
        except NotFoundError:
            return self._back(visit, "gone")
        return self._back(visit, "renamed")

    async def post_wake(self, visit: Visit, form: Form) -> Response:
        """Let one that was put to sleep count again."""
        subject = await admit_shown(self._desk, visit, form, _PAGE, self._factors)
        if isinstance(subject, Response):
            return subject
        try:
            await self._app_keys.wake(subject, form.get("key", ""), visit.visitor, now=visit.now)
        except ConflictError as error:
            return self._back(visit, "held" if error.clash is Clash.LOCKDOWN else "gone")
        except NotFoundError:
            return self._back(visit, "gone")
        return self._back(visit, "woken")

    def _back(self, visit: Visit, done: str) -> Response:
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def _show(self, visit: Visit, subject: Subject, *, problem: str = "") -> Response:
        keys = await self._app_keys.list_of(subject)
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "own_keys.html",
            status=400 if problem else 200,
            here="account",
            rows=[row_of(key, self._app_keys.find_last_use, now=visit.now) for key in keys],
            most=self._app_keys.terms.max_keys,
            held=await self._lockdowns.find() is not None,
            administers=subject.user.administers,
            problem=problem,
            wait_seconds=0,
            note=note,
            note_kind=kind,
        )


def _asked(subject: Subject) -> Asked:
    return Asked(subject.user, action=_NEW, back=_PAGE, here="account", is_own=True)
