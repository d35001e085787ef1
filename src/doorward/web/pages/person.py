"""One account, for administrators: who it is, what it may, how it gets in, and its last sign-ins."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from doorward.errors import Clash, ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.admin import Administration
from doorward.flows.erasure import Erasure
from doorward.flows.outcome import Unacceptable
from doorward.flows.own_record import OwnRecord, SignInShown
from doorward.flows.people import version_of
from doorward.flows.recovery import Link, Recovery
from doorward.rules.history import SHOWN
from doorward.rules.identity import User
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk
from doorward.web.pages.device import Device, name_device
from doorward.web.pages.marked import gather, split_groups
from doorward.web.pages.methods import name_methods
from doorward.web.pages.proof import is_proven
from doorward.web.visit import Visit

_LIST: Final = "/admin/users"
_EDITED: Final = ("display_name", "name", "email")
_NEW: Final = (*_EDITED, "groups", "password")
_MARKED: Final = "Please look at what is marked below. Nothing was changed."
_NOTES: Final = {
    "saved": ("good", "Saved."),
    "added": ("good", "Added. At the first sign-in a new password is asked for."),
    "approve": ("good", "Let in. From now on this person can sign in."),
    "enable": ("good", "Enabled."),
    "disable": ("good", "Disabled. Every sign-in has ended."),
    "make_admin": ("good", "This person administers now."),
    "unmake_admin": ("good", "This person administers no more. Every sign-in has ended."),
    "console_only": ("good", "This account opens no app any more, only these pages."),
    "open_apps": ("good", "This account may use apps again."),
    "end_sessions": ("good", "Every sign-in has ended."),
    "force_password": ("good", "The next sign-in asks for a new password. Every sign-in has ended."),
    "reset_factors": ("good", "All second factors and recovery codes are gone. Every sign-in has ended."),
    "closed": ("warn", "Passwords are closed here, so such a link would open nothing."),
    "own_factors": ("warn", "Your own second factors are taken away in your account, under Security."),
    "conflict": (
        "warn",
        "That cannot be done: either this is the last administrator, or the account has changed meanwhile.",
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A sign-in, or a try, as the page shows it. `failure` is the word for why it failed, "" for a good one."""

    at: datetime
    device: Device
    address: str
    place: str
    failure: str
    methods: list[str]
    new_device: bool

    @classmethod
    def of(cls, shown: SignInShown) -> "Line":
        """The line of one."""
        note = shown.note
        return cls(
            at=note.at,
            device=name_device(shown.agent),
            address=shown.address,
            place=shown.place,
            failure=note.failure,
            methods=name_methods(note.methods),
            new_device=note.new_device,
        )


