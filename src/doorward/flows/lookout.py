"""Looking out: the history of sign-ins that people see, and what of it operators are told.

Where somebody signed in from is noted only if the operator set up a database of places and the person agreed, and only
inside the sealed note; nobody is asked about an address.
"""

import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from doorward.errors import TamperError
from doorward.flows.acting import get_present
from doorward.flows.alerts import Alarm
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Random, Records, Transaction
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place as SealedPlace
from doorward.rules.history import KEPT, SignInNote
from doorward.rules.identity import User
from doorward.rules.preference import LOCATIONS, ON
from doorward.rules.session import Method, SessionHandle, Subject
from doorward.rules.spread import Spread, remember
from doorward.rules.travel import Place, is_impossible

Locate = Callable[[IPv4Address | IPv6Address], Place | None]
NOTE_SIZE: Final = 16
LOOK_EVERY: Final = timedelta(hours=1)
_KEY_SIZE: Final = 16


class Lookout:
    """Notes sign-ins, and raises alerts. `locate` is None where no database of places is set up."""

    def __init__(
        self,
        *,
        records: Records,
        keyring: Keyring,
        random: Random,
        alarm: Alarm,
        account_key: bytes,
        spread: Spread,
        locate: Locate | None = None,
    ) -> None:
        self._records = records
        self._keyring = keyring
        self._random = random
        self._alarm = alarm
        self._account_key = account_key
        self._spread = spread
        self._locate = locate
        self._failed: dict[bytes, datetime] = {}
        self._looked_at: datetime | None = None

    @property
    def knows_places(self) -> bool:
        """Whether locations can be noted for who agrees."""
        return self._locate is not None

    def name_place(self, address: IPv4Address | IPv6Address) -> str:
        """Where an address is said to be, in words, "" where nobody knows. Nothing of it is kept."""
        place = self._locate(address) if self._locate is not None else None
        return place.words if place is not None else ""

    async def agrees(self, user: User) -> bool:
        """Whether somebody wants the places of their sign-ins noted (D-37)."""
        async with self._records.transaction() as transaction:
            return await transaction.find_preference(user.id, LOCATIONS) is not None

    async def choose(self, subject: Subject, visitor: Visitor, *, wanted: bool, now: datetime) -> None:
        """Agree, or no longer. It counts for sign-ins to come; what was noted goes with the history."""
        async with self._records.transaction() as transaction:
            user = await get_present(transaction, subject)
            await transaction.put_preference(user.id, LOCATIONS, ON if wanted else None)
            public = {"locations": ON if wanted else "off"}
            event = AuditEvent(Act.PROFILE_CHANGED, user.id, user.id, now, public, visitor.private())
            await transaction.append_audit(event)

    async def note(
        self,
        transaction: Transaction,
        user: User,
        visitor: Visitor,
        methods: frozenset[Method],
        now: datetime,
        *,
        known: bool,
        failure: str = "",
        session: SessionHandle | None = None,
    ) -> None:
        """Put a sign-in or a try into the history that the account's owner sees."""
        place = await self._find_place(transaction, user, visitor)
        if place is not None and not failure:
            await self._compare(transaction, user, visitor, place, now)
        note = self._random.token(NOTE_SIZE).hex()
        plain: dict[str, object] = {"address": visitor.address_text, "agent": visitor.agent_text}
        if place is not None:
            plain["place"] = _write_place(place)
        sealed = self._keyring.seal(_sealed_at(note), json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())
        await transaction.note_sign_in(SignInNote(note, user.id, now, failure, methods, session, not known, sealed))

    async def report_device(self, transaction: Transaction, user: User, visitor: Visitor, now: datetime) -> None:
        """Tell of a browser that an account was not used in before."""
        await self._alarm(transaction, AlertKind.NEW_DEVICE, user.id, {"who": user.name, **_seen(visitor)}, now)

    async def report_failure(
        self,
        transaction: Transaction,
        account: str,
        user: User | None,
        visitor: Visitor,
        locked: timedelta,
        now: datetime,
    ) -> None:
        """Tell of an account that is locked by this failure, and of failures that spread over many accounts.

        `account` tells accounts apart, those that do not exist, too. Only its keyed digest is kept, in memory.
        """
        if user is not None and locked > timedelta(0):
            await self._alarm(transaction, AlertKind.LOCKED_OUT, user.id, {"who": user.name, **_seen(visitor)}, now)
        key = hmac.digest(self._account_key, account.encode(), "sha256")[:_KEY_SIZE]
        self._failed = remember(self._failed, key, now, self._spread)
        if len(self._failed) >= self._spread.accounts:
            count = {"accounts": str(len(self._failed)), **_seen(visitor)}
            await self._alarm(transaction, AlertKind.FAILURES_BURST, "", count, now)

    async def miss_factors(self, transaction: Transaction, user: User, visitor: Visitor, now: datetime) -> bool:
        """Whether second factors of the account are gone though nobody took them away; written down, and told of."""
        lost = await transaction.find_lost_factors(user.id)
        if lost:
            public = {"where": "users.factors", "lost": ",".join(sorted(lost))}
            event = AuditEvent(Act.TAMPERED, "system", user.id, now, public, visitor.private())
            await transaction.append_audit(event)
            await self._alarm(transaction, AlertKind.FACTORS_LOST, user.id, {"who": user.name}, now)
        return bool(lost)

    async def look_at_administrators(self, now: datetime) -> None:
        """Tell of accounts that administer with a password alone, as an errand."""
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        async with self._records.transaction() as transaction:
            protected = await transaction.list_protected()
            for user in await transaction.list_administrators():
                if user.enabled and user.id not in protected and await transaction.find_password(user.id) is not None:
                    await self._alarm(transaction, AlertKind.ADMIN_WITHOUT_FACTOR, user.id, {"who": user.name}, now)

    async def _find_place(self, transaction: Transaction, user: User, visitor: Visitor) -> Place | None:
        if self._locate is None or visitor.address is None:
            return None
        if await transaction.find_preference(user.id, LOCATIONS) is None:
            return None
        return self._locate(visitor.address)

    async def _compare(
        self, transaction: Transaction, user: User, visitor: Visitor, place: Place, now: datetime
    ) -> None:
        """Tell where the last sign-in that succeeded was too far away to be the same person's."""
        for note in await transaction.list_sign_ins(user.id, limit=KEPT):
            if note.failure:
                continue
            before = self._read_place(note)
            if before is not None and is_impossible(before, place, now - note.at):
                values = {"who": user.name, **_seen(visitor), "place": place.words, "before": before.words}
                await self._alarm(transaction, AlertKind.IMPOSSIBLE_TRAVEL, user.id, values, now)
            return

    def _read_place(self, note: SignInNote) -> Place | None:
        try:
            return read_place(json.loads(self._keyring.unseal(_sealed_at(note.id), note.sealed)).get("place"))
        except TamperError:
            return None  # whoever looks at the history is told


def read_place(said: object) -> Place | None:
    """The place of a note, None where none was noted."""
    if not isinstance(said, dict):
        return None
    point = said["point"]
    return Place(said["city"], said["region"], said["country"], (point[0], point[1]) if point else None, said["radius"])


def _write_place(place: Place) -> dict[str, object]:
    return {
        "city": place.city,
        "region": place.region,
        "country": place.country,
        # A tenth of a degree is a town, and all that is asked of it.
        "point": [round(each, 1) for each in place.point] if place.point else None,
        "radius": place.radius,
    }


def _seen(visitor: Visitor) -> dict[str, str]:
    return {"device": visitor.agent_text, "address": visitor.address_text}


def _sealed_at(note: str) -> SealedPlace:
    return SealedPlace("sign_ins", "sealed", note)
