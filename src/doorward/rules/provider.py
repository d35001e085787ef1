"""An upstream provider: where people already have an account that they may sign in with (docs/guides/providers)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final, NewType

from doorward.errors import InputError
from doorward.rules.names import parse_display_name, parse_email, parse_group_name
from doorward.rules.request import parse_host

ProviderId = NewType("ProviderId", str)
"""What addresses, records and log lines call a provider: `[a-z0-9][a-z0-9-]{0,31}`."""

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that may be allowed at all: asymmetric ones. There is no way to allow `none` or an HMAC (I01, I02)."""

GOOGLE_ISSUER: Final = "https://accounts.google.com"
GITHUB_ISSUER: Final = "https://github.com"

SHARED_CALLBACKS: Final = ("/api/auth/login", "/api/auth/oidc/callback")
"""Paths of other gateways that one provider each may come back to, for installations that move here."""

OIDC_SCOPES: Final = ("openid", "email", "profile")
GITHUB_SCOPES: Final = ("user:email", "read:user")


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
    scopes: tuple[str, ...] = OIDC_SCOPES
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
    """Whether somebody unknown gets an account, where the mode of registration lets providers make them."""
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


PROVIDER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ICON: Final = re.compile(r"[a-z0-9-]{1,32}")
_URL: Final = re.compile(r"(?:https?)://([^/?#]+)(/[^?#]*)?(\?[^#]*)?")
_URL_TEXT: Final = re.compile(r"[\x21-\x7e]{1,1000}")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
"""RFC 6749, 3.3. What `acr_values` may be is left open by the standards; a space separates them, too."""
_CLIENT_ID: Final = re.compile(r"[\x21-\x7e]{1,500}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,31}")
_MOST_LETTERS: Final = 500
_SHORTEST_RSA: Final = 2048
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_LEAST_CHECK: Final = timedelta(minutes=1)
_PROMPTS: Final = {
    Kind.OIDC: ("login", "consent", "select_account"),
    Kind.GOOGLE: ("consent", "select_account"),
    Kind.GITHUB: ("select_account",),
}
_AUTHS: Final = {Kind.GOOGLE: (ClientAuth.BASIC, ClientAuth.POST), Kind.GITHUB: (ClientAuth.POST,)}
_NAMES: Final = {Kind.GOOGLE: "Google", Kind.GITHUB: "GitHub"}


def check_provider(provider: Provider) -> list[str]:
    """Find everything that is wrong with one provider: `field: words`, fields as the configuration names them.

    What only the provider can tell (whether the secret is right, say) is for `Upstream.examine`.
    """
    return [
        f"{field_name}: {words}"
        for check in (_check_names, _check_place, _check_client, _check_request, _check_claims, _check_people)
        for field_name, words in check(provider)
    ]


def check_together(providers: Iterable[Provider]) -> list[str]:
    """Find what is wrong with providers only beside one another, in the words of `check_provider`."""
    problems: list[str] = []
    before: list[Provider] = []
    for provider in providers:
        problems += check_beside(provider, before)
        before.append(provider)
    return problems


def check_beside(provider: Provider, others: Iterable[Provider]) -> Iterator[str]:
    """Find what is wrong with one provider only beside others."""
    others = list(others)
    if any(provider.id == other.id for other in others):
        yield f"id: two providers are called {provider.id!r}"
    elif owner := next((other for other in others if other.callback == provider.callback), None):
        yield f"redirect_url: {provider.callback} belongs to the provider {owner.id!r} already, not to {provider.id!r}"
    # SECURITY: or somebody waits in an account with any address they like for its owner to come through another, and
    # shares it. Held by test_no_account_with_an_address_that_nobody_verified_waits_for_its_owner.
    for other in others:
        if provider.link_by_email and other.assume_verified and other.auto_provision:
            yield f"link_by_email: {other.id!r} makes accounts with addresses that are only assumed to be verified"
        if other.link_by_email and provider.assume_verified and provider.auto_provision:
            yield f"assume_verified: accounts made with such addresses would be taken for their owners' by {other.id!r}"


def split_problem(problem: str) -> tuple[str, str]:
    """Field and words of a problem."""
    field_name, _, words = problem.partition(": ")
    return field_name, words


Problems = Iterator[tuple[str, str]]


def _check_names(provider: Provider) -> Problems:
    if not PROVIDER_ID.fullmatch(provider.id):
        yield "id", "this has 1 to 32 small letters, digits or dashes, and begins with a letter or digit"
    try:
        # A trailing space or a decomposed letter is nobody's intention, and two buttons must not look alike.
        if parse_display_name(provider.name) != provider.name:
            yield "name", "a name has no space at its ends, and composed letters"
    except InputError as error:
        yield "name", str(error)
    if provider.icon and not _ICON.fullmatch(provider.icon):
        yield "icon", "this is not the name of a drawing"


