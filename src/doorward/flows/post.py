"""Mail: queued in the transaction of the act it is about, sent by an errand, forgotten when it is done.

A letter is claimed before it is handed over, by a compare-and-set that puts its next try off: of two processes one gets
it, and one that dies meanwhile leaves it to be tried again. So a letter is sent at least once, and twice only where
nobody can know that it arrived; both carry one Message-ID then.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError, NotFoundError, PeerError, TamperError, UnavailableError
from doorward.flows.acting import Actor, check_actor
from doorward.interfaces import Keyring, Log, Mailer, Random, Records, Transaction
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.identity import User, UserId
from doorward.rules.letter import Letter, LetterId, LetterKind, LetterState, Written
from doorward.rules.names import clean_text, parse_email

BATCH: Final = 10
"""Letters sent in one round: what comes at once leaves at once, and no round lasts long."""
GIVE_UP_AFTER: Final = timedelta(days=3)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=4)
TRY_WITHIN: Final = timedelta(minutes=2)
"""How long one try may take."""
CLAIMED_FOR: Final = BATCH * TRY_WITHIN + timedelta(minutes=1)
"""No other process takes a letter from one that still tries it, though `now` is the beginning of its round."""
KEEP_FOR: Final = timedelta(days=30)
"""How long administrators see that a letter was sent."""
PURGE_EVERY: Final = timedelta(hours=1)
MOST_RETRIED: Final = 10_000
MOST_TROUBLE: Final = 300
UNDER_WAY: Final = "It is being sent."
"""The trouble of a letter that is claimed."""


class Letters(Protocol):
    """What mails say."""

    def render(self, kind: LetterKind, language: str, values: Mapping[str, str]) -> Written:
        """Write one. `values` are what people wrote and links of ours: printed as they are, in the page and outside."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail as administrators see it: never what it says. `to` is "" once it is done, as the address is forgotten."""

    letter: Letter
    to: str
    user: User | None


