"""What may not stand together, and what an operator should know. Pure: the configuration in, findings out."""

import re
from collections.abc import Hashable, Iterator
from datetime import timedelta
from typing import Final

from doorward.config.access import Rule
from doorward.config.account_check import check_accounts, note_accounts
from doorward.config.alerts import check_alerts
from doorward.config.app_check import check_apps
from doorward.config.assertion_check import check_assertions
from doorward.config.audit_check import check_audit
from doorward.config.backup_check import check_backup, note_backup
from doorward.config.finding import Finding
from doorward.config.jwt import check_tokens
from doorward.config.mode_check import check_modes, note_modes
from doorward.config.names import is_within
from doorward.config.networks import is_worldwide
from doorward.config.provider_check import check_providers, note_providers
from doorward.config.schema import Config
from doorward.config.suffixes import is_shared_suffix
from doorward.config.transport_check import check_transport, note_transport
from doorward.config.values import Secret
from doorward.errors import ConfigError
from doorward.rules.policy import HostPattern
from doorward.rules.span import format_span

_SHORTEST_IDLE: Final = timedelta(minutes=2)  # sessions are touched once a minute; less would end live ones
_SHORTEST_TTL: Final = timedelta(minutes=5)
_LONGEST_STATE: Final = timedelta(hours=1)
_LEAST_SECRET: Final = 16
_WEAK = re.compile(r"(?i)change.?me|secret|password|example|^<.*>$|^(.)\1*$|^0?1234|placeholder|your[-_ ]")


def check_config(config: Config) -> tuple[list[Finding], list[Finding]]:
    """Problems, with which nothing may start, and notices, which are said at every start."""
    problems = [
        *_check_proxy(config),
        *check_transport(config),
        *_check_cookie_domain(config),
        *_check_reach(config),
        *_check_times(config),
        *_check_secrets(config),
        *_check_listeners(config),
        *check_providers(config),
        *check_accounts(config),
        *check_modes(config),
        *check_audit(config),
        *check_backup(config),
        *check_alerts(config.alerts),
        *check_apps(config),
        *check_assertions(config),
        *check_tokens(config.jwt),
        *_check_names(config),
    ]
    notices = [
        *_note_proxy(config),
        *note_transport(config),
        *note_providers(config),
        *_note_storage(config),
        *_note_rules(config),
        *note_accounts(config),
        *note_modes(config),
        *note_backup(config),
    ]
    return problems, notices


def check_startable(config: Config) -> list[Finding]:
    """What is understood and checked, but cannot be run yet: problems at start, not when checking."""
    if config.storage.type == "redis":
        return [
            Finding(
                "storage.type",
                "sessions in Redis are not available yet, so this configuration is right but cannot be started",
                "use `type: sqlite` (one file, survives restarts) or `type: local` (memory) until then",
            )
        ]
    return []


def require_startable(config: Config) -> None:
    """Raise ConfigError when the configuration cannot be run yet."""
    problems = tuple(str(problem) for problem in check_startable(config))
    if problems:
        raise ConfigError("the configuration cannot be started", problems)


def _check_proxy(config: Config) -> Iterator[Finding]:
    proxy = config.proxy
    if is_worldwide(proxy.networks) and not proxy.insecure_trust_everyone:
        yield Finding(
            "proxy.trusted",
            "these networks are the whole world: any client could claim any address, user or host",
            "name the networks of your proxies; `insecure_trust_everyone: true` would accept it",
        )
    if proxy.hops is not None and not proxy.trusted:
        yield Finding(
            "proxy.hops", "it counts proxies, but none is trusted", "name them in proxy.trusted", ("proxy.trusted",)
        )


def _check_cookie_domain(config: Config) -> Iterator[Finding]:
    domain, host = config.cookie.domain, config.server.public_host
    if domain is None:
        return
    if re.fullmatch(r"[0-9.]+", domain):
        yield Finding("cookie.domain", f"{domain} is an address, and addresses have no subdomains", "remove it")
    elif is_shared_suffix(domain):
        yield Finding(
            "cookie.domain",
            f"under {domain} strangers have names of their own; browsers refuse such a cookie",
            f"use a name of yours below it, such as home.{domain}",
        )
    elif not is_within(domain, host):
        yield Finding(
            "cookie.domain",
            f"the address of this gateway, {host}, is not within {domain}, so its cookie would be refused",
            "make server.public_url a name within the cookie's domain",
            ("server.public_url", "authn.provider.redirect_url"),
        )


