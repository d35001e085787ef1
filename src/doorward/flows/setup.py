"""The first administrator: exactly one, however many race (R01)."""

from datetime import datetime

from doorward.flows.outcome import Refused, SignedIn, Unacceptable
from doorward.flows.visitor import Visitor
from doorward.rules.session import Fingerprint


class Setup:
    """Making the first administrator with a one-time link."""

    async def issue(self, *, now: datetime) -> str | None:
        """Make a setup token (15 minutes, single-use); None when the installation was ever set up."""
        ...

    async def is_open(self, token: str, *, now: datetime) -> bool:
        """Whether this token can still make the first administrator. Looking consumes nothing (K15)."""
        ...

    async def create_admin(
        self,
        token: str,
        visitor: Visitor,
        *,
        name: str,
        display_name: str,
        email: str,
        password: str,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Unacceptable | Refused:
        """Make the administrator and sign this browser in. Refused (TICKET_GONE) when the token is not, or no longer, good."""
        ...
