"""Everybody's accounts, for administrators: groups, rights, and what each is connected to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.admin import Administration, actor_of
from doorward.flows.identities import Identities
from doorward.flows.ways import Ways
from doorward.rules.upstream import IdentityId
from doorward.web.form import Form
from doorward.web.pages.account import Connection, connections_of
from doorward.web.pages.desk import Desk
from doorward.web.pages.paging import parse_offset
from doorward.web.pages.proof import is_proven
from doorward.web.visit import Visit

PAGE_SIZE: Final = 50
_NOTES: Final = {
    "deleted": ("good", "Deleted. Every sign-in of that account has ended."),
    "refused": ("good", "Refused. The account is gone."),
    "disconnected": ("good", "Disconnected. The sign-ins made with it have ended."),
    "gone": ("good", "That was disconnected already, or the account is gone."),
    "last": (
        "warn",
        "That is the only way this account can sign in, so it stays. Set a password for it first, or disable it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An account as the page shows it. `granted` are groups that come from providers alone.

    `protected`: it has a second factor. `waits`: for an administrator to let it in.
    """

    name: str
    display_name: str
    email: str
    enabled: bool
    waits: bool
    protected: bool
    administers: bool
    by_provider: bool
    groups: list[str]
    granted: list[str]
    created_at: datetime
    connections: list[Connection]


class UsersPage:
    """`/admin/users` and `/admin/users/unlink`."""

    def __init__(self, desk: Desk, administration: Administration, identities: Identities, ways: Ways) -> None:
        self._desk = desk
        self._administration = administration
        self._identities = identities
        self._ways = ways

    async def get(self, visit: Visit) -> Response:
        """Show them, a page at a time."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        actor = actor_of(visit.subject, visit.visitor)
        offset = parse_offset(visit.query.get("offset", "0"))
        users = await self._administration.list_users(actor)
        # Who waits to be let in comes first.
        users.sort(key=lambda user: not user.awaits_approval)
        protected = await self._administration.list_protected(actor)
        identities = await self._identities.list_all(actor)
        providers = await self._ways.list_all()
        rows = [
            Row(
                name=user.name,
                display_name=user.display_name,
                email=user.email,
                enabled=user.enabled,
                waits=user.awaits_approval,
                protected=user.id in protected,
                administers=user.administers,
                by_provider=user.granted_admin and not user.is_admin,
                groups=sorted(user.groups),
                granted=sorted(user.granted_groups - user.groups),
                created_at=user.created_at,
                connections=connections_of(identities.get(user.id, ()), providers),
            )
            for user in users[offset : offset + PAGE_SIZE]
        ]
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        path = "/admin/users?offset="
        return self._desk.page(
            visit,
            "users.html",
            here="people",
            users=rows,
            count=len(users),
            note=note,
            note_kind=kind,
            back=f"{path}{max(offset - PAGE_SIZE, 0)}" if offset else "",
            more=f"{path}{offset + PAGE_SIZE}" if len(users) > offset + PAGE_SIZE else "",
        )

    async def post_unlink(self, visit: Visit, form: Form) -> Response:
        """Disconnect somebody's account from a provider."""
        page = "/admin/users"
        if visit.subject is None:
            return self._desk.to_login(visit, page)
        self._desk.check_form(visit, form, page=page)
        actor = actor_of(visit.subject, visit.visitor)
        if not is_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, page)
        done = "disconnected"
        try:
            await self._identities.unlink_for(
                actor, form.get("login", ""), IdentityId(form.get("identity", "")), now=visit.now
            )
        except ConflictError:
            done = "last"
        except NotFoundError:
            done = "gone"
        return self._desk.redirect(visit, f"{page}?done={done}")
