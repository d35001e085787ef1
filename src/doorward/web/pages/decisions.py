"""What the gate decided, and how long what is kept, for administrators."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from doorward.errors import InputError, NotFoundError
from doorward.flows.acting import Actor, actor_of
from doorward.flows.decisions import Decisions, DecisionShown
from doorward.flows.retention import Retention
from doorward.rules.decision import NOBODY, VERDICTS, Wanted
from doorward.rules.reason import Reason
from doorward.rules.retention import Kept, Measured
from doorward.rules.span import format_span
from doorward.web.pages.desk import Desk
from doorward.web.visit import Visit

_VERDICTS: Final = {
    "allow": "allowed",
    "challenge": "asked to prove something",
    "deny": "refused",
    "error": "no answer",
}
_DAY: Final = timedelta(days=1)
_FILTERS: Final = ("user", "host", "verdict", "reason")
_KEPT: Final = {
    Kept.SIGN_INS: "Sign-ins and tries, with address and browser",
    Kept.DECISIONS: "Decisions of the gate",
    Kept.LETTERS: "Mails that were sent or given up",
    Kept.ALERTS: "Alerts that were told or given up",
    Kept.INVITES: "Invitations that are over",
    Kept.AUDIT_PRIVATE: "Personal data in the audit trail",
    Kept.SESSIONS: "Sessions that have ended",
    Kept.TICKETS: "Sign-ins that nobody finished",
    Kept.COUNTERS: "Counted tries",
    Kept.UPSTREAM_SESSIONS: "Sessions at providers that have ended",
    Kept.MARKS: "Logout notices of providers",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A decision as the page shows it. `who` is "" for nobody."""

    who: str
    host: str
    request: str
    verdict: str
    verdict_words: str
    sentence: str
    count: int
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, shown: DecisionShown) -> "Row":
        """The row of one. Where the account is gone, its id stands for it."""
        decision, user = shown.decision, shown.user
        return cls(
            who=decision.user_id if user is None else user.display_name,
            host=decision.host,
            request=f"{decision.method} {decision.shape}".strip(),
            verdict=decision.verdict,
            verdict_words=_VERDICTS[decision.verdict],
            sentence=Reason(decision.reason).told,
            count=decision.count,
            first_at=decision.first_at,
            last_at=decision.last_at,
        )


@dataclass(frozen=True, slots=True)
class Age:
    """A kind of what is kept, as the page shows it. `limit` "" where it has an end of its own; `days`: it, if whole."""

    name: str
    limit: str
    days: int
    is_endless: bool
    oldest: datetime | None
    holds: bool

    @classmethod
    def of(cls, measured: Measured, now: datetime) -> "Age":
        """The line of one."""
        own_end = measured.kept.ends_by_itself or measured.limit is None
        return cls(
            name=_KEPT[measured.kept],
            limit="" if own_end or measured.limit is None else format_span(measured.limit),
            days=0 if measured.limit is None or measured.limit % _DAY else measured.limit // _DAY,
            is_endless=measured.limit is None,
            oldest=measured.oldest if measured.oldest is not None and measured.oldest <= now else None,
            holds=measured.holds(now),
        )


class DecisionsPage:
    """`/admin/decisions`."""

    def __init__(self, desk: Desk, decisions: Decisions, retention: Retention) -> None:
        self._desk = desk
        self._decisions = decisions
        self._retention = retention

    async def get(self, visit: Visit) -> Response:
        """Show those that are asked for."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        actor = actor_of(visit.subject, visit.visitor)
        asked = {name: visit.query.get(name, "").strip() for name in _FILTERS}
        problem = ""
        try:
            found = await self._find(actor, asked)
        except (InputError, NotFoundError):
            found, problem = [], "There is no such account."
        measured, chore = await self._retention.report(actor)
        return self._desk.page(
            visit,
            "decisions.html",
            status=400 if problem else 200,
            here="safekeeping",
            rows=[Row.of(each) for each in found],
            asked=asked,
            verdicts=_VERDICTS,
            reasons=[reason.value for reason in Reason],
            problem=problem,
            ages=[Age.of(each, visit.now) for each in measured],
            enforced_at=chore.done_at,
        )

    async def _find(self, actor: Actor, asked: dict[str, str]) -> list[DecisionShown]:
        nobody = asked["user"] == "-"
        wanted = Wanted(
            user_id=NOBODY if nobody else None,
            host=asked["host"] or None,
            verdict=asked["verdict"] if asked["verdict"] in VERDICTS else None,
            reason=asked["reason"] or None,
        )
        return await self._decisions.find(actor, wanted, login=None if nobody else asked["user"] or None)
