"""Durable truth: one transaction over accounts, factors, providers, letters and evidence."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from doorward.interfaces.app_keys import AppKeyRecords
from doorward.interfaces.break_glass import BreakGlassRecords
from doorward.interfaces.evidence import AuditRecords
from doorward.interfaces.factor_marks import FactorMarks
from doorward.interfaces.kept import DecisionRecords, RetentionRecords
from doorward.rules.alert import Alert, AlertId, AlertKind, AlertState
from doorward.rules.chore import Chore
from doorward.rules.factor import FactorId, Factors, Passkey, RecoveryCode, Totp
from doorward.rules.history import SignInNote
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId, LetterState
from doorward.rules.provider import ProviderId
from doorward.rules.session import SessionHandle
from doorward.rules.stored_key import StoredKey
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession


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


class FactorRecords(FactorMarks, Protocol):
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


class AlertRecords(Protocol):
    """The part of a transaction that is about what operators are told of."""

    async def add_alert(self, alert: Alert) -> None:
        """Queue an alert, with everything else of this transaction or not at all. ConflictError: it is there."""
        ...

    async def find_alert(self, alert_id: AlertId) -> Alert | None:
        """One alert."""
        ...

    async def find_last_alert(self, kind: AlertKind, about: str) -> Alert | None:
        """The newest of one kind about one thing."""
        ...

    async def count_alerts(self, since: datetime, *, kind: AlertKind | None = None) -> int:
        """How many were queued after `since`, of one kind or of all."""
        ...

    async def list_due_alerts(self, now: datetime, *, limit: int) -> list[Alert]:
        """Waiting alerts whose next try is due, the longest due first: one that fails steps back behind the others."""
        ...

    async def list_alerts(self, *, limit: int = 100, state: AlertState | None = None) -> list[Alert]:
        """Alerts of any state, or of one, the newest first."""
        ...

    async def advance_alert(self, old: Alert, new: Alert) -> bool:
        """Replace `old` by `new` (same id, kind and thing), only if it still is exactly `old`."""
        ...


class ChoreRecords(Protocol):
    """The part of a transaction that is about what is done at intervals."""

    async def find_chore(self, name: str) -> Chore:
        """How it last went; a fresh one where it was never tried."""
        ...

    async def put_chore(self, chore: Chore) -> None:
        """Note how it went, in place of what was noted before."""
        ...


class KeyRecords(Protocol):
    """The part of a transaction that is about the keys that are made here (`rules/stored_key.py`)."""

    async def list_keys(self, purpose: str | None = None) -> list[StoredKey]:
        """Those of a purpose, or all, the newest first; retired ones too."""
        ...

    async def next_key_number(self) -> int:
        """The number that the next key gets: its secret is sealed for it."""
        ...

    async def add_key(self, key: StoredKey) -> None:
        """Add one. A key of session cookies counts at every gate with the next check."""
        ...

    async def retire_keys(self, purpose: str, at: datetime, *, forget: bool, below: int | None = None) -> int:
        """Retire those of a purpose that are in use (`below` a number); how many. `forget`: their secrets too."""
        ...


class PreferenceRecords(Protocol):
    """The part of a transaction that is about what people chose for their accounts. All of it goes with the account."""

    async def find_preference(self, user_id: UserId, name: str) -> str | None:
        """What somebody chose, None where nothing."""
        ...

    async def put_preference(self, user_id: UserId, name: str, value: str | None) -> None:
        """Choose it, or with None take it back. ConflictError when the account is gone."""
        ...


class Transaction(
    AuditRecords,
    UpstreamRecords,
    FactorRecords,
    AccountRecords,
    ChoreRecords,
    AlertRecords,
    KeyRecords,
    DecisionRecords,
    RetentionRecords,
    BreakGlassRecords,
    PreferenceRecords,
    AppKeyRecords,
    Protocol,
):
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
