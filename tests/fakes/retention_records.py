"""What the fake store does about how long what is kept."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from doorward.interfaces import Belongings
from doorward.rules.identity import UserId
from doorward.rules.retention import Kept
from tests.fakes.state import State


class FakeRetentionRecords:
    """`interfaces.RetentionRecords`."""

    _state: State
    _check: Callable[[], None]

    async def find_oldest(self, kept: Kept) -> datetime | None:
        self._check()
        return min((at for _, at in self._aging(kept)), default=None)

    async def purge_kept(self, kept: Kept, before: datetime, *, limit: int) -> int:
        self._check()
        old = sorted((pair for pair in self._aging(kept) if pair[1] < before), key=lambda pair: pair[1])[:limit]
        if kept is Kept.SIGN_INS:
            gone = {key for key, _ in old}
            self._state.sign_ins = [each for each in self._state.sign_ins if each.id not in gone]
        else:
            held: dict[Any, Any] = getattr(self._state, kept.value)
            for key, _ in old:
                del held[key]
        return len(old)

    async def find_belongings(self, user_id: UserId) -> Belongings:
        self._check()
        letters = [each for each in self._state.letters.values() if each.user_id == user_id]
        alerts = [each for each in self._state.alerts.values() if user_id in each.about]
        return Belongings(
            letters=tuple((each.kind.value, each.state.value, each.queued_at) for each in letters),
            alerts=tuple((each.kind.value, each.state.value, each.queued_at) for each in alerts),
        )

    async def forget_alerts_of(self, user_id: UserId) -> int:
        self._check()
        theirs = [key for key, each in self._state.alerts.items() if user_id in each.about]
        for key in theirs:
            del self._state.alerts[key]
        return len(theirs)

    async def forget_counters(self, user_id: UserId) -> int:
        self._check()
        theirs = [key for key in self._state.counters if f":id:{user_id}:" in key]
        return sum(len(self._state.counters.pop(key)) for key in theirs)

    async def forget_invites_to(self, email: str) -> int:
        self._check()
        theirs = [key for key, each in self._state.invites.items() if each.email == email]
        for key in theirs:
            del self._state.invites[key]
        return len(theirs)

    def _aging(self, kept: Kept) -> list[tuple[Any, datetime]]:
        state = self._state
        found: dict[Kept, list[tuple[Any, datetime | None]]] = {
            Kept.SIGN_INS: [(each.id, each.at) for each in state.sign_ins],
            Kept.DECISIONS: [(key, each.last_at) for key, each in state.decisions.items()],
            Kept.LETTERS: [(key, each.done_at) for key, each in state.letters.items()],
            Kept.ALERTS: [(key, each.done_at) for key, each in state.alerts.items()],
            Kept.INVITES: [(key, each.revoked_at or each.expires_at) for key, each in state.invites.items()],
            Kept.AUDIT_PRIVATE: [(each.sequence, each.event.at) for each in state.audit if each.event.private],
            Kept.SESSIONS: [
                (
                    key,
                    each.expires_at
                    if each.idle_timeout is None
                    else min(each.expires_at, each.last_seen_at + each.idle_timeout),
                )
                for key, each in state.sessions.items()
            ],
            Kept.TICKETS: [(key, each.expires_at) for key, each in state.tickets.items()],
            Kept.COUNTERS: [(key, until) for key, noted in state.counters.items() for _, until in noted],
            Kept.UPSTREAM_SESSIONS: [(key, each.expires_at) for key, each in state.upstream_sessions.items()],
            Kept.MARKS: [(key, until) for key, (_, until) in state.marks.items()],
        }
        return [(key, at) for key, at in found[kept] if at is not None]
