"""Signing in with a provider: leave, come back, be let in (docs/security-flow.md).

The order is the point. Counted before it is looked at; the ticket taken once, by the browser it was made for, before
anything else can go wrong; the provider as it is now; only then the code; only then whose account it is. A refusal
after the ticket was taken leaves evidence; what strangers throw at the address without one is only counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import ConflictError, ForbiddenError
from doorward.flows.finishing import Finishing
from doorward.flows.methods.upstream import UpstreamMethod, max_age_for
from doorward.flows.opening import Opening, encode
from doorward.flows.outcome import Continued, Departed, Linked, SignedIn, UpstreamRefused
from doorward.flows.pending import Pending
from doorward.flows.settling import Denied, Settling, Trip
from doorward.flows.throttle import Leg, Throttle
from doorward.flows.tickets import TICKET_SIZE, ParseReturn, find_bound, ticket_id, vet
from doorward.flows.visitor import Visitor
from doorward.flows.vouching import FindProvider, Vouching
from doorward.interfaces import Log, Random, Records, Tally, Tickets
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.factor import must_show_one
from doorward.rules.identity import UserId
from doorward.rules.login import Demand
from doorward.rules.names import clean_text
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import Provider
from doorward.rules.session import RECENT, Fingerprint, Subject, is_recent
from doorward.rules.ticket import Purpose, Ticket
from doorward.rules.upstream import admit

SIGN_IN: Final = "sign_in"
CONFIRM: Final = "confirm"
LINK: Final = "link"

_MAX_ERROR: Final = 200
"""Characters of a provider's error that the log keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a browser brought back, each parameter given at most once. `issuer` is None where there was no `iss`."""

    path: str
    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    issuer: str | None = None
    error: str = ""
    error_description: str = ""