def _check_place(provider: Provider) -> Problems:
    fixed = {Kind.GOOGLE: GOOGLE_ISSUER, Kind.GITHUB: GITHUB_ISSUER}
    own = {issuer: kind for kind, issuer in fixed.items()}.get(provider.issuer)
    if provider.kind in fixed:
        if provider.issuer != fixed[provider.kind]:
            yield "issuer_url", f"the issuer of {_NAMES[provider.kind]} is {fixed[provider.kind]}: leave this out"
        if provider.discovery_url:
            yield "discovery_url", f"{_NAMES[provider.kind]} has one place only: leave this out"
    elif own is not None:
        # Or another place could vouch for the identities of people there: their key is the issuer.
        yield "issuer_url", f"this is {_NAMES[own]}: set the type {own.value!r}"
    elif not provider.issuer:
        yield "issuer_url", "this is missing: give the provider's address, exactly as it spells it itself"
    elif words := _find_url_trouble(provider.issuer, query=False):
        yield "issuer_url", words
    if provider.discovery_url and (words := _find_url_trouble(provider.discovery_url, query=True)):
        yield "discovery_url", words
    if provider.redirect_path not in {"", f"/login/callback/{provider.id}", *SHARED_CALLBACKS}:
        yield (
            "redirect_url",
            f"the path must be /login/callback/{provider.id}, {SHARED_CALLBACKS[0]} or {SHARED_CALLBACKS[1]}",
        )


def _find_url_trouble(url: str, *, query: bool) -> str:
    shape = _URL.fullmatch(url) if _URL_TEXT.fullmatch(url) and "\\" not in url else None
    if shape is None or "@" in shape[1]:
        return "this is not an address that begins with https:// (or http://) and a host, without a fragment"
    if shape[3] is not None and not query:
        return "an issuer has nothing after a question mark"
    try:
        parse_host(shape[1])
    except InputError:
        return "there is no host in this address"
    return ""


def _check_client(provider: Provider) -> Problems:
    auth, secret, key = provider.client_auth, provider.client_secret, provider.private_key
    if not provider.client_id:
        yield "client_id", "this is missing: the provider tells it when the gateway is registered there"
    elif not _CLIENT_ID.fullmatch(provider.client_id):
        yield "client_id", "this has spaces or letters that no client id has"
    if secret and (not secret.isprintable() or secret != secret.strip()):
        yield "client_secret", "this has a space or a line break at its end, or letters that no secret has"
    if key and (words := _find_key_trouble(key)):
        yield "private_key", words
    if provider.kind in _NAMES and auth not in {None, *_AUTHS[provider.kind]}:
        yield "token_auth_method", f"{_NAMES[provider.kind]} does not take this: leave it out"
    elif auth is ClientAuth.PRIVATE_KEY and not key:
        yield "private_key", f"{auth.value} needs a private key"
    elif auth in {ClientAuth.BASIC, ClientAuth.POST} and not secret:
        yield "client_secret", f"{auth.value} needs a secret"
    elif auth is None and not secret and (not key or provider.kind in _NAMES):
        yield (
            "client_secret",
            (
                "this is missing"
                if provider.kind in _NAMES
                else "this is missing; where the provider gives none, set token_auth_method to none"
            ),
        )
    if secret and auth in {ClientAuth.PRIVATE_KEY, ClientAuth.NONE}:
        yield "client_secret", f"this is never sent with {auth.value}: leave it out"
    if key and (auth in {ClientAuth.BASIC, ClientAuth.POST, ClientAuth.NONE} or provider.kind in _NAMES):
        yield "private_key", "this is not used here: leave it out"


def _find_key_trouble(pem: str) -> str:
    # Imported by who needs it: an installation without such a key does not pay for it.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        return "this key is locked with a passphrase: give it without one"
    except (ValueError, UnsupportedAlgorithm):
        return "this is not a private key in PEM, with its first and last line"
    if isinstance(key, rsa.RSAPrivateKey):
        return "" if key.key_size >= _SHORTEST_RSA else f"an RSA key has {_SHORTEST_RSA} bits or more"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return ""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return ""
    return "this must be an RSA key, one on P-256, P-384 or P-521, or Ed25519"


