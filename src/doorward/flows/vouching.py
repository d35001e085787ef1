"""A provider's word on who somebody is: whether it still holds, and what is noted of it beside a session.

Where something else has to be proven after it, the word waits sealed in the ticket, and is looked at again at the end:
the provider as it is then, the identity, and whether the sign-in was ended there meanwhile (E25, H21, T-08).
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from doorward.interfaces import Keyring, Records, Transaction
from doorward.rules.envelope import Place
from doorward.rules.identity import User
from doorward.rules.oidc import Authenticated
from doorward.rules.provider import Provider, ProviderId
from doorward.rules.session import Session, SessionHandle
from doorward.rules.ticket import TicketId
from doorward.rules.upstream import Identity, IdentityId, UpstreamSession, session_mark, subject_mark, unnamed_mark

FindProvider = Callable[[str], Awaitable[Provider | None]]
"""The provider with this id, if it is enabled at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What a provider said, as far as a session needs it later. `form` names the provider exactly as it was then."""

    identity: IdentityId
    provider: ProviderId
    form: str
    issuer: str
    subject: str
    email: str
    sid: str
    began_at: datetime
    id_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    check_every: timedelta | None = None

    def public(self) -> dict[str, str]:
        """What the audit record of a sign-in says of it for ever."""
        return {"provider": self.provider, "issuer": self.issuer}

    def private(self) -> dict[str, str]:
        """What it may have to forget."""
        return {"upstream_subject": self.subject, "upstream_email": self.email}


def vouch(
    provider: Provider, proven: Authenticated, identity: Identity, *, shown_email: str, began_at: datetime
) -> Vouched:
    """What to keep of a provider's word; tokens only where something will use them."""
    tied = provider.check_every is not None and proven.refresh_token != ""
    return Vouched(
        identity=identity.id,
        provider=provider.id,
        form=_form_of(provider),
        issuer=proven.issuer,
        subject=proven.subject,
        email=shown_email,
        sid=proven.sid,
        began_at=began_at,
        id_token=proven.id_token if provider.logout else "",
        refresh_token=proven.refresh_token if tied else "",
        check_every=provider.check_every if tied else None,
    )


async def was_ended(transaction: Transaction, *, issuer: str, subject: str, sid: str, began_at: datetime) -> bool:
    """Whether the provider has ended this very sign-in, or all of this person's, since the browser left."""
    this = session_mark(issuer, sid) if sid else unnamed_mark(issuer, subject)
    for name in (this, subject_mark(issuer, subject)):
        ended_at = await transaction.find_mark(name)
        # What came back was given out after the browser left, so an earlier end was of something else.
        if ended_at is not None and ended_at >= began_at:
            return True
    return False


class Vouching:
    """Keeps a provider's word, and says whether it still holds."""

    def __init__(self, *, records: Records, keyring: Keyring, find_provider: FindProvider) -> None:
        self._records = records
        self._keyring = keyring
        self._find_provider = find_provider

    def seal(self, vouched: Vouched, ticket: TicketId) -> str:
        """Seal it for the ticket it waits in."""
        every = vouched.check_every
        facts = asdict(vouched) | {
            "began_at": vouched.began_at.isoformat(),
            "check_every": None if every is None else every.total_seconds(),
        }
        return self._keyring.seal(_place(ticket), json.dumps(facts, sort_keys=True).encode())

    def unseal(self, sealed: str, ticket: TicketId) -> Vouched:
        """What was sealed for this ticket. TamperError when it was not."""
        facts = json.loads(self._keyring.unseal(_place(ticket), sealed))
        every = facts["check_every"]
        facts["began_at"] = datetime.fromisoformat(facts["began_at"]).astimezone(UTC)
        facts["check_every"] = None if every is None else timedelta(seconds=every)
        return Vouched(**facts)

    async def holds(self, transaction: Transaction, vouched: Vouched, user: User) -> bool:
        """Whether the identity is still this account's, and the sign-in not ended there meanwhile."""
        identity = await transaction.find_identity(vouched.issuer, vouched.subject)
        if identity is None or identity.id != vouched.identity or identity.user_id != user.id:
            return False
        return not await was_ended(
            transaction,
            issuer=vouched.issuer,
            subject=vouched.subject,
            sid=vouched.sid,
            began_at=vouched.began_at,
        )

    async def note(self, transaction: Transaction, vouched: Vouched, session: Session, now: datetime) -> None:
        """Note the provider's side of a session that is about to be stored."""
        every = vouched.check_every
        await transaction.put_upstream_session(
            UpstreamSession(
                handle=session.handle,
                identity=vouched.identity,
                provider=vouched.provider,
                issuer=vouched.issuer,
                subject=vouched.subject,
                sid=vouched.sid,
                id_token=self._seal("id_token", session.handle, vouched.id_token),
                refresh_token=self._seal("refresh_token", session.handle, vouched.refresh_token),
                check_at=None if every is None else now + every,
                expires_at=session.expires_at,
            )
        )

    async def is_noted(self, session: Session) -> bool:
        """Whether nothing has ended the session since it was made: its note goes with whatever does."""
        async with self._records.transaction() as transaction:
            return await transaction.find_upstream_session(session.handle) is not None

    async def is_open(self, vouched: Vouched) -> bool:
        """Whether the provider is enabled, and exactly what it was (H21)."""
        provider = await self._find_provider(vouched.provider)
        return provider is not None and _form_of(provider) == vouched.form

    def _seal(self, column: str, handle: SessionHandle, token: str) -> str:
        return self._keyring.seal(Place("upstream_sessions", column, handle), token.encode("utf-8")) if token else ""


def _place(ticket: TicketId) -> Place:
    return Place("tickets", "upstream", ticket.hex())


def _form_of(provider: Provider) -> str:
    """The same for the same settings, in every process."""
    return sha256(json.dumps(asdict(provider), default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
