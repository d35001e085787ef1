"""What we ask of the world: Protocols only.

A method is named for what it guarantees: `take` returns a thing at most once, `advance` succeeds only from the state
you saw, `end_all_of` is complete when it returns. Durable (`Records`) and perishable (`Sessions`, `Tickets`,
`Counters`) are different promises. Anything here may raise UnavailableError; the caller then refuses, never allows.
"""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from doorward.rules.audit import AuditEvent, AuditRecord
from doorward.rules.envelope import Place
from doorward.rules.factor import FactorId, Factors, Passkey, RecoveryCode, Totp
from doorward.rules.history import SignInNote
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId, LetterState
from doorward.rules.oidc import Arrival, Authenticated, Departure, Finding, LogoutToken
from doorward.rules.provider import Provider, ProviderId
from doorward.rules.session import Fingerprint, Session, SessionHandle, Subject
from doorward.rules.throttle import Spent, Window
from doorward.rules.ticket import Purpose, Ticket, TicketId
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession


class Clock(Protocol):
    """The instant, read once per operation and then passed on."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def elapsed(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""
        ...


class Pause(Protocol):
    """Waiting without holding up anybody else (`asyncio.sleep`)."""

    async def __call__(self, seconds: float, /) -> None:
        """Return after so many seconds."""
        ...


class Random(Protocol):
    """Unpredictable bytes."""

    def token(self, size: int) -> bytes:
        """`size` bytes from the operating system's generator."""
        ...


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password hash as the records hold it: sealed, so that a stolen database alone cannot be cracked."""

    sealed: str
    changed_at: datetime


class UpstreamRecords(Protocol):
    """The part of a transaction that is about upstream providers."""

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """The identity with exactly this key, byte for byte."""
        ...

    async def list_identities(self, user_id: UserId | None = None) -> list[Identity]:
        """An account's identities, or everybody's, the oldest link first."""
        ...

    async def add_identity(self, identity: Identity) -> None:
        """Link an identity. ConflictError when its key is linked already, to whomever."""
        ...

    async def advance_identity(self, old: Identity, new: Identity) -> None:
        """Change an identity, only if it still is exactly `old`; ConflictError otherwise. Id, key, owner never change.

        What it grants counts for the account's sessions with the next check.
        """
        ...

    async def remove_identity(self, identity_id: IdentityId) -> bool:
        """Unlink; what it granted is gone. Its upstream sessions go too (end the sessions first). Whether there was."""
        ...

    async def put_upstream_session(self, session: UpstreamSession) -> None:
        """Note the provider's side of a session of ours that is about to be stored."""
        ...

    async def find_upstream_session(self, handle: SessionHandle) -> UpstreamSession | None:
        """The provider's side of a session; None where it has none, or the session was ended by a transaction."""
        ...

    async def list_upstream_sessions(
        self,
        *,
        provider: ProviderId | None = None,
        identity: IdentityId | None = None,
        subject: str | None = None,
        sid: str | None = None,
    ) -> list[UpstreamSession]:
        """Those that fit everything that is given."""
        ...

    async def list_due_upstream_sessions(self, now: datetime, *, limit: int) -> list[UpstreamSession]:
        """Those whose tie is to be tried by `now` and that are not over, the most overdue first.

        What ends a session takes its row along, except where sessions live apart and end by idleness or with the
        process: whoever tries a tie looks first whether the session is there, and ends it if not.
        """
        ...

    async def advance_upstream_session(self, old: UpstreamSession, new: UpstreamSession) -> bool:
        """Replace `old` by `new` (same handle), only if it still is exactly `old`."""
        ...

    async def purge_upstream(self, now: datetime) -> int:
        """Drop upstream sessions and marks whose time is over; how many. Very many go over several calls."""
        ...

    async def put_mark(self, name: str, at: datetime, *, keep_until: datetime) -> bool:
        """Note that `name` happened at `at`. True the first time; later only `at` and `keep_until` move forward.

        For what must be known to have happened though no row stands for it: a logout token's `jti`, the end of a
        session at a provider. `name` may be as long as it likes.
        """
        ...

    async def find_mark(self, name: str) -> datetime | None:
        """When it happened last, None where it did not or is forgotten."""
        ...

    async def list_providers(self) -> list[StoredProvider]:
        """The providers added in the console, by id."""
        ...

    async def put_provider(self, provider: StoredProvider) -> None:
        """Add or replace one."""
        ...

    async def remove_provider(self, provider_id: ProviderId) -> bool:
        """Remove one; whether there was one. Identities stay."""
        ...

    async def find_setting(self, name: str) -> str | None:
        """A setting that is made in the console or on the command line."""
        ...

    async def put_setting(self, name: str, value: str | None) -> None:
        """Make it, or with None take it back."""
        ...


