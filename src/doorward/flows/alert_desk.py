"""Delivering alerts: by mail to those who administer, and to the targets of the configuration.

An alert is claimed before it is told, by a compare-and-set that puts its next try off, as mail is (`flows.post`). The
mails to administrators are queued with the claim, so that each goes once; a target that has the alert is noted, so that
those that do not answer are tried again without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import NotFoundError, TamperError, UnavailableError
from doorward.flows.acting import Actor, check_actor
from doorward.flows.alerts import Said, open_alert, seal_alert
from doorward.flows.letters import Outbox
from doorward.interfaces import Keyring, Log, Messenger, Records, Transaction
from doorward.rules.alert import Alert, AlertKind, AlertState
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.language import choose
from doorward.rules.letter import LetterKind, Written
from doorward.rules.names import clean_text

BATCH: Final = 5
GIVE_UP_AFTER: Final = timedelta(days=1)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=2)
CLAIMED_FOR: Final = timedelta(minutes=30)
"""Longer than a round may take: no other process tells an alert that one still tells."""
MOST_TROUBLE: Final = 300
UNDER_WAY: Final = "It is being sent."
_MAIL: Final = "@mail"
"""Who was told, where the administrators were, by mail; no target has such a name."""


class AlertWords(Protocol):
    """What alerts say to other services."""

    def render_alert(self, kind: AlertKind | None, language: str, values: Mapping[str, str]) -> Written:
        """Write one, as text alone; with None a test."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A service of the configuration, by its name there. `kinds`: what it is told of; nothing stands for everything."""

    name: str
    kinds: frozenset[AlertKind] = frozenset()

    def wants(self, kind: AlertKind) -> bool:
        """Whether it is told of such alerts."""
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert as administrators see it. `written` is None where what is stored is not what we wrote."""

    alert: Alert
    written: Written | None


@dataclass(frozen=True, slots=True)
class Answer:
    """How a target answered a test. `trouble` is "" where it took it."""

    target: str
    trouble: str


class AlertDesk:
    """The queue's way out. `mailed`: the kinds that administrators are mailed."""

    def __init__(
        self,
        *,
        records: Records,
        keyring: Keyring,
        messenger: Messenger,
        words: AlertWords,
        outbox: Outbox,
        log: Log,
        targets: Sequence[Target] = (),
        mailed: frozenset[AlertKind] = frozenset(AlertKind),
        language: str = "en",
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._messenger = messenger
        self._words = words
        self._outbox = outbox
        self._log = log
        self._targets = tuple(targets)
        self._mailed = mailed
        self._language = language

    @property
    def targets(self) -> tuple[Target, ...]:
        """The services alerts are sent to."""
        return self._targets

    @property
    def mails(self) -> bool:
        """Whether administrators are mailed anything at all."""
        return self._outbox.is_open and bool(self._mailed)

    async def deliver_due(self, now: datetime) -> None:
        """Tell what is due, as an errand. What was told is forgotten as `retention.alerts` says."""
        async with self._records.transaction() as transaction:
            due = await transaction.list_due_alerts(now, limit=BATCH)
        for alert in due:
            await self._deliver(alert, now)

    async def list_alerts(
        self, actor: Actor, *, limit: int = 100, state: AlertState | None = None, language: str = "en"
    ) -> list[ShownAlert]:
        """Alerts of the last weeks, the newest first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            alerts = await transaction.list_alerts(limit=limit, state=state)
        return [ShownAlert(alert, self._write(alert, language)) for alert in alerts]

    async def test(self, actor: Actor, target: str = "") -> list[Answer]:
        """Send a test to one target or to all, at once; how each answered. NotFoundError where there is no such one."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
        chosen = [each for each in self._targets if target in {"", each.name}]
        if target and not chosen:
            raise NotFoundError("there is no such target")
        written = self._words.render_alert(None, self._language, {})
        return [Answer(each.name, await self._tell(each, written)) for each in chosen]

    async def _deliver(self, alert: Alert, now: datetime) -> None:
        claimed = await self._claim(alert, now)
        if claimed is None:
            return
        taken, said, was_mailed = claimed
        wanting = [each for each in self._targets if each.wants(alert.kind)]
        written = self._words.render_alert(alert.kind, self._language, said.values)
        told, troubles = set(said.told), []
        for target in wanting:
            if target.name in told:
                continue
            trouble = await self._tell(target, written)
            if trouble:
                troubles.append(f"{target.name}: {trouble}")
            else:
                told.add(target.name)
        if not wanting and not was_mailed:
            after = replace(taken, state=AlertState.UNSENT, done_at=now, trouble="")
        elif not troubles:
            after = replace(taken, state=AlertState.SENT, done_at=now, trouble="")
        else:
            after = _put_off(taken, now, trouble="; ".join(troubles))
            self._log.warning("alert_not_sent", alert=alert.id, kind=alert.kind.value, trouble=after.trouble)
        sealed = seal_alert(self._keyring, alert.id, replace(said, told=frozenset(told)))
        async with self._records.transaction() as transaction:
            await transaction.advance_alert(taken, replace(after, sealed=sealed))

    async def _claim(self, alert: Alert, now: datetime) -> tuple[Alert, Said, bool] | None:
        """Take the alert and mail the administrators; as it is then, what it says, and whether anybody is mailed it.

        None where somebody else has it, or it is not what we wrote.
        """
        claimed = replace(alert, tries=alert.tries + 1, next_try_at=now + CLAIMED_FOR, trouble=UNDER_WAY)
        async with self._records.transaction() as transaction:
            try:
                said = open_alert(self._keyring, alert)
            except TamperError as error:
                failed = replace(
                    alert, state=AlertState.FAILED, done_at=now, trouble=clean_text(str(error), MOST_TROUBLE)
                )
                if await transaction.advance_alert(alert, failed):
                    event = AuditEvent(Act.TAMPERED, "system", "system", now, {"where": "alerts.sealed"})
                    await transaction.append_audit(event)
                return None
            due = alert.kind in self._mailed and self._outbox.is_open and _MAIL not in said.told
            if due:
                said = replace(said, told=said.told | {_MAIL})
                claimed = replace(claimed, sealed=seal_alert(self._keyring, alert.id, said))
            if not await transaction.advance_alert(alert, claimed):
                return None
            if due:
                await self._mail(transaction, alert.kind, said.values, now)
        return claimed, said, _MAIL in said.told

    async def _mail(self, transaction: Transaction, kind: AlertKind, values: Mapping[str, str], now: datetime) -> None:
        for user in await transaction.list_administrators():
            if user.email and user.enabled:
                await self._outbox.queue(
                    transaction,
                    LetterKind.ALERT,
                    to=user.email,
                    language=choose("", own=user.language),
                    values={**values, "name": user.display_name, "alert": kind.value},
                    user_id=user.id,
                    now=now,
                )

    async def _tell(self, target: Target, written: Written) -> str:
        """Send it there; what was in the way, "" where nothing was."""
        try:
            await self._messenger.send(target.name, title=written.subject, text=written.text)
        except UnavailableError as error:
            return clean_text(str(error), MOST_TROUBLE) or "it did not answer"
        except Exception as error:  # noqa: BLE001 -- whatever it is, the other targets are not to wait for it
            return f"it could not be sent ({type(error).__name__})"
        return ""

    def _write(self, alert: Alert, language: str) -> Written | None:
        try:
            return self._words.render_alert(alert.kind, language, open_alert(self._keyring, alert).values)
        except TamperError:
            return None  # the list is to be seen all the same; delivering is what tells, and writes it down


def _put_off(alert: Alert, now: datetime, *, trouble: str) -> Alert:
    said = clean_text(trouble, MOST_TROUBLE)
    wait = min(FIRST_WAIT * 2 ** min(alert.tries - 1, 10), LONGEST_WAIT)
    if now + wait - alert.queued_at > GIVE_UP_AFTER:
        return replace(alert, state=AlertState.FAILED, done_at=now, trouble=said)
    return replace(alert, next_try_at=now + wait, trouble=said)
