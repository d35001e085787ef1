"""Alerts, for administrators: what came up, who was told, and whether those who are to know can be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from doorward.flows.acting import Actor, actor_of
from doorward.flows.alert_desk import AlertDesk, Answer, ShownAlert
from doorward.rules.alert import AlertState
from doorward.web.form import Form
from doorward.web.pages.admit import admit_administrator
from doorward.web.pages.desk import Desk
from doorward.web.visit import Visit

_PAGE: Final = "/admin/alerts"
_STATES: Final = {
    AlertState.WAITING: "waiting",
    AlertState.SENT: "sent",
    AlertState.FAILED: "given up",
    AlertState.UNSENT: "told nobody",
}


@dataclass(frozen=True, slots=True)
class Row:
    """An alert as the page shows it. `subject` is "" where it cannot be read."""

    subject: str
    lines: tuple[str, ...]
    state: str
    state_words: str
    queued_at: datetime
    next_try_at: datetime
    done_at: datetime | None
    tries: int
    trouble: str

    @classmethod
    def of(cls, shown: ShownAlert) -> "Row":
        """The row of one. The last line of what is sent is the address of this very page."""
        alert, written = shown.alert, shown.written
        return cls(
            subject=written.subject if written else "",
            lines=tuple(written.text.splitlines()[:-1]) if written else (),
            state=alert.state.value,
            state_words=_STATES[alert.state],
            queued_at=alert.queued_at,
            next_try_at=alert.next_try_at,
            done_at=alert.done_at,
            tries=alert.tries,
            trouble=alert.trouble,
        )


class AlertsPage:
    """`/admin/alerts` and `/admin/alerts/test`."""

    def __init__(self, desk: Desk, alerts: AlertDesk) -> None:
        self._desk = desk
        self._alerts = alerts

    async def get(self, visit: Visit) -> Response:
        """Show the last ones."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        return await self._show(visit, actor_of(visit.subject, visit.visitor))

    async def post_test(self, visit: Visit, form: Form) -> Response:
        """Send a test to every target, and say how each answered."""
        actor = admit_administrator(self._desk, visit, form, _PAGE)
        if isinstance(actor, Response):
            return actor
        return await self._show(visit, actor, await self._alerts.test(actor))

    async def _show(self, visit: Visit, actor: Actor, answers: Sequence[Answer] = ()) -> Response:
        shown = await self._alerts.list_alerts(actor, language=visit.language)
        return self._desk.page(
            visit,
            "alerts.html",
            here="safekeeping",
            alerts=[Row.of(each) for each in shown],
            targets=[target.name for target in self._alerts.targets],
            mails=self._alerts.mails,
            answers=answers,
        )
