"""What every way of proving oneself looks like to the sign-in. Methods do not know the sign-in or each other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from doorward.interfaces import Transaction
from doorward.rules.identity import User
from doorward.rules.session import Method

Upgrade = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of a proof. `upgrade`, if any, is carried out in the transaction that finishes the sign-in."""

    right: bool
    upgrade: Upgrade | None = None


class SecretMethod(Protocol):
    """A method that is proven by one typed secret."""

    @property
    def method(self) -> Method:
        """Its name in sessions and audit."""
        ...

    async def prove(self, user: User | None, secret: str) -> Proof:
        """Check the secret. Without a user, or where the user has none: the same work, and never right (E01, E22)."""
        ...