class Post:
    """The queue. `mailer` is None where no mail is set up; `host` is our own, for Message-IDs."""

    def __init__(
        self,
        *,
        records: Records,
        mailer: Mailer | None,
        letters: Letters,
        keyring: Keyring,
        random: Random,
        host: str,
        log: Log,
        keep_for: timedelta = KEEP_FOR,
    ) -> None:
        self._records = records
        self._mailer = mailer
        self._letters = letters
        self._keyring = keyring
        self._random = random
        self._host = host
        self._log = log
        self._keep_for = keep_for
        self._purged_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether mail is set up."""
        return self._mailer is not None

    async def queue(
        self,
        transaction: Transaction,
        kind: LetterKind,
        *,
        to: str,
        language: str,
        values: Mapping[str, str],
        user_id: str,
        now: datetime,
    ) -> None:
        """Queue one letter, with everything else of the transaction or not at all. Nothing where mail is not set up.

        InputError where `to` is no address that mail can go to.
        """
        if self.is_open:
            await self._add(transaction, kind, to=to, language=language, values=values, user_id=user_id, now=now)

    async def deliver_due(self, now: datetime) -> None:
        """Send what is due, as an errand. The first letter that the server has no ear for ends the round.

        Where nothing is, forget what is old, now and then.
        """
        due: list[Letter] = []
        if self.is_open:
            async with self._records.transaction() as transaction:
                due = await transaction.list_due_letters(now, limit=BATCH)
        for letter in due:
            after = await self._deliver(letter, now)
            if after is not None and after.state is LetterState.WAITING:
                return
        if not due and (self._purged_at is None or now - self._purged_at >= PURGE_EVERY):
            await self._forget(now)
            self._purged_at = now

    async def _forget(self, now: datetime) -> None:
        async with self._records.transaction() as transaction:
            await transaction.purge_letters(now - self._keep_for)
            if self.is_open:
                return
            # Nobody tries these any more, so nobody else gives them up.
            for letter in await transaction.list_letters(limit=MOST_RETRIED, state=LetterState.WAITING):
                if now - letter.queued_at > GIVE_UP_AFTER:
                    given_up = _done(letter, LetterState.FAILED, now, trouble="mail is not set up")
                    await transaction.advance_letter(letter, given_up)

    async def list_letters(self, actor: Actor, *, limit: int = 100, state: LetterState | None = None) -> list[Listed]:
        """Letters of the last weeks, the newest first."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            users = {user.id: user for user in await transaction.list_users()}
            letters = await transaction.list_letters(limit=limit, state=state)
        return [Listed(letter, self._find_recipient(letter), users.get(letter.user_id)) for letter in letters]

    async def retry(self, actor: Actor, letter_id: LetterId, *, now: datetime) -> None:
        """Have a waiting letter tried in the next round. ConflictError where it is done, or being sent just now."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            letter = await transaction.find_letter(letter_id)
            if letter is None:
                raise NotFoundError("there is no such mail")
            if letter.state is not LetterState.WAITING:
                raise ConflictError("this mail is done with, and what it said is forgotten", Clash.MAIL_DONE)
            if letter.trouble == UNDER_WAY and letter.next_try_at > now:
                raise ConflictError("this mail is being sent just now", Clash.MAIL_DONE)
            await transaction.advance_letter(letter, replace(letter, next_try_at=now))

    async def retry_all(self, actor: Actor, *, now: datetime) -> int:
        """Have every waiting letter tried in the next round, but those being sent just now; how many."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            waiting = await transaction.list_letters(limit=MOST_RETRIED, state=LetterState.WAITING)
            due = [each for each in waiting if each.trouble != UNDER_WAY or each.next_try_at <= now]
            for letter in due:
                await transaction.advance_letter(letter, replace(letter, next_try_at=now))
        return len(due)

    async def send_test(self, actor: Actor, *, to: str, language: str = "en", now: datetime) -> Letter:
        """Send a mail that says that mail works, at once; what became of it, with the server's words in `trouble`.

        ConflictError where mail is not set up, InputError where `to` is no address.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            if not self.is_open:
                raise ConflictError("mail is not set up", Clash.NO_MAIL)
            letter = await self._add(
                transaction,
                LetterKind.TEST,
                to=to,
                language=language,
                values={},
                user_id=actor.user_id or "",
                now=now,
            )
        after = await self._deliver(letter, now)
        return after or letter

    async def _add(
        self,
        transaction: Transaction,
        kind: LetterKind,
        *,
        to: str,
        language: str,
        values: Mapping[str, str],
        user_id: str,
        now: datetime,
    ) -> Letter:
        letter_id = LetterId(self._random.token(16).hex())
        body = {"to": parse_email(to), "language": language, "values": dict(values)}
        sealed = self._keyring.seal(
            _place(letter_id), json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")
        )
        letter = Letter(letter_id, kind, UserId(user_id), sealed, LetterState.WAITING, queued_at=now, next_try_at=now)
        await transaction.add_letter(letter)
        return letter

    async def _deliver(self, letter: Letter, now: datetime) -> Letter | None:
        """Try one letter; as it is afterwards, None where somebody else has it."""
        claimed = replace(letter, tries=letter.tries + 1, next_try_at=now + CLAIMED_FOR, trouble=UNDER_WAY)
        async with self._records.transaction() as transaction:
            if not await transaction.advance_letter(letter, claimed):
                return None
        tampered = False
        try:
            await self._send(claimed)
            after = _done(claimed, LetterState.SENT, now)
        except PeerError as error:
            after = _done(claimed, LetterState.FAILED, now, trouble=str(error))
        except TamperError as error:
            tampered, after = True, _done(claimed, LetterState.FAILED, now, trouble=str(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the letters after this one are not to wait for it
            said = str(error) if isinstance(error, UnavailableError) else f"It could not be sent: {error!r}"
            after = _put_off(claimed, now, trouble=said)
        if after.state is not LetterState.SENT:
            self._log.warning("mail_not_sent", letter=letter.id, kind=letter.kind.value, trouble=after.trouble)
        async with self._records.transaction() as transaction:
            await transaction.advance_letter(claimed, after)
            if tampered:
                subject = letter.user_id or "system"
                await transaction.append_audit(
                    AuditEvent(Act.TAMPERED, "system", subject, now, {"where": "letters.sealed"})
                )
        return after

    async def _send(self, letter: Letter) -> None:
        to, language, values = self._open(letter)
        written = self._letters.render(letter.kind, language, values)
        if self._mailer is None:
            raise UnavailableError("mail is not set up")
        try:
            async with asyncio.timeout(TRY_WITHIN.total_seconds()):
                await self._mailer.send(
                    to=to,
                    subject=written.subject,
                    text=written.text,
                    html=written.html,
                    message_id=f"<{letter.id}@{self._host}>",
                )
        except TimeoutError:
            raise UnavailableError("the mail server took too long") from None

    def _find_recipient(self, letter: Letter) -> str:
        try:
            return self._open(letter)[0] if letter.sealed else ""
        except TamperError:
            return ""  # the list is to be seen all the same; sending it is what tells, and writes it down

    def _open(self, letter: Letter) -> tuple[str, str, Mapping[str, str]]:
        body = json.loads(self._keyring.unseal(_place(letter.id), letter.sealed))
        return body["to"], body["language"], body["values"]


def _place(letter_id: LetterId) -> Place:
    return Place("letters", "sealed", letter_id)


def _done(letter: Letter, state: LetterState, now: datetime, *, trouble: str = "") -> Letter:
    """The letter without what it said: it may have held a link that opens something."""
    return replace(letter, state=state, sealed="", done_at=now, trouble=clean_text(trouble, MOST_TROUBLE))


def _put_off(letter: Letter, now: datetime, *, trouble: str) -> Letter:
    wait = min(FIRST_WAIT * 2 ** min(letter.tries - 1, 10), LONGEST_WAIT)
    if now + wait - letter.queued_at > GIVE_UP_AFTER:
        return _done(letter, LetterState.FAILED, now, trouble=trouble)
    return replace(letter, next_try_at=now + wait, trouble=clean_text(trouble, MOST_TROUBLE))
