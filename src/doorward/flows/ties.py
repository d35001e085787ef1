"""Sessions that are tied to the provider's own: its refresh token is tried now and then; what ended there ends here.

A provider that is down ends nothing: whoever is signed in stays so through an outage, and is asked about again at the
next turn. What it does answer counts as at a sign-in: who may come in, groups, administration.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from doorward.errors import TamperError
from doorward.flows.factors import DemandsFactor
from doorward.flows.granting import Witness, refresh, withdraw
from doorward.flows.letters import Outbox
from doorward.flows.upstream_logout import end_upstream
from doorward.interfaces import Keyring, Log, Records, Renewed, Sessions, Transaction, Upstream
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.envelope import Place
from doorward.rules.names import clean_text
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import Provider, ProviderId
from doorward.rules.upstream import UpstreamSession, admit

FindProvider = Callable[[str], Awaitable[Provider | None]]
"""The provider with this id, if it is enabled at this moment."""

AT_ONCE: Final = 4
"""Ties tried at the same time."""
BATCH: Final = 64
"""Ties tried in one turn."""
_MAX_LOGGED: Final = 200
_ANSWERS: Final = frozenset({Failure.CODE_REFUSED, Failure.TOKEN})
"""An answer, and not the one that keeps a session: a refusal, or proof of nothing. Anything else is no answer."""


class Ties:
    """Tries the ties that are due. Several processes may do so: each tie is claimed by one of them."""

    def __init__(
        self,
        *,
        records: Records,
        sessions: Sessions,
        keyring: Keyring,
        upstream: Upstream,
        find_provider: FindProvider,
        demands: DemandsFactor,
        outbox: Outbox,
        log: Log,
    ) -> None:
        self._records = records
        self._sessions = sessions
        self._keyring = keyring
        self._upstream = upstream
        self._find_provider = find_provider
        self._demands = demands
        self._outbox = outbox
        self._log = log

    async def run_due(self, now: datetime) -> None:
        """Try the ties that are due by `now`, up to a batch.

        Cancelled, it begins no other, and ends when those begun are through: a refresh token that was used and whose
        successor is lost would sign somebody out.
        """
        async with self._records.transaction() as transaction:
            due = await transaction.list_due_upstream_sessions(now, limit=BATCH)
        waiting, silent = deque(due), set[ProviderId]()

        async def work() -> None:
            while waiting:
                await self._try(waiting.popleft(), silent, now)

        working = asyncio.gather(*(work() for _ in range(AT_ONCE)))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            waiting.clear()
            await working
            raise

    async def _try(self, tie: UpstreamSession, silent: set[ProviderId], now: datetime) -> None:
        try:
            await self._check(tie, silent, now)
        except Exception as error:  # noqa: BLE001 -- one that fails must not take the others along
            self._log.warning("tie_failed", provider=tie.provider, session=tie.handle, error=repr(error))

    async def _check(self, tie: UpstreamSession, silent: set[ProviderId], now: datetime) -> None:
        if await self._sessions.find_by_handle(tie.handle) is None:
            # Over already, by idleness or with the process that held it: only the note is left.
            async with self._records.transaction() as transaction:
                await transaction.end_session(tie.handle)
            return
        provider = await self._find_provider(tie.provider)
        if provider is None or provider.issuer != tie.issuer:
            await self._end(tie, now, Failure.PROVIDER_GONE)
            return
        if provider.check_every is None:
            # Ties were switched off since: the session is an ordinary one from now on.
            await self._advance(tie, replace(tie, check_at=None, refresh_token=""))
            return
        claimed = replace(tie, check_at=now + provider.check_every)
        # SECURITY: claimed before the token is used. A refresh token that rotates counts once, and at its second use a
        # provider takes it for stolen and ends everything. tests/unit/test_ties.py has two processes try.
        if not await self._advance(tie, claimed) or provider.id in silent:
            return
        token = await self._unseal(claimed, now)
        if token is None:
            return
        try:
            renewed = await self._upstream.renew(provider, token, subject=claimed.subject, now=now)
        except UpstreamError as error:
            self._note(provider, error)
            if error.failure in _ANSWERS:
                await self._end(claimed, now, error.failure)
            else:
                # Its other sessions are asked about at the next turn: those of other providers must not wait for it.
                silent.add(provider.id)
            return
        await self._keep(provider, claimed, renewed, now)

    async def _keep(self, provider: Provider, tie: UpstreamSession, renewed: Renewed, now: datetime) -> None:
        if renewed.refresh_token:
            # By itself and first, so that nothing that fails after it loses the token.
            sealed = self._keyring.seal(refresh_token_place(tie), renewed.refresh_token.encode("utf-8"))
            rotated = replace(tie, refresh_token=sealed)
            if not await self._advance(tie, rotated):
                return
            tie = rotated
        proven = renewed.authenticated
        # SECURITY: by now the provider may be read otherwise, and what it grants taken back (H21); it is asked again at
        # the next turn. tests/unit/test_ties_meanwhile.py changes it then.
        if proven is None or await self._find_provider(provider.id) != provider:
            return
        # The client has looked at both already (Core, 12.2). Here it costs nothing to be sure whose groups these are.
        same = (proven.issuer, proven.subject) == (tie.issuer, tie.subject)
        failure = admit(provider, proven) if same else Failure.TOKEN
        if failure is not None:
            await self._end(tie, now, failure)
            return
        witness = Witness("system", now, {})
        async with self._records.transaction() as transaction:
            identity = await transaction.find_identity(tie.issuer, tie.subject)
            # SECURITY: an answer that comes when the session is over grants nothing any more: its owner may have signed
            # out meanwhile, and what it granted been taken back. tests/unit/test_ties.py signs out at that moment.
            if identity is not None and await transaction.find_upstream_session(tie.handle) is not None:
                await refresh(
                    transaction,
                    provider,
                    identity,
                    proven,
                    witness,
                    demands=self._demands,
                    outbox=self._outbox,
                    used_at=identity.used_at,
                )
        if await self._find_provider(provider.id) != provider:
            # Just then: whoever changed it found nothing yet to take back.
            async with self._records.transaction() as transaction:
                await withdraw(transaction, tie.issuer, tie.subject, witness)

    async def _unseal(self, tie: UpstreamSession, now: datetime) -> str | None:
        try:
            return self._keyring.unseal(refresh_token_place(tie), tie.refresh_token).decode("utf-8")
        except TamperError as error:
            self._log.error("refresh_token_unreadable", provider=tie.provider, error=str(error))
        async with self._records.transaction() as transaction:
            public = {"where": "upstream_sessions.refresh_token", "session": tie.handle}
            await transaction.append_audit(AuditEvent(Act.TAMPERED, "system", tie.handle, now, public))
            await _end_if_there(transaction, tie, "tampered", now)
        return None

    async def _advance(self, old: UpstreamSession, new: UpstreamSession) -> bool:
        async with self._records.transaction() as transaction:
            return await transaction.advance_upstream_session(old, new)

    async def _end(self, tie: UpstreamSession, now: datetime, failure: Failure) -> None:
        async with self._records.transaction() as transaction:
            await _end_if_there(transaction, tie, failure.value, now)

    def _note(self, provider: Provider, error: UpstreamError) -> None:
        said = clean_text(str(error), _MAX_LOGGED)
        self._log.warning("renewal_failed", provider=provider.id, failure=error.failure.value, said=said)


async def _end_if_there(transaction: Transaction, tie: UpstreamSession, because: str, now: datetime) -> None:
    """End the session unless something else has: what is over leaves no second record."""
    if await transaction.find_upstream_session(tie.handle) is not None:
        await end_upstream(transaction, tie, because=because, now=now)


def refresh_token_place(session: UpstreamSession) -> Place:
    """Where the refresh token of a session stands; sealed for there, it opens nowhere else."""
    return Place("upstream_sessions", "refresh_token", session.handle)
