"""Providers that say that somebody has signed out there: what was signed in through them ends here, too.

Back channel: the provider's server sends a signed token (OpenID Connect Back-Channel Logout 1.0). Front channel: the
provider's sign-out page frames an address of ours (Front-Channel Logout 1.0); nobody signs that, so it ends only what
belongs to one session at the provider, whose name there whoever asks must know.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from doorward.errors import InputError, UnavailableError
from doorward.flows.outcome import Refused
from doorward.flows.throttle import Leg, Throttle
from doorward.flows.visitor import Visitor
from doorward.interfaces import Log, Records, Tally, Transaction, Upstream
from doorward.rules.audit import Act, AuditEvent
from doorward.rules.login import Failure
from doorward.rules.names import clean_text
from doorward.rules.oidc import Failure as Trouble
from doorward.rules.oidc import LogoutToken, UpstreamError
from doorward.rules.provider import Provider
from doorward.rules.upstream import UpstreamSession, session_mark, subject_mark, unnamed_mark

FindProvider = Callable[[str], Awaitable[Provider | None]]
"""The provider with this id, if it is enabled at this moment."""

MAX_TOKEN: Final = 16 * 1024
"""Bytes of a logout token that are looked at."""
MAX_NAME: Final = 512
"""Characters of `iss` and `sid`."""
_MAX_LOGGED: Final = 200
_SKEW: Final = timedelta(seconds=60)
_NOT_ASKED: Final = frozenset({Trouble.UNREACHABLE, Trouble.DISCOVERY})
"""Troubles that say nothing about the token: the provider may send it again."""


class UpstreamLogout:
    """The end of sign-ins, as providers tell it. `state_ttl`: how long a sign-in may be under way.

    What was not genuine is counted by address, and an address with too much of it is refused before anything is looked
    at. What was genuine is never counted: a provider that signs out a whole company at once comes from one address. The
    price: who shares the provider's address as we see it can keep its notices out for a while.
    """

    def __init__(
        self,
        *,
        records: Records,
        throttle: Throttle,
        upstream: Upstream,
        find_provider: FindProvider,
        tally: Tally,
        log: Log,
        state_ttl: timedelta = timedelta(minutes=10),
    ) -> None:
        self._records = records
        self._throttle = throttle
        self._upstream = upstream
        self._find_provider = find_provider
        self._tally = tally
        self._log = log
        self._keep = state_ttl + _SKEW

    async def accept_token(self, provider_id: str, token: str, visitor: Visitor, *, now: datetime) -> int | Refused:
        """End what the token says; how many sessions that were.

        InputError where it is not genuine, or came before; UnavailableError where that cannot be told just now.
        """
        refused = await self._find_refusal(Leg.LOGOUT_TOKEN, visitor, now)
        if refused is not None:
            return refused
        provider = await self._find_provider(provider_id)
        notice = None if provider is None else await self._read(provider, token, visitor, now)
        if provider is None or notice is None:
            await self._throttle.record_oidc(Leg.LOGOUT_TOKEN, visitor, now=now)
            raise InputError("that is no logout token for this gateway")
        async with self._records.transaction() as transaction:
            # Kept for as long as the token could pass: one that comes again ends nothing, not even what began since.
            keep_until = max(notice.expires_at, now) + 2 * _SKEW
            if not await transaction.put_mark(f"jti:{provider.id}:{notice.jti}", now, keep_until=keep_until):
                raise InputError("this logout token was used already")
            for mark in _marks(notice):
                await transaction.put_mark(mark, now, keep_until=now + self._keep)
            theirs = await transaction.list_upstream_sessions(subject=notice.subject or None, sid=notice.sid or None)
            if notice.subject and notice.sid:
                # Not every provider tells with the sign-in what it calls the session. Which of those without a name it
                # was, nobody knows: better one too many than the one that goes on.
                theirs += await transaction.list_upstream_sessions(subject=notice.subject, sid="")
            ended = [each for each in theirs if each.issuer == notice.issuer]
            await _end(transaction, ended, "back_channel", visitor, now)
        return len(ended)

    async def accept_front(
        self, provider_id: str, issuer: str | None, sid: str, visitor: Visitor, *, now: datetime
    ) -> int | Refused:
        """End the session that is called `sid` at the provider; how many that were.

        `issuer` None: the notice named none, as those of Entra ID. The address it came to is one provider's alone, so
        it is taken as that one's; what is named must be right. InputError otherwise, and without a session.
        """
        refused = await self._find_refusal(Leg.LOGOUT_FRAME, visitor, now)
        if refused is not None:
            return refused
        provider = await self._find_provider(provider_id)
        right = provider is not None and issuer in {None, provider.issuer}
        if provider is None or not right or not (0 < len(sid) <= MAX_NAME and sid.isprintable()):
            await self._throttle.record_oidc(Leg.LOGOUT_FRAME, visitor, now=now)
            raise InputError("this does not say which session of this provider has ended")
        async with self._records.transaction() as transaction:
            theirs = await transaction.list_upstream_sessions(provider=provider.id, sid=sid)
            ended = [each for each in theirs if each.issuer == provider.issuer]
            if not ended:
                # It may be under way. A stranger's guess costs a mark that goes by itself, and counts.
                await transaction.put_mark(session_mark(provider.issuer, sid), now, keep_until=now + self._keep)
            await _end(transaction, ended, "front_channel", visitor, now)
        if not ended:
            await self._throttle.record_oidc(Leg.LOGOUT_FRAME, visitor, now=now)
        return len(ended)

    async def _find_refusal(self, leg: Leg, visitor: Visitor, now: datetime) -> Refused | None:
        room = await self._throttle.look_oidc(leg, visitor, now=now)
        if room.allowed:
            return None
        self._tally.count_limited("oidc")
        return Refused(Failure.THROTTLED, room.retry_after)

    async def _read(self, provider: Provider, token: str, visitor: Visitor, now: datetime) -> LogoutToken | None:
        if len(token) > MAX_TOKEN:
            return None
        try:
            return await self._upstream.read_logout_token(provider, token, now=now)
        except UpstreamError as error:
            said = clean_text(str(error), _MAX_LOGGED)
            self._log.warning("logout_token_refused", provider=provider.id, failure=error.failure.value, said=said)
            if error.failure in _NOT_ASKED:
                # Counted all the same: a key nobody knows makes us ask the provider for its keys (H24).
                await self._throttle.record_oidc(Leg.LOGOUT_TOKEN, visitor, now=now)
                raise UnavailableError("the provider's keys cannot be had just now") from error
            return None


def _marks(notice: LogoutToken) -> list[str]:
    """What a sign-in under way is to find."""
    if not notice.sid:
        return [subject_mark(notice.issuer, notice.subject)]
    named = [session_mark(notice.issuer, notice.sid)]
    return [*named, unnamed_mark(notice.issuer, notice.subject)] if notice.subject else named


async def end_upstream(
    transaction: Transaction,
    session: UpstreamSession,
    *,
    because: str,
    now: datetime,
    private: Mapping[str, str] | None = None,
) -> None:
    """End one of our sessions because of the provider's side of it, and say so in the audit."""
    identity = await transaction.find_identity(session.issuer, session.subject)
    owner = identity.user_id if identity is not None else "unknown"
    await transaction.end_session(session.handle)
    public = {
        "session": session.handle,
        "provider": session.provider,
        "issuer": session.issuer,
        "because": because,
    }
    await transaction.append_audit(AuditEvent(Act.LOGOUT_UPSTREAM, "system", owner, now, public, private or {}))


async def _end(
    transaction: Transaction,
    ended: list[UpstreamSession],
    channel: str,
    visitor: Visitor,
    now: datetime,
) -> None:
    for each in ended:
        await end_upstream(transaction, each, because=channel, now=now, private=visitor.private())
