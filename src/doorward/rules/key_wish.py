"""What somebody asks of a new key, and what becomes of it: every word read, or refused with a sentence."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import quote

from doorward.errors import InputError
from doorward.rules.app_key import MAX_NAME, ApiScope, AppKey
from doorward.rules.identity import User
from doorward.rules.lockdown import parse_networks
from doorward.rules.names import clean_text, parse_display_name
from doorward.rules.policy import Address, HostPattern, Network, Policy, Rule, in_networks
from doorward.rules.request import parse_host, parse_method, parse_target

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""What a read-only key may do."""
MAX_EACH: Final = 20
"""Apps, hosts, paths, methods: so many of each at most."""
_MAX_PATH: Final = 512
_ANY_LABEL: Final = "any"
_SAFE: Final = "/%:@!$&'()*+,;=~-._"

_T = TypeVar("_T")


class WishError(InputError):
    """Something that cannot be had of a key. `sentence` and `values`: why, to be said in another language."""

    def __init__(self, words: str, **values: object) -> None:
        super().__init__(words % values)
        self.sentence = f"{words[:1].upper()}{words[1:]}."
        self.values = values


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """The policy of keys. A lifetime of None has no end; `max_per_app` None: any number."""

    max_lifetime: timedelta | None = None
    default_lifetime: timedelta | None = None
    max_keys: int = 10
    max_per_app: int | None = None

    @property
    def most_days(self) -> int | None:
        """The longest lifetime in whole days, one at least; None for no end."""
        return None if self.max_lifetime is None else max(self.max_lifetime.days, 1)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key as somebody asks for it; texts as they were typed. For `paths`, `methods`, `networks` none means any.

    Without `expires_at` it gets the lifetime that is usual here; with `forever` it has no end, where policy allows.
    """

    name: str
    apps: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    scopes: frozenset[ApiScope] = frozenset()
    read_only: bool = False
    in_url: bool = False
    expires_at: datetime | None = None
    forever: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedWish:
    """The same, read."""

    name: str
    apps: tuple[str, ...]
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    methods: frozenset[str]
    networks: tuple[Network, ...]
    scopes: frozenset[ApiScope]
    read_only: bool
    in_url: bool
    expires_at: datetime | None


def accept_wish(wish: KeyWish, terms: KeyTerms, *, now: datetime) -> AcceptedWish:
    """Read a wish. InputError with a sentence for the first thing that cannot be had."""
    name = parse_key_name(wish.name)
    hosts = _read_each(wish.hosts, _parse_key_host)
    paths = _read_each(wish.paths, parse_key_path)
    methods = frozenset(_read_each(wish.methods, _parse_key_method))
    apps = _read_each(wish.apps, str.strip)
    if not (apps or hosts or wish.scopes):
        raise WishError("choose what the key opens: an app, a host, or Doorward's own API")
    if wish.read_only and methods and not methods & READING:
        raise WishError("a read-only key cannot do any of these methods")
    if wish.in_url and wish.scopes:
        raise WishError("a key that may stand in an address cannot be for Doorward's own API")
    return AcceptedWish(
        name=name,
        apps=apps,
        hosts=hosts,
        # Everything is below the root.
        paths=() if "/" in paths else paths,
        methods=methods,
        networks=parse_networks(text for text in wish.networks if text.strip()),
        scopes=wish.scopes,
        read_only=wish.read_only,
        in_url=wish.in_url,
        expires_at=_find_end(wish, terms, now),
    )


def parse_key_name(text: str) -> str:
    """The name of a device: 1 to 50 characters, and a longer one is cut (A-19). InputError for what shows nothing."""
    return parse_display_name(clean_text(text.strip(), MAX_NAME) if text.isprintable() else text)


def parse_key_path(text: str) -> str:
    """A path that a key opens, with everything below it; canonical, without a slash at its end."""
    path = text.strip()
    shown = clean_text(path, 60)
    if not path.startswith("/") or len(path) > _MAX_PATH:
        raise WishError("'%(path)s' is no path: write it with a slash first, such as /api", path=shown)
    if "?" in path or "#" in path or "*" in path:
        raise WishError(
            "'%(path)s' is no path: write only its beginning, such as /api; what is below is meant, too", path=shown
        )
    try:
        canonical, _, ambiguous = parse_target(quote(path, safe=_SAFE).encode("ascii"))
    except (InputError, UnicodeEncodeError):
        ambiguous, canonical = True, ""
    if ambiguous:
        raise WishError("'%(path)s' is not written plainly: servers would disagree on what it means", path=shown)
    return canonical.rstrip("/") or "/"


def may_open(policy: Policy, user: User, host: str) -> bool:
    """Whether there is anything on this host that the account may ever open: what a key of its can be for.

    Where from, when and which path is left to the check; a key that is given here opens nothing by itself.
    """
    if user.console_only:
        return False
    rules, groups = policy.for_host(host), policy.groups_of(user)
    if rules.app is not None and not rules.app.keys:
        return False
    if any(_speaks_always(rule) and rule.speaks_of(user, groups) for rule in rules.denies):
        return False
    return any(rule.speaks_of(user, groups) for rule in rules.allows)


def list_openable(policy: Policy, user: User) -> tuple[str, ...]:
    """The names of the apps that a key of this account can be for, in the order of the configuration."""
    names = [app.name for app in policy.apps if any(may_open(policy, user, _sample(each)) for each in app.hosts)]
    return tuple(dict.fromkeys(names))


def check_openable(policy: Policy, user: User, wish: AcceptedWish) -> None:
    """InputError where the wish names an app or a host that its owner cannot open themselves."""
    openable = list_openable(policy, user)
    for name in wish.apps:
        if name not in openable:
            raise WishError("there is no app '%(app)s' that this account may open", app=clean_text(name, 60))
    for host in wish.hosts:
        if not may_open(policy, user, host):
            raise WishError("there is no host %(host)s that this account may open", host=host)
    if wish.in_url:
        takers = {app.name: app.url_keys for app in policy.apps}
        named = [*wish.apps, *(app.name if (app := policy.app_of(host)) else "" for host in wish.hosts)]
        if not all(takers.get(name, False) for name in named):
            raise WishError("a key may stand in an address only for apps that take it there (url_keys)")


def is_live(key: AppKey, now: datetime) -> bool:
    """Whether a key still can be used, as far as its own row says: neither expired nor put to sleep."""
    return key.disabled_at is None and (key.expires_at is None or now < key.expires_at)


def comes_from(key: AppKey, client: Address | None) -> bool:
    """Whether a key may be used from there."""
    return not key.networks or (client is not None and in_networks(client, key.networks))


def _find_end(wish: KeyWish, terms: KeyTerms, now: datetime) -> datetime | None:
    most = terms.max_lifetime
    if wish.forever and wish.expires_at is not None:
        raise WishError("a key either has an end or none")
    if wish.forever:
        if most is not None:
            raise _too_long(most)
        return None
    if wish.expires_at is None:
        usual = [each for each in (terms.default_lifetime, most) if each is not None]
        return now + min(usual) if usual else None
    if wish.expires_at <= now:
        raise WishError("the key would have expired already")
    if most is not None and wish.expires_at > now + most:
        raise _too_long(most)
    return wish.expires_at


def _too_long(most: timedelta) -> WishError:
    if most >= timedelta(days=2):
        return WishError("a key lasts %(days)s days at most", days=most.days)
    return WishError("a key lasts %(hours)s hours at most", hours=most // timedelta(hours=1))


def _read_each(texts: Iterable[str], read: Callable[[str], _T]) -> tuple[_T, ...]:
    found = tuple(dict.fromkeys(read(text) for text in texts if text.strip()))
    if len(found) > MAX_EACH:
        raise WishError("a key has at most %(most)s apps, and as many hosts, paths and methods", most=MAX_EACH)
    return found


def _parse_key_host(text: str) -> str:
    try:
        host, port = parse_host(text.strip())
    except InputError:
        host, port = "", ""
    if not host or port:
        raise WishError("'%(host)s' is no host: write app.example.com, without a port", host=clean_text(text, 60))
    return host


def _parse_key_method(text: str) -> str:
    try:
        return parse_method(text.strip().upper())
    except InputError:
        raise WishError("'%(method)s' is no method: write GET, POST or PUT", method=clean_text(text, 20)) from None


def _speaks_always(rule: Rule) -> bool:
    return not (rule.paths or rule.methods or rule.networks or rule.times)


def _sample(pattern: HostPattern) -> str:
    return pattern.name if pattern.apex else f"{_ANY_LABEL}.{pattern.name}"
