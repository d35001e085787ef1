"""The audit record, for administrators: what was done, by whom and to whom, and how the chain stands."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from doorward.errors import InputError
from doorward.flows.acting import actor_of
from doorward.flows.audit_trail import AuditTrail, Listed, Wish
from doorward.rules.audit import Act, AuditEntry
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk
from doorward.web.pages.paging import parse_offset
from doorward.web.visit import Visit

_PAGE: Final = "/admin/audit"
_LIMIT: Final = 50
_FILTERS: Final = ("actor", "about", "act", "since", "until")
_WRONG: Final = "That is no such act, or no day."
_MEANINGS: Final = {act.value: act.meaning for act in Act}
_NOTES: Final = {
    "whole": ("good", "Every record is what was recorded."),
    "broken": ("warn", "Records are not what was recorded. Take an export, and see the runbook."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the page shows it. `erased`: its personal data is gone."""

    number: int
    at: datetime
    act: str
    meaning: str
    actor: str
    about: str
    details: tuple[tuple[str, str], ...]
    erased: bool

    @classmethod
    def of(cls, entry: AuditEntry, names: Mapping[str, str]) -> "Row":
        """The row of one."""
        private = entry.private or {}
        details = {**entry.public, **private}
        return cls(
            number=entry.sequence,
            at=entry.at,
            act=entry.act,
            meaning=_MEANINGS.get(entry.act, ""),
            actor=names.get(entry.actor, entry.actor),
            about=names.get(entry.subject, entry.subject),
            details=tuple((name, text) for name, text in details.items() if text),
            erased=entry.private is None,
        )


class _Lines(Response):
    """An answer that is written as it is read, however long it is."""

    def __init__(self, first: str, lines: AsyncIterator[str]) -> None:
        super().__init__(media_type="application/jsonl")
        del self.headers["content-length"]
        self._first = first
        self._lines = lines

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; who goes away meanwhile ends it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first.encode("ascii"), "more_body": True})
        async for line in self._lines:
            await send({"type": "http.response.body", "body": line.encode("ascii"), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class AuditPage:
    """`/admin/audit`."""

    def __init__(self, desk: Desk, trail: AuditTrail) -> None:
        self._desk = desk
        self._trail = trail

    async def get(self, visit: Visit) -> Response:
        """Show those that are asked for, the newest first."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        actor = actor_of(visit.subject, visit.visitor)
        asked = {name: visit.query.get(name, "").strip() for name in _FILTERS}
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        listed, problem = Listed((), {}, None), ""
        try:
            before = visit.query.get("before", "")
            listed = await self._trail.find(
                actor, read_wish(asked), limit=_LIMIT, before=parse_offset(before) if before else None
            )
        except InputError:
            problem = _WRONG
        given = {name: text for name, text in asked.items() if text}
        older = "" if listed.older is None else f"{_PAGE}?{urlencode({**given, 'before': listed.older})}"
        return self._desk.page(
            visit,
            "audit.html",
            status=400 if problem else 200,
            here="safekeeping",
            rows=[Row.of(entry, listed.names) for entry in listed.entries],
            asked=asked,
            acts=list(_MEANINGS),
            older=older,
            state=await self._trail.find_state(actor),
            problem=problem,
            note=note,
            note_kind=kind,
        )

    async def post_export(self, visit: Visit, form: Form) -> Response:
        """Hand out what is asked for, as it is read."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        wish = read_wish({name: form.get(name, "").strip() for name in _FILTERS})
        lines = self._trail.export(actor, wish, private=form.get("private") == "yes", now=visit.now)
        # The first line before the answer begins: what is refused is refused with a page.
        response = _Lines(await anext(lines), lines)
        name = f"audit-{visit.now:%Y-%m-%d}.jsonl"
        response.raw_headers.append((b"content-disposition", f'attachment; filename="{name}"'.encode("ascii")))
        return response

    async def post_verify(self, visit: Visit, form: Form) -> Response:
        """Walk the whole chain now."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        verdict = await self._trail.verify(actor, now=visit.now)
        return self._desk.redirect(visit, f"{_PAGE}?done={'whole' if verdict.holds else 'broken'}")


def read_wish(asked: Mapping[str, str]) -> Wish:
    """What the fields ask for; days in UTC, the last one included. InputError for what is no day."""
    until = _read_day(asked["until"])
    if until is not None and until.date() == date.max:
        until = None  # there is no day after it
    return Wish(
        actor=asked["actor"],
        about=asked["about"],
        act=asked["act"],
        since=_read_day(asked["since"]),
        until=None if until is None else until + timedelta(days=1),
    )


def _read_day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError("that is no day") from error
