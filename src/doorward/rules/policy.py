"""Rules as values, and the policy they compile to (docs/policy.md).

An algebra without order: one matching *allow* is needed, one matching *deny* refuses, every matching *require* must
hold. Nothing matched is a deny. The policy is an index by host, so that rules for other hosts cost nothing.

SECURITY: allows match strictly, denies and requires match loosely (`PathPattern.could_match`): where servers disagree
about what a path means, the reading that lets less through wins. tests/property/test_policy.py holds this.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, assert_never
from unicodedata import normalize

from doorward.rules.app_header import AppHeader
from doorward.rules.identity import User
from doorward.rules.request import AccessRequest

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class Effect(Enum):
    """What a matching rule does."""

    ALLOW = "allow"
    DENY = "deny"
    REQUIRE = "require"


class Audience(Enum):
    """Whom a rule speaks of besides the users and groups it names."""

    NAMED = "named"
    ANY_USER = "any_user"
    ANYONE = "anyone"


class PathKind(Enum):
    """How a path pattern is read."""

    EXACT = "exact"
    PREFIX = "prefix"
    GLOB = "glob"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class HostPattern:
    """`name` exactly; with `below`, every name below it; with `apex`, the name itself too. Canonical spelling.

    `app.example.com` = exact. `*.example.com` = below, without the apex. `**.example.com` = below and apex.
    """

    name: str
    below: bool = False
    apex: bool = True

    def matches(self, host: str) -> bool:
        """Whether the canonical host falls under this pattern."""
        if host == self.name:
            return self.apex
        return self.below and host.endswith("." + self.name)

    @property
    def text(self) -> str:
        """The pattern as the configuration spells it."""
        if not self.below:
            return self.name
        return ("**." if self.apex else "*.") + self.name


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path pattern on canonical paths. GLOB: `*` is one segment, `**` any number. REGEX: anchored, linear time.

    `fullmatch`, and `loosely` that is blind to letter case, are given for REGEX only, by whoever compiled the
    expression with a linear-time engine.
    """

    kind: PathKind
    text: str
    fullmatch: Callable[[str], object] | None = field(default=None, compare=False)
    loosely: Callable[[str], object] | None = field(default=None, compare=False)
    _folded: tuple[str, ...] = field(init=False, repr=False, compare=False)
    head: str = field(init=False, repr=False, compare=False)
    """What every path that could match begins with, folded and without slashes; "" where nothing is sure."""

    def __post_init__(self) -> None:
        folded = tuple(fold_segment(part) for part in segments(fold_text(self.text)))
        head = folded[0] if folded and self.kind in {PathKind.EXACT, PathKind.PREFIX} else ""
        object.__setattr__(self, "_folded", folded)
        object.__setattr__(self, "head", head)

    def matches(self, path: str) -> bool:
        """Strict: exactly as written. What an allow uses."""
        match self.kind:
            case PathKind.EXACT:
                return path == self.text
            case PathKind.PREFIX:
                return path == self.text or path.startswith(self.text if self.text.endswith("/") else self.text + "/")
            case PathKind.GLOB:
                return glob_matches(segments(self.text), segments(path))
            case PathKind.REGEX:
                return self.fullmatch is not None and self.fullmatch(path) is not None
            case _:
                assert_never(self.kind)

    def could_match(self, path: str) -> bool:
        """Loose: would some server take `path` for a path under this pattern? What a deny or a require uses.

        Folded: letter case and the spelling of accents, a trailing slash; in every segment, trailing dots and spaces
        and an extension; and what follows a whole match that has an extension, for scripts are called so (B11:
        `/admin`, `/Admin/`, `/admin.`, `/admin%20`, `/admin.json`, `/admin.php/info`). In expressions: letter case,
        accents, trailing slash, dots and spaces, and the extensions of the last segment or of all.
        """
        folded = fold_text(path)
        if self.head and not folded.lstrip("/").startswith(self.head):
            return False
        if self.matches(path):
            return True
        wanted, given = self._folded, [fold_segment(part) for part in segments(folded)]
        match self.kind:
            case PathKind.EXACT:
                return _could_begin(wanted, given) and _could_end(given, len(wanted))
            case PathKind.PREFIX:
                return _could_begin(wanted, given)
            case PathKind.GLOB:
                return any(_could_end(given, at) for at in _find_ends(wanted, given, _could_be_segment))
            case PathKind.REGEX:
                if self.fullmatch is None:
                    return True
                spellings = {path.lower(), folded, *("/" + "/".join(parts) for parts in _without_extensions(given))}
                spellings |= {spelling.rstrip("/") + "/" for spelling in spellings}
                # Both: `[^A-Z]` without letter case matches less, not more.
                readings = [reading for reading in (self.fullmatch, self.loosely) if reading is not None]
                return any(reading(spelling) is not None for reading in readings for spelling in spellings)
            case _:
                assert_never(self.kind)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Days of the week (Monday is 0) and hours in one time zone; `until` before `start` runs past midnight."""

    days: frozenset[int]
    start: time
    until: time
    zone: tzinfo

    def holds(self, now: datetime) -> bool:
        """Whether `now` falls inside. The day is the day on which the window began."""
        local = now.astimezone(self.zone)
        at = local.time()
        if self.start < self.until:
            return local.weekday() in self.days and self.start <= at < self.until
        if at >= self.start:
            return local.weekday() in self.days
        return at < self.until and (local.weekday() - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a require rule asks for; what is unset is not asked for."""

    two_factor: bool = False
    passkey: bool = False
    fresh: timedelta | None = None
    networks: tuple[Network, ...] = ()
    keys: bool = False
    """Whether a key will do in place of what nobody but a person can prove. Networks are asked of it all the same."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Empty `paths`, `methods`, `networks`, `times` mean "any". `name` is what explain and logs call it."""

    name: str
    effect: Effect
    hosts: tuple[HostPattern, ...]
    paths: tuple[PathPattern, ...] = ()
    methods: frozenset[str] = frozenset()
    audience: Audience = Audience.NAMED
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    times: tuple[TimeWindow, ...] = ()
    requirement: Requirement | None = None

    def covers(self, request: AccessRequest) -> bool:
        """Whether the resource (path and method; the host is the index's business) is meant."""
        if self.methods and request.method not in self.methods:
            return False
        if not self.paths:
            return True
        if self.effect is Effect.ALLOW:
            return not request.ambiguous and any(pattern.matches(request.path) for pattern in self.paths)
        return request.ambiguous or any(pattern.could_match(request.path) for pattern in self.paths)

    def speaks_of(self, user: User | None, groups: frozenset[str]) -> bool:
        """Whether the subject is meant. Without a user, only `anyone` is."""
        if self.audience is Audience.ANYONE:
            return True
        if user is None:
            return False
        if self.audience is Audience.ANY_USER:
            return True
        return user.name in self.users or (user.email != "" and user.email in self.users) or bool(groups & self.groups)

    def holds_from(self, client: Address | None) -> bool:
        """Whether the network condition holds. An unknown address satisfies no allow and escapes no deny."""
        if not self.networks:
            return True
        if client is None:
            return self.effect is not Effect.ALLOW
        return in_networks(client, self.networks)

    def holds_at(self, now: datetime) -> bool:
        """Whether the time condition holds."""
        return not self.times or any(window.holds(now) for window in self.times)


