"""Proving an authenticator app, once for each of its codes."""

from dataclasses import replace
from datetime import datetime

from doorward.interfaces import Keyring, Transaction
from doorward.rules.envelope import Place
from doorward.rules.factor import Totp
from doorward.rules.identity import User, UserId
from doorward.rules.totp import find_step


class TotpMethod:
    """The authenticator app as a second proof."""

    def __init__(self, *, keyring: Keyring) -> None:
        self._keyring = keyring

    async def prove(self, transaction: Transaction, user: User, code: str, *, now: datetime) -> bool:
        """Check a code and use it up, with it all older ones; of many who come with one code, one is right (F01).

        TamperError when the stored secret is not what we wrote.
        """
        totp = (await transaction.find_factors(user.id)).totp
        if totp is None:
            return False
        secret = self._keyring.unseal(_place_of(user.id), totp.sealed)
        step = find_step(secret, code, now, after=totp.last_step)
        return step is not None and await transaction.advance_totp(
            totp, replace(totp, last_step=step, last_used_at=now)
        )

    def make(self, user_id: UserId, secret: bytes, *, step: int, now: datetime) -> Totp:
        """The app of an account, as the records hold it. `step`: of the code that confirmed it, which is used up."""
        return Totp(user_id, self._keyring.seal(_place_of(user_id), secret), step, now)

    def reveal(self, totp: Totp) -> bytes:
        """The secret of an app, for whoever takes the account elsewhere. TamperError as for `prove`."""
        return self._keyring.unseal(_place_of(totp.user_id), totp.sealed)


def _place_of(user_id: UserId) -> Place:
    return Place("totp", "sealed", user_id)
