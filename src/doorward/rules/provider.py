"""An upstream provider: where people already have an account that they may sign in with (docs/guides/providers)."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final, NewType

ProviderId = NewType("ProviderId", str)
"""What addresses, records and log lines call a provider: `[a-z0-9][a-z0-9-]{0,31}`."""

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that may be allowed at all: asymmetric ones. There is no way to allow `none` or an HMAC (I01, I02)."""

GOOGLE_ISSUER: Final = "https://accounts.google.com"
GITHUB_ISSUER: Final = "https://github.com"


class Kind(Enum):
    """The wire format a provider speaks."""

    OIDC = "oidc"
    GOOGLE = "google"
    GITHUB = "github"


class ClientAuth(Enum):
    """How we prove to the token endpoint who we are (OpenID Connect Core, 9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY = "private_key_jwt"
    NONE = "none"


class Par(Enum):
    """Pushed authorization requests (RFC 9126)."""

    AUTO = "auto"
    """Where the provider offers them."""
    REQUIRE = "require"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider with everything that is settled about it. Secrets never appear in its `repr`.

    `issuer` is compared byte for byte and is half of every identity's key. `redirect_path` is where on our own address
    the browser comes back to, and no two providers share one.
    """

    id: ProviderId
    kind: Kind
    name: str
    """What the button says."""
    icon: str = ""
    """The name of a drawing of ours; "" for the one that fits the kind."""
    issuer: str
    discovery_url: str = ""
    """"" for the address that follows from the issuer (OpenID Connect Discovery, 4)."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    """PEM of the key for `private_key_jwt`."""
    client_auth: ClientAuth | None = None
    """None: chosen from what the provider says it takes and what we have."""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    redirect_path: str = ""
    """"" for `/login/callback/<id>`."""
    algorithms: tuple[str, ...] = ALGORITHMS
    """Signatures accepted on ID and logout tokens; narrowed to what discovery announces."""
    par: Par = Par.AUTO
    prompt: str = ""
    """The `prompt` of an ordinary sign-in, "" for none. Where it is to be asked which account: `select_account`."""
    max_age: timedelta | None = None
    """How old the sign-in at the provider may be."""
    acr_values: tuple[str, ...] = ()
    groups_claim: str = ""
    """Where the groups stand in the claims, `.` for depth (`realm_access.roles`); "" takes none."""
    groups_rename: tuple[tuple[str, str], ...] = ()
    """The provider's word, our word. Renamed groups get no prefix."""
    groups_prefix: str = ""
    admin_claim: str = ""
    """The claim that makes administrators, "" for none; read like `groups_claim`."""
    admin_value: str = ""
    allowed_emails: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()
    """With `allowed_emails` one condition: the verified address stands in one of the two."""
    allowed_groups: frozenset[str] = frozenset()
    """A condition of its own, on the provider's words as they come. Both must hold where both are set."""
    auto_provision: bool = False
    """Whether somebody unknown gets an account."""
    link_by_email: bool = False
    """Whether somebody unknown with the verified address of an account is taken for its owner."""
    assume_verified: bool = False
    """Whether an address counts as verified though the provider says nothing about it. What it denies stays denied."""
    trust_mfa: bool = False
    """Whether the provider's word on a second factor counts (`mfa.trust_idp`)."""
    logout: bool = True
    """Whether signing out here signs out there, where the provider offers it."""
    check_every: timedelta | None = None
    """How often the refresh token is tried, so that what ended there ends here; None: never."""
    enabled: bool = True
    from_file: bool = True
    """Set in the configuration file, so that the console shows but does not change it."""

    @property
    def callback(self) -> str:
        """The path the browser comes back to."""
        return self.redirect_path or f"/login/callback/{self.id}"

    @property
    def proves_freshness(self) -> bool:
        """Whether it can be asked to prove again who somebody is. Google and GitHub do not let others ask."""
        return self.kind is Kind.OIDC
