"""Every setting: its name, its kind, its default and what it does. docs/reference/configuration.md is made from this.

Frozen all the way down. Unknown keys are refused; a value of the wrong kind is refused, never converted. What must hold
between two settings is in `check`. One long file on purpose: it is the list of everything there is to set.
"""

import re
from datetime import UTC, timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)

from doorward.config.patterns import Group, Host, HoursValue, Path, Person, WindowValue
from doorward.config.values import (
    UNIX,
    Duration,
    Flag,
    Listen,
    ListenAddress,
    Many,
    NetworkValue,
    OptionalDuration,
    OptionalListenAddress,
    Origin,
    Peer,
    Secret,
    SecretValue,
    Size,
    Text,
    Whole,
    refuse,
)
from doorward.errors import InputError
from doorward.rules.policy import Network
from doorward.rules.request import parse_host
from doorward.rules.throttle import Window

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_METHOD = re.compile(r"[A-Z]{1,20}")
_REDIS_ADDRESS = re.compile(r"[A-Za-z0-9_.-]{1,253}:[0-9]{1,5}")
_MAX_LINE = 200
_MAX_ICON = 8


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


def parse_line(value: object) -> str:
    """One line of text."""
    if not isinstance(value, str):
        raise refuse("this must be text", "put it in quotes")
    if len(value) > _MAX_LINE or not value.isprintable():
        raise refuse(f"this must be one line of at most {_MAX_LINE} characters")
    return value.strip()


def parse_web_path(value: object) -> str:
    """The path of a page."""
    if not isinstance(value, str) or not re.fullmatch(r"/[A-Za-z0-9_./-]{0,100}", value):
        raise refuse("this is not the path of a page", "write /metrics")
    return value


def parse_cookie_name(value: object) -> str:
    """A cookie's name."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise refuse("a cookie's name has 1 to 64 letters, digits, - or _", "write doorward")
    return value


def parse_cookie_domain(value: object) -> str | None:
    """The domain of a cookie, with or without a leading dot."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refuse("this must be text", "write example.com")
    try:
        host, port = parse_host(value.removeprefix("."))
    except InputError:
        host, port = "", ""
    if not host or port or host.startswith("["):
        raise refuse(f"{value!r} is not a domain", "write the parent of all protected hosts, such as example.com")
    return host


def parse_secure(value: object) -> object:
    """`auto`, true or false."""
    if value == "auto" or isinstance(value, bool):
        return value
    raise refuse(f"{value!r} is not one of auto, true, false", "write auto")


def parse_method(value: object) -> str:
    """An HTTP method."""
    if not isinstance(value, str) or not _METHOD.fullmatch(value):
        raise refuse(f"{value!r} is not a method", "write it in capital letters: GET, POST, …")
    return value


def parse_zone(value: object) -> tzinfo:
    """The name of a time zone. UTC needs no time zone data, which small systems do not have."""
    if isinstance(value, tzinfo):
        return value
    if value == "UTC":
        return UTC
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (KeyError, OSError, ValueError):
        raise refuse(f"{value!r} is not a time zone", "write a name such as Europe/Berlin, or UTC") from None


def parse_redis_address(value: object) -> str:
    """Host and port."""
    if not isinstance(value, str) or not _REDIS_ADDRESS.fullmatch(value):
        raise refuse("this is not host:port", "write redis:6379")
    return value


Line = Annotated[str, BeforeValidator(parse_line)]
Level = Literal["debug", "info", "warning", "error"]
ProxyKind = Literal["traefik", "caddy", "nginx", "haproxy", "envoy"]


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
    """A secret that a proxy of this kind must show in its header `X-Doorward-Proxy-Secret` at every check."""

    traefik: SecretValue | None = Field(default=None, description="The secret Traefik shows.")
    caddy: SecretValue | None = Field(default=None, description="The secret Caddy shows.")
    nginx: SecretValue | None = Field(default=None, description="The secret nginx shows.")
    haproxy: SecretValue | None = Field(default=None, description="The secret HAProxy shows.")
    envoy: SecretValue | None = Field(default=None, description="The secret Envoy shows.")

    def of(self, kind: ProxyKind) -> Secret | None:
        """The secret a proxy of this kind must show, or None."""
        found: Secret | None = getattr(self, kind)
        return found


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


