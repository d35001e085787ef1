"""Decisions of the gate on SQL: added up by what makes them alike, and bounded."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, update

from doorward.rules.decision import Decision, Wanted
from doorward.rules.identity import UserId
from doorward.storage.sql.database import InTransaction
from doorward.storage.sql.tables import decisions

_TOGETHER: Final = 500
"""Keys asked for at once; databases bound how many values a question may have."""


class SqlDecisions(InTransaction):
    """`interfaces.DecisionRecords` on one connection."""

    async def add_decisions(self, some: Sequence[Decision]) -> None:
        """Add each to what was counted alike on its day. Two of `some` are never alike."""
        for start in range(0, len(some), _TOGETHER):
            await self._add(some[start : start + _TOGETHER])

    async def list_decisions(self, wanted: Wanted) -> list[Decision]:
        """Those that fit, the last first."""
        query = select(decisions).order_by(decisions.c.last_at.desc(), decisions.c.id).limit(wanted.limit)
        if wanted.user_id is not None:
            query = query.where(decisions.c.user_id == wanted.user_id)
        if wanted.host is not None:
            query = query.where(decisions.c.host == wanted.host)
        if wanted.verdict is not None:
            query = query.where(decisions.c.verdict == wanted.verdict)
        if wanted.reason is not None:
            query = query.where(decisions.c.reason == wanted.reason)
        if wanted.shape:
            query = query.where(decisions.c.shape.startswith(wanted.shape, autoescape=True))
        if wanted.since is not None:
            query = query.where(decisions.c.last_at >= wanted.since)
        return [_decode(row) for row in (await self._connection.execute(query)).mappings()]

    async def bound_decisions(self, most: int) -> int:
        """Where there are more than `most`, drop the oldest of whoever has the most of them; how many."""
        surplus = (await self._connection.scalar(select(func.count()).select_from(decisions)) or 0) - most
        dropped = 0
        while dropped < surplus:
            by_user = select(decisions.c.user_id, func.count().label("rows")).group_by(decisions.c.user_id)
            busiest = (await self._connection.execute(by_user.order_by(func.count().desc()).limit(2))).all()
            ahead = busiest[0].rows - (busiest[1].rows if len(busiest) > 1 else 0)
            few = min(surplus - dropped, max(ahead, 1))
            oldest = (
                select(decisions.c.id)
                .where(decisions.c.user_id == busiest[0].user_id)
                .order_by(decisions.c.last_at, decisions.c.id)
                .limit(few)
            )
            dropped += (
                await self._connection.execute(delete(decisions).where(decisions.c.id.in_(oldest.scalar_subquery())))
            ).rowcount
        return dropped

    async def forget_decisions(self, user_id: UserId) -> int:
        """Drop all about one account; how many."""
        return (await self._connection.execute(delete(decisions).where(decisions.c.user_id == user_id))).rowcount

    async def _add(self, some: Sequence[Decision]) -> None:
        rows = {decision.id: decision for decision in some}
        known = set(
            await self._connection.scalars(
                select(decisions.c.id).where(decisions.c.id.in_(list(rows))).with_for_update()
            )
        )
        fresh = [_encode(key, decision) for key, decision in rows.items() if key not in known]
        if fresh:
            await self._connection.execute(insert(decisions), fresh)
        if known:
            counted = [
                {"key": key, "more": rows[key].count, "begun": rows[key].first_at, "ended": rows[key].last_at}
                for key in known
            ]
            for name, column, earlier in (("begun", "first_at", True), ("ended", "last_at", False)):
                await self._move(counted, name, column, earlier=earlier)
            more = update(decisions).where(decisions.c.id == bindparam("key"))
            await self._connection.execute(
                more.values(count=decisions.c.count + bindparam("more")),
                [{"key": each["key"], "more": each["more"]} for each in counted],
            )

    async def _move(self, counted: Sequence[dict[str, Any]], name: str, column: str, *, earlier: bool) -> None:
        # Instants only ever move outwards: what comes late was noted by another process.
        instant = decisions.c[column]
        beyond = instant > bindparam(name) if earlier else instant < bindparam(name)
        await self._connection.execute(
            update(decisions).where(decisions.c.id == bindparam("key"), beyond).values({column: bindparam(name)}),
            [{"key": each["key"], name: each[name]} for each in counted],
        )


def _encode(key: bytes, decision: Decision) -> dict[str, Any]:
    return {
        "id": key,
        "user_id": decision.user_id,
        "host": decision.host,
        "method": decision.method,
        "shape": decision.shape,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "count": decision.count,
        "first_at": decision.first_at,
        "last_at": decision.last_at,
    }


def _decode(row: RowMapping) -> Decision:
    return Decision(
        user_id=UserId(row["user_id"]),
        host=row["host"],
        method=row["method"],
        shape=row["shape"],
        verdict=row["verdict"],
        reason=row["reason"],
        count=row["count"],
        first_at=row["first_at"],
        last_at=row["last_at"],
    )
