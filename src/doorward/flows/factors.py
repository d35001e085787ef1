"""What people do with their second factors: setting one up, taking one away, having new recovery codes.

Whoever calls this has made sure of a recent proof, or that a sign-in has come to this step. What is being set up counts
for nothing until it is confirmed, and what there was before counts until then (F12).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.acting import append_own, get_intact
from doorward.flows.evidence import Evidence
from doorward.flows.letters import circumstances
from doorward.flows.lockdown import is_shut_to
from doorward.flows.methods.passkey import PasskeyMethod
from doorward.flows.methods.recovery_code import RecoveryCodeMethod
from doorward.flows.methods.totp import TotpMethod
from doorward.flows.notify import Notify
from doorward.flows.offers import Offers, find_present
from doorward.flows.opening import HANDLE_SIZE
from doorward.flows.outcome import Refused
from doorward.flows.throttle import Bucket, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Random, Records, Transaction
from doorward.rules import factor, totp
from doorward.rules.audit import Act
from doorward.rules.factor import MAX_PASSKEYS, RECOVERY_CODES, Factor, FactorId, Passkey
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind
from doorward.rules.login import Failure
from doorward.rules.names import parse_display_name
from doorward.rules.passkey import CHALLENGE_SIZE
from doorward.rules.recovery_code import ENTROPY, make_codes
from doorward.rules.session import Method
from doorward.rules.ticket import Purpose, Ticket

_QR_TITLE: Final = "QR code for your authenticator app"
_NAMES: Final = {True: "Passkey", False: "Security key"}
EVERY_FACTOR: Final = "All second factors and recovery codes"
"""What a letter says was removed where an administrator resets them."""
_FACTORS: Final = {Factor.TOTP: "Authenticator app", Factor.RECOVERY_CODE: "Recovery codes"}


class DemandsFactor(Protocol):
    """Whether policy demands a second factor of an account just now."""

    async def __call__(self, transaction: Transaction, user: User, /) -> bool:
        """Looked at in the transaction of the act."""
        ...


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """An authenticator app that can be set up: `secret` to be typed, or `uri`, which `qr` shows as SVG."""

    token: str = field(repr=False)
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyOffer:
    """What the browser is to make a passkey with: options as JSON."""

    token: str = field(repr=False)
    options: str


@dataclass(frozen=True, slots=True)
class CodesOffer:
    """Recovery codes that will count once they are acknowledged."""

    token: str = field(repr=False)
    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The authenticator app counts. `needs_codes`: the account has no recovery code left."""

    needs_codes: bool


