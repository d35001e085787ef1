"""OpenID Connect and GitHub's OAuth as values: what goes out, what comes back, and what is wrong with it.

Sources: OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated, Front-Channel and Back-Channel Logout 1.0; RFC 6749,
7636, 8414, 9126, 9207, 9700.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from doorward.errors import PeerError


class Failure(Enum):
    """Why a round trip to a provider came to nothing. The value is the word in metrics, log and audit."""

    # The browser's side
    STATE = "state"
    """No such round trip: expired, used already, or begun in another browser."""
    THROTTLED = "throttled"
    CANCELLED = "cancelled"
    """The visitor, or the provider for them, said no (`access_denied`)."""
    PROVIDER_ERROR = "provider_error"
    """The provider sent any other error back."""
    PROVIDER_GONE = "provider_gone"
    """The provider was disabled or removed meanwhile, or never existed."""
    # The provider's side
    UNREACHABLE = "unreachable"
    DISCOVERY = "discovery"
    """What it says about itself is not usable."""
    CLIENT_REFUSED = "client_refused"
    """It does not take our client id, secret or redirect URI."""
    CODE_REFUSED = "code_refused"
    TOKEN = "token"  # noqa: S105 -- a failure's word
    """The ID token, or what goes with it, proves nothing."""
    # Ours
    NOT_ALLOWED = "not_allowed"
    """`allowed_*` does not name them."""
    UNKNOWN = "unknown"
    """Nobody here has this identity, and none may be made."""
    ADDRESS_TAKEN = "address_taken"
    """An account with that address is here, and was not linked."""
    INVITE_GONE = "invite_gone"
    """They came with an invitation that does not count (any more)."""
    AWAITS_APPROVAL = "awaits_approval"
    """The account is there, and an administrator has to let it in first."""
    DISABLED = "disabled"
    OTHER_ACCOUNT = "other_account"
    """To confirm or to link, another account came back than was asked for."""
    NOT_FRESH = "not_fresh"
    """The provider did not ask again."""
    LOCKDOWN = "lockdown"
    """Nothing is connected while an incident is contained."""
    SIGNED_OUT = "signed_out"
    """The provider ended the sign-in while it was under way."""

    @property
    def sentence(self) -> str:
        """One sentence for the visitor, in prepared words (H17)."""
        return _SENTENCES[self]


_SENTENCES = {
    Failure.STATE: "This sign-in took too long, was finished already, or was begun in another browser.",
    Failure.THROTTLED: "There were too many attempts from your network. Please wait before you try again.",
    Failure.CANCELLED: "The sign-in was cancelled.",
    Failure.PROVIDER_ERROR: "The provider could not finish the sign-in.",
    Failure.PROVIDER_GONE: "This way of signing in is not offered (any more).",
    Failure.UNREACHABLE: "The provider does not answer at the moment.",
    Failure.DISCOVERY: "The provider is not set up in a way that this gateway can use.",
    Failure.CLIENT_REFUSED: "The provider does not accept this gateway.",
    Failure.CODE_REFUSED: "The provider did not confirm the sign-in.",
    Failure.TOKEN: "What the provider answered does not prove who you are.",
    Failure.NOT_ALLOWED: "Your account at the provider is not among those that may sign in here.",
    Failure.UNKNOWN: "Nobody here has this account at the provider.",
    Failure.ADDRESS_TAKEN: "There is an account with your e-mail address here already, not connected to the provider.",
    Failure.INVITE_GONE: "Your invitation was used up or taken back, or is too old.",
    Failure.AWAITS_APPROVAL: "Your account waits until an administrator lets it in.",
    Failure.DISABLED: "Your account is disabled.",
    Failure.OTHER_ACCOUNT: "The provider answered with another account than the one that was to be confirmed.",
    Failure.NOT_FRESH: "The provider did not ask you again, so it is not confirmed that it is still you.",
    Failure.LOCKDOWN: "Nothing can be added at present. Please ask an administrator.",
    Failure.SIGNED_OUT: "The provider ended this sign-in before it was finished.",
}


class UpstreamError(PeerError):
    """A provider failed us. The message is for the operator, with the provider's own words, cleaned; never a secret."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What an authorization request says. `verifier` goes to nobody but the token endpoint."""

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    prompt: str = ""
    max_age: timedelta | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What came back, with what we remember of what went out. `issuer` is the `iss` parameter, None where absent."""

    redirect_uri: str
    code: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    issuer: str | None
    max_age: timedelta | None = None
    """As it went out: `auth_time` is then mandatory and checked."""
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Somebody, as a provider has proven them. Every word is verified; `email` counts only with `email_verified`.

    `email` and `email_verified` come from one source, never one from each (H09). `claims` are those of the ID token,
    with those of the userinfo endpoint where the ID token is silent; for groups and the like.
    """

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    user_name: str = ""
    """`preferred_username`, or the login at GitHub: a proposal, nothing more."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    auth_time: datetime | None = None
    amr: frozenset[str] = frozenset()
    acr: str = ""
    sid: str = ""
    id_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutToken:
    """A back-channel logout that is genuine. At least one of `subject` and `sid` is there."""

    issuer: str
    subject: str
    sid: str
    jti: str
    issued_at: datetime
    expires_at: datetime


class Health(Enum):
    """How one point of an examination turned out."""

    GOOD = "good"
    UNSURE = "unsure"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of an examination: `title` in two or three words, `text` in plain ones, `advice` on what to do."""

    title: str
    health: Health
    text: str
    advice: str = ""
