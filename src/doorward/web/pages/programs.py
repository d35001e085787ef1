"""Accounts of services, for administrators: programs that have keys and no way to sign in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.admin import Administration
from doorward.flows.app_keys import AppKeys, KeyQuery
from doorward.flows.factors import Factors
from doorward.flows.outcome import Unacceptable
from doorward.rules.identity import User
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator, admit_key_giver
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.pages.key_form import Typed
from doorward.web.pages.key_maker import Asked, KeyMaker
from doorward.web.pages.key_rows import KeyRow, row_of
from doorward.web.pages.marked import gather, split_groups
from doorward.web.pages.proof import is_just_proven
from doorward.web.visit import Visit

_PAGE: Final = "/admin/services"
_NEW_KEY: Final = "/admin/services/key"
_FIELDS: Final = ("name", "display_name", "groups")
_MARKED: Final = "Please look at what is marked below. Nothing was made."
_NOTES: Final = {
    "added": (
        "good",
        "Added. It opens nothing until it has a key; what it may open is up to the rules, by its groups.",
    ),
    "enable": ("good", "Enabled. Its keys count again."),
    "disable": ("good", "Disabled. Its keys open nothing until it is enabled again."),
    "deleted": ("good", "Deleted, with all its keys."),
    "gone": ("warn", "That was gone already, or somebody else changed it meanwhile. Nothing was changed."),
    "unsure": ("warn", "Tick the box that says you are sure. Nothing was done."),
}


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """The account of a service as the page shows it."""

    login: str
    display_name: str
    groups: list[str]
    enabled: bool
    is_admin: bool
    created_at: datetime
    keys: list[KeyRow]


class ProgramsPage:
    """`/admin/services`, and below it `act`, `delete` and `key`."""

    def __init__(
        self, desk: Desk, administration: Administration, app_keys: AppKeys, factors: Factors, maker: KeyMaker
    ) -> None:
        self._desk = desk
        self._factors = factors
        self._administration = administration
        self._app_keys = app_keys
        self._maker = maker

    async def get(self, visit: Visit) -> Response:
        """Show them."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor), {})

    async def post(self, visit: Visit, form: Form) -> Response:
        """Add one."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        try:
            outcome = await self._administration.add_service(
                actor,
                name=form.get("name", ""),
                display_name=form.get("display_name", ""),
                groups=split_groups(form.get("groups", "")),
                now=visit.now,
            )
        except ConflictError:
            outcome = Unacceptable((("name", "This user name is taken."),))
        if isinstance(outcome, Unacceptable):
            return await self._show(visit, actor, form, wrong=gather(outcome.problems))
        return self._back(visit, "added")

    async def post_act(self, visit: Visit, form: Form) -> Response:
        """Disable or enable one."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        word = form.get("act", "")
        if word not in {"enable", "disable"}:
            raise InputError("nobody knows that act")
        try:
            user = await self._find(actor, form.get("login", ""))
            await self._administration.set_enabled(actor, user.name, word == "enable", now=visit.now)
        except (ConflictError, NotFoundError):
            word = "gone"
        return self._back(visit, word)

    async def post_delete(self, visit: Visit, form: Form) -> Response:
        """Delete one, with its keys."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        if "sure" not in form:
            return self._back(visit, "unsure")
        done = "deleted"
        try:
            user = await self._find(actor, form.get("login", ""))
            await self._administration.delete_user(actor, user.name, now=visit.now)
        except (ConflictError, NotFoundError):
            done = "gone"
        return self._back(visit, done)

    async def get_key(self, visit: Visit) -> Response:
        """The form for a key of one."""
        if visit.subject is None:
            return self._desk.to_login(visit, _PAGE)
        actor = actor_of(visit.subject, visit.visitor)
        user = await self._find(actor, visit.query.get("owner", ""))
        if not is_just_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, _key_path(user.name))
        return self._maker.show_form(visit, _asked(user), Typed())

    async def post_key(self, visit: Visit, form: Form) -> Response:
        """Make a key for one, and show it, this once."""
        login = form.get("owner", "")
        # SECURITY: as for a key of one's own (B-12); tests/unit/test_app_keys_page.py tries it.
        actor = await admit_key_giver(self._desk, visit, form, _key_path(login), self._factors)
        if isinstance(actor, Response):
            return actor
        user = await self._find(actor, login)
        by = subject_of(visit)
        return await self._maker.make(
            visit,
            form,
            _asked(user),
            taken={key.name for key, _ in await self._app_keys.list_all(actor, KeyQuery(login=user.name))},
            create=lambda wish: self._app_keys.create_for(by, user.name, wish, visit.visitor, now=visit.now),
        )

    def _back(self, visit: Visit, done: str) -> Response:
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def _list(self, actor: Actor) -> list[User]:
        return [user for user in await self._administration.list_users(actor) if user.is_service]

    async def _find(self, actor: Actor, login: str) -> User:
        """The service of this name. A person's account is none: this page does nothing to it."""
        found = [user for user in await self._list(actor) if user.name == login]
        if not found:
            raise NotFoundError("there is no such service")
        return found[0]

    async def _show(
        self, visit: Visit, actor: Actor, values: Mapping[str, str], *, wrong: Mapping[str, str] | None = None
    ) -> Response:
        services = await self._list(actor)
        keys: dict[str, list[KeyRow]] = {user.id: [] for user in services}
        for key, user in await self._app_keys.list_all(actor):
            if user.id in keys:
                keys[user.id].append(row_of(key, self._app_keys.find_last_use, now=visit.now))
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "services.html",
            status=400 if wrong else 200,
            here="people",
            services=[
                ProgramRow(
                    user.name,
                    user.display_name,
                    sorted(user.groups),
                    user.enabled,
                    user.administers,
                    user.created_at,
                    keys[user.id],
                )
                for user in services
            ],
            values={name: values.get(name, "") for name in _FIELDS},
            wrong={name: (wrong or {}).get(name, "") for name in _FIELDS},
            problem=_MARKED if wrong else "",
            note=note,
            note_kind=kind,
        )


def _asked(user: User) -> Asked:
    return Asked(user, action=_NEW_KEY, back=_PAGE, here="people", is_own=False)


def _key_path(login: str) -> str:
    return f"{_NEW_KEY}?owner={quote(login, safe='')}"
