"""Signing out: the session ends at once, everywhere."""

from datetime import datetime

from doorward.flows.visitor import Visitor
from doorward.rules.session import Fingerprint


class SignOut:
    """The end of one's own session."""

    async def sign_out(self, fingerprint: Fingerprint, visitor: Visitor, *, now: datetime) -> bool:
        """End the session; whether there was one. Raises UnavailableError rather than claim what was not done (R12)."""
        ...