class Oidc(Section):
    """An OpenID Connect client."""

    client_id: Text = Field(default="", description="Client id at the provider.")
    client_secret: SecretValue | None = Field(default=None, description="Client secret at the provider.")
    issuer_url: Text = Field(default="", description="The provider's issuer. Needed by `type: oidc` only.")
    scopes: Many[Text] = Field(default=("openid", "email", "profile"), description="Scopes to ask for.")


class GitHub(Section):
    """A GitHub OAuth client."""

    client_id: Text = Field(default="", description="Client id at GitHub.")
    client_secret: SecretValue | None = Field(default=None, description="Client secret at GitHub.")
    scopes: Many[Text] = Field(default=("user:email", "read:user"), description="Scopes to ask for.")


class Provider(Section):
    """An upstream identity provider. Kept and checked for later; sign-in is local for now, and every start says so."""

    type: Literal["oidc", "google", "github"] = Field(default="oidc", description="The kind of provider.")
    redirect_url: Text = Field(
        default="", description="Where the provider sends the browser back to, on our public address."
    )
    oidc: Oidc = Field(default=Oidc(), description="For `oidc` and `google`.")
    github: GitHub = Field(default=GitHub(), description="For `github`.")


class Authn(Section):
    """Signing in."""

    state_ttl: Duration = Field(
        default=timedelta(minutes=10), description="How long a sign-in may take from first page to last."
    )
    select_account: Flag = Field(
        default=False, description="Always ask the provider which account. Kept for later, like `provider`."
    )
    provider: Provider | None = Field(
        default=None, description="The upstream provider. Kept and checked; not used yet."
    )


class Require(Section):
    """What a require rule asks for. Written as a list: `[two_factor, fresh: 15m, network: [10.0.0.0/8]]`."""

    two_factor: Flag = Field(
        default=False, description="A second factor was shown. Refuses until second factors exist."
    )
    passkey: Flag = Field(default=False, description="A passkey was used. Refuses until passkeys exist.")
    fresh: OptionalDuration = Field(default=None, description="The last proof of identity is younger than this.")
    network: Many[NetworkValue] = Field(default=(), description="The visitor's address is in one of these networks.")

    @model_validator(mode="before")
    @classmethod
    def _read_list(cls, value: object) -> object:
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, tuple | list):
            return value
        merged: dict[str, object] = {}
        for item in value:
            pairs = {item: True} if isinstance(item, str) else item
            if not isinstance(pairs, dict):
                raise refuse("each item is a word or `word: value`", "write [two_factor, fresh: 15m]")
            for word, wanted in pairs.items():
                if word in merged:
                    raise refuse(f"{word!r} is asked for twice")
                merged[word] = wanted
        return merged


