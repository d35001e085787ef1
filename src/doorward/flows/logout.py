"""Signing out: the session ends at once, everywhere; at the provider it came from, too, where that can be asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import PeerError, TamperError
from doorward.flows.visitor import Visitor
from doorward.interfaces import Keyring, Log, Records, Sessions, Upstream
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.provider import Provider
from doorward.rules.session import Fingerprint
from doorward.rules.upstream import UpstreamSession

FindProvider = Callable[[str], Awaitable[Provider | None]]

PATIENCE: Final = timedelta(seconds=3)
"""How long somebody who signs out waits for a provider that has to be asked where that is done."""


@dataclass(frozen=True, slots=True)
class SignedOut:
    """`ended`: whether there was a session. `onward`: where to sign out at the provider, "" where there is nowhere."""

    ended: bool
    onward: str = ""


class SignOut:
    """The end of one's own session. `return_url`: where a provider sends the browser back to (`…/signed-out`)."""

    def __init__(
        self,
        *,
        records: Records,
        sessions: Sessions,
        keyring: Keyring,
        upstream: Upstream,
        find_provider: FindProvider,
        return_url: str,
        log: Log,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._keyring = keyring
        self._upstream = upstream
        self._find_provider = find_provider
        self._return_url = return_url
        self._log = log
        self._patience = patience.total_seconds()

    async def sign_out(self, fingerprint: Fingerprint, visitor: Visitor, *, now: datetime) -> SignedOut:
        """End the session. Raises UnavailableError rather than claim what was not done (R12)."""
        session = await self._sessions.find(fingerprint)
        if session is None:
            return SignedOut(ended=False)
        async with self._records.transaction() as transaction:
            theirs = await transaction.find_upstream_session(session.handle)
            ended = await transaction.end_session(session.handle)
            if ended:
                await transaction.append_audit(
                    AuditEvent(
                        Act.LOGOUT,
                        session.user_id,
                        session.user_id,
                        now,
                        {"session": session.handle},
                        visitor.private(),
                    )
                )
        # Only now, when it is over here: nothing a provider does or leaves undone keeps anybody signed in.
        return SignedOut(ended, "" if theirs is None else await self._find_onward(theirs))

    async def _find_onward(self, theirs: UpstreamSession) -> str:
        provider = await self._find_provider(theirs.provider)
        if provider is None or not provider.logout or provider.issuer != theirs.issuer:
            return ""
        try:
            async with asyncio.timeout(self._patience):
                url = await self._upstream.find_logout_url(
                    provider, id_token=self._unseal(theirs), return_url=self._return_url
                )
        except (PeerError, TimeoutError) as error:
            self._log.warning("provider_logout_failed", provider=provider.id, error=str(error) or "no answer in time")
            return ""
        return url or ""

    def _unseal(self, theirs: UpstreamSession) -> str:
        if not theirs.id_token:
            return ""
        try:
            return self._keyring.unseal(id_token_place(theirs), theirs.id_token).decode("utf-8")
        except TamperError as error:
            # The hint only spares a question; without it the provider asks whether to sign out.
            self._log.error("id_token_unreadable", provider=theirs.provider, error=str(error))
            return ""


def id_token_place(session: UpstreamSession) -> Place:
    """Where the ID token of a session stands; sealed for there, it opens nowhere else."""
    return Place("upstream_sessions", "id_token", session.handle)
