"""Every setting: its name, its kind, its default and what it does. docs/reference/configuration.md is made from this.

Frozen all the way down. Unknown keys are refused; a value of the wrong kind is refused, never converted. What must hold
between two settings is in `check`; rules, groups and apps are in `access`.
"""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, field_validator

from doorward.config.access import App, Authz
from doorward.config.patterns import WindowValue
from doorward.config.section import (
    Section,
    parse_cookie_domain,
    parse_cookie_name,
    parse_redis_address,
    parse_secure,
    parse_web_path,
)
from doorward.config.upstream import Mfa, Outbound, Provider, ProviderEntry
from doorward.config.values import (
    UNIX,
    Duration,
    Flag,
    Listen,
    ListenAddress,
    Many,
    OptionalDuration,
    OptionalListenAddress,
    Origin,
    Peer,
    SecretValue,
    Size,
    Text,
    Whole,
)
from doorward.config.words import Straight
from doorward.rules.policy import Network
from doorward.rules.throttle import Window

Level = Literal["debug", "info", "warning", "error"]


class Server(Section):
    """The listener for checks, pages and the API."""

    addr: ListenAddress = Field(
        default=Listen("", 8080),
        description="Where to listen: `:8080`, `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.",
    )
    public_url: Origin = Field(
        default="http://localhost:8080",
        description="The address at which browsers reach Doorward itself. Default: the origin of "
        "`authn.provider.redirect_url` if that is set, else localhost at the port of `addr`.",
    )
    insecure_http: Flag = Field(
        default=False,
        description="Accept a `public_url` with http:// outside localhost. Passwords and cookies then travel "
        "readably, and every start warns.",
    )

    @property
    def public_host(self) -> str:
        """The canonical host of `public_url`, without port."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us by https."""
        return self.public_url.startswith("https:")


class Logger(Section):
    """The log, on standard error."""

    level: Level = Field(default="info", description="The least important level that is written.")
    format: Literal["text", "json"] = Field(default="text", description="`text` for people, `json` for machines.")

    @field_validator("level", mode="before")
    @classmethod
    def _read_level(cls, value: object) -> object:
        return "warning" if value == "warn" else value


class Prometheus(Section):
    """Metrics, on a listener of their own so that they are never public by accident."""

    addr: OptionalListenAddress = Field(default=Listen("", 9120), description="Where metrics are served, or `off`.")
    path: Annotated[str, PlainValidator(parse_web_path)] = Field(
        default="/metrics", description="The path they are served at."
    )


class ProxySecrets(Section):
    """A secret that a proxy of this kind must show in its header `X-Doorward-Proxy-Secret` at every check.

    Once one is set, kinds without one may not ask at all; `/api/auth/forwardauth` counts as Traefik's. It guards the
    check endpoints, not the pages and the API: those speak to visitors, who know no secret.
    """

    traefik: SecretValue | None = Field(default=None, description="The secret Traefik shows.")
    caddy: SecretValue | None = Field(default=None, description="The secret Caddy shows.")
    nginx: SecretValue | None = Field(default=None, description="The secret nginx shows.")
    haproxy: SecretValue | None = Field(default=None, description="The secret HAProxy shows.")
    envoy: SecretValue | None = Field(default=None, description="The secret Envoy shows.")


