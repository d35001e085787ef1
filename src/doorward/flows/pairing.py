"""Pairing a device: it asks for a key with a short code, somebody approves it on a page, it fetches the key once.

RFC 8628. Two tickets hold it until then: one under the code the device asks with, which says how it stands, and one
under the code that somebody types, which leads to the first and is taken by whoever answers. The key is made when it is
fetched, so that its text is stored nowhere, and of all who ask at that moment the one that takes the ticket gets it.

SECURITY: nothing that a device says is believed. Its name is shown as what it says; the rights of the key are those
that were ticked by whoever approved, asked again when it is fetched. tests/unit/test_pairing_flow.py would fail.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError, ForbiddenError, InputError
from doorward.flows.acting import append_own, get_present
from doorward.flows.app_keys import NewKey
from doorward.flows.opening import encode
from doorward.flows.outcome import Refused
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.tickets import ticket_id
from doorward.flows.visitor import Visitor
from doorward.interfaces import Clock, Counters, Log, Random, Records, Tally, Tickets
from doorward.rules.app_key import ApiScope, AppKey
from doorward.rules.audit import Act
from doorward.rules.identity import User, UserId
from doorward.rules.key_wish import KeyWish, WishError, list_openable, may_open
from doorward.rules.login import Failure
from doorward.rules.names import clean_text
from doorward.rules.pairing import (
    DEVICE_CODE_SIZE,
    INTERVAL,
    MAX_CLIENT,
    WAITING,
    Answer,
    Pace,
    Reach,
    Stage,
    Whence,
    compare_networks,
    hash_user_code,
    keep_pace,
    list_places,
    parse_scope,
    parse_user_code,
    show_user_code,
    write_user_code,
)
from doorward.rules.policy import Address, Policy
from doorward.rules.session import Subject
from doorward.rules.throttle import Window
from doorward.rules.ticket import Purpose, Ticket, TicketId

_USER_CODE_SIZE: Final = 16
_DRAWS: Final = 5


class DeviceKeys(Protocol):
    """What pairing asks of the keys for apps (`flows.app_keys`)."""

    async def check_for_device(self, subject: Subject, wish: KeyWish, *, now: datetime) -> Refused | None:
        """Whether this account may have such a key now. InputError with a sentence; Refused: LOCKDOWN."""
        ...

    async def create_for_device(
        self, user_id: UserId, generation: int, wish: KeyWish, visitor: Visitor, *, now: datetime
    ) -> NewKey | Refused:
        """Make it, with its record and the letter to its owner. Errors as above; Refused: THROTTLED, LOCKDOWN."""
        ...


@dataclass(frozen=True, slots=True)
class PairingTerms:
    """`is_open`: whether devices are paired at all. `lifetime`: how long there is to approve and fetch.

    `waiting`: how many may wait altogether.
    """

    is_open: bool = True
    lifetime: timedelta = timedelta(minutes=10)
    waiting: int = 200


@dataclass(frozen=True, slots=True)
class Begun:
    """What a device is told. `user_code` as people read it."""

    device_code: str
    user_code: str
    expires_in: timedelta
    interval: timedelta = INTERVAL


@dataclass(frozen=True, slots=True)
class Paired:
    """A key for the device: its only showing. `reach` is what was given."""

    key: AppKey
    text: str = field(repr=False)
    reach: Reach


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody sees who is to approve it.

    `client` and `agent` are what the device says of itself. `place`: where its address is said to be, "" where nobody
    knows. `apps` and `hosts`: what it asks for and this person could give it, or all of that where it did not say.
    `beyond`: what it asks for and this person cannot open; cut, for a stranger may have written a sentence there.
    """

    code: str
    client: str
    agent: str
    address: str
    place: str
    whence: Whence
    reach: Reach
    apps: tuple[str, ...]
    hosts: tuple[str, ...]
    beyond: tuple[str, ...]
    asked_at: datetime
    until: datetime