class FactorRecords(Protocol):
    """The part of a transaction that is about second factors. All of it goes with the account."""

    async def find_factors(self, user_id: UserId) -> Factors:
        """All of an account's factors."""
        ...

    async def list_protected(self) -> frozenset[UserId]:
        """The accounts that have an authenticator app or a passkey."""
        ...

    async def put_totp(self, totp: Totp) -> None:
        """Set the account's authenticator app in place of any it had."""
        ...

    async def advance_totp(self, old: Totp, new: Totp) -> bool:
        """Replace `old` by `new`, only if it still is exactly `old`: how a step is used at most once (F01)."""
        ...

    async def remove_totp(self, user_id: UserId) -> bool:
        """Take it away; whether there was one."""
        ...

    async def find_passkey(self, digest: bytes) -> Passkey | None:
        """The passkey with this credential, whosever it is."""
        ...

    async def add_passkey(self, passkey: Passkey) -> None:
        """Add one. ConflictError when its credential is registered already, to whomever (G11)."""
        ...

    async def advance_passkey(self, old: Passkey, new: Passkey) -> bool:
        """Replace `old` by `new` (same id, owner and credential), only if it still is exactly `old`."""
        ...

    async def remove_passkey(self, passkey_id: FactorId) -> bool:
        """Remove one; whether there was one."""
        ...

    async def put_recovery_codes(self, user_id: UserId, codes: Sequence[RecoveryCode]) -> None:
        """Put a new set in place of the old one; nothing takes all away."""
        ...

    async def spend_recovery_code(self, code_id: FactorId, at: datetime) -> bool:
        """Mark one as used. False when it was, or is gone: it counts once however many ask (F09)."""
        ...


class AccountRecords(Protocol):
    """The part of a transaction that is about invitations, the history of sign-ins, and mail."""

    async def list_invites(self) -> list[Invite]:
        """All invitations, the newest first."""
        ...

    async def find_invite(self, digest: bytes) -> Invite | None:
        """The invitation whose token has this SHA-256."""
        ...

    async def add_invite(self, invite: Invite) -> None:
        """Add one; it outlives the account that made it. ConflictError when its token or id is taken."""
        ...

    async def advance_invite(self, old: Invite, new: Invite) -> bool:
        """Replace `old` by `new` (same id), only if it still is exactly `old` (T-23)."""
        ...

    async def remove_invite(self, invite_id: InviteId) -> bool:
        """Forget one; whether there was one."""
        ...

    async def note_sign_in(self, note: SignInNote) -> None:
        """Add to the account's history; only the newest `rules.history.KEPT_OF_EACH` stay, of good ones and of failed.

        ConflictError when the account is gone; the history goes with it.
        """
        ...

    async def list_sign_ins(self, user_id: UserId, *, limit: int) -> list[SignInNote]:
        """The account's last sign-ins, the newest first."""
        ...

    async def add_letter(self, letter: Letter) -> None:
        """Queue a mail, with everything else of this transaction or not at all.

        ConflictError when the account it is about is not there (yet): the mail goes when its account does.
        """
        ...

    async def list_due_letters(self, now: datetime, *, limit: int) -> list[Letter]:
        """Waiting mails whose next try is due, the longest due first: one that fails steps back behind the others."""
        ...

    async def list_letters(self, *, limit: int = 100, state: LetterState | None = None) -> list[Letter]:
        """Mails of any state, or of one, the newest first."""
        ...

    async def advance_letter(self, old: Letter, new: Letter) -> bool:
        """Replace `old` by `new` (same id), only if it still is exactly `old`."""
        ...

    async def find_letter(self, letter_id: LetterId) -> Letter | None:
        """One mail."""
        ...

    async def purge_letters(self, before: datetime) -> int:
        """Forget mails that were done with before then; how many."""
        ...