def _check_request(provider: Provider) -> Problems:
    yield from _check_words("scopes", provider.scopes)
    if provider.kind is not Kind.GITHUB and "openid" not in provider.scopes:
        yield "scopes", "openid must be among them"
    yield from _check_words("acr_values", provider.acr_values)
    if not provider.algorithms:
        yield "algorithms", "at least one must be allowed"
    for algorithm in provider.algorithms:
        if algorithm not in ALGORITHMS:
            yield "algorithms", f"{algorithm!r} cannot be allowed: it must be one of {', '.join(ALGORITHMS)}"
    prompts = provider.prompt.split(" ") if provider.prompt else []
    if len(set(prompts)) != len(prompts) or not set(prompts) <= set(_PROMPTS[provider.kind]):
        yield "prompt", f"this may hold {', '.join(_PROMPTS[provider.kind])}, each once"
    elif provider.kind is Kind.GOOGLE and provider.check_every is not None and "consent" not in prompts:
        yield (
            "prompt",
            "with check_every, this must hold consent: Google gives a refresh token only when it asks for it",
        )
    if provider.max_age is not None and provider.max_age < timedelta(seconds=1):
        yield "max_age", "this must be a second or more"
    if provider.check_every is not None and provider.check_every < _LEAST_CHECK:
        yield "check_every", "this must be a minute or more"
    if provider.kind in _NAMES:
        useless = {
            "max_age": provider.max_age is not None,
            "acr_values": bool(provider.acr_values),
            "trust_mfa": provider.trust_mfa,
            "assume_verified": provider.assume_verified,
            "par": provider.par is Par.REQUIRE,
            "check_every": provider.kind is Kind.GITHUB and provider.check_every is not None,
        }
        for field_name in (name for name, is_set in useless.items() if is_set):
            yield field_name, f"{_NAMES[provider.kind]} does not know this: leave it out"


def _check_words(field_name: str, words: tuple[str, ...]) -> Problems:
    for word in words:
        if not _SCOPE.fullmatch(word):
            yield field_name, f"{word[:_MOST_LETTERS]!r} has a space, or letters that cannot stand here"
    if len(set(words)) != len(words):
        yield field_name, "one of them stands here twice"


def _check_claims(provider: Provider) -> Problems:
    for field_name, claim in (("groups_claim", provider.groups_claim), ("admin_claim", provider.admin_claim)):
        if claim and not (_is_word(claim) and all(claim.split("."))):
            yield field_name, "this is not the name of a claim, with a dot for depth"
        elif claim and provider.kind is Kind.GITHUB:
            # A login is somebody else's once it is renamed, and the rest anybody writes about themselves.
            yield field_name, "GitHub tells nothing that rights could go by: leave this out"
    if bool(provider.admin_claim) != bool(provider.admin_value):
        lacking = "admin_value" if provider.admin_claim else "admin_claim"
        yield lacking, "admin_claim and admin_value go together"
    if provider.admin_value and not _is_word(provider.admin_value):
        yield "admin_value", "this is empty, too long, or has letters that nobody sees"
    if provider.groups_prefix and not _PREFIX.fullmatch(provider.groups_prefix):
        yield "groups_prefix", ("this has at most 32 letters, digits or . _ : / @ -, and begins with a letter or digit")
    for theirs, ours in provider.groups_rename:
        if not _is_word(theirs):
            yield "groups_rename", f"{theirs[:_MOST_LETTERS]!r} cannot be a group of the provider"
        try:
            parse_group_name(ours)
        except InputError as error:
            yield "groups_rename", f"{ours[:_MOST_LETTERS]!r}: {error}"
    renamed = [theirs for theirs, _ in provider.groups_rename]
    if len(set(renamed)) != len(renamed):
        yield "groups_rename", "one of the provider's groups is renamed twice"
    needing = {
        "groups_prefix": provider.groups_prefix,
        "groups_rename": provider.groups_rename,
        "allowed_groups": provider.allowed_groups,
    }
    if not provider.groups_claim:
        yield from ((name, "without groups_claim there are no groups") for name, is_set in needing.items() if is_set)


def _check_people(provider: Provider) -> Problems:
    for address in sorted(provider.allowed_emails):
        if not _is_email(address):
            yield "allowed_emails", f"{address[:_MOST_LETTERS]!r} is not an e-mail address in small letters"
    for domain in sorted(provider.allowed_domains):
        if not _is_email(f"a@{domain}"):
            yield "allowed_domains", f"{domain[:_MOST_LETTERS]!r} is not a domain in small letters, without an @"
    for group in sorted(provider.allowed_groups):
        if not _is_word(group):
            yield "allowed_groups", f"{group[:_MOST_LETTERS]!r} cannot be a group of the provider"
    if provider.link_by_email and provider.assume_verified:
        # SECURITY: whoever may write any address into their account there would own the account with it here.
        # Held by test_an_address_nobody_verified_is_never_the_key_to_an_account.
        yield "link_by_email", "an address that is only assumed to be verified must not open an account"


def _is_word(text: str) -> bool:
    return text.isprintable() and text == text.strip() and 0 < len(text) <= _MOST_LETTERS


def _is_email(text: str) -> bool:
    try:
        return parse_email(text) == text
    except InputError:
        return False