class Pairing:
    """Begins, shows, answers and ends pairings. Errors as in `flows.acting`."""

    def __init__(
        self,
        *,
        records: Records,
        tickets: Tickets,
        counters: Counters,
        throttle: Throttle,
        keys: DeviceKeys,
        policy: Callable[[], Policy],
        find_place: Callable[[Address], str],
        code_key: bytes,
        clock: Clock,
        random: Random,
        tally: Tally,
        log: Log,
        terms: PairingTerms,
    ) -> None:
        self._records = records
        self._tickets = tickets
        self._counters = counters
        self._throttle = throttle
        self._keys = keys
        self._policy = policy
        self._find_place = find_place
        self._code_key = code_key
        self._clock = clock
        self._random = random
        self._tally = tally
        self._log = log
        self._terms = terms
        self._paces: OrderedDict[TicketId, Pace] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether devices are paired here at all."""
        return self._terms.is_open

    async def begin(self, client: str, scope: str, visitor: Visitor, *, now: datetime) -> Begun | Refused:
        """Take note of a device that asks for a key. InputError for what it cannot ask for."""
        reach = parse_scope(scope)
        spent = await self._throttle.spend(Bucket.PAIRING, visitor, now=now)
        if not spent.allowed:
            return self._limit(Bucket.PAIRING.value, spent.retry_after)
        places = list_places(visitor.address, self._terms.waiting)
        for number, (key, most) in enumerate(places):
            spent = await self._counters.spend(key, (Window(most, self._terms.lifetime),), now)
            if not spent.allowed:
                for counted, _ in places[:number]:  # it does not wait
                    await self._counters.give_back(counted, now)
                return self._limit(WAITING, spent.retry_after)
        device_code = encode(self._random.token(DEVICE_CODE_SIZE))
        until = now + self._terms.lifetime
        code = await self._reserve(ticket_id(device_code), now, until)
        state = {
            "stage": Stage.WAITING.value,
            "client": clean_text(client, MAX_CLIENT),
            "agent": visitor.agent_text,
            "address": visitor.address_text,
            "scope": reach.text,
            "until": until.isoformat(),
        }
        # It is kept for as long again, so that a device that asks late is told that it is late.
        await self._tickets.put(
            Ticket(ticket_id(device_code), Purpose.PAIRING, b"", state, now, until + self._terms.lifetime)
        )
        return Begun(device_code, show_user_code(code), self._terms.lifetime)

    async def look(self, subject: Subject, typed: str, visitor: Visitor, *, now: datetime) -> Asked | Refused | None:
        """What waits under a code that somebody typed; None where nothing does. Each try is counted (RFC 8628, 5.1)."""
        spent = await self._throttle.spend(Bucket.PAIRING_CODE, visitor, user=subject.user, now=now)
        if not spent.allowed:
            return self._limit(Bucket.PAIRING_CODE.value, spent.retry_after)
        found = await self._find(typed, now)
        return None if found is None else self._show(parse_user_code(typed) or "", found[1], subject.user, visitor)

    async def approve(
        self, subject: Subject, typed: str, wish: KeyWish, visitor: Visitor, *, now: datetime
    ) -> Asked | Refused | None:
        """Let the device have this key; None where nothing waits under the code (any more).

        InputError and ConflictError where the account cannot have such a key; the code is good for another try then.
        """
        asked = await self.look(subject, typed, visitor, now=now)
        if not isinstance(asked, Asked):
            return asked
        if wish.scopes - asked.reach.scopes or set(wish.apps) - set(asked.apps) or set(wish.hosts) - set(asked.hosts):
            raise WishError("the device did not ask for this")
        refused = await self._keys.check_for_device(subject, wish, now=now)
        if refused is not None:
            return refused
        if (ticket := await self._claim(typed, now)) is None:
            return None
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            private = {"client": asked.client, "name": wish.name, "device_address": asked.address}
            public = {"scope": _reach_of(wish).text}
            await append_own(transaction, Act.PAIRING_APPROVED, user, visitor, now, public, private)
        by = {"by": user.id, "generation": str(subject.session.generation), "wish": _write_wish(wish)}
        state = {**ticket.state, **by, "stage": Stage.APPROVED.value}
        return asked if await self._tickets.advance(ticket, replace(ticket, state=state)) else None

    async def refuse(self, subject: Subject, typed: str, visitor: Visitor, *, now: datetime) -> Asked | Refused | None:
        """Have the device told no; None where nothing waits under the code (any more)."""
        asked = await self.look(subject, typed, visitor, now=now)
        if not isinstance(asked, Asked):
            return asked
        if (ticket := await self._claim(typed, now)) is None:
            return None
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            private = {"client": asked.client, "device_address": asked.address}
            await append_own(transaction, Act.PAIRING_REFUSED, user, visitor, now, {}, private)
        state = {**ticket.state, "stage": Stage.REFUSED.value}
        await self._tickets.advance(ticket, replace(ticket, state=state))
        await self._make_room(ticket)
        return asked

    async def fetch(self, device_code: str, client: str, visitor: Visitor, *, now: datetime) -> Paired | Answer:
        """The key, once it was approved, and only once; else why there is none."""
        ticket = await self._tickets.find(ticket_id(device_code), Purpose.PAIRING, now)
        if ticket is None or ticket.state["client"] != clean_text(client, MAX_CLIENT):
            return Answer.UNKNOWN
        if ticket.state["stage"] == Stage.REFUSED.value:
            return Answer.DENIED
        if now >= datetime.fromisoformat(ticket.state["until"]):
            return Answer.EXPIRED
        if ticket.state["stage"] == Stage.WAITING.value:
            return self._keep_pace(ticket.id)
        # SECURITY: taken before the key is made: of all who ask at this moment, one goes on from here (E21).
        # tests/unit/test_pairing_flow.py would fail.
        taken = await self._tickets.take(ticket.id, Purpose.PAIRING, now)
        if taken is None:
            return Answer.UNKNOWN
        self._paces.pop(ticket.id, None)
        paired = await self._make_key(taken, visitor, now)
        if paired is not Answer.SLOW_DOWN:
            await self._make_room(taken)
        return paired

    async def _make_key(self, ticket: Ticket, visitor: Visitor, now: datetime) -> Paired | Answer:
        wish = _read_wish(ticket.state["wish"])
        owner, generation = UserId(ticket.state["by"]), int(ticket.state["generation"])
        try:
            made = await self._keys.create_for_device(owner, generation, wish, visitor, now=now)
        except (ConflictError, ForbiddenError, InputError) as error:
            # Whoever approved it lost a right since then, or has too many keys. Which is none of the device's business.
            self._log.info("pairing_denied", user_id=owner, reason=str(error))
            return Answer.DENIED
        if isinstance(made, NewKey):
            return Paired(made.key, made.text, _reach_of(wish))
        if made.failure is not Failure.THROTTLED:
            return Answer.DENIED
        # Nothing was made, and nobody else had it meanwhile: it can wait for its turn.
        await self._tickets.put(ticket)
        return Answer.SLOW_DOWN

    async def _reserve(self, pairing: TicketId, now: datetime, until: datetime) -> str:
        """Draw a code that no waiting device has."""
        for _ in range(_DRAWS):
            code = write_user_code(self._random.token(_USER_CODE_SIZE))
            try:
                await self._tickets.put(
                    Ticket(self._code_id(code), Purpose.PAIRING_CODE, b"", {"pairing": pairing.hex()}, now, until)
                )
            except ConflictError:
                continue
            return code
        raise ConflictError("no code was free", Clash.TOO_MANY)

    async def _find(self, typed: str, now: datetime) -> tuple[Ticket, Ticket] | None:
        """The tickets under a code: its own, and that of the pairing that waits."""
        code = parse_user_code(typed)
        if code is None:
            return None
        pointer = await self._tickets.find(self._code_id(code), Purpose.PAIRING_CODE, now)
        if pointer is None:
            return None
        ticket = await self._tickets.find(TicketId(bytes.fromhex(pointer.state["pairing"])), Purpose.PAIRING, now)
        if ticket is None or ticket.state["stage"] != Stage.WAITING.value:
            return None
        return pointer, ticket

    async def _claim(self, typed: str, now: datetime) -> Ticket | None:
        """The pairing that waits under a code, which from now on is nobody else's to answer."""
        found = await self._find(typed, now)
        if found is None or await self._tickets.take(found[0].id, Purpose.PAIRING_CODE, now) is None:
            return None
        return found[1]

    def _show(self, code: str, ticket: Ticket, user: User, visitor: Visitor) -> Asked:
        state = ticket.state
        address = ip_address(state["address"]) if state["address"] else None
        reach, policy = parse_scope(state["scope"]), self._policy()
        apps, hosts = list_openable(policy, user), tuple(host for host in reach.hosts if may_open(policy, user, host))
        beyond: tuple[str, ...] = ()
        if reach.names_places:
            wanted, ours = ({name.casefold() for name in names} for names in (reach.apps, apps))
            beyond = tuple(clean_text(name, MAX_CLIENT) for name in reach.apps if name.casefold() not in ours)
            beyond += tuple(host for host in reach.hosts if host not in hosts)
            apps = tuple(app for app in apps if app.casefold() in wanted)
        return Asked(
            code=show_user_code(code),
            client=state["client"],
            agent=state["agent"],
            address=state["address"],
            place=self._find_place(address) if address is not None else "",
            whence=compare_networks(address, visitor.address),
            reach=reach,
            apps=apps,
            hosts=hosts,
            beyond=beyond,
            asked_at=ticket.created_at,
            until=datetime.fromisoformat(state["until"]),
        )

    def _keep_pace(self, pairing: TicketId) -> Answer:
        """Only what really waits is remembered, so that strangers fill nothing; nothing is written down for it."""
        pace, too_soon = keep_pace(self._paces.pop(pairing, None), self._clock.elapsed())
        self._paces[pairing] = pace
        if len(self._paces) > self._terms.waiting:
            self._paces.popitem(last=False)
        return Answer.SLOW_DOWN if too_soon else Answer.PENDING

    async def _make_room(self, ticket: Ticket) -> None:
        """It waits no more."""
        address = ip_address(ticket.state["address"]) if ticket.state["address"] else None
        for key, _ in list_places(address, self._terms.waiting):
            await self._counters.give_back(key, ticket.created_at)

    def _limit(self, bucket: str, retry_after: timedelta) -> Refused:
        self._tally.count_limited(bucket)
        return Refused(Failure.THROTTLED, retry_after)

    def _code_id(self, code: str) -> TicketId:
        return TicketId(hash_user_code(code, self._code_key))


def _reach_of(wish: KeyWish) -> Reach:
    return Reach(wish.apps, wish.hosts, wish.scopes)


def _write_wish(wish: KeyWish) -> str:
    return json.dumps(
        {
            "name": wish.name,
            "apps": wish.apps,
            "hosts": wish.hosts,
            "scopes": sorted(scope.value for scope in wish.scopes),
            "read_only": wish.read_only,
            "expires_at": wish.expires_at.isoformat() if wish.expires_at is not None else "",
            "forever": wish.forever,
        }
    )


def _read_wish(text: str) -> KeyWish:
    said = json.loads(text)
    return KeyWish(
        name=said["name"],
        apps=tuple(said["apps"]),
        hosts=tuple(said["hosts"]),
        scopes=frozenset(ApiScope(word) for word in said["scopes"]),
        read_only=said["read_only"],
        expires_at=datetime.fromisoformat(said["expires_at"]) if said["expires_at"] else None,
        forever=said["forever"],
    )
