"""The factors an account has besides its password, as the records hold them: what is secret in them is sealed."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, NewType

from doorward.rules.identity import UserId
from doorward.rules.login import SECOND_METHODS
from doorward.rules.session import Method, Session

FactorId = NewType("FactorId", str)
"""Public name of a passkey: 32 hex digits. Opens nothing."""

MAX_PASSKEYS: Final = 20
"""The most passkeys and security keys of one account (attack R04)."""
RECOVERY_CODES: Final = 10
"""How many recovery codes make a set (2.11)."""
TOTP_MARK: Final = "totp"
PASSKEY_MARK: Final = "passkey:"
CODES_MARK: Final = "codes:"
UNREADABLE: Final = "mark"
"""In the place of what is missed, where what was remembered is gone too."""


class Factor(Enum):
    """A kind of second factor; the value is the word in pages, API and audit."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"

    @property
    def methods(self) -> frozenset[Method]:
        """The methods of which using it proves one."""
        return _METHODS[self]


_METHODS = {
    Factor.TOTP: frozenset({Method.TOTP}),
    Factor.PASSKEY: frozenset({Method.PASSKEY, Method.SECURITY_KEY}),
    Factor.RECOVERY_CODE: frozenset({Method.RECOVERY_CODE}),
}


@dataclass(frozen=True, slots=True)
class Totp:
    """The authenticator app of an account; an account has one or none.

    `sealed`: 20 bytes of secret, sealed for Place("totp", "sealed", user_id). `last_step`: the highest time step a code
    was taken of; that and everything below is used up (F01).
    """

    user_id: UserId
    sealed: str
    last_step: int
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey or security key.

    `digest`: SHA-256 of the raw credential id, unique among all accounts (G11). `sealed`: canonical JSON with
    `credential_id` and `public_key` (unpadded base64url) and `transports`, sealed for Place("passkeys", "sealed", id).
    `verifies`: the authenticator verified its user when it was registered, so it may sign in alone. `backup_eligible`
    never changes (G17); `backed_up` is what it said last: synced, or bound to its device.
    """

    id: FactorId
    user_id: UserId
    digest: bytes
    sealed: str
    name: str
    sign_count: int
    verifies: bool
    backup_eligible: bool
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """One of the account's recovery codes. `sealed`: its keyed hash, for Place("recovery_codes", "sealed", id).

    `id` is 32 hex digits. A code that was used stays, with the instant, so that the page can tell how many are left.
    """

    id: FactorId
    user_id: UserId
    position: int
    sealed: str
    created_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Factors:
    """All of an account's factors. Recovery codes come in order of position."""

    totp: Totp | None = None
    passkeys: tuple[Passkey, ...] = ()
    recovery_codes: tuple[RecoveryCode, ...] = ()

    @property
    def unused_codes(self) -> int:
        """How many recovery codes are left."""
        return sum(code.used_at is None for code in self.recovery_codes)

    @property
    def protects(self) -> bool:
        """Whether the account has a second factor. Recovery codes by themselves are none: they stand in for one."""
        return self.totp is not None or bool(self.passkeys)

    @property
    def kinds(self) -> frozenset[Factor]:
        """What may be asked for as a second proof."""
        if not self.protects:
            return frozenset()
        found = {Factor.TOTP} if self.totp is not None else set[Factor]()
        found |= {Factor.PASSKEY} if self.passkeys else set[Factor]()
        return frozenset(found | ({Factor.RECOVERY_CODE} if self.unused_codes else set[Factor]()))


def list_marks(factors: Factors) -> frozenset[str]:
    """A word for each factor, and for the set of recovery codes: what is remembered of them beside them (M10)."""
    marks = {f"{PASSKEY_MARK}{passkey.id}" for passkey in factors.passkeys}
    marks |= {TOTP_MARK} if factors.totp is not None else set[str]()
    marks |= {f"{CODES_MARK}{len(factors.recovery_codes)}"} if factors.recovery_codes else set[str]()
    return frozenset(marks)


def must_show_one(factors: Factors, session: Session) -> bool:
    """Whether a second factor has to be shown in this session before the factors themselves are changed.

    Where policy asks for none at the sign-in (`per_rule`), a session may begin without; and whoever has only the
    password must not put a factor of their own in the place of what a rule asks for. One that was set up since the
    session began was so by whoever sits there, or has shown another.
    """
    if not session.methods.isdisjoint(SECOND_METHODS):
        return False
    made = [passkey.created_at for passkey in factors.passkeys]
    made += [factors.totp.created_at] if factors.totp is not None else []
    return any(at < session.created_at for at in made)