class Factors:
    """The second factors of one account, for its owner."""

    def __init__(
        self,
        *,
        records: Records,
        offers: Offers,
        throttle: Throttle,
        evidence: Evidence,
        totp: TotpMethod,
        passkey: PasskeyMethod,
        recovery_code: RecoveryCodeMethod,
        random: Random,
        notify: Notify,
        demands: DemandsFactor,
        draw_qr: Callable[[str, str], str],
        issuer: str,
    ) -> None:
        self._records = records
        self._offers = offers
        self._throttle = throttle
        self._evidence = evidence
        self._totp = totp
        self._passkey = passkey
        self._recovery_code = recovery_code
        self._random = random
        self._notify = notify
        self._demands = demands
        self._draw_qr = draw_qr
        self._issuer = issuer

    async def list_of(self, user: User) -> factor.Factors:
        """The account's factors."""
        async with self._records.transaction() as transaction:
            return await transaction.find_factors(user.id)

    async def are_demanded(self, user: User) -> bool:
        """Whether policy demands a second factor of the account."""
        async with self._records.transaction() as transaction:
            return await self._demands(transaction, user)

    async def begin_totp(self, user: User, visitor: Visitor, *, now: datetime) -> TotpOffer | Refused:
        """Make a secret for an authenticator app. One that is there counts until the new one is confirmed."""
        refused = await self._spend_begin(visitor, now)
        if refused is not None:
            return refused
        secret = self._random.token(totp.SECRET_SIZE)
        stamp = _stamp(await self.list_of(user))
        token = await self._offers.put(user, visitor, Purpose.TOTP, secret, stamp=stamp, now=now)
        return self._offer_totp(user, token, secret)

    async def find_totp(self, user: User, visitor: Visitor, token: str, *, now: datetime) -> TotpOffer | None:
        """The same offer again, so that a page that is loaded anew shows the same secret."""
        ticket = await self._offers.find(user, visitor, token, Purpose.TOTP, now=now)
        return None if ticket is None else self._offer_totp(user, token, self._offers.open(ticket))

    async def confirm_totp(
        self, user: User, visitor: Visitor, *, token: str, code: str, now: datetime
    ) -> Enrolled | Refused:
        """Let the app count, given a code that it shows. A wrong one may be mended while the offer holds."""
        refused = await self._spend(Bucket.MFA_MANAGE, user, visitor, now)
        if refused is not None:
            return refused
        ticket = await self._offers.find(user, visitor, token, Purpose.TOTP, now=now)
        if ticket is None:
            return Refused(Failure.TICKET_GONE)
        secret = self._offers.open(ticket)
        step = totp.find_step(secret, code, now, after=totp.NO_STEP)
        if step is None:
            return Refused(Failure.WRONG_CODE)
        if not await self._offers.take(ticket, now=now):
            return Refused(Failure.TICKET_GONE)
        async with self._records.transaction() as transaction:
            present, factors = await find_present(transaction, ticket)
            if present is not None and await is_shut_to(transaction, present):
                return Refused(Failure.LOCKDOWN)
            if present is None or _stamp(factors) != ticket.state["stamp"]:
                # Another factor was set up since the offer was made: the later word counts, not the earlier offer.
                return Refused(Failure.TICKET_GONE)
            await transaction.put_totp(self._totp.make(user.id, secret, step=step, now=now))
            public = {"replaced": "no" if factors.totp is None else "yes"}
            await append_own(transaction, Act.TOTP_ENABLED, present, visitor, now, public)
            await self._tell(transaction, LetterKind.FACTOR_ADDED, present, visitor, now, Factor.TOTP)
        return Enrolled(needs_codes=not factors.unused_codes)

    async def remove_totp(self, user: User, visitor: Visitor, *, code: str, now: datetime) -> Refused | None:
        """Take the app away, given a code of it or a recovery code (F13). None when it is done.

        NotFoundError where there is none. Refused, too, while policy demands a factor and there is no other.
        """
        refused = await self._spend(Bucket.OTP_VERIFY, user, visitor, now)
        if refused is not None:
            return refused
        # SECURITY: guesses here count with those of the sign-in, so that this is no door beside it (F04).
        # tests/unit/test_factors.py tries from many addresses.
        target = self._throttle.aim_second(user, visitor, now=now)
        async with self._throttle.turn(target):
            locked = await self._throttle.find_lock(target, now=now)
            if locked > timedelta(0):
                return Refused(Failure.LOCKED, locked)
            outcome = await self._try_remove_totp(user, visitor, code, now)
            if outcome is None:
                await self._throttle.clear(target)
            elif outcome.failure is Failure.WRONG_CODE:
                locked = await self._evidence.fail(
                    target, visitor, user, Method.TOTP, Failure.WRONG_CODE, now, at=Bucket.MFA_MANAGE
                )
                return Refused(Failure.LOCKED, locked) if locked > timedelta(0) else outcome
        return outcome

    async def _try_remove_totp(self, user: User, visitor: Visitor, code: str, now: datetime) -> Refused | None:
        async with self._records.transaction() as transaction:
            present, factors = await _get_present(transaction, user)
            if factors.totp is None:
                raise NotFoundError("there is no authenticator app")
            if not factors.passkeys and await self._demands(transaction, present):
                return Refused(Failure.FACTOR_NEEDED)
            proven = await self._totp.prove(transaction, present, code, now=now)
            if not proven and not await self._recovery_code.prove(transaction, present, visitor, code, now=now):
                return Refused(Failure.WRONG_CODE)
            await transaction.remove_totp(present.id)
            await _drop_useless_codes(transaction, present)
            await append_own(transaction, Act.TOTP_DISABLED, present, visitor, now)
            await self._tell(transaction, LetterKind.FACTOR_REMOVED, present, visitor, now, Factor.TOTP)
        return None

    async def begin_passkey(self, user: User, visitor: Visitor, *, now: datetime) -> PasskeyOffer | Refused:
        """Ask the browser to make a passkey."""
        refused = await self._spend_begin(visitor, now)
        if refused is not None:
            return refused
        factors = await self.list_of(user)
        if len(factors.passkeys) >= MAX_PASSKEYS:
            return Refused(Failure.TOO_MANY_PASSKEYS)
        challenge = self._random.token(CHALLENGE_SIZE)
        token = await self._offers.put(user, visitor, Purpose.PASSKEY, challenge, stamp=_stamp(factors), now=now)
        return PasskeyOffer(token, self._passkey.ask_new(user, factors.passkeys, challenge))

    async def confirm_passkey(
        self, user: User, visitor: Visitor, *, token: str, answer: str, name: str, now: datetime
    ) -> Passkey | Refused:
        """Keep what the browser made; the challenge is used up in any case. InputError for an unusable name."""
        refused = await self._spend(Bucket.MFA_MANAGE, user, visitor, now)
        if refused is not None:
            return refused
        given = parse_display_name(name) if name.strip() else ""
        ticket = await self._offers.find(user, visitor, token, Purpose.PASSKEY, now=now)
        if ticket is None or not await self._offers.take(ticket, now=now):
            return Refused(Failure.TICKET_GONE)
        made = self._passkey.read_new(answer, self._offers.open(ticket))
        if made is None:
            return Refused(Failure.WRONG_PASSKEY)
        passkey_id = FactorId(self._random.token(HANDLE_SIZE).hex())
        passkey = self._passkey.make(made, user.id, passkey_id, given or _NAMES[made.verified], now=now)
        try:
            async with self._records.transaction() as transaction:
                present, factors = await find_present(transaction, ticket)
                if present is not None and await is_shut_to(transaction, present):
                    return Refused(Failure.LOCKDOWN)
                if present is None or _stamp(factors) != ticket.state["stamp"]:
                    return Refused(Failure.TICKET_GONE)
                if len(factors.passkeys) >= MAX_PASSKEYS:
                    return Refused(Failure.TOO_MANY_PASSKEYS)
                await transaction.add_passkey(passkey)
                await append_own(
                    transaction,
                    Act.PASSKEY_ADDED,
                    present,
                    visitor,
                    now,
                    {"passkey": passkey.id},
                    {"name": passkey.name},
                )
                await self._tell(
                    transaction, LetterKind.FACTOR_ADDED, present, visitor, now, Factor.PASSKEY, passkey.name
                )
        except ConflictError:
            return Refused(Failure.PASSKEY_KNOWN)
        return passkey

    async def rename_passkey(
        self, user: User, visitor: Visitor, *, passkey_id: FactorId, name: str, now: datetime
    ) -> Passkey:
        """Give one of one's own another name. NotFoundError where there is none such, InputError for a bad name."""
        named = parse_display_name(name)
        async with self._records.transaction() as transaction:
            present, factors = await _get_present(transaction, user)
            passkey = _get_passkey(factors, passkey_id)
            changed = replace(passkey, name=named)
            if changed != passkey:
                if not await transaction.advance_passkey(passkey, changed):
                    raise ConflictError("the passkey was changed meanwhile")
                private = {"name": named, "old_name": passkey.name}
                public = {"passkey": passkey.id}
                await append_own(transaction, Act.PASSKEY_RENAMED, present, visitor, now, public, private)
        return changed

    async def remove_passkey(
        self, user: User, visitor: Visitor, *, passkey_id: FactorId, now: datetime
    ) -> Passkey | Refused:
        """Remove one of one's own; NotFoundError where one has none such (G15).

        Refused while policy demands a factor and there is no other.
        """
        async with self._records.transaction() as transaction:
            present, factors = await _get_present(transaction, user)
            passkey = _get_passkey(factors, passkey_id)
            last = factors.totp is None and len(factors.passkeys) == 1
            if last and await self._demands(transaction, present):
                return Refused(Failure.FACTOR_NEEDED)
            await transaction.remove_passkey(passkey.id)
            await _drop_useless_codes(transaction, present)
            await append_own(
                transaction, Act.PASSKEY_REMOVED, present, visitor, now, {"passkey": passkey.id}, {"name": passkey.name}
            )
            await self._tell(
                transaction, LetterKind.FACTOR_REMOVED, present, visitor, now, Factor.PASSKEY, passkey.name
            )
        return passkey

    async def begin_codes(self, user: User, visitor: Visitor, *, now: datetime) -> CodesOffer | Refused:
        """Make a new set of recovery codes. The old ones count until these are acknowledged."""
        refused = await self._spend_begin(visitor, now)
        if refused is not None:
            return refused
        codes = make_codes(self._random.token(ENTROPY))
        plain = json.dumps(codes).encode("ascii")
        stamp = _stamp_codes(await self.list_of(user))
        token = await self._offers.put(user, visitor, Purpose.RECOVERY_CODES, plain, stamp=stamp, now=now)
        return CodesOffer(token, codes)

    async def find_codes(self, user: User, visitor: Visitor, token: str, *, now: datetime) -> CodesOffer | None:
        """The same offer again: what was shown can be shown again until it is acknowledged."""
        ticket = await self._offers.find(user, visitor, token, Purpose.RECOVERY_CODES, now=now)
        return None if ticket is None else CodesOffer(token, self._open_codes(ticket))

    async def acknowledge_codes(self, user: User, visitor: Visitor, *, token: str, now: datetime) -> int | Refused:
        """Let the codes count in place of the old ones; how many. Refused where the offer or every factor is gone.

        In a lockdown administrators alone get new ones. Nobody is left half-way by that: codes are never asked for but
        in the sign-in that set up the factor, which a lockdown ends; the next one asks for the factor that is there.
        """
        ticket = await self._offers.find(user, visitor, token, Purpose.RECOVERY_CODES, now=now)
        if ticket is None or not await self._offers.take(ticket, now=now):
            return Refused(Failure.TICKET_GONE)
        ids = [FactorId(self._random.token(HANDLE_SIZE).hex()) for _ in range(RECOVERY_CODES)]
        codes = self._recovery_code.make(user.id, self._open_codes(ticket), ids, now=now)
        async with self._records.transaction() as transaction:
            present, factors = await find_present(transaction, ticket)
            # SECURITY: ten codes of a thief's making are a way in that lasts; tests/unit/test_lockdown.py asks.
            if present is not None and await is_shut_to(transaction, present):
                return Refused(Failure.LOCKDOWN)
            if present is None or not factors.protects or _stamp_codes(factors) != ticket.state["stamp"]:
                return Refused(Failure.TICKET_GONE)
            await transaction.put_recovery_codes(present.id, codes)
            await append_own(transaction, Act.RECOVERY_CODES_MADE, present, visitor, now, {"count": str(len(codes))})
            await self._tell(transaction, LetterKind.FACTOR_ADDED, present, visitor, now, Factor.RECOVERY_CODE)
        return len(codes)

    def _offer_totp(self, user: User, token: str, secret: bytes) -> TotpOffer:
        uri = totp.write_uri(secret, issuer=self._issuer, account=user.name)
        return TotpOffer(token, totp.write_secret(secret), uri, self._draw_qr(uri, _QR_TITLE))

    def _open_codes(self, ticket: Ticket) -> tuple[str, ...]:
        return tuple(json.loads(self._offers.open(ticket)))

    async def _spend(self, bucket: Bucket, user: User, visitor: Visitor, now: datetime) -> Refused | None:
        spent = await self._throttle.spend(bucket, visitor, user=user, now=now)
        return None if spent.allowed else Refused(Failure.THROTTLED, spent.retry_after)

    async def _spend_begin(self, visitor: Visitor, now: datetime) -> Refused | None:
        spent = await self._throttle.spend_begin(visitor, now=now)
        return None if spent.allowed else Refused(Failure.THROTTLED, spent.retry_after)

    async def _tell(
        self,
        transaction: Transaction,
        kind: LetterKind,
        user: User,
        visitor: Visitor,
        now: datetime,
        which: Factor,
        name: str = "",
    ) -> None:
        await self._notify(
            transaction, kind, user, {"factor": name or _FACTORS[which], **circumstances(visitor, now)}, now
        )