def _check_reach(config: Config) -> Iterator[Finding]:
    """A protected host that the cookie never reaches is a sign-in without end (C-15)."""
    domain, public = config.cookie.domain, config.server.public_host
    for position, rule in enumerate(config.authz.rules):
        if rule.effect != "allow" or rule.who == "anyone":
            continue
        for pattern in rule.hosts:
            if _reaches(domain, public, pattern):
                continue
            reach = f"the cookie is for {domain}" if domain else f"the cookie is for {public} only"
            hint = "nobody can be signed in there; "
            hint += "set cookie.domain to the parent they share" if not domain else f"use a name within {domain}"
            yield Finding(
                f"authz.rules[{position}].hosts",
                f"{pattern.text}: {reach}",
                hint,
                ("cookie.domain", "server.public_url", "authn.provider.redirect_url"),
            )


def _reaches(domain: str | None, public: str, pattern: HostPattern) -> bool:
    if domain is None:
        return pattern.matches(public)
    return is_within(domain, pattern.name) or (pattern.below and is_within(pattern.name, domain))


def _check_times(config: Config) -> Iterator[Finding]:
    session, failures = config.session, config.limits.login_failures
    for name in ("ttl", "remember_ttl"):
        span: timedelta | None = getattr(session, name)
        if span is not None and span < _SHORTEST_TTL:
            yield Finding(f"session.{name}", f"{format_span(span)} is too short to be useful", "at least 5m")
    for name in ("idle_timeout", "remember_idle_timeout"):
        span = getattr(session, name)
        if span is not None and span < _SHORTEST_IDLE:
            yield Finding(
                f"session.{name}",
                f"{format_span(span)} is too short: use of a session is noted once a minute",
                "at least 2m, or off",
            )
    if session.remember_idle_timeout is not None and session.remember_ttl is None:
        yield Finding(
            "session.remember_idle_timeout",
            "it has no meaning while session.remember_ttl is off",
            "remove it",
            ("session.remember_ttl",),
        )
    if config.authn.state_ttl > _LONGEST_STATE:
        yield Finding("authn.state_ttl", "a half-finished sign-in may wait for an hour at most", "write 10m")
    if failures.first > failures.most:
        yield Finding("limits.login_failures.first", "the first lock is longer than the longest", "lower it")


def _check_secrets(config: Config) -> Iterator[Finding]:
    """A secret that stands in documentation, or that is short, is no secret (attack Q05)."""
    for kind in type(config.proxy.secrets).model_fields:
        secret: Secret | None = getattr(config.proxy.secrets, kind)
        text = secret.reveal() if secret else None
        if text is None:
            continue
        hint = "make one with: openssl rand -hex 32"
        if len(text) < _LEAST_SECRET:
            yield Finding(f"proxy.secrets.{kind}", f"it is shorter than {_LEAST_SECRET} characters", hint)
        elif _WEAK.search(text) or len(set(text)) < _LEAST_SECRET // 2:
            yield Finding(f"proxy.secrets.{kind}", "it looks like a sample, not like a secret", hint)
        elif not re.fullmatch(r"[\x21-\x7e]+", text):
            yield Finding(f"proxy.secrets.{kind}", "it has characters that do not fit in a header", hint)


def _check_listeners(config: Config) -> Iterator[Finding]:
    main, metrics = config.server.addr, config.prometheus.addr
    if metrics is None:
        return
    if metrics.path:
        yield Finding("prometheus.addr", "metrics are scraped over TCP", "write :9120, or off")
    elif metrics.port and metrics.port == main.port and (metrics == main or "" in {main.host, metrics.host}):
        yield Finding("prometheus.addr", f"{metrics} is taken by server.addr", "choose another port", ("server.addr",))


