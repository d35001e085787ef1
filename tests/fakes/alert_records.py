"""What the fake store keeps about alerts."""

from collections.abc import Callable
from datetime import datetime

from doorward.errors import ConflictError
from doorward.rules.alert import Alert, AlertId, AlertKind, AlertState
from doorward.rules.identity import UserId
from tests.fakes.state import State


class FakeAlertRecords:
    """`interfaces.AlertRecords`."""

    _state: State
    _check: Callable[[], None]

    async def add_alert(self, alert: Alert) -> None:
        self._check()
        if alert.id in self._state.alerts:
            raise ConflictError("that alert is queued already")
        self._state.alerts[alert.id] = alert

    async def find_alert(self, alert_id: AlertId) -> Alert | None:
        self._check()
        return self._state.alerts.get(alert_id)

    async def find_last_alert(self, kind: AlertKind, about: str) -> Alert | None:
        alike = [each for each in self._newest_first() if (each.kind, each.about) == (kind, about)]
        return alike[0] if alike else None

    async def count_alerts(self, since: datetime, *, kind: AlertKind | None = None) -> int:
        return sum(each.queued_at > since for each in self._newest_first() if kind is None or each.kind is kind)

    async def list_due_alerts(self, now: datetime, *, limit: int) -> list[Alert]:
        due = [each for each in self._newest_first() if each.state is AlertState.WAITING and each.next_try_at <= now]
        return sorted(due, key=lambda each: (each.next_try_at, each.queued_at, each.id))[:limit]

    async def list_alerts(self, *, limit: int = 100, state: AlertState | None = None) -> list[Alert]:
        return [each for each in self._newest_first() if state is None or each.state is state][:limit]

    async def advance_alert(self, old: Alert, new: Alert) -> bool:
        self._check()
        if (new.id, new.kind, new.about) != (old.id, old.kind, old.about):
            raise ValueError("what an alert is about never changes")
        if self._state.alerts.get(old.id) != old:
            return False
        self._state.alerts[new.id] = new
        return True

    def _newest_first(self) -> list[Alert]:
        self._check()
        return sorted(self._state.alerts.values(), key=lambda each: (each.queued_at, each.id), reverse=True)


class FakePreferenceRecords:
    """`interfaces.PreferenceRecords`."""

    _state: State
    _check: Callable[[], None]

    async def find_preference(self, user_id: UserId, name: str) -> str | None:
        self._check()
        return self._state.preferences.get((user_id, name))

    async def put_preference(self, user_id: UserId, name: str, value: str | None) -> None:
        self._check()
        self._state.preferences.pop((user_id, name), None)
        if value is not None:
            self._state.check_account(user_id)
            self._state.preferences[user_id, name] = value
