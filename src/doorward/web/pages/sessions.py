"""Sessions: my own, and for administrators everybody's."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from doorward.errors import NotFoundError
from doorward.flows.account import Account
from doorward.flows.admin import Actor, Administration, actor_of
from doorward.flows.turnstile import Turnstile
from doorward.rules.session import Session, SessionHandle
from doorward.web.form import Form
from doorward.web.pages.counted import count_act
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.pages.device import Device, name_device
from doorward.web.pages.logout import leave
from doorward.web.pages.paging import parse_offset
from doorward.web.visit import Visit

PAGE_SIZE = 50
_NOTES = {
    "ended": "That sign-in has ended. Its browser is locked out from now on.",
    "others": "All your other sign-ins have ended.",
    "gone": "That sign-in had already ended.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A session as a page shows it. `handle` is its public name; it opens nothing."""

    handle: str
    device: Device
    address: str
    who: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    remembered: bool
    here: bool


class SessionsPage:
    """`/sessions`, `/sessions/end` and `/admin/sessions`."""

    def __init__(self, desk: Desk, account: Account, administration: Administration, turnstile: Turnstile) -> None:
        self._desk = desk
        self._account = account
        self._administration = administration
        self._turnstile = turnstile

    async def get(self, visit: Visit) -> Response:
        """My sessions."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        subject = visit.subject
        sessions = await self._account.list_sessions(subject, now=visit.now)
        rows = [_row(session, "", subject.session.handle, visit.now) for session in sessions]
        # This browser first: it is what the others are compared with.
        rows.sort(key=lambda row: not row.here)
        return self._page(visit, rows, here="sessions", everybody=False)

    async def get_all(self, visit: Visit) -> Response:
        """Everybody's, a page at a time."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        offset = parse_offset(visit.query.get("offset", "0"))
        found = await self._administration.list_sessions(
            self._actor(visit), now=visit.now, limit=PAGE_SIZE + 1, offset=offset
        )
        here = visit.subject.session.handle
        rows = [
            _row(session, f"{user.display_name} ({user.name})", here, visit.now) for session, user in found[:PAGE_SIZE]
        ]
        path = "/admin/sessions?offset="
        return self._page(
            visit,
            rows,
            here="everybody",
            everybody=True,
            newer=f"{path}{max(offset - PAGE_SIZE, 0)}" if offset else "",
            older=f"{path}{offset + PAGE_SIZE}" if len(found) > PAGE_SIZE else "",
        )

    async def post_end(self, visit: Visit, form: Form) -> Response:
        """End one, or all of mine but this."""
        as_admin = form.get("from") == "admin"
        page = "/admin/sessions" if as_admin else "/sessions"
        if visit.subject is None:
            # The list was open when this sign-in ended; nothing is done, and afterwards they can look again.
            return self._desk.to_login(visit, page)
        self._desk.check_form(visit, form, page=page)
        subject = subject_of(visit)
        which = form.get("which", "")
        if which == "others":
            await self._account.end_other_sessions(subject, visit.visitor, now=visit.now)
            return self._desk.redirect(visit, "/sessions?done=others")
        handle = SessionHandle(which)
        if handle == subject.session.handle:
            await self._account.end_session(subject, handle, visit.visitor, now=visit.now)
            visit.cookies_out += self._desk.cookies.end_session()
            visit.cookies_out += self._desk.cookies.end_trail()
            leave(self._desk, visit)
            return self._desk.redirect(visit, "/signed-out")
        try:
            if as_admin:
                actor = self._actor(visit)
                await count_act(visit, self._turnstile)
                ended = await self._administration.end_session(actor, handle, now=visit.now)
            else:
                ended = await self._account.end_session(subject, handle, visit.visitor, now=visit.now)
        except NotFoundError:
            ended = False
        return self._desk.redirect(visit, f"{page}?done={'ended' if ended else 'gone'}")

    def _actor(self, visit: Visit) -> Actor:
        return actor_of(subject_of(visit), visit.visitor)

    def _page(
        self, visit: Visit, rows: list[Row], *, here: str, everybody: bool, newer: str = "", older: str = ""
    ) -> Response:
        return self._desk.page(
            visit,
            "sessions.html",
            here=here,
            everybody=everybody,
            sessions=rows,
            others=any(not row.here for row in rows),
            note=_NOTES.get(visit.query.get("done", ""), ""),
            newer=newer,
            older=older,
        )


def _row(session: Session, who: str, current: SessionHandle, now: datetime) -> Row:
    here = session.handle == current
    return Row(
        handle=session.handle,
        device=name_device(session.user_agent),
        address=session.address,
        who=who,
        created_at=session.created_at,
        # Uses are written down after the answer; this one is going on.
        last_seen_at=now if here else session.last_seen_at,
        expires_at=session.expires_at,
        remembered=session.remembered,
        here=here,
    )
