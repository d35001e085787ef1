"""From the `authz` and `apps` sections to the compiled Policy."""

from datetime import tzinfo
from urllib.parse import urlsplit

from doorward.config import access
from doorward.config.patterns import Hours
from doorward.config.schema import Config
from doorward.rules.policy import App, Audience, Effect, Policy, Requirement, Rule, TimeWindow

_AUDIENCES = {"any_user": Audience.ANY_USER, "anyone": Audience.ANYONE}


def build_policy(config: Config) -> Policy:
    """Compile. The meaning of a rule does not depend on its place; its default name does."""
    zone = config.authz.timezone
    rules = [build_rule(rule, position, zone) for position, rule in enumerate(config.authz.rules)]
    groups: dict[str, frozenset[str]] = {}
    for group in config.authz.groups:
        for user in group.users:
            groups[user] = groups.get(user, frozenset()) | {group.name}
    return Policy(rules, apps=[_build_app(app, config.server.public_url) for app in config.apps], groups=groups)


def build_rule(rule: access.Rule, position: int, zone: tzinfo) -> Rule:
    """One rule as a value. `position` counts from 0 and names a rule that has no name."""
    return Rule(
        name=rule.name or f"rule {position + 1}",
        effect=Effect(rule.effect),
        hosts=rule.hosts,
        paths=rule.paths,
        methods=frozenset(rule.methods),
        audience=_audience_of(rule),
        users=frozenset(rule.users),
        groups=frozenset(rule.groups),
        networks=rule.networks,
        times=tuple(_build_window(hours, zone) for hours in rule.times),
        requirement=_build_requirement(rule.require) if rule.require else None,
    )


def _audience_of(rule: access.Rule) -> Audience:
    if rule.who is not None:
        return _AUDIENCES[rule.who]
    # SECURITY: an allow that names nobody allows nobody (C-26); a deny or require that names nobody spares nobody.
    # Held by test_an_allow_without_users_allows_nobody and test_a_deny_without_users_speaks_of_anyone.
    if rule.effect == "allow" or rule.users or rule.groups:
        return Audience.NAMED
    return Audience.ANYONE


def _build_window(hours: Hours, zone: tzinfo) -> TimeWindow:
    return TimeWindow(hours.days, hours.start, hours.until, zone)


def _build_requirement(require: access.Require) -> Requirement:
    return Requirement(
        two_factor=require.two_factor, passkey=require.passkey, fresh=require.fresh, networks=require.network,
        keys=require.or_key,
    )  # fmt: skip


def _build_app(app: access.App, public_url: str) -> App:
    return App(
        name=app.name,
        hosts=app.hosts,
        description=app.description,
        icon=app.icon,
        contact=app.contact,
        preflight=app.preflight == "pass",
        assertion=app.assertion,
        audience=app.audience,
        keys=app.keys,
        url_keys=app.url_keys,
        guard_cross_site=app.guard_cross_site,
        headers=(
            *(each.header for each in app.headers),
            *((app.basic.header,) if app.basic is not None else ()),
        ),
        url=app.url or _default_url(app, public_url),
    )


def _default_url(app: access.App, public_url: str) -> str:
    """The first exact host, reached the way we are reached ourselves: same scheme, same port."""
    host = next((pattern.name for pattern in app.hosts if pattern.apex), "")
    if not host:
        return ""
    own = urlsplit(public_url)
    return f"{own.scheme}://{host}" + (f":{own.port}" if own.port else "") + "/"