class Rule(Section):
    """One rule. Order never matters: one allow is needed, one deny refuses, every require that matches must hold."""

    name: Line = Field(default="", description="What log lines and `explain` call it. Default: `rule 1`, `rule 2`, …")
    effect: Literal["allow", "deny", "require"] = Field(
        default="allow",
        description="What it does when it matches. `require` is implied by `require:`. Also spelled `policy`.",
    )
    hosts: Many[Host] = Field(
        default=(),
        description="`app.example.com`, `*.example.com` (below), `**.example.com` (it and below). "
        "Also spelled `domain`.",
    )
    paths: Many[Path] = Field(
        default=(),
        description="`/x` (it and below), `=/x` (exactly), `/a/*/b`, `/a/**` (glob), `~regex` (RE2, whole path). "
        "Unset: every path. Also spelled `path`.",
    )
    methods: Many[Annotated[str, PlainValidator(parse_method)]] = Field(
        default=(), description="HTTP methods. Unset: all."
    )
    users: Many[Person] = Field(default=(), description="User names or e-mail addresses it speaks of.")
    groups: Many[Group] = Field(default=(), description="Groups it speaks of. Users or groups: one match suffices.")
    who: Literal["any_user", "anyone"] | None = Field(
        default=None,
        description="`any_user`: whoever is signed in. `anyone`: without signing in, too. "
        "A deny or require without users and groups speaks of anyone; an allow without them of nobody.",
    )
    networks: Many[NetworkValue] = Field(default=(), description="Networks the visitor comes from. Unset: all.")
    times: Many[HoursValue] = Field(
        default=(), description="`Mon-Fri 08:00-18:00`, in `authz.timezone`. Unset: always."
    )
    require: Require | None = Field(default=None, description="What a require rule asks for.")

    @model_validator(mode="before")
    @classmethod
    def _imply_effect(cls, value: object) -> object:
        if isinstance(value, dict) and "require" in value and "effect" not in value:
            return {**value, "effect": "require"}
        return value

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if not self.hosts:
            raise refuse("the rule names no host", "add `domain: app.example.com`")
        if self.who and (self.users or self.groups):
            raise refuse(f"`who: {self.who}` already includes the users and groups named", "keep one of them")
        asked = self.require is not None and self.require != Require()
        if self.effect == "require" and not asked:
            raise refuse("a require rule must ask for something", "add `require: [two_factor]` or the like")
        if self.effect != "require" and self.require is not None:
            raise refuse(f"`require` cannot stand in a rule of effect {self.effect}", "give it a rule of its own")
        return self


class GroupSection(Section):
    """A group defined here, besides those that accounts are put in."""

    name: Group = Field(description="Its name.")
    users: Many[Person] = Field(default=(), description="User names or e-mail addresses in it.")


class Authz(Section):
    """Who may open what. No rules: nobody, nothing."""

    rules: tuple[Rule, ...] = Field(default=(), description="The rules, in any order.")
    groups: tuple[GroupSection, ...] = Field(default=(), description="Groups by member.")
    timezone: Annotated[tzinfo, PlainValidator(parse_zone)] = Field(
        default=UTC, description="The time zone in which the rules' `times` are meant."
    )


class App(Section):
    """What pages and log lines call a host."""

    name: Line = Field(min_length=1, description="Its name.")
    hosts: Many[Host] = Field(min_length=1, description="Its hosts, written as in rules.")
    description: Line = Field(default="", description="One line for the list of apps.")
    icon: Line = Field(
        default="",
        description="What its tile shows: an emoji, some letters, or one of our drawings: `book`, `calendar`, "
        "`camera`, `chart`, `chat`, `cloud`, `code`, `data`, `film`, `folder`, `gear`, `home`, `key`, `mail`, `music`, "
        "`server`, `shell`. Default: its initial.",
    )
    contact: Line = Field(default="", description="Whom to ask for access; shown on the denial page.")
    url: Text = Field(default="", description="Where the list of apps leads. Default: its first exact host.")
    preflight: Literal["pass", "deny"] = Field(
        default="deny", description="Whether CORS preflights, which never carry a cookie, reach the app unasked."
    )

    @field_validator("icon")
    @classmethod
    def _check_icon(cls, value: str) -> str:
        if len(value) > _MAX_ICON:
            raise refuse("an icon is a few characters, not a picture or its address", "write an emoji or two letters")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or not value.isprintable()):
            raise refuse(f"{value!r} is not an http address", "write https://app.example.com/")
        return value


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
    authz: Authz = Authz()
    apps: tuple[App, ...] = Field(default=(), description="The apps behind the gateway, for pages and log lines.")
    limits: Limits = Limits()
    password: Password = Password()
    headers: Headers = Headers()

    @property
    def cookie_secure(self) -> bool:
        """Whether our cookies carry `Secure`."""
        return self.server.is_https if self.cookie.secure == "auto" else self.cookie.secure is True
