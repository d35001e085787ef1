"""Setting up a second factor inside a sign-in, because policy asks for one before anything opens.

The sign-in has to be at that step, with everything else proven that the account has to prove. What is set up is
proven by setting it up, and the sign-in goes on.
"""

from dataclasses import replace
from datetime import datetime

from doorward.flows.factors import CodesOffer, Factors, PasskeyOffer, TotpOffer
from doorward.flows.finishing import Finishing, Standing
from doorward.flows.outcome import Continued, Refused, SignedIn
from doorward.flows.pending import Pending
from doorward.flows.visitor import Visitor
from doorward.interfaces import Transaction
from doorward.rules.identity import User
from doorward.rules.login import Failure, Step
from doorward.rules.session import Fingerprint, Method


class Enrolment:
    """The steps ENROL and RECOVERY_CODES. `offer` is the token of what was begun."""

    def __init__(self, *, finishing: Finishing, factors: Factors) -> None:
        self._finishing = finishing
        self._factors = factors

    async def begin_totp(self, token: str, visitor: Visitor, *, now: datetime) -> TotpOffer | Refused:
        """Offer an authenticator app."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        return await self._factors.begin_totp(standing.user, visitor, now=now)

    async def find_totp(self, token: str, visitor: Visitor, offer: str, *, now: datetime) -> TotpOffer | None:
        """The same offer again."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        return None if standing is None else await self._factors.find_totp(standing.user, visitor, offer, now=now)

    async def confirm_totp(
        self, token: str, visitor: Visitor, *, offer: str, code: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """Take the app's first code."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        enrolled = await self._factors.confirm_totp(standing.user, visitor, token=offer, code=code, now=now)
        if isinstance(enrolled, Refused):
            return enrolled
        return await self._go_on(standing, visitor, Method.TOTP, previous=previous, now=now)

    async def begin_passkey(self, token: str, visitor: Visitor, *, now: datetime) -> PasskeyOffer | Refused:
        """Offer a passkey."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        return await self._factors.begin_passkey(standing.user, visitor, now=now)

    async def confirm_passkey(
        self,
        token: str,
        visitor: Visitor,
        *,
        offer: str,
        answer: str,
        name: str,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        """Take the passkey that the browser made."""
        standing = await self._finishing.look(token, visitor, Step.ENROL, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        made = await self._factors.confirm_passkey(
            standing.user, visitor, token=offer, answer=answer, name=name, now=now
        )
        if isinstance(made, Refused):
            return made
        method = Method.PASSKEY if made.verifies else Method.SECURITY_KEY
        return await self._go_on(standing, visitor, method, previous=previous, now=now)

    async def begin_codes(self, token: str, visitor: Visitor, *, now: datetime) -> CodesOffer | Refused:
        """Make recovery codes, which count once they are acknowledged."""
        standing = await self._finishing.look(token, visitor, Step.RECOVERY_CODES, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        return await self._factors.begin_codes(standing.user, visitor, now=now)

    async def find_codes(self, token: str, visitor: Visitor, offer: str, *, now: datetime) -> CodesOffer | None:
        """The same codes again."""
        standing = await self._finishing.look(token, visitor, Step.RECOVERY_CODES, now=now)
        return None if standing is None else await self._factors.find_codes(standing.user, visitor, offer, now=now)

    async def acknowledge_codes(
        self, token: str, visitor: Visitor, *, offer: str, previous: Fingerprint | None, now: datetime
    ) -> SignedIn | Continued | Refused:
        """They are kept somewhere safe."""
        standing = await self._finishing.look(token, visitor, Step.RECOVERY_CODES, now=now)
        if standing is None:
            return self._finishing.refuse(Failure.TICKET_GONE)
        kept = await self._factors.acknowledge_codes(standing.user, visitor, token=offer, now=now)
        if isinstance(kept, Refused):
            return self._finishing.refuse(kept.failure)
        return await self._go_on(standing, visitor, None, previous=previous, now=now)

    async def _go_on(
        self,
        standing: Standing,
        visitor: Visitor,
        method: Method | None,
        *,
        previous: Fingerprint | None,
        now: datetime,
    ) -> SignedIn | Continued | Refused:
        async def add(_: Transaction, user: User) -> tuple[Pending, User]:
            proven = standing.pending.proven | ({method} if method is not None else frozenset[Method]())
            return replace(standing.pending, proven=proven, enrolled=True), user

        return await self._finishing.step(standing, visitor, add, previous=previous, now=now, settled=True)
