"""Invitations, for administrators: whom they let in, until when, and what has become of them (B-13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from doorward.errors import ConflictError, InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.invites import Invites, Made
from doorward.flows.outcome import Unacceptable
from doorward.flows.post import Post
from doorward.flows.registration import Registration
from doorward.rules.invite import Invite, InviteId, InviteState
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk
from doorward.web.pages.marked import gather, split_groups
from doorward.web.visit import Visit

_PAGE: Final = "/admin/invites"
_FIELDS: Final = ("days", "uses", "groups", "email", "note")
_NEW: Final = {"days": "7", "uses": "1"}
_MOST: Final = 10_000
_STATES: Final = {
    InviteState.ACTIVE: "open",
    InviteState.USED_UP: "used",
    InviteState.EXPIRED: "expired",
    InviteState.REVOKED: "taken back",
}
_NOTES: Final = {
    "revoked": ("good", "Taken back. Its link opens nothing any more."),
    "gone": ("good", "That invitation was gone already."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An invitation as the page shows it. `state` is the word, `state_words` what people read."""

    id: str
    note: str
    email: str
    state: str
    state_words: str
    uses: int
    max_uses: int | None
    made_at: datetime
    expires_at: datetime | None
    groups: list[str]

    @classmethod
    def of(cls, invite: Invite, state: InviteState) -> "Row":
        """The row of one."""
        return cls(
            id=invite.id,
            note=invite.note,
            email=invite.email,
            state=state.value,
            state_words=_STATES[state],
            uses=invite.uses,
            max_uses=invite.max_uses,
            made_at=invite.made_at,
            expires_at=invite.expires_at,
            groups=sorted(invite.groups),
        )


class InvitesPage:
    """`/admin/invites` and `/admin/invites/revoke`."""

    def __init__(self, desk: Desk, invites: Invites, registration: Registration, post: Post) -> None:
        self._desk = desk
        self._invites = invites
        self._registration = registration
        self._post = post

    async def get(self, visit: Visit) -> Response:
        """Show them."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor), _NEW)

    async def post(self, visit: Visit, form: Form) -> Response:
        """Make one, and show its link: it is stored nowhere, so this page is the only place it stands."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        days = _read_count(form.get("days", ""))
        try:
            outcome = await self._invites.make(
                actor,
                max_uses=_read_count(form.get("uses", "")),
                lifetime=timedelta(days=days) if days else None,
                groups=split_groups(form.get("groups", "")),
                email=form.get("email", ""),
                note=form.get("note", ""),
                now=visit.now,
            )
        except ConflictError:
            problem = "There are too many invitations already. Take some back first."
            return await self._show(visit, actor, form, problem=problem)
        if isinstance(outcome, Unacceptable):
            return await self._show(visit, actor, form, wrong=gather(outcome.problems))
        return await self._show(visit, actor, _NEW, made=outcome)

    async def post_revoke(self, visit: Visit, form: Form) -> Response:
        """Take one back."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        done = "revoked"
        try:
            await self._invites.revoke(actor, InviteId(form.get("invite", "")), now=visit.now)
        except NotFoundError:
            done = "gone"
        return self._desk.redirect(visit, f"{_PAGE}?done={done}")

    async def _show(
        self,
        visit: Visit,
        actor: Actor,
        values: Mapping[str, str],
        *,
        wrong: Mapping[str, str] | None = None,
        problem: str = "",
        made: Made | None = None,
    ) -> Response:
        invites = await self._invites.list_states(actor, now=visit.now)
        openness = await self._registration.describe()
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        if wrong:
            problem = "Please look at what is marked below. Nothing was made."
        return self._desk.page(
            visit,
            "invites.html",
            status=400 if problem else 200,
            here="people",
            invites=[Row.of(invite, state) for invite, state in invites],
            closed=not openness.mode.takes_invited,
            mail_open=self._post.is_open,
            made=made,
            values={name: values.get(name, "") for name in _FIELDS},
            wrong={name: (wrong or {}).get(name, "") for name in _FIELDS},
            problem=problem,
            wait_seconds=0,
            note=note,
            note_kind=kind,
        )


def _read_count(text: str) -> int | None:
    """A number of days or uses; None for no limit. InputError for what the page does not offer."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= _MOST:
        raise InputError("that is no number of days or uses")
    return int(text[:6])