def _check_names(config: Config) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for position, rule in enumerate(config.authz.rules):
        if rule.name and seen.setdefault(rule.name, position) != position:
            yield Finding(f"authz.rules[{position}].name", f"another rule is called {rule.name!r}", "choose another")
    for what, names in (
        ("authz.groups", [group.name for group in config.authz.groups]),
        ("apps", [app.name for app in config.apps]),
    ):
        first = {name: position for position, name in reversed(list(enumerate(names)))}
        for position, name in enumerate(names):
            if first[name] != position:
                yield Finding(f"{what}[{position}].name", f"{name!r} stands here twice", "merge them")
    hosts: dict[HostPattern, str] = {}
    for position, app in enumerate(config.apps):
        for pattern in app.hosts:
            if hosts.setdefault(pattern, app.name) != app.name:
                yield Finding(
                    f"apps[{position}].hosts",
                    f"{pattern.text} belongs to {hosts[pattern]!r} already",
                    "remove one of them",
                )


def _note_proxy(config: Config) -> Iterator[Finding]:
    proxy, addr = config.proxy, config.server.addr
    if proxy.insecure_trust_everyone and is_worldwide(proxy.networks):
        yield Finding(
            "proxy.insecure_trust_everyone",
            "DANGER: every client is trusted as a proxy and can claim any address and host",
            "name the networks of your proxies in proxy.trusted",
        )
    elif proxy.insecure_trust_everyone:
        yield Finding("proxy.insecure_trust_everyone", "it has no effect: proxy.trusted is not world-wide", "remove it")
    if not proxy.trusted:
        yield Finding(
            "proxy.trusted",
            "no proxy is trusted, so every check is refused",
            "name the networks your proxies ask from" + (", or unix" if addr.path else ""),
        )
    elif proxy.trusts_unix and not addr.path:
        yield Finding("proxy.trusted", "`unix` has no effect while server.addr is no unix socket", "remove it")
    elif addr.path and not proxy.trusts_unix:
        yield Finding("proxy.trusted", "peers on our unix socket are not trusted", "add `unix`")
    if not config.headers.forwarded_user and not config.headers.remote_user:
        yield Finding("headers", "apps are not told who it is: both kinds of identity headers are off")


def _note_storage(config: Config) -> Iterator[Finding]:
    storage = config.storage
    if storage.type == "redis":
        yield from check_startable(config)
    if storage.type == "local":
        yield Finding("storage.type", "sessions are in memory: a restart signs everybody out")


def _note_rules(config: Config) -> Iterator[Finding]:
    rules = config.authz.rules
    if not rules:
        yield Finding("authz.rules", "there are no rules, so nobody may open anything", "add an allow rule")
    defined = {group.name for group in config.authz.groups}
    seen: dict[Hashable, int] = {}
    for position, rule in enumerate(rules):
        for group in sorted(set(rule.groups) - defined):
            path = f"authz.rules[{position}].groups"
            near = next((name for name in sorted(defined) if name.lower() == group.lower()), None)
            if near:
                yield Finding(path, f"{group} is not defined in authz.groups", f"did you mean {near}?")
                continue
            message = f"{group} has no members in this file; accounts can be given it at any time"
            yield Finding(path, message, f"doorward user groups NAME {group}", calm=True)
        if rule.effect == "allow" and not (rule.users or rule.groups or rule.who):
            yield Finding(f"authz.rules[{position}]", "it allows nobody", "add users, groups or `who: any_user`")
        earlier = seen.setdefault(_meaning(rule), position)
        if earlier != position:
            yield Finding(f"authz.rules[{position}]", f"it says the same as authz.rules[{earlier}]", "remove one")
    for position, app in enumerate(config.apps):
        for pattern in app.hosts:
            if not any(rule.effect == "allow" and _meet(pattern, rule) for rule in rules):
                yield Finding(
                    f"apps[{position}].hosts", f"no rule allows anyone to open {pattern.text}", "nobody may open it"
                )


def _meaning(rule: Rule) -> Hashable:
    return tuple(value for name, value in rule if name != "name")


def _meet(pattern: HostPattern, rule: Rule) -> bool:
    return any(
        pattern.matches(other.name if other.apex else f"any.{other.name}")
        or other.matches(pattern.name if pattern.apex else f"any.{pattern.name}")
        for other in rule.hosts
    )
