"""The settings of the program itself: listeners, log, proxies, cookies, storage, headers."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, field_validator

from doorward.config.section import (
    Section,
    parse_cookie_domain,
    parse_cookie_name,
    parse_own_cookie_name,
    parse_redis_address,
    parse_secure,
    parse_web_path,
)
from doorward.config.values import (
    UNIX,
    Flag,
    Listen,
    ListenAddress,
    Many,
    OptionalDuration,
    OptionalListenAddress,
    Origin,
    Peer,
    SecretValue,
    Text,
    Whole,
)
from doorward.rules.policy import Network

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


class Https(Section):
    """What becomes of who comes by plain http."""

    force: Flag = Field(
        default=False,
        description="Send whoever a trusted proxy says came by http to the same page at `server.public_url`, health "
        "apart, and have pages ask for `upgrade-insecure-requests`. Needs `proxy.trusted`.",
    )


class Cookie(Section):
    """The session cookie. It is always HttpOnly."""

    name: Annotated[str, PlainValidator(parse_cookie_name)] = Field(default="doorward", description="Its name.")
    domain: Annotated[str | None, PlainValidator(parse_cookie_domain)] = Field(
        default=None,
        description="The parent domain of all protected hosts and of `public_url`. "
        "Unset: the host of `public_url` only.",
    )
    secure: Annotated[Literal["auto"] | bool, PlainValidator(parse_secure)] = Field(
        default="auto", description="`auto`: yes when `public_url` is https. `false` needs `server.insecure_http`."
    )
    samesite: Literal["lax", "strict"] = Field(
        default="lax",
        description="`strict`: it is not sent where another site leads to yours, so that the first page after a link "
        "is one that leads on.",
    )
    persistent: Flag = Field(
        default=False, description="Keep the cookie when the browser closes, even without “remember me”."
    )


class Csrf(Section):
    """The cookie of the CSRF check. It is always for the host of `server.public_url` only."""

    cookie_name: Annotated[str | None, PlainValidator(parse_own_cookie_name)] = Field(
        default=None,
        description="Its name. Unset: `__Host-doorward-csrf`, and `doorward-csrf` where it is not Secure.",
    )
    http_only: Flag = Field(
        default=True,
        description="Whether scripts cannot read it. A client of yours needs no `false`: `GET /api/auth/csrf-token` "
        "tells it the token.",
    )
    same_site: Literal["strict", "lax"] = Field(default="strict", description="Its `SameSite`.")
    secure: Annotated[Literal["auto"] | bool, PlainValidator(parse_secure)] = Field(
        default="auto", description="`auto`: as the session cookie. `false` needs `server.insecure_http`."
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
    csp: Literal["nonce", "list", "self"] = Field(
        default="nonce",
        description="`Content-Security-Policy` of our pages. `nonce`: scripts and styles by a nonce, all else "
        "shut. `list`: by source, with `'wasm-unsafe-eval'` and no nonce. `self`: `default-src 'self'` and "
        "nothing more. `https.force` adds to each.",
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
