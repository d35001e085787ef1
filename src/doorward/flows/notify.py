"""Telling people by mail what was done with their account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from doorward.interfaces import Transaction
from doorward.rules.identity import User
from doorward.rules.letter import LetterKind


class Notify(Protocol):
    """Queues a letter to the account's own address, with the act it is about or not at all."""

    async def __call__(
        self, transaction: Transaction, kind: LetterKind, user: User, values: Mapping[str, str], now: datetime, /
    ) -> None:
        """Nothing happens where the account has no address, or mail is not set up."""
        ...
