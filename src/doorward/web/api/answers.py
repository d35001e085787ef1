"""What the API answers, as models: the OpenAPI description is made from them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from doorward.flows.outcome import OpenWays
from doorward.rules.identity import User
from doorward.rules.session import Session


class Answer(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True)


class Owner(Answer):
    """Whose session it is. `sub` is the account's id, which never changes."""

    sub: str
    name: str
    display_name: str
    email: str


class SessionSummary(Answer):
    """One session. It is listed under its handle, which opens nothing (C-36, T-10)."""

    user_info: Owner
    current: bool
    created_at: datetime
    last_seen: datetime
    expires_at: datetime
    remembered: bool
    methods: tuple[str, ...]
    user_agent: str
    address: str


class CsrfToken(Answer):
    """Send it back as the header `X-CSRF-Token` with every unsafe request."""

    csrf_token: str


class OpenProvider(Answer):
    """A provider that people may sign in with."""

    id: str
    name: str
    type: Literal["oidc", "google", "github"]


class Mode(Answer):
    """How people sign in here, at this moment: with a password (`local`), with a provider (`provider`), or with either.

    A passkey is always taken: who has one that verifies its user needs nothing else. `straight` is the provider that
    the sign-in page leads to without asking, null where it asks. `asserted`: a proxy may name who it has signed in.
    """

    mode: Literal["local", "provider", "both"]
    methods: tuple[Literal["password", "provider", "passkey", "asserted"], ...]
    providers: tuple[OpenProvider, ...]
    straight: str | None
    remember_me: bool


def describe_ways(ways: OpenWays, *, asserted: bool, remember_me: bool) -> Mode:
    """The open ways as the API tells them. `asserted`: whether the word of a proxy is heard."""
    methods: list[Literal["password", "provider", "passkey", "asserted"]] = ["password"] if ways.password else []
    if ways.providers:
        methods.append("provider")
    methods.append("passkey")
    if asserted:
        methods.append("asserted")
    return Mode(
        mode="both" if ways.password and ways.providers else "local" if ways.password else "provider",
        methods=tuple(methods),
        providers=tuple(
            OpenProvider(id=provider.id, name=provider.name, type=provider.kind.value) for provider in ways.providers
        ),
        straight=ways.straight.id if ways.straight else None,
        remember_me=remember_me,
    )


class Registration(Answer):
    """Who can make an account here. `available`: anybody, unasked; `invited`: whoever has an invitation.

    `asks_email`: a link is mailed first. `approval`: an administrator lets new accounts in. `setup_required`: the first
    account is still to be made, with the setup link.
    """

    available: bool
    invited: bool
    mode: Literal["first_user_then_locked", "closed", "invite", "open", "oidc_auto"]
    asks_email: bool
    approval: bool
    setup_required: bool


class ClientIp(Answer):
    """What we make of the addresses on the way here."""

    client: str | None
    peer: str
    peer_trusted: bool
    forwarded_for: str | None


def describe(session: Session, user: User, *, current: bool) -> SessionSummary:
    """A session as the API shows it: everything but its secret."""
    return SessionSummary(
        user_info=Owner(sub=user.id, name=user.name, display_name=user.display_name, email=user.email),
        current=current,
        created_at=session.created_at,
        last_seen=session.last_seen_at,
        expires_at=session.expires_at,
        remembered=session.remembered,
        methods=tuple(sorted(method.value for method in session.methods)),
        user_agent=session.user_agent,
        address=session.address,
    )
