"""Letting the owner of a key in at our own API: one row is looked at, and everything is as it is at this moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from doorward.flows.outcome import Refused
from doorward.flows.visitor import Visitor
from doorward.interfaces import LiveView
from doorward.rules.access_token import AccessToken, read_token, write_token
from doorward.rules.app_key import SHA256, AppKey, KeyId, parse_key
from doorward.rules.identity import User
from doorward.rules.key_limits import end_in_time, find_flaw
from doorward.rules.key_subject import subject_of
from doorward.rules.lockdown import Lockdown
from doorward.rules.login import Failure
from doorward.rules.mfa import Standing
from doorward.rules.policy import Address
from doorward.rules.reason import Reason
from doorward.rules.session import Subject

_MOST_KNOWN: Final = 1024
_NOTE_EVERY: Final = timedelta(minutes=1)


class WrongKeys(Protocol):
    """Counts wrong keys by address. Gate and API share one, so that neither is a way around the other."""

    def note(self, address: Address | None, now: datetime) -> None:
        """Count a wrong key."""
        ...

    def find_wait(self, address: Address | None, now: datetime) -> timedelta | None:
        """How long there is nothing to be had with wrong keys from there; None while there is room."""
        ...


class ProvenKeys(Protocol):
    """Keys with slow hashes that were found right before. Gate and API share them."""

    def knows(self, key: AppKey, secret: bytes) -> bool:
        """Whether this was found to be the secret of this key."""
        ...

    def note(self, key: AppKey, secret: bytes) -> None:
        """This is the secret of this key."""
        ...


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What our access tokens are signed with, whom they name, and how many days one counts."""

    secret: bytes = field(repr=False)
    issuer: str
    audience: str
    days: int

    def read(self, text: str, now: datetime) -> tuple[KeyId, bytes] | None:
        """The row of a good one, and what its hash is of."""
        return read_token(text, secret=self.secret, issuer=self.issuer, audience=self.audience, now=now)

    def write(self, key: AppKey, user: User) -> str:
        """The text of a token for its row, which has an end."""
        token = AccessToken(key.id, user.id, user.name, key.made_at, key.expires_at or key.made_at)
        return write_token(token, secret=self.secret, issuer=self.issuer, audience=self.audience)


class KeyEntry:
    """Whom a key stands for. `tokens` is None where access tokens are off.

    `verify` compares a secret with a stored hash, slowly where the hash is slow; `proven` are those of which that was
    done. `wrong` counts all that do not count, `compared` those for which a slow hash was compared. `note` takes down
    a use: key, instant, user agent, address. `judge`: whether an account owes a second factor.
    """

    def __init__(
        self,
        *,
        live: LiveView,
        verify: Callable[[bytes, str], Awaitable[bool]],
        find_lockdown: Callable[[], Awaitable[Lockdown | None]],
        wrong: WrongKeys,
        compared: WrongKeys,
        proven: ProvenKeys,
        note: Callable[[KeyId, datetime, str, str], None],
        tokens: TokenTerms | None,
        max_lifetime: timedelta | None = None,
        judge: Callable[[User, datetime], Standing] = lambda _user, _now: Standing(owes=False),
    ) -> None:
        self._live = live
        self._verify = verify
        self._find_lockdown = find_lockdown
        self._wrong = wrong
        # SECURITY: apart, for what is no key at all costs no slow hash, and must not keep anybody's right one waiting.
        # tests/unit/test_api_slow_keys.py would fail.
        self._compared = compared
        self._proven = proven
        self._note = note
        self._tokens = tokens
        self._max_lifetime = max_lifetime
        self._judge = judge
        self._used: dict[tuple[KeyId, str], datetime] = {}

    async def enter(self, shown: str, visitor: Visitor, *, now: datetime) -> Subject | Refused | Reason | None:
        """The owner of this key or access token, as they are now; None where it does not count.

        A reason, where it is right, and opens nothing before its owner has set up a second factor.

        Refused: THROTTLED, for a wrong one. A right one is let through, however many wrong ones came from there: but
        one that has to be compared slowly, and was not before, waits where too many of such were wrong (T-12).
        LOCKDOWN, for all.
        """
        read = self._read(shown, now)
        found = self._live.find_key_owner(read[0]) if read is not None else None
        if read is None or found is None:
            return self._refuse(visitor, now)
        key, user = end_in_time(found[0], self._max_lifetime), found[1]
        if find_flaw(key, user, now) is not None:
            return self._refuse(visitor, now)
        right = await self._is_right(key, read[1], visitor, now)
        if isinstance(right, Refused):
            return right
        if not right:
            return self._refuse(visitor, now)
        if await self._find_lockdown() is not None:
            return Refused(Failure.LOCKDOWN)
        # SECURITY: a key does no more than its owner could. tests/unit/test_api_key_owners.py would fail.
        if self._judge(user, now).owes:
            return Reason.OWNER_PENDING
        self._note_use(key.id, visitor, now)
        return subject_of(key, user)

    def _note_use(self, key_id: KeyId, visitor: Visitor, now: datetime) -> None:
        # SECURITY: about once a minute from each address, or of a busy key nobody else's use would be seen.
        # tests/unit/test_api_keys.py would fail.
        use = (key_id, visitor.address_text)
        if use in self._used and now - self._used[use] < _NOTE_EVERY:
            return
        self._used.pop(use, None)
        while len(self._used) >= _MOST_KNOWN:
            del self._used[next(iter(self._used))]
        self._used[use] = now
        self._note(key_id, now, visitor.agent_text, visitor.address_text)

    def _read(self, shown: str, now: datetime) -> tuple[KeyId, bytes] | None:
        tokens = self._tokens
        read = parse_key(shown)
        return read if read is not None or tokens is None else tokens.read(shown, now)

    async def _is_right(self, key: AppKey, secret: bytes, visitor: Visitor, now: datetime) -> bool | Refused:
        if key.digest.startswith(SHA256):
            return await self._verify(secret, key.digest)
        if self._proven.knows(key, secret):
            return True
        wait = self._compared.find_wait(visitor.address, now)
        if wait is not None:
            return Refused(Failure.THROTTLED, wait)
        if not await self._verify(secret, key.digest):
            self._compared.note(visitor.address, now)
            return False
        self._proven.note(key, secret)
        return True

    def _refuse(self, visitor: Visitor, now: datetime) -> Refused | None:
        wait = self._wrong.find_wait(visitor.address, now)
        if wait is not None:
            return Refused(Failure.THROTTLED, wait)
        self._wrong.note(visitor.address, now)
        return None