class Transaction(UpstreamRecords, FactorRecords, AccountRecords, Protocol):
    """One durable transaction: all of it is committed when the `async with` block ends, or none of it."""

    async def find_user(self, user_id: UserId) -> User | None:
        """The account with this id."""
        ...

    async def find_user_by_login(self, login: str) -> User | None:
        """The account whose canonical name or e-mail address equals `login` (already canonical)."""
        ...

    async def list_users(self) -> list[User]:
        """Every account, by name."""
        ...

    async def list_administrators(self) -> list[User]:
        """The accounts that administer, by themselves or by a provider's word, enabled or not, by name."""
        ...

    async def add_user(self, user: User) -> None:
        """Add an account. ConflictError when its name or e-mail address is taken."""
        ...

    async def advance_user(self, old: User, new: User) -> None:
        """Change an account, only if it still is exactly `old`. ConflictError otherwise, or when a name is taken."""
        ...

    async def remove_user(self, user_id: UserId) -> bool:
        """Remove an account with its credentials and sessions; whether there was one."""
        ...

    async def find_password(self, user_id: UserId) -> StoredPassword | None:
        """The account's password hash, sealed."""
        ...

    async def put_password(self, user_id: UserId, password: StoredPassword) -> None:
        """Set the account's password hash."""
        ...

    async def advance_password(self, user_id: UserId, old: StoredPassword, new: StoredPassword) -> bool:
        """Replace the hash only if it still is `old` (re-hashing at sign-in must not undo a change of password)."""
        ...

    async def claim_first_admin(self, user_id: UserId, at: datetime) -> None:
        """Mark the installation as set up, by this account. ConflictError if it ever was, by whomever."""
        ...

    async def is_set_up(self) -> bool:
        """Whether a first administrator was ever made here; stays true after all accounts are deleted."""
        ...

    async def append_audit(self, event: AuditEvent) -> AuditRecord:
        """Append to the audit chain."""
        ...

    async def list_audit(self, *, limit: int = 100, before: int | None = None) -> list[AuditRecord]:
        """Records of the chain, newest first, with a sequence below `before`."""
        ...

    async def end_session(self, handle: SessionHandle) -> bool:
        """End one session with this transaction, so that the act and its record are one; whether there was one.

        Like `end_sessions_of`: the session answers no check once the transaction is committed.
        """
        ...

    async def end_sessions_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> None:
        """Note that this account's sessions end with this transaction; the session store is told after it commits.

        Needed besides raising the generation where one session is to live on (`keep`).
        """
        ...


class Records(Protocol):
    """Durable truth: users, credentials, audit."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a writing transaction. Transactions are serial: what was read inside one holds until it commits."""
        ...


class Use(NamedTuple):
    """One use of a session, to be recorded."""

    fingerprint: Fingerprint
    seen_at: datetime
    user_agent: str
    address: str


class Sessions(Protocol):
    """Sign-ins (perishable). One contract suite holds every implementation."""

    async def find(self, fingerprint: Fingerprint) -> Session | None:
        """The session stored under this fingerprint, expired or not."""
        ...

    async def find_by_handle(self, handle: SessionHandle) -> Session | None:
        """The session with this public handle."""
        ...

    async def put(self, session: Session) -> None:
        """Store a new session. ConflictError when its fingerprint or handle exists."""
        ...

    async def touch(self, fingerprint: Fingerprint, *, seen_at: datetime, user_agent: str, address: str) -> bool:
        """Record that the session was used. Never brings back an ended one, never moves `last_seen_at` backwards."""
        ...

    async def touch_all(self, uses: Sequence[Use]) -> None:
        """`touch` for many at once, at the cost of one: either all are recorded or none."""
        ...

    async def end(self, handle: SessionHandle) -> bool:
        """End one session; it answers no check after this returns. Whether there was one."""
        ...

    async def end_all_of(self, user_id: UserId, *, keep: SessionHandle | None = None) -> int:
        """End an account's sessions, except `keep`; complete when it returns. How many there were."""
        ...

    async def list_of(self, user_id: UserId) -> list[Session]:
        """An account's sessions, last seen first."""
        ...

    async def list_all(self, *, limit: int = 200, offset: int = 0) -> list[Session]:
        """Everybody's sessions, last seen first."""
        ...

    async def count(self) -> int:
        """How many sessions are stored. Costs the same with ten or a million."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove sessions that ended by lifetime or idleness; how many."""
        ...


