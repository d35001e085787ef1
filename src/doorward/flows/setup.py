"""The first administrator: exactly one, however many race (R01).

Two locks: the token is taken at most once, and the claim is a unique row in the transaction that makes the account.
Once claimed, the installation stays claimed, even when all accounts are deleted.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import ConflictError
from doorward.flows.accepting import PasswordRules, accept_account, make_user
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.opening import encode
from doorward.flows.outcome import Continued, Refused, SignedIn, Unacceptable
from doorward.flows.registration import Continue
from doorward.flows.tickets import TICKET_SIZE, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Random, Records, Tickets
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.login import Demand, Failure
from doorward.rules.session import Fingerprint, Method
from doorward.rules.ticket import Purpose, Ticket

SETUP_LIFETIME: Final = timedelta(minutes=15)


class Setup:
    """Making the first administrator with a one-time link."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        go_on: Continue,
        password: PasswordMethod,
        rules: PasswordRules,
        random: Random,
        console_only: bool = False,
    ) -> None:
        """`console_only`: the account made is for running the gateway, and opens no app (D-06)."""
        self._records = records
        self._tickets = tickets
        self._go_on = go_on
        self._password = password
        self._rules = rules
        self._random = random
        self.console_only = console_only
        self._is_set_up = False

    async def issue(self, *, now: datetime) -> str | None:
        """Make a setup token (15 minutes, single-use); None when the installation was ever set up."""
        if await self.is_set_up():
            return None
        token = encode(self._random.token(TICKET_SIZE))
        await self._tickets.put(Ticket(ticket_id(token), Purpose.SETUP, b"", {}, now, now + SETUP_LIFETIME))
        return token

    async def is_open(self, token: str, *, now: datetime) -> bool:
        """Whether this token can still make the first administrator. Looking consumes nothing (K15)."""
        ticket = await self._tickets.find(ticket_id(token), Purpose.SETUP, now)
        return ticket is not None and not await self.is_set_up()

    async def create_admin(
        self,
        token: str,
        visitor: Visitor,
        *,
        name: str,
        display_name: str,
        email: str,
        password: str,
        password_again: str,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Unacceptable | Refused:
        """Make the administrator and sign this browser in, once whatever policy asks of the account is done, too.

        Refused (TICKET_GONE) when the token is not, or no longer, good. Unacceptable names every problem
        at once and leaves the token good.
        """
        if not await self.is_open(token, now=now):
            return Refused(Failure.TICKET_GONE)
        form = accept_account(
            name=name, display_name=display_name, email=email, groups=(), password=password, rules=self._rules
        )
        problems = form.problems if isinstance(form, Unacceptable) else ()
        if password != password_again:
            problems += (("password_again", "The two passwords are not the same."),)
        if isinstance(form, Unacceptable) or problems:
            return Unacceptable(problems)
        user = replace(make_user(form, random=self._random, now=now), is_admin=True, console_only=self.console_only)
        stored = await self._password.seal(user.id, form.password, now=now)
        if await self._tickets.take(ticket_id(token), Purpose.SETUP, now) is None:
            return Refused(Failure.TICKET_GONE)
        try:
            async with self._records.transaction() as transaction:
                await transaction.claim_first_admin(user.id, now)
                await transaction.add_user(user)
                await transaction.put_password(user.id, stored)
                private = {**visitor.private(), "name": user.name}
                await transaction.append_audit(AuditEvent(Act.SETUP, user.id, user.id, now, {}, private))
        except ConflictError:
            # Somebody else was first, or took the name: whichever it was, this token is spent.
            return Refused(Failure.TICKET_GONE)
        return await self._go_on(
            user,
            visitor,
            proven=frozenset({Method.PASSWORD}),
            demand=Demand.SIGN_IN,
            return_to=None,
            remember=False,
            previous=previous,
            now=now,
        )

    async def is_set_up(self) -> bool:
        """Whether a first administrator was ever made here."""
        # Strangers may ask, and a transaction waits for every other: once it is so, it stays so.
        if not self._is_set_up:
            async with self._records.transaction() as transaction:
                self._is_set_up = await transaction.is_set_up()
        return self._is_set_up
