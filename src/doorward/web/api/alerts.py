"""Alerts, for administrators: what came up, and whether targets take what they are sent."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from doorward.flows.alert_desk import ShownAlert
from doorward.rules.alert import AlertState
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import Ask, StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LONGEST, LOOKS, MOST

_ALERTS = "/api/v1/alerts"


class TestWish(Ask):
    """Which target; all where none is named."""

    target: str = Field(default="", max_length=LONGEST)


class RaisedAlert(Answer):
    """An alert. `says` is null where what is stored was changed; `trouble` is what was last in the way."""

    id: str
    kind: str
    says: str | None
    state: Literal["waiting", "sent", "failed", "unsent"]
    queued_at: datetime
    next_try_at: datetime | None
    done_at: datetime | None
    tries: int
    trouble: str


class RaisedAlerts(Answer):
    """The newest first. `targets`: the services of the configuration; `mailed`: whether administrators get mail."""

    alerts: tuple[RaisedAlert, ...]
    targets: tuple[str, ...]
    mailed: bool


class TargetAnswer(Answer):
    """How a target answered a test; `trouble` is empty where it took it."""

    target: str
    taken: bool
    trouble: str


class TargetAnswers(Answer):
    """One for each target that was asked."""

    answers: tuple[TargetAnswer, ...]


def alert_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/alerts` and what is under it."""
    router = APIRouter(tags=["alerts"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    desk = parts.flows.alert_desk

    @router.get(_ALERTS, responses=LOOKS)
    async def list_alerts(
        admin: Annotated[Administrator, Depends(looks)],
        state: Literal["waiting", "sent", "failed", "unsent"] | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> RaisedAlerts:
        """The alerts of the last weeks."""
        wanted = None if state is None else AlertState(state)
        shown = await desk.list_alerts(admin.actor, limit=limit, state=wanted, language=admin.visit.language)
        targets = tuple(target.name for target in desk.targets)
        return RaisedAlerts(alerts=tuple(map(_tell, shown)), targets=targets, mailed=desk.mails)

    @router.post(f"{_ALERTS}/test", responses=ACTS)
    async def test_alerts(ask: TestWish, admin: Annotated[Administrator, Depends(acts)]) -> TargetAnswers:
        """Send a test to a target or to all, now, and say how each answered."""
        answers = await desk.test(admin.actor, ask.target)
        return TargetAnswers(
            answers=tuple(
                TargetAnswer(target=each.target, taken=not each.trouble, trouble=each.trouble) for each in answers
            )
        )

    return router


def _tell(shown: ShownAlert) -> RaisedAlert:
    alert = shown.alert
    return RaisedAlert(
        id=alert.id,
        kind=alert.kind.value,
        says=shown.written.text if shown.written else None,
        state=alert.state.value,
        queued_at=alert.queued_at,
        next_try_at=alert.next_try_at if alert.done_at is None else None,
        done_at=alert.done_at,
        tries=alert.tries,
        trouble=alert.trouble,
    )
