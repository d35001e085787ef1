"""Telling operators: an alert is queued in the transaction of the act it is about, and delivered by an errand.

What is alike is told once in a while, and of one kind and of all only so many an hour: what is more is counted, and
the number is told when the hour is over. So whoever brings about alerts on purpose fills neither a table nor a mailbox.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import TamperError
from doorward.flows.letters import tell_time
from doorward.interfaces import Keyring, Random, Transaction
from doorward.rules.alert import Alert, AlertId, AlertKind, AlertLimits, AlertState
from doorward.rules.envelope import Place
from doorward.rules.names import clean_text

WINDOW: Final = timedelta(hours=1)
"""The time that limits are about."""
HELD: Final = "held-back"
"""What the alert is about that tells how many were held back."""
MOST_VALUE: Final = 300


class Alarm(Protocol):
    """How the flows tell operators: `Alerts.raise_alert`."""

    async def __call__(
        self, transaction: Transaction, kind: AlertKind, about: str, values: Mapping[str, str], now: datetime
    ) -> None:
        """Queue an alert, with everything else of the transaction or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What an alert says, and who has it already."""

    values: Mapping[str, str]
    told: frozenset[str] = field(default_factory=frozenset)


class Alerts:
    """The queue's entrance. `kinds` are those that are raised at all."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        random: Random,
        kinds: frozenset[AlertKind] = frozenset(AlertKind),
        limits: AlertLimits = AlertLimits(),  # noqa: B008 -- frozen
    ) -> None:
        self._keyring = keyring
        self._random = random
        self._kinds = kinds
        self._limits = limits

    async def raise_alert(
        self, transaction: Transaction, kind: AlertKind, about: str, values: Mapping[str, str], now: datetime
    ) -> None:
        """Queue an alert, with everything else of the transaction or not at all.

        `about` tells what is alike (see `rules.alert.Alert`). `values` are what people wrote and words of ours, for
        the sentences of `outside.letters.alerts`, which leave out what is not given: `who` (a user name), `by`,
        `device`, `address`, `place`, `reason` (what went wrong), `what` (which backup, key, target), `count`,
        `accounts`. `at` is `now`.
        """
        if kind not in self._kinds:
            return
        if kind.repeat_after:
            last = await transaction.find_last_alert(kind, about)
            if last is not None and timedelta(0) <= now - last.queued_at < kind.repeat_after:
                return
        if not kind.is_urgent and await self._is_enough(transaction, kind, now):
            await self._hold_back(transaction, kind, now)
            return
        said = Said({"at": tell_time(now)} | {name: clean_text(text, MOST_VALUE) for name, text in values.items()})
        await transaction.add_alert(self._make(kind, about, said, now))

    async def _is_enough(self, transaction: Transaction, kind: AlertKind, now: datetime) -> bool:
        since = now - WINDOW
        return (
            await transaction.count_alerts(since, kind=kind) >= self._limits.per_kind
            or await transaction.count_alerts(since) >= self._limits.overall
        )

    async def _hold_back(self, transaction: Transaction, kind: AlertKind, now: datetime) -> None:
        held = await transaction.find_last_alert(kind, HELD)
        if held is not None and held.state is AlertState.WAITING and not held.tries:
            try:
                count = int(open_alert(self._keyring, held).values["held"])
            except TamperError:
                count = 0  # delivering it tells, and writes it down; the act that raises an alert goes on
            said = Said({"at": tell_time(held.queued_at), "held": str(count + 1)})
            await transaction.advance_alert(held, replace(held, sealed=seal_alert(self._keyring, held.id, said)))
            return
        said = Said({"at": tell_time(now), "held": "1"})
        await transaction.add_alert(replace(self._make(kind, HELD, said, now), next_try_at=now + WINDOW))

    def _make(self, kind: AlertKind, about: str, said: Said, now: datetime) -> Alert:
        alert_id = AlertId(self._random.token(16).hex())
        sealed = seal_alert(self._keyring, alert_id, said)
        return Alert(alert_id, kind, about, sealed, AlertState.WAITING, queued_at=now, next_try_at=now)


def seal_alert(keyring: Keyring, alert_id: AlertId, said: Said) -> str:
    """Seal what an alert says, for its row alone."""
    body = {"values": dict(said.values), "told": sorted(said.told)}
    return keyring.seal(_place(alert_id), json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii"))


def open_alert(keyring: Keyring, alert: Alert) -> Said:
    """Open it again. TamperError where it is not what we wrote."""
    body = json.loads(keyring.unseal(_place(alert.id), alert.sealed))
    return Said(body["values"], frozenset(body["told"]))


def _place(alert_id: AlertId) -> Place:
    return Place("alerts", "sealed", alert_id)
