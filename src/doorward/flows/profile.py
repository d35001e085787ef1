"""What people do to their own account, signed in. The pages see to it that the proof of who they are is recent.

Every act looks at the account again in its own transaction: what an administrator took away meanwhile stays taken.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import ForbiddenError
from doorward.flows.accepting import PasswordRules, accept_display_name, accept_email, accept_new_password
from doorward.flows.acting import append_own, check_admin_remains, get_present
from doorward.flows.evidence import Evidence
from doorward.flows.letters import Outbox, circumstances, tell, tell_last, tell_time
from doorward.flows.methods.password import PasswordMethod
from doorward.flows.opening import Opening, encode
from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.flows.pace import even_out
from doorward.flows.rights import take_rights
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.tickets import TICKET_SIZE, ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Pause, Random, Records, Tally, Tickets, Transaction
from doorward.rules.audit import Act
from doorward.rules.factor import must_show_one
from doorward.rules.identity import User, UserId
from doorward.rules.language import LANGUAGES, choose
from doorward.rules.letter import LetterKind
from doorward.rules.login import Failure
from doorward.rules.password import parse_password
from doorward.rules.session import Method, Subject
from doorward.rules.ticket import Purpose, Ticket

LINK_LIFETIME: Final = timedelta(hours=24)
_UPSTREAM: Final = frozenset({Method.UPSTREAM, Method.UPSTREAM_MFA})
SAME_PASSWORD: Final = Unacceptable((("password", "This is the password you have."),))


class Profile:
    """Changing one's own name, password and address, and leaving."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        evidence: Evidence,
        opening: Opening,
        password: PasswordMethod,
        rules: PasswordRules,
        outbox: Outbox,
        clock: Clock,
        pause: Pause,
        random: Random,
        tally: Tally,
        public_url: str,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._evidence = evidence
        self._opening = opening
        self._password = password
        self._rules = rules
        self._outbox = outbox
        self._clock = clock
        self._pause = pause
        self._random = random
        self._tally = tally
        self._public_url = public_url

    async def change_name(
        self,
        subject: Subject,
        visitor: Visitor,
        *,
        display_name: str | None = None,
        language: str | None = None,
        now: datetime,
    ) -> User | Unacceptable:
        """Change the name that is shown, and the language ("" leaves it to the browser). None leaves one as it is."""
        accepted = None if display_name is None else accept_display_name(display_name)
        problems = accepted.problems if isinstance(accepted, Unacceptable) else ()
        if language and language not in LANGUAGES:
            problems += (("language", "That language is not spoken here."),)
        if isinstance(accepted, Unacceptable) or problems:
            return Unacceptable(problems)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            # What was not asked for is as it is now, not as it was when somebody looked (R08).
            changed = replace(
                user,
                display_name=user.display_name if accepted is None else accepted,
                language=user.language if language is None else language,
            )
            await transaction.advance_user(user, changed)
            await append_own(transaction, Act.PROFILE_CHANGED, user, visitor, now)
        return changed

    async def change_password(
        self, subject: Subject, visitor: Visitor, *, current: str, password: str, again: str, now: datetime
    ) -> SignedIn | Refused | Unacceptable:
        """Change the password, knowing the current one. All sessions end; this browser gets a new one.

        SECURITY: wrong tries count with those of the sign-in, so that this is no door beside it (attack E06).
        """
        began = self._clock.elapsed()
        secret = parse_password(current)
        user = subject.user
        spent = await self._throttle.spend(Bucket.PASSWORD_CHANGE, visitor, user=user, now=now)
        if not spent.allowed:
            return self._limited(Bucket.PASSWORD_CHANGE, spent.retry_after)
        target = self._throttle.aim(user, None, visitor, now=now)
        async with self._throttle.turn(target):
            locked = await self._throttle.find_lock(target, now=now)
            if locked > timedelta(0):
                return Refused(Failure.LOCKED, locked)
            right = (await self._password.prove(user, secret)).right
            if right:
                await self._throttle.clear(target)
            else:
                locked = await self._evidence.fail(
                    target, visitor, user, Method.PASSWORD, Failure.WRONG, now, at=Bucket.PASSWORD_CHANGE
                )
        if not right:
            await self._evidence.even_out(began)
            return Refused(Failure.LOCKED if locked > timedelta(0) else Failure.WRONG, locked)
        accepted = accept_new_password(password, again, name=user.name, email=user.email, rules=self._rules)
        if isinstance(accepted, Unacceptable):
            return accepted
        return SAME_PASSWORD if accepted == secret else await self._set_password(subject, visitor, accepted, now)

    async def _set_password(self, subject: Subject, visitor: Visitor, password: str, now: datetime) -> SignedIn:
        stored = await self._password.seal(subject.user.id, password, now=now)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            await transaction.put_password(user.id, stored)
            changed = await take_rights(transaction, user, replace(user, must_change_password=False))
            # What a provider said went with the session it said it for; what is proven here is the password.
            methods = (subject.session.methods - _UPSTREAM) | {Method.PASSWORD}
            opened = self._opening.prepare(
                changed,
                visitor,
                methods=methods,
                remember=subject.session.remembered,
                now=now,
                # SECURITY: the password alone is less than a confirmation asks of who has a second factor, so it makes
                # nothing recent or fresh. tests/unit/test_profile.py changes it in an old session.
                authenticated_at=subject.session.authenticated_at,
                ends_by=subject.session.expires_at,
                follows=subject.session,
            )
            public = {"session": opened.session.handle, "replaced": subject.session.handle}
            await append_own(transaction, Act.PASSWORD_CHANGED, user, visitor, now, public)
            said = circumstances(visitor, now)
            await tell(self._outbox, transaction, LetterKind.PASSWORD_CHANGED, user, now, said)
        await self._opening.store(opened)
        return SignedIn(changed, opened.session, opened.cookie, opened.device)

    async def ask_email(
        self, subject: Subject, visitor: Visitor, *, email: str, now: datetime
    ) -> Refused | Unacceptable | None:
        """Send a link to the new address; it counts when the link is used. None, also where somebody else has it.

        ForbiddenError where mail is not set up: then an administrator changes addresses; and where the session has not
        shown the second factor that the account has: the page asks for that first.
        """
        if not self._outbox.is_open:
            raise ForbiddenError("there is no mail here; an administrator can change your address")
        began = self._clock.elapsed()
        accepted = accept_email(email)
        if isinstance(accepted, Unacceptable) or not accepted:
            return accepted or Unacceptable((("email", "Please type the new address."),))
        spent = await self._throttle.spend(Bucket.FORGOT, visitor, user=subject.user, now=now)
        if not spent.allowed:
            return self._limited(Bucket.FORGOT, spent.retry_after)
        async with self._records.transaction() as transaction:
            factors = await transaction.find_factors(subject.user.id)
        # SECURITY: a provider may connect by the address (`link_by_email`), and what it says may count as a second
        # factor. tests/unit/test_profile.py asks with the password alone.
        if must_show_one(factors, subject.session):
            raise ForbiddenError("this needs the second factor that the account has")
        token = encode(self._random.token(TICKET_SIZE))
        user = subject.user
        state = {
            "account": user.id,
            "generation": str(user.generation),
            "email": accepted,
            "before": user.email,
        }
        await self._tickets.put(Ticket(ticket_id(token), Purpose.EMAIL, b"", state, now, now + LINK_LIFETIME))
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            # SECURITY: who has which address is nobody else's to learn (E03), so the page says the same either way. The
            # letter names nobody: it may reach a stranger, and a name can be made to read like a link.
            # tests/unit/test_profile.py asks with such a name.
            if await transaction.find_user_by_login(accepted) is None:
                await self._outbox.queue(
                    transaction,
                    LetterKind.EMAIL_CONFIRM,
                    to=accepted,
                    language=choose("", own=user.language),
                    values={
                        "url": f"{self._public_url}/account/email?token={token}",
                        "until": tell_time(now + LINK_LIFETIME),
                    },
                    user_id=user.id,
                    now=now,
                )
            await append_own(transaction, Act.EMAIL_CHANGE_ASKED, user, visitor, now, private={"email": accepted})
        await even_out(self._clock, self._pause, began)
        return None

    async def look_email(self, token: str, *, now: datetime) -> str | None:
        """The address that a link confirms; None where the link is not good. Looking consumes nothing (K15)."""
        ticket = await self._tickets.find(ticket_id(token), Purpose.EMAIL, now)
        if ticket is None:
            return None
        async with self._records.transaction() as transaction:
            return ticket.state["email"] if await _find_asking(transaction, ticket) is not None else None

    async def confirm_email(self, token: str, visitor: Visitor, *, now: datetime) -> User | Refused:
        """Make the address that of the account. All its sessions end (D-05), and the old address is told."""
        spent = await self._throttle.spend(Bucket.RESET, visitor, now=now)
        if not spent.allowed:
            return self._limited(Bucket.RESET, spent.retry_after)
        ticket = await self._tickets.take(ticket_id(token), Purpose.EMAIL, now)
        if ticket is None:
            return Refused(Failure.TICKET_GONE)
        email = ticket.state["email"]
        async with self._records.transaction() as transaction:
            user = await _find_asking(transaction, ticket)
            if user is None or await transaction.find_user_by_login(email) is not None:
                return Refused(Failure.TICKET_GONE)
            changed = await take_rights(transaction, user, replace(user, email=email))
            private = {"email": email, "email_before": user.email}
            await append_own(transaction, Act.EMAIL_CHANGED, user, visitor, now, private=private)
            said = circumstances(visitor, now)
            await tell(self._outbox, transaction, LetterKind.EMAIL_CHANGED, user, now, said)
        return changed

    async def delete(self, subject: Subject, visitor: Visitor, *, now: datetime) -> Refused | None:
        """Delete the account with all that is stored of it, and tell the address it had.

        ConflictError where it is the last administrator; ForbiddenError where the session has not shown the second
        factor that the account has.
        """
        spent = await self._throttle.spend(Bucket.DESTRUCTIVE, visitor, user=subject.user, now=now)
        if not spent.allowed:
            return self._limited(Bucket.DESTRUCTIVE, spent.retry_after)
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            # SECURITY: nobody brings it back, so the password alone is too little where there is more.
            # tests/unit/test_profile.py leaves with it.
            if must_show_one(await transaction.find_factors(user.id), subject.session):
                raise ForbiddenError("this needs the second factor that the account has")
            await check_admin_remains(transaction, user)
            await transaction.end_sessions_of(user.id)
            await transaction.remove_user(user.id)
            await append_own(transaction, Act.ACCOUNT_DELETED, user, visitor, now, private={"name": user.name})
            said = circumstances(visitor, now)
            await tell_last(self._outbox, transaction, LetterKind.ACCOUNT_DELETED, user, now, said)
        return None

    def _limited(self, bucket: Bucket, retry_after: timedelta) -> Refused:
        self._tally.count_limited(bucket.value)
        return Refused(Failure.THROTTLED, retry_after)


async def _find_asking(transaction: Transaction, ticket: Ticket) -> User | None:
    """The account that asked for the address, if nothing was taken from it since and its address is still the same."""
    user = await transaction.find_user(UserId(ticket.state["account"]))
    if user is None or not user.enabled:
        return None
    seen = (str(user.generation), user.email)
    return user if seen == (ticket.state["generation"], ticket.state["before"]) else None
