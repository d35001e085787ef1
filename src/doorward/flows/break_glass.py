"""Coming in when nothing else opens: every provider down, passwords closed, a factor lost (E-90).

A code is 256 random bits on paper, good once, for one administrator. It opens a short session and no more; using it is
recorded, and every administrator is told. Nothing here asks a provider, a password, or a second factor.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import Clash, ConflictError, InputError
from doorward.flows.acting import Actor, Named, append, check_actor, get_user
from doorward.flows.alerts import Alarm
from doorward.flows.opening import HANDLE_SIZE, Opening
from doorward.flows.outcome import Refused, SignedIn
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Random, Records, Tally, Transaction
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.break_glass import CODE_SIZE, Kit, KitEntry, hash_code, parse_code, write_code
from doorward.rules.envelope import Place
from doorward.rules.history import SignInNote
from doorward.rules.identity import User
from doorward.rules.login import Failure
from doorward.rules.session import Fingerprint, Method

SESSION_LIFETIME: Final = timedelta(minutes=30)
MAX_CODES: Final = 5
_ID_SIZE: Final = 16
_METHODS: Final = frozenset({Method.BREAK_GLASS})


class KitNote(Protocol):
    """What stands beside the data, for when the data cannot be read."""

    def write(self, entries: Sequence[KitEntry]) -> None:
        """Put these in place of what stands there. UnavailableError where it cannot be written."""
        ...

    def find_spent(self) -> frozenset[bytes]:
        """Digests of codes that began an emergency which the data has not noted yet."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A new kit: its codes, which nobody is shown again. `replaced`: codes that were unused until now."""

    user: User
    codes: tuple[str, ...]
    made_at: datetime
    replaced: int


