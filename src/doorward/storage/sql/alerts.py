"""The queue of alerts, and what it leaves to be seen, on SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select

from doorward.errors import TamperError
from doorward.rules.alert import Alert, AlertId, AlertKind, AlertState
from doorward.storage.sql.database import InTransaction, advance, refused
from doorward.storage.sql.queue import decode_tries, encode_tries, select_due, select_newest
from doorward.storage.sql.tables import alerts


class SqlAlerts(InTransaction):
    """`interfaces.AlertRecords` on one connection: a part of the transaction."""

    async def add_alert(self, alert: Alert) -> None:
        """Queue an alert."""
        with refused("that alert is queued already"):
            await self._connection.execute(insert(alerts).values(_encode(alert)))

    async def find_alert(self, alert_id: AlertId) -> Alert | None:
        """One alert."""
        rows = await self._connection.execute(select(alerts).where(alerts.c.id == alert_id))
        row = rows.mappings().one_or_none()
        return None if row is None else _decode(row)

    async def find_last_alert(self, kind: AlertKind, about: str) -> Alert | None:
        """The newest of one kind about one thing."""
        query = select(alerts).where(alerts.c.kind == kind.value, alerts.c.about == about)
        rows = await self._connection.execute(query.order_by(alerts.c.queued_at.desc(), alerts.c.id.desc()).limit(1))
        row = rows.mappings().one_or_none()
        return None if row is None else _decode(row)

    async def count_alerts(self, since: datetime, *, kind: AlertKind | None = None) -> int:
        """How many were queued after `since`, of one kind or of all."""
        query = select(func.count()).select_from(alerts).where(alerts.c.queued_at > since)
        if kind is not None:
            query = query.where(alerts.c.kind == kind.value)
        return (await self._connection.execute(query)).scalar_one()

    async def list_due_alerts(self, now: datetime, *, limit: int) -> list[Alert]:
        """Waiting alerts whose next try is due, the most overdue first."""
        query = select_due(alerts, AlertState.WAITING, now, limit)
        return [_decode(row) for row in (await self._connection.execute(query)).mappings()]

    async def list_alerts(self, *, limit: int = 100, state: AlertState | None = None) -> list[Alert]:
        """Alerts of any state, or of one, the newest first."""
        query = select_newest(alerts, state, limit)
        return [_decode(row) for row in (await self._connection.execute(query)).mappings()]

    async def advance_alert(self, old: Alert, new: Alert) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`."""
        if (new.id, new.kind, new.about) != (old.id, old.kind, old.about):
            raise ValueError("what an alert is about never changes")
        return await advance(self._connection, alerts, _encode(old), _encode(new))


def _encode(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "about": alert.about,
        "state": alert.state.value,
        **encode_tries(alert),
    }


def _decode(row: RowMapping) -> Alert:
    try:
        kind, state = AlertKind(row["kind"]), AlertState(row["state"])
    except ValueError as error:
        raise TamperError("a stored alert is of a kind or state we do not know") from error
    return Alert(
        id=AlertId(row["id"]),
        kind=kind,
        about=row["about"],
        state=state,
        **decode_tries(row),
    )
