"""Making an account for oneself: with an invitation, after confirming an address, or simply so (B-13).

What is open is decided in the transaction that makes the account: whatever was closed or used up meanwhile stays so
(R02, E27). Whether an address has an account is told only to whoever reads its mail.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import ForbiddenError
from doorward.flows.accepting import (
    AccountForm,
    PasswordRules,
    accept_account,
    accept_email,
    check_again,
    make_user,
)
from doorward.flows.invites import find_state, use_invite
from doorward.flows.letters import Outbox, circumstances, tell_time
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.newcomers import Newcomers
from doorward.flows.opening import encode
from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable
from doorward.flows.owed_steps import IsOpen
from doorward.flows.pace import even_out
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.tickets import TICKET_SIZE, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Random, Records, StoredPassword, Tally, Tickets, Transaction
from doorward.rules import registration as rules_of
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.identity import User
from doorward.rules.invite import Invite, InviteState
from doorward.rules.language import LANGUAGES
from doorward.rules.letter import LetterKind
from doorward.rules.login import Demand, Failure
from doorward.rules.registration import Openness
from doorward.rules.session import Fingerprint, Method
from doorward.rules.ticket import Purpose, Ticket

LINK_LIFETIME: Final = timedelta(hours=24)
NAME_TAKEN: Final = Unacceptable((("name", "This user name is taken, or cannot be chosen."),))
"""One sentence for both, so that nobody learns which names the rules speak of."""
GONE: Final = Refused(Failure.TICKET_GONE)


class Continue(Protocol):
    """`flows.login.SignIn.continue_as`: the sign-in of somebody who proved elsewhere who they are."""

    async def __call__(
        self,
        user: User,
        visitor: Visitor,
        *,
        proven: frozenset[Method],
        demand: Demand,
        return_to: str | None,
        remember: bool,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Go on to whatever the account still has to prove, or finish."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """The account is made, and waits for an administrator to let it in."""

    user: User


@dataclass(frozen=True, slots=True)
class _Coming:
    """What somebody comes with. `email` is the address that somebody answers for: the inviter, or a link sent to it."""

    invite: str
    ticket: Ticket | None
    email: str


class Registration:
    """Registering. `is_spoken_of` knows the names that rules speak of: nobody takes one by choosing it."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        password: PasswordMethod,
        rules: PasswordRules,
        go_on: Continue,
        outbox: Outbox,
        clock: Clock,
        pause: Pause,
        random: Random,
        tally: Tally,
        public_url: str,
        newcomers: Newcomers,
        is_spoken_of: Callable[[str], bool],
        is_password_open: IsOpen,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._password = password
        self._rules = rules
        self._go_on = go_on
        self._outbox = outbox
        self._clock = clock
        self._pause = pause
        self._random = random
        self._tally = tally
        self._public_url = public_url
        self._newcomers = newcomers
        self._is_spoken_of = is_spoken_of
        self._is_password_open = is_password_open

    async def describe(self) -> Openness:
        """What a visitor without invitation finds at this moment."""
        async with self._records.transaction() as transaction:
            mode = await self._newcomers.find_mode(transaction)
        return rules_of.describe(mode, has_mail=self._outbox.is_open, approval=self._newcomers.approval())

    async def find_invite(self, token: str, *, now: datetime) -> Invite | InviteState | None:
        """The invitation if it counts, else what has become of it; None for no such. Looking uses nothing (K15)."""
        async with self._records.transaction() as transaction:
            invite = await transaction.find_invite(ticket_id(token))
            if invite is None:
                return None
            mode = await self._newcomers.find_mode(transaction)
            state = await find_state(transaction, invite, now)
        if not mode.takes_invited:
            return InviteState.REVOKED
        return invite if state is InviteState.ACTIVE else state

    async def find_link(self, token: str, *, now: datetime) -> str | None:
        """The address that a mailed link confirms; None where the link is not good. Looking uses nothing (K15)."""
        ticket = await self._tickets.find(ticket_id(token), Purpose.REGISTRATION, now)
        return None if ticket is None else ticket.state["email"]

    async def ask_mail(
        self, visitor: Visitor, *, email: str, language: str, now: datetime
    ) -> Refused | Unacceptable | None:
        """Send a link to register with this address, or say there that it has an account: None, either way.

        ForbiddenError where nobody may register this way.
        """
        began = self._clock.elapsed()
        accepted = accept_email(email)
        if isinstance(accepted, Unacceptable) or not accepted:
            return accepted or Unacceptable((("email", "Please type your e-mail address."),))
        spent = await self._throttle.spend(Bucket.REGISTER, visitor, now=now)
        if spent.allowed:
            # Also for the address: nobody's letter box is filled from many places.
            # SECURITY: under the key that asking for a new password counts it under, or whichever of the two is
            # refused would tell whether there is an account. tests/unit/test_registration.py asks both.
            async with self._records.transaction() as transaction:
                owner = await transaction.find_user_by_login(accepted)
            spent = await self._throttle.spend(Bucket.FORGOT, visitor, user=owner, name=accepted, now=now)
        if not spent.allowed:
            return self._limited("register", spent.retry_after)
        if not await self._is_password_open():
            return Refused(Failure.PASSWORDS_CLOSED)
        token = encode(self._random.token(TICKET_SIZE))
        async with self._records.transaction() as transaction:
            mode = await self._newcomers.find_mode(transaction)
            if not (mode.takes_strangers and self._outbox.is_open):
                raise ForbiddenError("registration is closed")
            known = await transaction.find_user_by_login(accepted)
            if known is not None:
                kind, values = (
                    LetterKind.REGISTRATION_KNOWN,
                    {"name": known.display_name, **circumstances(visitor, now)},
                )
            else:
                url, until = f"{self._public_url}/register?link={token}", tell_time(now + LINK_LIFETIME)
                kind, values = LetterKind.REGISTRATION_CONFIRM, {"url": url, "until": until}
            user_id = "" if known is None else known.id
            await self._outbox.queue(
                transaction, kind, to=accepted, language=language, values=values, user_id=user_id, now=now
            )
        # For an address that has an account, too: made alike, and of no use (E01).
        state = {"email": accepted}
        await self._tickets.put(Ticket(ticket_id(token), Purpose.REGISTRATION, b"", state, now, now + LINK_LIFETIME))
        await even_out(self._clock, self._pause, began)
        return None

    async def register(
        self,
        visitor: Visitor,
        *,
        invite: str = "",
        link: str = "",
        name: str,
        display_name: str,
        email: str = "",
        password: str,
        again: str,
        return_to: str | None = None,
        language: str = "",
        previous: Fingerprint | None = None,
        now: datetime,
    ) -> SignedIn | Continued | Waiting | Unacceptable | Refused:
        """Make the account and sign this browser in.

        `email` counts for nothing where an invitation or a link says another; it is refused where nobody answers for
        it. ForbiddenError where registration is closed, Refused (TICKET_GONE) where the invitation or link is not good,
        Refused (PASSWORDS_CLOSED) where no password is taken. That and Unacceptable leave both good.
        """
        bucket = Bucket.INVITE if invite else Bucket.REGISTER
        spent = await self._throttle.spend(bucket, visitor, now=now)
        if not spent.allowed:
            return self._limited(bucket.value, spent.retry_after)
        if not await self._is_password_open():
            return Refused(Failure.PASSWORDS_CLOSED)
        coming = await self._find_coming(invite, link, now)
        if isinstance(coming, Refused):
            return coming
        form = self._accept(coming, name, display_name, email, password, again)
        if isinstance(form, Unacceptable):
            return form
        user = replace(
            make_user(form, random=self._random, now=now), language=language if language in LANGUAGES else ""
        )
        stored = await self._password.seal(user.id, form.password, now=now)
        if coming.ticket is not None and await self._tickets.take(coming.ticket.id, Purpose.REGISTRATION, now) is None:
            return GONE
        async with self._records.transaction() as transaction:
            made = await self._make(transaction, user, stored, coming, visitor, now)
        if isinstance(made, Unacceptable) and coming.ticket is not None:
            # The name was taken a moment ago; the address is confirmed all the same.
            await self._tickets.put(coming.ticket)
        if not isinstance(made, User):
            return made
        if made.awaits_approval:
            return Waiting(made)
        return await self._go_on(
            made,
            visitor,
            proven=frozenset({Method.PASSWORD}),
            demand=Demand.SIGN_IN,
            return_to=return_to,
            remember=False,
            previous=previous,
            now=now,
        )

    async def _find_coming(self, invite: str, link: str, now: datetime) -> _Coming | Refused:
        if invite:
            found = await self.find_invite(invite, now=now)
            return _Coming(invite, None, found.email) if isinstance(found, Invite) else GONE
        opened = await self.describe()
        if not opened.open:
            raise ForbiddenError("registration is closed")
        if not link and opened.asks_email:
            return GONE
        if not link:
            return _Coming("", None, "")
        ticket = await self._tickets.find(ticket_id(link), Purpose.REGISTRATION, now)
        return GONE if ticket is None else _Coming("", ticket, ticket.state["email"])

    def _accept(
        self, coming: _Coming, name: str, display_name: str, email: str, password: str, again: str
    ) -> AccountForm | Unacceptable:
        form = accept_account(
            name=name, display_name=display_name, email=coming.email, groups=(), password=password, rules=self._rules
        )
        problems = form.problems if isinstance(form, Unacceptable) else ()
        problems += check_again(password, again)
        if email and not coming.email:
            # SECURITY: rules, links and letters go by the address, so nobody has one that nobody confirmed.
            # tests/unit/test_registration.py types somebody else's.
            problems += (("email", "An address can be added, and confirmed, once the account is there."),)
        if isinstance(form, Unacceptable) or problems:
            return Unacceptable(problems)
        return NAME_TAKEN if self._is_spoken_of(form.name) else form

    async def _make(
        self,
        transaction: Transaction,
        user: User,
        stored: StoredPassword,
        coming: _Coming,
        visitor: Visitor,
        now: datetime,
    ) -> User | Unacceptable | Refused:
        """Look at everything again, then write; transactions are serial, so what is seen here holds."""
        mode = await self._newcomers.find_mode(transaction)
        invite = await transaction.find_invite(ticket_id(coming.invite)) if coming.invite else None
        if coming.invite:
            if (
                invite is None
                or not mode.takes_invited
                or await find_state(transaction, invite, now) is not InviteState.ACTIVE
            ):
                return GONE
            user = replace(user, groups=invite.groups, email=invite.email)
        elif not mode.takes_strangers:
            raise ForbiddenError("registration is closed")
        elif self._newcomers.approval():
            user = replace(user, enabled=False, awaits_approval=True)
        if await transaction.find_user_by_login(user.name) is not None:
            return NAME_TAKEN
        if user.email and await transaction.find_user_by_login(user.email) is not None:
            return GONE
        await transaction.add_user(user)
        await transaction.put_password(user.id, stored)
        private = {**visitor.private(), "name": user.name}
        if invite is not None:
            await use_invite(transaction, invite, user, visitor, now)
        public = {"mode": mode.value, "waits": "yes" if user.awaits_approval else "no"}
        await transaction.append_audit(AuditEvent(Act.REGISTERED, user.id, user.id, now, public, private))
        if user.awaits_approval:
            await self._newcomers.announce(transaction, user, now)
        return user

    def _limited(self, bucket: str, retry_after: timedelta) -> Refused:
        self._tally.count_limited(bucket)
        return Refused(Failure.THROTTLED, retry_after)