class BreakGlass:
    """Making kits, taking them back, and coming in with one."""

    def __init__(
        self,
        *,
        records: Records,
        opening: Opening,
        throttle: Throttle,
        keyring: Keyring,
        random: Random,
        tally: Tally,
        alarm: Alarm,
        note: KitNote,
        draw_qr: Callable[[str, str], str],
    ) -> None:
        self._records = records
        self._opening = opening
        self._throttle = throttle
        self._keyring = keyring
        self._random = random
        self._tally = tally
        self._alarm = alarm
        self._note = note
        self._draw_qr = draw_qr

    async def make(self, actor: Actor, login: Named, *, count: int = 1, now: datetime) -> Made:
        """Make a kit for an administrator; their unused codes are worthless from then on.

        InputError for an odd number. ConflictError (DISABLED, NEEDED) where the account is disabled or administers not.
        """
        if not 1 <= count <= MAX_CODES:
            raise InputError(f"a kit has one to {MAX_CODES} codes")
        entropies = [self._random.token(CODE_SIZE) for _ in range(count)]
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = await get_user(transaction, login)
            if not user.enabled:
                raise ConflictError("this account is disabled", Clash.DISABLED)
            if not user.administers:
                raise ConflictError("a kit is for an administrator", Clash.NEEDED)
            if user.is_service:
                raise ConflictError("an account of a service does not sign in", Clash.NO_PASSWORD)
            replaced = await transaction.remove_kits(user.id)
            for entropy in entropies:
                kit_id = self._random.token(_ID_SIZE).hex()
                await transaction.add_kit(Kit(kit_id, hash_code(entropy), user.id, actor.id, now))
            public = {"count": str(count), "replaced": str(replaced)}
            await append(transaction, actor, Act.KIT_MADE, user.id, now, public)
            await self._write_note(transaction)
        return Made(user, tuple(map(write_code, entropies)), now, replaced)

    def draw(self, code: str) -> str:
        """A code as a picture, for a camera in place of fingers. It holds the code alone, and no address with it."""
        return self._draw_qr(code, "QR code")

    async def list_kits(self, actor: Actor) -> list[tuple[Kit, User]]:
        """All codes, used ones too, the newest first; never what opens."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            users = {user.id: user for user in await transaction.list_users()}
            return [(kit, users[kit.user_id]) for kit in await transaction.list_kits()]

    async def revoke(self, actor: Actor, login: Named | None = None, *, now: datetime) -> int:
        """Take unused codes back, an account's or all; how many there were."""
        async with self._records.transaction() as transaction:
            await check_actor(transaction, actor)
            user = None if login is None else await get_user(transaction, login)
            count = await transaction.remove_kits(None if user is None else user.id)
            if count:
                subject = "system" if user is None else user.id
                await append(transaction, actor, Act.KIT_REVOKED, subject, now, {"count": str(count)})
                await self._write_note(transaction)
        return count

    async def is_open(self, visitor: Visitor, *, now: datetime) -> bool:
        """Whether there is anything to come in with: otherwise there is no such page."""
        # Strangers may ask, and a transaction waits for every other.
        if not (await self._throttle.spend_begin(visitor, now=now)).allowed:
            return False
        async with self._records.transaction() as transaction:
            return bool(await self._list_good(transaction))

    async def use(
        self, code: str, visitor: Visitor, *, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Refused:
        """Come in with a code, which is used up. Refused (WRONG) for one that is none, was used, or is nobody's now."""
        spent = await self._throttle.spend(Bucket.LOGIN, visitor, now=now)
        if not spent.allowed:
            self._tally.count_limited(Bucket.LOGIN.value)
            return Refused(Failure.THROTTLED, spent.retry_after)
        digest = parse_code(code)
        old = await self._opening.find_previous(previous)
        async with self._records.transaction() as transaction:
            good = {kit.digest: user for kit, user in await self._list_good(transaction)}
            user = None if digest is None else good.get(digest)
            if digest is None or user is None:
                public = {"method": Method.BREAK_GLASS.value}
                event = AuditEvent(Act.LOGIN_FAILED, "anonymous", "anonymous", now, public, visitor.private())
                await transaction.append_audit(event)
                self._tally.count_login(Failure.WRONG.value)
                return Refused(Failure.WRONG)
            # SECURITY: spent in the transaction that records it; a code that could not be written down as used opens
            # nothing. tests/contract/test_break_glass.py spends one ten times at once.
            await transaction.spend_kit(digest, now)
            if old is not None:
                await transaction.end_session(old.handle)
            opened = self._opening.prepare(
                user, visitor, methods=_METHODS, remember=False, now=now, ends_by=now + SESSION_LIFETIME
            )
            public = {"session": opened.session.handle, "left": str(len(good) - 1)}
            await append(transaction, Actor(user.id, user.id, visitor.private()), Act.KIT_USED, user.id, now, public)
            note = self._random.token(HANDLE_SIZE).hex()
            plain = json.dumps({"address": visitor.address_text, "agent": visitor.agent_text}, sort_keys=True)
            sealed = self._keyring.seal(Place("sign_ins", "sealed", note), plain.encode())
            handle = opened.session.handle
            await transaction.note_sign_in(SignInNote(note, user.id, now, "", _METHODS, handle, True, sealed))
            values = {"who": user.name, "device": visitor.agent_text, "address": visitor.address_text}
            await self._alarm(transaction, AlertKind.BREAK_GLASS_USED, user.id, values, now)
            await self._write_note(transaction)
        await self._opening.store(opened)
        self._tally.count_login("success")
        return SignedIn(user, opened.session, opened.cookie, opened.device)

    async def open_emergency(self, user: User, digest: bytes, *, now: datetime) -> None:
        """Make the administrator of a gate that runs without its data, and tell of it."""
        async with self._records.transaction() as transaction:
            await transaction.claim_first_admin(user.id, now)
            await transaction.add_user(user)
            event = AuditEvent(Act.KIT_USED, "cli", user.id, now, {"code": digest.hex()}, {"name": user.name})
            await transaction.append_audit(event)
            await self._alarm(transaction, AlertKind.BREAK_GLASS_USED, user.id, {"who": user.name}, now)

    async def note_emergency(self, digest: bytes, public: Mapping[str, str], *, now: datetime) -> None:
        """Note in the real record that there was an emergency, spend its code, and tell all administrators."""
        async with self._records.transaction() as transaction:
            kit = await transaction.spend_kit(digest, now) if digest else None
            user = None if kit is None else await transaction.find_user(kit.user_id)
            subject = "system" if kit is None else kit.user_id
            await transaction.append_audit(AuditEvent(Act.EMERGENCY_NOTED, "system", subject, now, public))
            who = "" if user is None else user.name
            await self._alarm(transaction, AlertKind.BREAK_GLASS_USED, subject, {"who": who}, now)
            await self._write_note(transaction)

    async def reconcile(self) -> None:
        """At the start, have what stands beside the data say what the data says."""
        async with self._records.transaction() as transaction:
            await self._write_note(transaction)

    async def _write_note(self, transaction: Transaction) -> None:
        # In the transaction, as its last act: what cannot be noted is not made. Should the commit fail after it, what
        # is noted too much opens nothing that was ever shown, and what is missing is put back at the next start.
        good = await self._list_good(transaction)
        self._note.write(
            [KitEntry(kit.digest, user.name, tuple(sorted(user.every_group)), kit.made_at) for kit, user in good]
        )

    async def _list_good(self, transaction: Transaction) -> list[tuple[Kit, User]]:
        """The codes that open something at this moment, with whom they let in."""
        # SECURITY: a code is good once, also while an emergency runs beside this gateway, or ran and is noted only at
        # the next start. tests/unit/test_break_glass.py uses one again.
        spent = self._note.find_spent()
        found = [(kit, await transaction.find_user(kit.user_id)) for kit in await transaction.list_kits()]
        return [
            (kit, user)
            for kit, user in found
            if kit.used_at is None
            and kit.digest not in spent
            and user is not None
            and user.enabled
            and not user.is_service
            and user.administers
        ]