class Proxy(Section):
    """Which peers may ask. Unset means nobody: every check is refused, and the log says what to add here."""

    trusted: Many[Peer] = Field(
        default=(), description="Networks of your proxies, and `unix` for peers on our unix socket."
    )
    insecure_trust_everyone: Flag = Field(
        default=False,
        description="Accept a world-wide `trusted`. Then any client can claim any address; every start warns.",
    )
    hops: Whole | None = Field(
        default=None,
        ge=1,
        le=16,
        description="How many proxies stand before us. Unset: as many as `trusted` recognises.",
    )
    secrets: ProxySecrets = Field(
        default=ProxySecrets(), description="Shared secrets by kind of proxy, besides `trusted`."
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The trusted networks."""
        return tuple(peer for peer in self.trusted if isinstance(peer, IPv4Network | IPv6Network))

    @property
    def trusts_unix(self) -> bool:
        """Whether whoever can open our unix socket is trusted."""
        return UNIX in self.trusted


class Cookie(Section):
    """The session cookie. It is always HttpOnly and SameSite=Lax."""

    name: Annotated[str, PlainValidator(parse_cookie_name)] = Field(default="doorward", description="Its name.")
    domain: Annotated[str | None, PlainValidator(parse_cookie_domain)] = Field(
        default=None,
        description="The parent domain of all protected hosts and of `public_url`. "
        "Unset: the host of `public_url` only.",
    )
    secure: Annotated[Literal["auto"] | bool, PlainValidator(parse_secure)] = Field(
        default="auto", description="`auto`: yes when `public_url` is https. `false` needs `server.insecure_http`."
    )
    persistent: Flag = Field(
        default=False, description="Keep the cookie when the browser closes, even without “remember me”."
    )


class SessionSection(Section):
    """How long a sign-in lasts."""

    ttl: Duration = Field(
        default=timedelta(hours=24), description="A session ends this long after sign-in, used or not."
    )
    idle_timeout: OptionalDuration = Field(
        default=timedelta(minutes=120), description="It ends earlier when unused for this long, or `off`."
    )
    remember_ttl: OptionalDuration = Field(
        default=timedelta(days=7), description="The same with “remember me”; `off` takes that box away."
    )
    remember_idle_timeout: OptionalDuration = Field(
        default=None, description="The idle limit with “remember me”, or `off`."
    )


class Redis(Section):
    """A Redis or Valkey server. Understood and checked; not usable yet."""

    addr: Annotated[str, PlainValidator(parse_redis_address)] = Field(
        default="localhost:6379", description="Host and port."
    )
    username: Text = Field(default="", description="User name, if the server asks for one.")
    password: SecretValue | None = Field(default=None, description="Password, if the server asks for one.")
    db: Whole = Field(default=0, ge=0, le=65535, description="Database number.")


class Storage(Section):
    """Where users, sessions and evidence are kept."""

    type: Literal["sqlite", "local", "redis"] = Field(
        default="sqlite",
        description="`sqlite`: everything in one file. `local`: sessions in memory, gone at a restart. "
        "`redis`: understood and checked, and refused at start until it exists.",
    )
    path: Text = Field(
        default="data", min_length=1, description="The data directory, relative to where Doorward is started."
    )
    redis: Redis = Field(default=Redis(), description="Used by `type: redis` only.")


class Authn(Section):
    """Signing in."""

    state_ttl: Duration = Field(
        default=timedelta(minutes=10),
        description="How long a sign-in may take from first page to last, the way to a provider and back included.",
    )
    select_account: Flag = Field(
        default=False, description="Have every provider set in this file ask which account, at every sign-in."
    )
    password: Flag = Field(
        default=True,
        description="Whether one may sign in with a password of ours. `false` takes effect when an administrator has "
        "signed in with a provider, and only as long as there is such a way; "
        "`doorward sign-in passwords on` brings passwords back whatever stands here.",
    )
    straight: Straight = Field(
        default="only",
        description="When to go to a provider without showing the sign-in page first. `only`: when there is one "
        "provider and no password; `last`: to the one last used in this browser; a provider's id: always to that "
        "one; `off`: never. After signing out, the page is shown once in any case.",
    )
    provider: Provider | None = Field(
        default=None, description="One provider that people may sign in with, in forward-auth's form."
    )
    providers: tuple[ProviderEntry, ...] = Field(
        default=(), description="Any number of providers, besides that one and those added in the console."
    )


class LoginFailures(Section):
    """The lock on an account from one address after failed sign-ins."""

    threshold: Whole = Field(default=3, ge=1, le=100, description="Failures in a row before the first lock.")
    within: Duration = Field(
        default=timedelta(minutes=5), description="They belong together when no further apart than this."
    )
    first: Duration = Field(
        default=timedelta(seconds=30), description="Length of the first lock; it doubles with each failure."
    )
    most: Duration = Field(default=timedelta(minutes=15), description="The longest lock.")


class Limits(Section):
    """How often, how much."""

    login: Many[WindowValue] = Field(
        default=(Window(5, timedelta(minutes=1)), Window(10, timedelta(minutes=15))),
        min_length=1,
        description="Sign-in attempts per address; all of these windows must have room.",
    )
    oidc: Many[WindowValue] = Field(
        default=(Window(10, timedelta(minutes=1)), Window(20, timedelta(minutes=15))),
        min_length=1,
        description="The same for the ways to a provider and back, counted apart, and for logout tokens that are not "
        "genuine.",
    )
    login_failures: LoginFailures = Field(default=LoginFailures(), description="The lock after failures.")
    body_size: Size = Field(
        default=64 * 1024,
        ge=4096,
        le=16 * 1024 * 1024,
        description="The largest request body we read, `4KiB` to `16MiB`.",
    )


class Password(Section):
    """Passwords. The floor stands; these tighten it."""

    min_length: Whole = Field(default=8, ge=8, le=128, description="The fewest characters of a new password.")
    algorithm: Literal["bcrypt", "argon2id"] = Field(
        default="bcrypt", description="How passwords are hashed. Older hashes are renewed at the next sign-in."
    )
    bcrypt_cost: Whole = Field(default=12, ge=12, le=15, description="Each step doubles the work.")


class Hsts(Section):
    """Strict-Transport-Security; sent only when `public_url` is https."""

    max_age: OptionalDuration = Field(
        default=timedelta(days=365), description="How long browsers remember it, or `off`."
    )
    include_subdomains: Flag = Field(default=False, description="Whether it binds all names below ours, too.")


class Headers(Section):
    """Headers to apps, and on our own answers."""

    forwarded_user: Flag = Field(
        default=True, description="Tell apps who it is in `X-Forwarded-User-Email`, `-Name` and `-Groups`."
    )
    remote_user: Flag = Field(
        default=False,
        description="Tell them in `Remote-User`, `Remote-Email`, `Remote-Name` and `Remote-Groups`, too.",
    )
    frame: Literal["sameorigin", "deny"] = Field(default="sameorigin", description="Who may frame our pages.")
    xss_protection: Literal["block", "zero", "off"] = Field(
        default="block",
        description="`X-XSS-Protection`: `1; mode=block`, `0`, or not sent. No current browser acts on it.",
    )
    referrer_policy: Literal["strict-origin-when-cross-origin", "same-origin", "strict-origin"] = Field(
        default="strict-origin-when-cross-origin", description="`Referrer-Policy` on our pages."
    )
    hsts: Hsts = Field(default=Hsts(), description="Strict-Transport-Security.")


class Config(Section):
    """The whole configuration."""

    server: Server = Server()
    logger: Logger = Logger()
    prometheus: Prometheus = Prometheus()
    proxy: Proxy = Proxy()
    cookie: Cookie = Cookie()
    session: SessionSection = SessionSection()
    storage: Storage = Storage()
    authn: Authn = Authn()
    mfa: Mfa = Mfa()
    authz: Authz = Authz()
    apps: tuple[App, ...] = Field(default=(), description="The apps behind the gateway, for pages and log lines.")
    limits: Limits = Limits()
    password: Password = Password()
    outbound: Outbound = Outbound()
    headers: Headers = Headers()

    @property
    def cookie_secure(self) -> bool:
        """Whether our cookies carry `Secure`."""
        return self.server.is_https if self.cookie.secure == "auto" else self.cookie.secure is True
