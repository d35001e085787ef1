"""What is remembered of an account's second factors beside them, so that their absence is seen."""

from typing import Protocol

from doorward.rules.identity import UserId


class FactorMarks(Protocol):
    """The part of a transaction that remembers, sealed with the account, which factors were set up.

    Setting one up and taking one away keep it up to date. A row that somebody else removed is missed.
    """

    async def find_lost_factors(self, user_id: UserId) -> frozenset[str]:
        """The marks (`rules.factor.list_marks`) of what is gone though nobody took it away.

        `UNREADABLE` alone where what was remembered is gone too, or does not open.
        """
        ...

    async def clear_factors(self, user_id: UserId) -> None:
        """Take all factors and recovery codes away, whatever was remembered: none is missed afterwards."""
        ...

    async def mark_factors(self) -> int:
        """Remember what is there, of accounts of which nothing was ever remembered: those of an older schema."""
        ...