async def take_all(transaction: Transaction, user: User) -> factor.Factors:
    """Take every factor and recovery code of an account away; what there was. Rights and audit are the caller's."""
    factors = await transaction.find_factors(user.id)
    await transaction.clear_factors(user.id)
    return factors


async def _get_present(transaction: Transaction, user: User) -> tuple[User, factor.Factors]:
    """The account and its factors as they are now; ForbiddenError as for `get_intact`."""
    present = await get_intact(transaction, user.id, user.generation)
    return present, await transaction.find_factors(user.id)


def _get_passkey(factors: factor.Factors, passkey_id: FactorId) -> Passkey:
    found = next((each for each in factors.passkeys if each.id == passkey_id), None)
    if found is None:
        # Somebody else's looks like none at all (G15).
        raise NotFoundError("there is no such passkey")
    return found


async def _drop_useless_codes(transaction: Transaction, user: User) -> None:
    """Recovery codes stand in for a factor; without one they are only a risk."""
    if not (await transaction.find_factors(user.id)).protects:
        await transaction.put_recovery_codes(user.id, ())


def _stamp(factors: factor.Factors) -> str:
    """What tells one authenticator app from the next, and the first factor from none."""
    if factors.totp is None:
        return "passkeys" if factors.passkeys else ""
    return hashlib.sha256(factors.totp.sealed.encode()).hexdigest()


def _stamp_codes(factors: factor.Factors) -> str:
    """What tells one set of recovery codes from the next."""
    return factors.recovery_codes[0].id if factors.recovery_codes else ""