class Tickets(Protocol):
    """Half-finished things (perishable)."""

    async def put(self, ticket: Ticket) -> None:
        """Store a new ticket."""
        ...

    async def find(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """The ticket, if it is of this purpose and has not expired."""
        ...

    async def advance(self, old: Ticket, new: Ticket) -> bool:
        """Replace `old` by `new` (same id), only if it still is exactly `old`."""
        ...

    async def take(self, ticket_id: TicketId, purpose: Purpose, now: datetime) -> Ticket | None:
        """Return the ticket and remove it, at most once however many ask."""
        ...

    async def count(self) -> int:
        """How many tickets are stored."""
        ...

    async def purge(self, now: datetime) -> int:
        """Remove expired tickets; how many."""
        ...


class Counters(Protocol):
    """Tries and failures (perishable, but a restart must not forget them where storage is durable)."""

    async def spend(self, key: str, windows: Sequence[Window], now: datetime) -> Spent:
        """Count one try under `key` if every window has room, atomically; a refused try is not counted."""
        ...

    async def give_back(self, key: str, at: datetime) -> None:
        """Uncount one try that was spent at this instant; nothing where there is none."""
        ...

    async def record(self, key: str, now: datetime, *, keep: timedelta) -> None:
        """Note an instant under `key`, to be forgotten after `keep`."""
        ...

    async def recall(self, key: str, *, since: datetime) -> list[datetime]:
        """The instants noted under `key` after `since`, in order."""
        ...

    async def forget(self, key: str) -> None:
        """Drop everything under `key`."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop what no window needs any more; how many instants."""
        ...


class LiveView(Protocol):
    """What the gate may read without awaiting: the present truth about one fingerprint."""

    def stamp(self) -> Hashable:
        """A value that changes whenever anything the gate remembers may have changed, by this process or another."""
        ...

    def revision(self) -> int:
        """A number that grows with every change that takes something away or alters an account."""
        ...

    def find_subject(self, fingerprint: Fingerprint) -> Subject | None:
        """The session and its account as they are now; None when there is no such session."""
        ...

    def find_user_by_name(self, name: str) -> User | None:
        """The account with this canonical user name as it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a password check. `needs_rehash`: it was right, but hashed under older settings."""

    right: bool
    needs_rehash: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of a server elsewhere. Names of `headers` are lower case; where one came twice, the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetch(Protocol):
    """The only way out. Guarded: what may be asked for, where it leads, how long it takes, how much comes back."""

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int = 256 * 1024,
    ) -> Fetched:
        """Ask. No redirect is followed, no cookie kept, no proxy or netrc of the environment heeded.

        PeerError, with a sentence for the operator, where the address is not allowed, cannot be reached or is not who
        it should be, the answer is malformed or larger than `limit` bytes, or takes too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class Renewed:
    """What came of a refresh. `authenticated` where the provider said who it is; `refresh_token` "" if unchanged."""

    refresh_token: str
    authenticated: Authenticated | None


class Upstream(Protocol):
    """The providers, spoken to in their protocol. Every method may raise `rules.oidc.UpstreamError`.

    What is found out about a provider (discovery, keys) is kept for a while, also that it failed; nothing of one
    sign-in is ever kept here (H05).
    """

    async def acquaint(self, provider: Provider) -> None:
        """Find out what must be known before anybody can be sent there, unless it is known and fresh."""
        ...

    async def depart(self, provider: Provider, departure: Departure) -> str:
        """The URL to send the browser to."""
        ...

    async def arrive(self, provider: Provider, arrival: Arrival, *, now: datetime) -> Authenticated:
        """Exchange the code and verify everything that came."""
        ...

    async def renew(self, provider: Provider, refresh_token: str, *, subject: str, now: datetime) -> Renewed:
        """Use a refresh token. UpstreamError CODE_REFUSED where the provider does not take it (any more)."""
        ...

    async def read_logout_token(self, provider: Provider, token: str, *, now: datetime) -> LogoutToken:
        """Verify a back-channel logout token. The caller sees to it that a `jti` counts once."""
        ...

    async def find_logout_url(self, provider: Provider, *, id_token: str, return_url: str) -> str | None:
        """Where the browser signs out at the provider and is sent back to `return_url`; None where there is none."""
        ...

    async def examine(self, provider: Provider, *, public_url: str, now: datetime) -> list[Finding]:
        """Try whatever can be tried without a person, and say in plain words how it went. Never raises."""
        ...

    def find_trouble(self, provider: Provider) -> str | None:
        """Why the provider cannot be used just now as far as is known, without asking it; None when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a browser registered. `credential_id` and `public_key` are raw bytes."""

    credential_id: bytes
    public_key: bytes
    transports: tuple[str, ...]
    sign_count: int
    verified: bool
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a passkey signed."""

    sign_count: int
    verified: bool
    backup_eligible: bool
    backed_up: bool