class PersonPage:
    """`/admin/users/person`, `/admin/users/new`, and what is done to an account."""

    def __init__(
        self, desk: Desk, administration: Administration, record: OwnRecord, recovery: Recovery, erasure: Erasure
    ) -> None:
        self._desk = desk
        self._administration = administration
        self._record = record
        self._recovery = recovery
        self._erasure = erasure
        self._acts: Mapping[str, Callable[[Actor, str, datetime], Awaitable[object]]] = {
            "approve": lambda actor, login, now: administration.approve(actor, login, now=now),
            "refuse": lambda actor, login, now: administration.refuse(actor, login, now=now),
            "enable": lambda actor, login, now: administration.set_enabled(actor, login, True, now=now),
            "disable": lambda actor, login, now: administration.set_enabled(actor, login, False, now=now),
            "make_admin": lambda actor, login, now: administration.set_admin(actor, login, True, now=now),
            "unmake_admin": lambda actor, login, now: administration.set_admin(actor, login, False, now=now),
            "console_only": lambda actor, login, now: administration.set_console_only(actor, login, True, now=now),
            "open_apps": lambda actor, login, now: administration.set_console_only(actor, login, False, now=now),
            "end_sessions": lambda actor, login, now: administration.end_sessions_of(actor, login, now=now),
            "force_password": lambda actor, login, now: administration.force_password_change(actor, login, now=now),
            "reset_factors": lambda actor, login, now: administration.reset_factors(actor, login, now=now),
        }

    async def get(self, visit: Visit) -> Response:
        """Show it."""
        if visit.subject is None:
            return self._desk.to_login(visit, _LIST)
        return await self._show(visit, actor_of(visit.subject, visit.visitor), visit.query.get("login", ""))

    async def get_new(self, visit: Visit) -> Response:
        """Show the form for another account."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        actor_of(visit.subject, visit.visitor)
        return self._show_new(visit, {}, {})

    async def post_new(self, visit: Visit, form: Form) -> Response:
        """Add an account."""
        actor = admit_administrator(self._desk, visit, form, "/admin/users/new")
        if isinstance(actor, Response):
            return actor
        try:
            outcome = await self._administration.add_user(
                actor,
                name=form.get("name", ""),
                display_name=form.get("display_name", ""),
                email=form.get("email", ""),
                password=form.get("password", ""),
                groups=split_groups(form.get("groups", "")),
                must_change=True,
                now=visit.now,
            )
        except ConflictError:
            return self._show_new(visit, form, {"name": "This user name or e-mail address is taken."})
        if isinstance(outcome, Unacceptable):
            return self._show_new(visit, form, gather(outcome.problems))
        return self._back(visit, outcome.name, "added")

    async def post_edit(self, visit: Visit, form: Form) -> Response:
        """Change names and address."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        try:
            outcome = await self._administration.edit_user(
                actor,
                login,
                name=form.get("name", ""),
                display_name=form.get("display_name", ""),
                email=form.get("email", ""),
                seen=form.get("seen", ""),
                now=visit.now,
            )
        except ConflictError:
            wrong = {
                "name": "This user name or e-mail address is taken, or somebody else changed the account meanwhile."
            }
            return await self._show(visit, actor, login, form=form, wrong=wrong)
        if isinstance(outcome, Unacceptable):
            return await self._show(visit, actor, login, form=form, wrong=gather(outcome.problems))
        return self._back(visit, outcome.name, "saved")

    async def post_groups(self, visit: Visit, form: Form) -> Response:
        """Set the groups."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        groups = split_groups(form.get("groups", ""))
        outcome = await self._administration.set_groups(actor, login, groups, now=visit.now)
        if isinstance(outcome, Unacceptable):
            return await self._show(visit, actor, login, form=form, wrong=gather(outcome.problems))
        return self._back(visit, outcome.name, "saved")

    async def post_act(self, visit: Visit, form: Form) -> Response:
        """Do what a button says."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        word = form.get("act", "")
        act = self._acts.get(word)
        if act is None:
            raise InputError("nobody knows that act")
        try:
            await act(actor, login, visit.now)
        except ConflictError as error:
            word = "own_factors" if error.clash is Clash.OWN_FACTORS else "conflict"
        if word == "refuse":
            return self._desk.redirect(visit, f"{_LIST}?done=refused")
        return self._back(visit, login, word)

    async def post_hand_out(self, visit: Visit, form: Form) -> Response:
        """Make a link to set a password with, and show it: nowhere else does it stand."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        try:
            link = await self._recovery.hand_out(actor, login, now=visit.now)
        except ConflictError as error:
            return self._back(visit, login, "closed" if error.clash is Clash.PASSWORDS_CLOSED else "conflict")
        return await self._show(visit, actor, login, link=link)

    async def post_delete(self, visit: Visit, form: Form) -> Response:
        """Delete it, when its name was typed."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        if form.get("confirm", "").strip() != login:
            return await self._show(visit, actor, login, wrong={"confirm": "That is not the user name."})
        try:
            if form.get("erase"):
                await self._erasure.erase(actor, login, now=visit.now)
            else:
                await self._administration.delete_user(actor, login, now=visit.now)
        except ConflictError:
            return self._back(visit, login, "conflict")
        return self._desk.redirect(visit, f"{_LIST}?done=deleted")

    async def post_export(self, visit: Visit, form: Form) -> Response:
        """Hand out a copy of everything that is stored of it."""
        login = form.get("login", "")
        actor = admit_administrator(self._desk, visit, form, _path(login))
        if isinstance(actor, Response):
            return actor
        copy = await self._erasure.export(actor, login, now=visit.now)
        response = Response(json.dumps(copy, ensure_ascii=False, indent=2).encode(), media_type="application/json")
        response.raw_headers.append((b"content-disposition", b'attachment; filename="account.json"'))
        return response

    def _back(self, visit: Visit, login: str, done: str) -> Response:
        return self._desk.redirect(visit, f"{_path(login)}&done={done}")

    async def _show(
        self,
        visit: Visit,
        actor: Actor,
        login: str,
        *,
        form: Form | None = None,
        wrong: Mapping[str, str] | None = None,
        link: Link | None = None,
    ) -> Response:
        user = await self._find(actor, login)
        history = await self._record.list_history(actor, user.name, limit=SHOWN)
        protected = user.id in await self._administration.list_protected(actor)
        stored = {
            "display_name": user.display_name,
            "name": user.name,
            "email": user.email,
            "groups": ", ".join(sorted(user.groups)),
        }
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "person.html",
            status=400 if wrong else 200,
            here="people",
            user=user,
            seen=(form or {}).get("seen") or version_of(user),
            values={name: (form or {}).get(name, value) for name, value in stored.items()},
            wrong={name: (wrong or {}).get(name, "") for name in (*stored, "confirm")},
            problem=_MARKED if wrong else "",
            granted=sorted(user.granted_groups - user.groups),
            protected=protected,
            is_self=user.id == actor.user_id,
            asks_first=visit.subject is not None and not is_proven(visit.subject.session, visit.now),
            history=[Line.of(shown) for shown in history],
            link=link,
            note=note,
            note_kind=kind,
        )

    async def _find(self, actor: Actor, login: str) -> User:
        found = [user for user in await self._administration.list_users(actor) if user.name == login]
        if not found:
            raise NotFoundError("there is no such account")
        return found[0]

    def _show_new(self, visit: Visit, form: Form, wrong: Mapping[str, str]) -> Response:
        return self._desk.page(
            visit,
            "person_new.html",
            status=400 if wrong else 200,
            here="people",
            # Passwords are never sent back.
            values={name: "" if name == "password" else form.get(name, "") for name in _NEW},
            wrong={name: wrong.get(name, "") for name in _NEW},
            problem=_MARKED if wrong else "",
        )


def _path(login: str) -> str:
    return f"/admin/users/person?login={quote(login, safe='')}"