class UpstreamSignIn:
    """The sign-in of people with a provider, and the linking of accounts."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        throttle: Throttle,
        opening: Opening,
        method: UpstreamMethod,
        settling: Settling,
        finishing: Finishing,
        vouching: Vouching,
        find_provider: FindProvider,
        parse_return: ParseReturn,
        random: Random,
        tally: Tally,
        log: Log,
        ticket_lifetime: timedelta = timedelta(minutes=10),
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._throttle = throttle
        self._opening = opening
        self._method = method
        self._settling = settling
        self._finishing = finishing
        self._vouching = vouching
        self._find_provider = find_provider
        self._parse_return = parse_return
        self._random = random
        self._tally = tally
        self._log = log
        self._ticket_lifetime = ticket_lifetime

    async def depart(
        self, token: str, visitor: Visitor, *, provider: str, remember: bool, now: datetime
    ) -> Departed | UpstreamRefused:
        """Leave from the sign-in page. `token` is its ticket, which stays good: people come back and choose again.

        Where the ticket is a step-up's it says who may answer, and `remember` is ignored.
        """
        refused = await self._spend(Leg.DEPARTURE, visitor, now)
        if refused is not None:
            return refused
        login = await find_bound(self._tickets, token, Purpose.LOGIN, visitor, now=now)
        if login is None:
            return self._refuse(Failure.STATE)
        begun = Pending.read(login.state)
        # Nothing that was proven with this ticket goes along: who comes back begins with what the provider says.
        pending = Pending(
            demand=begun.demand,
            return_url=begun.return_url,
            return_refused=begun.return_refused,
            remember=remember,
        )
        state = {"intent": SIGN_IN}
        if begun.demand.is_of_someone:
            state = {"intent": CONFIRM}
            pending = replace(
                pending,
                account=begun.account,
                generation=begun.generation,
                remember=begun.remember,
                had_second=begun.had_second,
            )
        return await self._leave(provider, pending, state, visitor, now)

    async def depart_straight(
        self, visitor: Visitor, *, provider: Provider, return_to: str | None, now: datetime
    ) -> Departed | UpstreamRefused:
        """Leave without a page in between. `return_to` is the raw `rd` parameter, None when absent."""
        refused = await self._spend(Leg.DEPARTURE, visitor, now)
        if refused is not None:
            return refused
        return_url, return_refused = vet(self._parse_return, return_to)
        pending = Pending(demand=Demand.SIGN_IN, return_url=return_url, return_refused=return_refused)
        return await self._leave(provider.id, pending, {"intent": SIGN_IN}, visitor, now)

    async def depart_invited(
        self, visitor: Visitor, *, provider: str, invite: str, return_to: str | None, now: datetime
    ) -> Departed | UpstreamRefused:
        """Leave with an invitation, which is looked at, and used, when somebody new comes back.

        Only what stands for it goes into the ticket: who reads the store must not find what opens an account.
        """
        refused = await self._spend(Leg.DEPARTURE, visitor, now)
        if refused is not None:
            return refused
        return_url, return_refused = vet(self._parse_return, return_to)
        pending = Pending(demand=Demand.SIGN_IN, return_url=return_url, return_refused=return_refused)
        intent = {"intent": SIGN_IN, "invite": ticket_id(invite).hex()}
        return await self._leave(provider, pending, intent, visitor, now)

    async def depart_to_link(
        self, subject: Subject, visitor: Visitor, *, provider: str, now: datetime
    ) -> Departed | UpstreamRefused:
        """Leave to connect an account at a provider to the one that is signed in.

        ForbiddenError where the sign-in is not recent, or has not shown the second factor that the account has: the
        page asks for that first (H26). What a provider says may count for one.
        """
        if not is_recent(subject.session, now, RECENT):
            raise ForbiddenError("this needs a confirmation of who you are")
        refused = await self._spend(Leg.DEPARTURE, visitor, now)
        if refused is not None:
            return refused
        async with self._records.transaction() as transaction:
            factors = await transaction.find_factors(subject.user.id)
        if must_show_one(factors, subject.session):
            raise ForbiddenError("this needs the second factor that the account has")
        account, session = subject.user.id, subject.session
        pending = Pending(demand=Demand.SIGN_IN, account=account, generation=session.generation, session=session.handle)
        return await self._leave(provider, pending, {"intent": LINK}, visitor, now)

    async def arrive(
        self,
        callback: Callback,
        visitor: Visitor,
        *,
        subject: Subject | None,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Linked | UpstreamRefused:
        """Come back. `subject` is who is signed in here, whom only linking asks for.

        `previous` is the session this browser showed, which dies with a sign-in (J01) and lives on with a link.
        """
        refused = await self._spend(Leg.CALLBACK, visitor, now)
        if refused is not None:
            return refused
        ticket = await self._take(callback.state, visitor, now)
        if ticket is None:
            return self._refuse(Failure.STATE)
        provider = await self._find_same_provider(ticket)
        trip = await self._prove(callback, ticket, provider, visitor, now)
        if isinstance(trip, Denied):
            return await self._deny(trip, ticket, provider, visitor, now)
        linking = ticket.state["intent"] == LINK
        outcome = await (self._link(trip, ticket, subject) if linking else self._enter(trip, ticket, previous))
        return await self._deny(outcome, ticket, provider, visitor, now) if isinstance(outcome, Denied) else outcome

    def find_trouble(self, provider: Provider) -> str | None:
        """Why the provider cannot be used just now, as far as is known without asking it."""
        return self._method.find_trouble(provider)

    async def _spend(self, leg: Leg, visitor: Visitor, now: datetime) -> UpstreamRefused | None:
        spent = await self._throttle.spend_oidc(leg, visitor, now=now)
        if spent.allowed:
            return None
        self._tally.count_limited("oidc")
        self._tally.count_login(Failure.THROTTLED.value)
        return UpstreamRefused(Failure.THROTTLED, retry_after=spent.retry_after)

    async def _leave(
        self, provider_id: str, pending: Pending, intent: dict[str, str], visitor: Visitor, now: datetime
    ) -> Departed | UpstreamRefused:
        state = pending.write() | intent
        demand = pending.demand
        provider = await self._find_provider(provider_id)
        if provider is None:
            return self._refuse(Failure.PROVIDER_GONE, None, state)
        if not demand.takes(provider):
            return self._refuse(Failure.NOT_FRESH, provider, state)
        max_age = max_age_for(provider, demand)
        token = encode(self._random.token(TICKET_SIZE))
        state |= {
            "provider": provider.id,
            "issuer": provider.issuer,
            "client_id": provider.client_id,
            "path": provider.callback,
            "max_age": "" if max_age is None else str(int(max_age.total_seconds())),
        }
        hint = await self._find_hint(provider, state) if state["intent"] == CONFIRM else ""
        try:
            url = await self._method.depart(
                provider,
                token,
                demand,
                max_age=max_age,
                login_hint=hint,
                linking=state["intent"] == LINK,
            )
        except UpstreamError as error:
            self._note(error.failure, provider, str(error))
            return self._refuse(error.failure, provider, state)
        await self._tickets.put(
            Ticket(ticket_id(token), Purpose.UPSTREAM, visitor.browser, state, now, now + self._ticket_lifetime)
        )
        return Departed(url)

    async def _find_hint(self, provider: Provider, state: Mapping[str, str]) -> str:
        async with self._records.transaction() as transaction:
            identities = await transaction.list_identities(UserId(state["account"]))
        return next((each.email for each in identities if each.issuer == provider.issuer), "")

    async def _take(self, state: str, visitor: Visitor, now: datetime) -> Ticket | None:
        # SECURITY: found before it is taken, so that whoever learns a state cannot spoil it from another browser (H01).
        # tests/unit/test_upstream_callback.py brings one back from there.
        found = await find_bound(self._tickets, state, Purpose.UPSTREAM, visitor, now=now)
        return None if found is None else await self._tickets.take(found.id, Purpose.UPSTREAM, now)

    async def _find_same_provider(self, ticket: Ticket) -> Provider | None:
        """The provider as it is now, if it is enabled and still the one that the browser was sent to (H21)."""
        provider = await self._find_provider(ticket.state["provider"])
        if provider is None:
            return None
        now = (provider.issuer, provider.client_id, provider.callback)
        return provider if now == tuple(ticket.state[name] for name in ("issuer", "client_id", "path")) else None

    async def _prove(
        self, callback: Callback, ticket: Ticket, provider: Provider | None, visitor: Visitor, now: datetime
    ) -> Trip | Denied:
        if callback.path != ticket.state["path"]:
            return Denied(Failure.STATE)
        if provider is None:
            return Denied(Failure.PROVIDER_GONE)
        if callback.error or not callback.code:
            # SECURITY: an error is believed even where a code came with it; nothing is exchanged then (H17).
            # tests/unit/test_upstream_callback.py sends both.
            failure = Failure.CANCELLED if callback.error == "access_denied" else Failure.PROVIDER_ERROR
            self._note(failure, provider, f"{callback.error or 'no code'}: {callback.error_description}")
            return Denied(failure)
        try:
            proven = await self._method.prove(
                provider, ticket, state=callback.state, code=callback.code, issuer=callback.issuer, now=now
            )
        except UpstreamError as error:
            self._note(error.failure, provider, str(error))
            return Denied(error.failure)
        confirming = ticket.state["intent"] == CONFIRM
        trip = Trip(
            provider=provider,
            authenticated=proven,
            visitor=visitor,
            began_at=ticket.created_at,
            now=now,
            account=UserId(ticket.state["account"]) if confirming else None,
            invite=bytes.fromhex(ticket.state["invite"]) if "invite" in ticket.state else None,
            pending=Pending.read(ticket.state),
        )
        not_admitted = admit(provider, proven)
        return trip if not_admitted is None else trip.deny(not_admitted)

    async def _enter(self, trip: Trip, ticket: Ticket, previous: Fingerprint | None) -> SignedIn | Continued | Denied:
        old = await self._opening.find_previous(previous)
        try:
            decided = await self._settling.enter(trip, old)
        except ConflictError:
            # Somebody else changed the account, or made it, at the same moment: what they left is what counts now.
            decided = await self._settling.enter(trip, old)
        if isinstance(decided, Denied):
            return decided
        await self._finishing.store(decided)
        # SECURITY: whoever closed the provider, or signed this person out there, since it was looked at first may have
        # found no session yet that they could end (H21); and whoever changed whom it lets in, or what it grants, no
        # grant that they could take back. tests/unit/test_upstream_meanwhile.py does all of it.
        if await self._find_same_provider(ticket) != trip.provider:
            await self._settling.withdraw(trip, decided.opened.session if decided.opened else None)
            await self._finishing.discard(decided)
            return trip.deny(Failure.PROVIDER_GONE, decided.user.id)
        if decided.opened is not None and not await self._vouching.is_noted(decided.opened.session):
            await self._finishing.discard(decided)
            return trip.deny(Failure.SIGNED_OUT, decided.user.id)
        return await self._finishing.hand_over(decided, now=trip.now)

    async def _link(self, trip: Trip, ticket: Ticket, subject: Subject | None) -> Linked | Denied:
        # SECURITY: the link is for whoever asked for it, in the session that had shown enough for that, and not long
        # ago (H26). tests/unit/test_identities.py lets everybody else try.
        within = RECENT + self._ticket_lifetime
        if (
            subject is None
            or subject.user.id != ticket.state["account"]
            or subject.session.handle != ticket.state.get("session")
            or not is_recent(subject.session, trip.now, within)
            or await self._opening.find_previous(subject.session.fingerprint) is None
        ):
            return trip.deny(Failure.STATE, ticket.state["account"])
        try:
            linked = await self._settling.link(trip, subject)
        except ConflictError:
            linked = await self._settling.link(trip, subject)
        return linked if isinstance(linked, Denied) else Linked(trip.provider, linked)

    async def _deny(
        self, denied: Denied, ticket: Ticket, provider: Provider | None, visitor: Visitor, now: datetime
    ) -> UpstreamRefused:
        public = {
            "method": self._method.method.value,
            "provider": ticket.state["provider"],
            "issuer": ticket.state["issuer"],
            "intent": ticket.state["intent"],
            "failure": denied.failure.value,
        }
        private = {**visitor.private(), **denied.private}
        async with self._records.transaction() as transaction:
            await transaction.append_audit(
                AuditEvent(Act.LOGIN_FAILED, "anonymous", denied.subject, now, public, private)
            )
        return self._refuse(denied.failure, provider, ticket.state)

    def _refuse(
        self, failure: Failure, provider: Provider | None = None, state: Mapping[str, str] | None = None
    ) -> UpstreamRefused:
        self._tally.count_login(failure.value)
        if state is None:
            return UpstreamRefused(failure)
        return UpstreamRefused(
            failure,
            provider,
            vet(self._parse_return, state.get("return", ""))[0],
            linking=state["intent"] == LINK,
            confirming=state["intent"] == CONFIRM,
        )

    def _note(self, failure: Failure, provider: Provider, text: str) -> None:
        """Tell the operator in the provider's own words, which no visitor sees (H17)."""
        said = clean_text(text, _MAX_ERROR)
        self._log.warning("upstream_failed", provider=provider.id, failure=failure.value, said=said)