class Passkeys(Protocol):
    """WebAuthn. Relying party and origins are configured, never sent (G02, G03). InputError where all is not well.

    `answer` is the JSON text that the browser's `PublicKeyCredential.toJSON()` gives.
    """

    def ask_registration(
        self, user: User, challenge: bytes, *, exclude: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool
    ) -> str:
        """The options for `navigator.credentials.create`, as JSON text. `exclude`: credentials there are already.

        `verify`: one that cannot verify its user would be of no use.
        """
        ...

    def read_registration(self, answer: str, challenge: bytes) -> NewPasskey:
        """Verify what came of it."""
        ...

    def ask_assertion(self, challenge: bytes, *, allow: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool) -> str:
        """The options for `navigator.credentials.get`. No `allow`: any passkey. `verify`: its user must be verified."""
        ...

    def read_handle(self, answer: str) -> tuple[bytes, bytes | None]:
        """Credential id and user handle of an answer that is not verified yet."""
        ...

    def read_assertion(self, answer: str, challenge: bytes, *, public_key: bytes, verify: bool) -> Assertion:
        """Verify it. Counter and backup marks are the caller's to judge (`rules.passkey`)."""
        ...


class Mailer(Protocol):
    """The way to an SMTP server."""

    async def send(self, *, to: str, subject: str, text: str, html: str, message_id: str) -> None:
        """Hand one mail over. UnavailableError where trying again may help, PeerError where it cannot."""
        ...


class PasswordHasher(Protocol):
    """Slow hashes, off the event loop, in a bounded pool."""

    async def hash(self, password: str) -> str:
        """Hash under the present settings. InputError when the password is too long to be one."""
        ...

    async def verify(self, password: str, hashed: str | None) -> Verified:
        """Check. With `hashed` None or unusable: the same work and time, and never right (E01, E22)."""
        ...

    def queued(self) -> int:
        """How many hashes wait for a thread."""
        ...


class Keyring(Protocol):
    """The master keys: sealing and derived keys."""

    def seal(self, place: Place, plaintext: bytes) -> str:
        """Seal for `place` under the newest key."""
        ...

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open what was sealed for `place`. TamperError when it does not open."""
        ...

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (CSRF tokens and the like), the same at every start."""
        ...


class Tally(Protocol):
    """What the flows report to the metrics. Words come from enums, so the number of labels is bounded."""

    def count_login(self, result: str) -> None:
        """A sign-in ended: "success" or the word of a failure."""
        ...

    def count_limited(self, bucket: str) -> None:
        """A limit refused something."""
        ...


class Log(Protocol):
    """Structured log: a constant event name and fields. Secrets and query strings never stand in a field."""

    def debug(self, event: str, **fields: object) -> None:
        """For the curious."""
        ...

    def info(self, event: str, **fields: object) -> None:
        """Something happened as it should."""
        ...

    def warning(self, event: str, **fields: object) -> None:
        """Something an operator may want to mend."""
        ...

    def error(self, event: str, **fields: object) -> None:
        """Something an operator must mend."""
        ...
