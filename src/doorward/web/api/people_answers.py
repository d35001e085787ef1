"""What the API tells administrators about accounts and invitations, as models."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from doorward.flows.changing import version_of
from doorward.flows.own_record import SignInShown
from doorward.rules.identity import User
from doorward.rules.invite import Invite, InviteState
from doorward.rules.session import Session
from doorward.rules.upstream import Identity
from doorward.web.api.answers import Answer, Owner


class Account(Answer):
    """An account. `id` never changes and is never used again.

    `is_admin` and `groups` are its own; `is_admin_by_provider` and `groups_from_providers` come and go with the word of
    providers. `awaits_approval`: it was registered, and nobody has let it in. `console_only`: it opens no app.
    """

    id: str
    name: str
    display_name: str
    email: str
    enabled: bool
    awaits_approval: bool
    is_admin: bool
    is_admin_by_provider: bool
    console_only: bool
    groups: tuple[str, ...]
    groups_from_providers: tuple[str, ...]
    has_second_factor: bool
    must_change_password: bool
    created_at: datetime
    version: str = Field(description="Stands for the account as it is now: send it back with a change.")


class Accounts(Answer):
    """Some of the accounts, who waits to be let in first, then by name. `total`: how many there are."""

    users: tuple[Account, ...]
    total: int


class Connected(Answer):
    """An account at a provider that somebody can sign in with."""

    id: str
    provider: str
    issuer: str
    email: str
    name: str


class AccountInFull(Account):
    """An account, and what it is connected to."""

    connections: tuple[Connected, ...]


class RecoveryLink(Answer):
    """Whoever has `url` may set a new password, once, until `expires_at`. It is told this once."""

    url: str
    expires_at: datetime


class AccountSignIn(Answer):
    """A sign-in or a try. `failure` is the word for why it came to nothing, null where it did not."""

    at: datetime
    failure: str | None
    methods: tuple[str, ...]
    user_agent: str
    address: str
    place: str
    new_device: bool


class AccountSignIns(Answer):
    """The last ones, the newest first."""

    sign_ins: tuple[AccountSignIn, ...]


class AccountSession(Answer):
    """A live session. Its handle names it and opens nothing. `current`: the one that asks."""

    handle: str
    user: Owner
    current: bool
    created_at: datetime
    last_seen: datetime
    expires_at: datetime
    remembered: bool
    methods: tuple[str, ...]
    user_agent: str
    address: str


class AccountSessions(Answer):
    """Live sessions, last seen first."""

    sessions: tuple[AccountSession, ...]


class Ended(Answer):
    """How many sessions there were."""

    ended: int


class Invitation(Answer):
    """An invitation, without its link. `max_uses` and `expires_at` null: without limit."""

    id: str
    state: Literal["active", "used_up", "expired", "revoked"]
    note: str
    email: str
    groups: tuple[str, ...]
    uses: int
    max_uses: int | None
    made_at: datetime
    expires_at: datetime | None


class Invitations(Answer):
    """All of them, the newest first. `counted`: whether any opens anything under the present registration policy."""

    invites: tuple[Invitation, ...]
    counted: bool


class NewInvitation(Answer):
    """An invitation that was just made. Its `url` is told this once. `mailed`: it is on its way to the guest."""

    invite: Invitation
    url: str
    mailed: bool


def tell_user(user: User, *, protected: bool) -> Account:
    """An account as administrators see it."""
    return Account(**_fields_of(user, protected=protected))


def tell_user_in_full(user: User, identities: list[Identity], *, protected: bool) -> AccountInFull:
    """The same, with its connections."""
    connections = tuple(
        Connected(id=each.id, provider=each.provider, issuer=each.issuer, email=each.email, name=each.name)
        for each in identities
    )
    return AccountInFull(**_fields_of(user, protected=protected), connections=connections)


def tell_sign_in(shown: SignInShown) -> AccountSignIn:
    """A line of an account's record."""
    note = shown.note
    return AccountSignIn(
        at=note.at,
        failure=note.failure or None,
        methods=tuple(sorted(method.value for method in note.methods)),
        user_agent=shown.agent,
        address=shown.address,
        place=shown.place,
        new_device=note.new_device,
    )


def tell_session(session: Session, user: User, *, current: bool) -> AccountSession:
    """A session: everything but its secret (T-10)."""
    return AccountSession(
        handle=session.handle,
        user=Owner(sub=user.id, name=user.name, display_name=user.display_name, email=user.email),
        current=current,
        created_at=session.created_at,
        last_seen=session.last_seen_at,
        expires_at=session.expires_at,
        remembered=session.remembered,
        methods=tuple(sorted(method.value for method in session.methods)),
        user_agent=session.user_agent,
        address=session.address,
    )


def tell_invite(invite: Invite, state: InviteState) -> Invitation:
    """An invitation, with what it is worth."""
    return Invitation(
        id=invite.id,
        state=state.value,
        note=invite.note,
        email=invite.email,
        groups=tuple(sorted(invite.groups)),
        uses=invite.uses,
        max_uses=invite.max_uses,
        made_at=invite.made_at,
        expires_at=invite.expires_at,
    )


def _fields_of(user: User, *, protected: bool) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "enabled": user.enabled,
        "awaits_approval": user.awaits_approval,
        "is_admin": user.is_admin,
        "is_admin_by_provider": user.granted_admin,
        "console_only": user.console_only,
        "groups": tuple(sorted(user.groups)),
        "groups_from_providers": tuple(sorted(user.granted_groups)),
        "has_second_factor": protected,
        "must_change_password": user.must_change_password,
        "created_at": user.created_at,
        "version": version_of(user),
    }
