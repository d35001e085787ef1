"""What is kept of people, for administrators: decisions of the gate, ages, copies, and the end of it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query

from doorward.flows.acting import ById
from doorward.flows.throttle import Bucket
from doorward.rules.decision import NOBODY, Wanted
from doorward.rules.identity import UserId
from doorward.web.api.answers import Answer
from doorward.web.api.bodies import StrictRoute
from doorward.web.api.parts import Administrator, ApiParts
from doorward.web.api.users import ACTS, LOOKS, LOOKS_AT_ONE, MOST

_USER: Final = "/api/v1/users/{user}"


class DecisionAnswer(Answer):
    """Decisions of one day that are alike. `user`: an id, null for nobody; `host` is empty for one that is not ours."""

    user: str | None
    host: str
    method: str
    path: str
    verdict: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime


class DecisionAnswers(Answer):
    """The last first."""

    decisions: tuple[DecisionAnswer, ...]


class KeptAnswer(Answer):
    """A kind of what is kept. `limit_seconds` null: for ever. `holds`: nothing is older than it may be."""

    kind: str
    meaning: str
    limit_seconds: float | None
    oldest_at: datetime | None
    holds: bool


class RetentionAnswer(Answer):
    """How long what is kept. `enforced_at`: when it was last removed without anything being left over."""

    kinds: tuple[KeptAnswer, ...]
    enforced_at: datetime | None


class ErasedAnswer(Answer):
    """How much went besides the account itself and all that belongs to it."""

    audit: int
    decisions: int
    alerts: int
    counters: int
    invites: int


def privacy_routes(parts: ApiParts) -> APIRouter:
    """`/api/v1/decisions`, `/api/v1/retention`, and a user's copy and end."""
    router = APIRouter(tags=["privacy"], route_class=StrictRoute)
    looks, acts = parts.reads_administrator(), parts.reads_administration()
    erases = parts.reads_administration(also=Bucket.DESTRUCTIVE)
    flows = parts.flows

    @router.get("/api/v1/decisions", responses=LOOKS)
    async def list_decisions(
        admin: Annotated[Administrator, Depends(looks)],
        user: str | None = None,
        host: str | None = None,
        verdict: Literal["allow", "challenge", "deny", "error"] | None = None,
        reason: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> DecisionAnswers:
        """What the gate decided, added up. `user` is an account's id, or a dash for nobody."""
        user_id = None if user is None else NOBODY if user == "-" else UserId(user)
        wanted = Wanted(user_id=user_id, host=host, verdict=verdict, reason=reason, limit=limit)
        found = await flows.decisions.find(admin.actor, wanted)
        return DecisionAnswers(
            decisions=tuple(
                DecisionAnswer(
                    user=each.decision.user_id or None,
                    host=each.decision.host,
                    method=each.decision.method,
                    path=each.decision.shape,
                    verdict=each.decision.verdict,
                    reason=each.decision.reason,
                    count=each.decision.count,
                    first_at=each.decision.first_at,
                    last_at=each.decision.last_at,
                )
                for each in found
            )
        )

    @router.get("/api/v1/retention", responses=LOOKS)
    async def report_retention(admin: Annotated[Administrator, Depends(looks)]) -> RetentionAnswer:
        """How long what is kept, and how old the oldest of it is."""
        measured, chore = await flows.retention.report(admin.actor)
        kinds = tuple(
            KeptAnswer(
                kind=each.kept.value,
                meaning=each.kept.meaning,
                limit_seconds=None if each.limit is None else each.limit.total_seconds(),
                oldest_at=each.oldest,
                holds=each.holds(admin.visit.now),
            )
            for each in measured
        )
        return RetentionAnswer(kinds=kinds, enforced_at=chore.done_at)

    @router.post(f"{_USER}/export", responses=LOOKS_AT_ONE)
    async def export_user(user: str, admin: Annotated[Administrator, Depends(acts)]) -> dict[str, Any]:
        """Everything that is stored of an account. Nothing of it opens anything; that it was taken is written down."""
        return dict(await flows.erasure.export(admin.actor, ById(user), now=admin.visit.now))

    @router.post(f"{_USER}/erase", responses=ACTS)
    async def erase_user(user: str, admin: Annotated[Administrator, Depends(erases)]) -> ErasedAnswer:
        """Delete an account, if it is still there, with what is kept of it as evidence."""
        erased = await flows.erasure.erase(admin.actor, ById(user), now=admin.visit.now)
        return ErasedAnswer(
            audit=erased.audit,
            decisions=erased.decisions,
            alerts=erased.alerts,
            counters=erased.counters,
            invites=erased.invites,
        )

    return router
