"""What the fake store holds, as plain values, and the acts that more than one of its parts needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from doorward.errors import ConflictError
from doorward.interfaces import StoredPassword, Use
from doorward.rules.alert import Alert, AlertId
from doorward.rules.app_key import AppKey, AppSecret, KeyId
from doorward.rules.audit import AuditRecord
from doorward.rules.break_glass import Kit
from doorward.rules.checkpoint import StoredCheckpoint
from doorward.rules.chore import Chore
from doorward.rules.decision import Decision
from doorward.rules.factor import FactorId, Passkey, RecoveryCode, Totp
from doorward.rules.history import SignInNote
from doorward.rules.identity import User, UserId
from doorward.rules.invite import Invite, InviteId
from doorward.rules.letter import Letter, LetterId
from doorward.rules.provider import ProviderId
from doorward.rules.session import Fingerprint, Session, SessionHandle
from doorward.rules.stored_key import StoredKey
from doorward.rules.ticket import Ticket, TicketId
from doorward.rules.upstream import Identity, IdentityId, StoredProvider, UpstreamSession


@dataclass
class State:
    """`users` hold what is their own; what identities grant is added when they are asked for."""

    users: dict[UserId, User] = field(default_factory=dict)
    passwords: dict[UserId, StoredPassword] = field(default_factory=dict)
    audit: list[AuditRecord] = field(default_factory=list)
    first_admin: UserId | None = None
    sessions: dict[Fingerprint, Session] = field(default_factory=dict)
    tickets: dict[TicketId, Ticket] = field(default_factory=dict)
    counters: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    identities: dict[IdentityId, Identity] = field(default_factory=dict)
    upstream_sessions: dict[SessionHandle, UpstreamSession] = field(default_factory=dict)
    marks: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    providers: dict[ProviderId, StoredProvider] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    totps: dict[UserId, Totp] = field(default_factory=dict)
    passkeys: dict[FactorId, Passkey] = field(default_factory=dict)
    factor_marks: dict[UserId, frozenset[str]] = field(default_factory=dict)
    recovery_codes: dict[FactorId, RecoveryCode] = field(default_factory=dict)
    invites: dict[InviteId, Invite] = field(default_factory=dict)
    alerts: dict[AlertId, Alert] = field(default_factory=dict)
    preferences: dict[tuple[UserId, str], str] = field(default_factory=dict)
    chores: dict[str, Chore] = field(default_factory=dict)
    kits: list[Kit] = field(default_factory=list)
    app_keys: dict[KeyId, AppKey] = field(default_factory=dict)
    app_secrets: dict[str, AppSecret] = field(default_factory=dict)
    sign_ins: list[SignInNote] = field(default_factory=list)
    letters: dict[LetterId, Letter] = field(default_factory=dict)
    checkpoints: dict[int, StoredCheckpoint] = field(default_factory=dict)
    keys: list[StoredKey] = field(default_factory=list)
    decisions: dict[bytes, Decision] = field(default_factory=dict)
    revision: int = 0
    changes: int = 0

    def copy(self) -> "State":
        return replace(
            self,
            users=dict(self.users),
            passwords=dict(self.passwords),
            audit=list(self.audit),
            sessions=dict(self.sessions),
            tickets=dict(self.tickets),
            counters={key: list(noted) for key, noted in self.counters.items()},
            identities=dict(self.identities),
            upstream_sessions=dict(self.upstream_sessions),
            marks=dict(self.marks),
            providers=dict(self.providers),
            settings=dict(self.settings),
            totps=dict(self.totps),
            passkeys=dict(self.passkeys),
            factor_marks=dict(self.factor_marks),
            recovery_codes=dict(self.recovery_codes),
            invites=dict(self.invites),
            alerts=dict(self.alerts),
            app_keys=dict(self.app_keys),
            app_secrets=dict(self.app_secrets),
            decisions=dict(self.decisions),
            preferences=dict(self.preferences),
            chores=dict(self.chores),
            kits=list(self.kits),
            sign_ins=list(self.sign_ins),
            letters=dict(self.letters),
            checkpoints=dict(self.checkpoints),
            keys=list(self.keys),
        )

    def check_account(self, user_id: UserId) -> None:
        if user_id not in self.users:
            raise ConflictError("the account is gone")

    def drop_belongings(self, user_id: UserId) -> None:
        """What goes with an account, besides its sessions and identities."""
        self.passwords.pop(user_id, None)
        self.totps.pop(user_id, None)
        self.factor_marks.pop(user_id, None)
        self.preferences = {key: each for key, each in self.preferences.items() if key[0] != user_id}
        self.passkeys = {key: each for key, each in self.passkeys.items() if each.user_id != user_id}
        self.recovery_codes = {key: each for key, each in self.recovery_codes.items() if each.user_id != user_id}
        self.kits = [each for each in self.kits if each.user_id != user_id]
        self.app_keys = {key_id: key for key_id, key in self.app_keys.items() if key.user_id != user_id}
        self.sign_ins = [each for each in self.sign_ins if each.user_id != user_id]
        self.letters = {key: each for key, each in self.letters.items() if each.user_id != user_id}

    def find_user(self, user_id: UserId) -> User | None:
        user = self.users.get(user_id)
        return None if user is None else self.granted(user)

    def granted(self, user: User) -> User:
        """The account with what its identities grant now."""
        own_identities = [each for each in self.identities.values() if each.user_id == user.id]
        return replace(
            user,
            granted_groups=frozenset[str]().union(*(each.groups for each in own_identities)),
            granted_admin=any(each.is_admin for each in own_identities),
        )

    def drop_identity(self, identity_id: IdentityId) -> bool:
        for session in [each for each in self.upstream_sessions.values() if each.identity == identity_id]:
            del self.upstream_sessions[session.handle]
        return self.identities.pop(identity_id, None) is not None


def own(user: User) -> User:
    """The account without what is granted to it."""
    return replace(user, granted_groups=frozenset(), granted_admin=False)


def touch(state: State, use: Use) -> bool:
    session = state.sessions.get(use.fingerprint)
    if session is None or is_over(session, use.seen_at):
        return False
    if session.last_seen_at < use.seen_at:
        state.sessions[use.fingerprint] = replace(
            session, last_seen_at=use.seen_at, user_agent=use.user_agent, address=use.address
        )
    return True


def end_one(state: State, handle: SessionHandle) -> bool:
    state.upstream_sessions.pop(handle, None)
    return end(state, [each for each in state.sessions.values() if each.handle == handle]) > 0


def end_all(state: State, user_id: UserId, keep: SessionHandle | None) -> int:
    # Those too whose session is only about to be stored.
    for upstream in list(state.upstream_sessions.values()):
        if upstream.handle != keep and state.identities[upstream.identity].user_id == user_id:
            del state.upstream_sessions[upstream.handle]
    return end(state, [each for each in state.sessions.values() if each.user_id == user_id and each.handle != keep])


def end(state: State, ended: Sequence[Session]) -> int:
    for session in ended:
        del state.sessions[session.fingerprint]
        state.upstream_sessions.pop(session.handle, None)
    state.revision += 1 if ended else 0
    return len(ended)


def is_over(session: Session, now: datetime) -> bool:
    idle_end = None if session.idle_timeout is None else session.last_seen_at + session.idle_timeout
    return session.expires_at <= now or (idle_end is not None and idle_end <= now)
