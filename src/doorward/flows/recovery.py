"""Links to set a new password: asked for by mail, or handed out by an administrator or the command line.

A link proves that somebody reads the account's mail, or was handed it, and nothing else: what else the sign-in asks of
the account, it asks here, too. Following it is a sign-in that demands a new password (`Demand.RESET`).

A link dies when it is followed, with time, and with everything of its generation once a password is set. A newer one
does not end it: whoever asks in somebody's name would take away the link that this person waits for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError
from doorward.flows.acting import Actor, Named, append, check_actor, get_user
from doorward.flows.letters import Outbox, circumstances, tell_time
from doorward.flows.login import MAX_LOGIN
from doorward.flows.opening import encode
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.owed_steps import IsOpen
from doorward.flows.pace import even_out
from doorward.flows.registration import Continue
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.tickets import TICKET_SIZE, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Random, Records, Tally, Tickets
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User, UserId
from doorward.rules.letter import LetterKind
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.rules.login import Demand, Failure
from doorward.rules.names import parse_login
from doorward.rules.session import Fingerprint, Method
from doorward.rules.ticket import Purpose, Ticket

LINK_LIFETIME: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Link:
    """What is handed out. Whoever has `url` may set a new password, once, until `expires_at`."""

    url: str
    expires_at: datetime


class Recovery:
    """Getting in again."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        go_on: Continue,
        outbox: Outbox,
        clock: Clock,
        pause: Pause,
        random: Random,
        tally: Tally,
        public_url: str,
        is_password_open: IsOpen,
        lifetime: timedelta = LINK_LIFETIME,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._go_on = go_on
        self._outbox = outbox
        self._clock = clock
        self._pause = pause
        self._random = random
        self._tally = tally
        self._public_url = public_url
        self._is_password_open = is_password_open
        self._lifetime = lifetime

    @property
    def is_open(self) -> bool:
        """Whether links are mailed; otherwise an administrator hands them out."""
        return self._outbox.is_open

    async def takes_passwords(self) -> bool:
        """Whether a new password would open anything at this moment."""
        return await self._is_password_open()

    async def ask(self, visitor: Visitor, *, login: str, language: str, now: datetime) -> Refused | None:
        """Mail a link to the account's own address. None whether or not there is an account, or an address (E01, E03).

        Only for who has a password: who signs in elsewhere forgot none here. ForbiddenError where mail is not set up,
        Refused (PASSWORDS_CLOSED) where no password is taken.
        """
        if not self.is_open:
            raise ForbiddenError("there is no mail here; an administrator can make a link for you")
        if len(login) > MAX_LOGIN:
            raise InputError("the user name is too long")
        if not await self._is_password_open():
            return Refused(Failure.PASSWORDS_CLOSED)
        began = self._clock.elapsed()
        name = parse_login(login)
        async with self._records.transaction() as transaction:
            user = await transaction.find_user_by_login(name or "")
        spent = await self._throttle.spend(Bucket.FORGOT, visitor, user=user, name=name or "", now=now)
        if not spent.allowed:
            return self._limited(Bucket.FORGOT, spent.retry_after)
        # Made for nobody as well, so that the two take the same steps.
        token = await self._put(user, now)
        async with self._records.transaction() as transaction:
            present = await transaction.find_user(user.id) if user is not None else None
            mailed = (
                present is not None
                and present.enabled
                and not present.is_service
                and bool(present.email)
                and await transaction.find_password(present.id) is not None
                # SECURITY: whoever reads somebody's mail is not handed a way in while an incident is being contained;
                # administrators hand out links. tests/unit/test_recovery.py asks.
                and await transaction.find_setting(LOCKDOWN_SETTING) is None
            )
            if present is not None and mailed:
                await self._outbox.queue(
                    transaction,
                    LetterKind.RESET,
                    to=present.email,
                    language=present.language or language,
                    values={
                        "url": self._url(token),
                        "name": present.display_name,
                        "until": tell_time(now + self._lifetime),
                        **circumstances(visitor, now),
                    },
                    user_id=present.id,
                    now=now,
                )
            subject = present.id if present is not None else "unknown"
            public = {"mailed": "yes" if mailed else "no"}
            await transaction.append_audit(
                AuditEvent(Act.PASSWORD_RESET_ASKED, "anonymous", subject, now, public, visitor.private())
            )
        await even_out(self._clock, self._pause, began)
        return None

    async def hand_out(self, actor: Actor, login: Named, *, now: datetime) -> Link:
        """Make a link to hand over.

        Errors as in `flows.people`; ConflictError where the account is disabled, or passwords are closed: the link
        would open nothing.
        """
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
        if not user.enabled:
            raise ConflictError("this account is disabled", Clash.DISABLED)
        if user.is_service:
            raise ConflictError("an account of a service has no password", Clash.NO_PASSWORD)
        if not await self._is_password_open():
            raise ConflictError(
                "passwords are closed; `doorward sign-in passwords on` opens them", Clash.PASSWORDS_CLOSED
            )
        token = await self._put(user, now)
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            minutes = str(int(self._lifetime.total_seconds() // 60))
            await append(transaction, actor, Act.RESET_LINK_MADE, user.id, now, {"minutes": minutes})
        return Link(self._url(token), now + self._lifetime)

    async def is_good(self, token: str, *, now: datetime) -> bool:
        """Whether the link still leads anywhere. Looking consumes nothing: mail is read by machines, too (K15)."""
        ticket = await self._tickets.find(ticket_id(token), Purpose.RESET, now)
        return ticket is not None and await self._find_user(ticket) is not None

    async def follow(
        self, token: str, visitor: Visitor, *, previous: Fingerprint | None, now: datetime
    ) -> Continued | SignedIn | Refused:
        """Begin a sign-in with the link, which is then used up."""
        spent = await self._throttle.spend(Bucket.RESET, visitor, now=now)
        if not spent.allowed:
            return self._limited(Bucket.RESET, spent.retry_after)
        # SECURITY: a link to a new password is no way in where passwords are none (docs/adr 0022).
        # tests/unit/test_closed_passwords.py follows one. It stays good for when they are open again.
        if not await self._is_password_open():
            return Refused(Failure.PASSWORDS_CLOSED)
        # A browser that keeps no cookie could not go on; its link stays good.
        ticket = await self._tickets.take(ticket_id(token), Purpose.RESET, now) if visitor.browser else None
        user = await self._find_user(ticket) if ticket is not None else None
        if user is None:
            return Refused(Failure.TICKET_GONE)
        return await self._go_on(
            user,
            visitor,
            proven=frozenset({Method.LINK}),
            demand=Demand.RESET,
            return_to=None,
            remember=False,
            previous=previous,
            now=now,
        )

    async def _put(self, user: User | None, now: datetime) -> str:
        token = encode(self._random.token(TICKET_SIZE))
        state = {"account": "", "generation": ""}
        if user is not None:
            state = {"account": user.id, "generation": str(user.generation)}
        await self._tickets.put(Ticket(ticket_id(token), Purpose.RESET, b"", state, now, now + self._lifetime))
        return token

    async def _find_user(self, ticket: Ticket) -> User | None:
        async with self._records.transaction() as transaction:
            user = await transaction.find_user(UserId(ticket.state["account"]))
        # SECURITY: a link from before rights were taken away is dead, as is everything of that generation (J04).
        intact = user is not None and user.enabled and str(user.generation) == ticket.state["generation"]
        return user if intact else None

    def _url(self, token: str) -> str:
        return f"{self._public_url}/reset?token={token}"

    def _limited(self, bucket: Bucket, retry_after: timedelta) -> Refused:
        self._tally.count_limited(bucket.value)
        return Refused(Failure.THROTTLED, retry_after)