@dataclass(frozen=True, slots=True)
class App:
    """What pages and log lines call a host. `preflight`: whether CORS preflights may pass to the app.

    `assertion`: whether it is told by a signed assertion who asks, meant for `audience` ("" for its name).
    `guard_cross_site`: whether what pages of other origins have a browser do there is refused. `headers`: what it is
    sent besides the identity headers, each name once. `keys`: whether keys may open it; `url_keys`: in addresses, too.
    """

    name: str
    hosts: tuple[HostPattern, ...]
    description: str = ""
    icon: str = ""
    contact: str = ""
    preflight: bool = False
    url: str = ""
    assertion: bool = False
    audience: str = ""
    guard_cross_site: bool = False
    headers: tuple[AppHeader, ...] = ()
    keys: bool = True
    url_keys: bool = False

    @property
    def assertion_audience(self) -> str:
        """Whom assertions to it are meant for."""
        return self.audience or self.name


@dataclass(frozen=True, slots=True)
class HostRules:
    """The rules that speak of one host, and the app it is."""

    allows: tuple[Rule, ...]
    denies: tuple[Rule, ...]
    requires: tuple[Rule, ...]
    app: App | None
    is_known: bool


_MAX_REMEMBERED_HOSTS: Final = 4096


class Policy:
    """All rules, groups and apps, compiled. Immutable but for a memory of hosts already looked up."""

    def __init__(
        self, rules: Sequence[Rule], *, apps: Sequence[App] = (), groups: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        """`groups`: from a canonical user name or e-mail address to the groups the configuration puts it in (C-27)."""
        self.rules = tuple(rules)
        self.apps = tuple(apps)
        self.groups = dict(groups or {})
        self._exact: dict[str, list[Rule]] = {}
        self._below: dict[str, list[Rule]] = {}
        for rule in rules:
            for pattern in rule.hosts:
                if pattern.apex:
                    self._exact.setdefault(pattern.name, []).append(rule)
                if pattern.below:
                    self._below.setdefault(pattern.name, []).append(rule)
        self._apps_exact: dict[str, App] = {}
        self._apps_below: dict[str, App] = {}
        for app in apps:
            for pattern in app.hosts:
                if pattern.apex:
                    self._apps_exact.setdefault(pattern.name, app)
                if pattern.below:
                    self._apps_below.setdefault(pattern.name, app)
        self._remembered: dict[str, HostRules] = {}

    def for_host(self, host: str) -> HostRules:
        """The rules for a canonical host."""
        known = self._remembered.get(host)
        if known is not None:
            return known
        found = self._gather(host)
        if found.is_known:  # unknown names are a stranger's choice; they must not fill the memory
            if len(self._remembered) >= _MAX_REMEMBERED_HOSTS:
                self._remembered.clear()
            self._remembered[host] = found
        return found

    def groups_of(self, user: User) -> frozenset[str]:
        """The groups an account is in: its own and those the configuration puts it in, by name or e-mail address."""
        own = user.every_group | self.groups.get(user.name, frozenset())
        return own | self.groups.get(user.email, frozenset()) if user.email else own

    def names_user(self, name: str) -> bool:
        """Whether a rule, or a group of the configuration, speaks of a user of this name."""
        return name in self.groups or any(name in rule.users for rule in self.rules)

    def app_of(self, host: str) -> App | None:
        """The app registered for a host; the most specific pattern wins."""
        return self.for_host(host).app

    def _gather(self, host: str) -> HostRules:
        rules: list[Rule] = list(self._exact.get(host, ()))
        app = self._apps_exact.get(host)
        suffix = host
        while "." in suffix:
            _, _, suffix = suffix.partition(".")
            rules.extend(self._below.get(suffix, ()))
            app = app or self._apps_below.get(suffix)
        unique = tuple(dict.fromkeys(rules))
        return HostRules(
            allows=tuple(rule for rule in unique if rule.effect is Effect.ALLOW),
            denies=tuple(rule for rule in unique if rule.effect is Effect.DENY),
            requires=tuple(rule for rule in unique if rule.effect is Effect.REQUIRE),
            app=app,
            is_known=bool(unique) or app is not None,
        )


def in_networks(client: Address, networks: Sequence[Network]) -> bool:
    """Whether the address, unmapped from IPv6 where need be, is in one of the networks (A10)."""
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return any(client.version == network.version and client in network for network in networks)


def segments(path: str) -> list[str]:
    """Path segments; a trailing slash gives no empty segment."""
    return [part for part in path.split("/") if part]


def fold_text(text: str) -> str:
    """Text as the most forgiving file system compares it: letter case and the spelling of accents play no part."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def fold_segment(segment: str) -> str:
    """A segment as the most forgiving server reads it: without matrix parameters, trailing dots and spaces."""
    return segment.partition(";")[0].rstrip(". ")


def glob_matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Match segment by segment: `**` stands for any number of segments, `*` inside a segment for any text in it."""
    return len(path) in _find_ends(pattern, path, _segment_matches)


def _find_ends(pattern: Sequence[str], path: Sequence[str], matches: Callable[[str, str], bool]) -> set[int]:
    """How many segments of the path the whole pattern may take up."""
    reachable = {0}
    for part in pattern:
        if part == "**":
            reachable = set(range(min(reachable), len(path) + 1)) if reachable else set()
        else:
            reachable = {at + 1 for at in reachable if at < len(path) and matches(part, path[at])}
    return reachable


def _segment_matches(pattern: str, segment: str) -> bool:
    if "*" not in pattern:
        return pattern == segment
    head, *rest = pattern.split("*")
    if not segment.startswith(head):
        return False
    at = len(head)
    for part in rest[:-1]:
        found = segment.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return segment.endswith(rest[-1]) and len(segment) - len(rest[-1]) >= at


def _could_be_segment(pattern: str, segment: str) -> bool:
    return _segment_matches(pattern, segment) or _segment_matches(pattern + ".*", segment)


def _could_begin(wanted: Sequence[str], given: Sequence[str]) -> bool:
    return len(given) >= len(wanted) and all(
        part == name or part.startswith(name + ".") for name, part in zip(wanted, given, strict=False)
    )


def _could_end(given: Sequence[str], at: int) -> bool:
    """Whether what is at the end of so many segments is what is asked for: the last, or a script told the rest."""
    return at == len(given) or (at > 0 and "." in given[at - 1])


def _without_extensions(given: Sequence[str]) -> tuple[list[str], ...]:
    """As they are, the last without its extension, and all without theirs."""
    bare = [part.partition(".")[0] for part in given]
    return list(given), [*given[:-1], *bare[-1:]], bare


def parse_host_pattern(text: str) -> HostPattern | None:
    """Read `app.example.com`, `*.example.com` or `**.example.com`; None when it is none of these."""
    name = text.lower()
    below, apex = False, True
    if name.startswith("**."):
        name, below = name[3:], True
    elif name.startswith("*."):
        name, below, apex = name[2:], True, False
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", name):
        return None
    return HostPattern(name, below=below, apex=apex)
