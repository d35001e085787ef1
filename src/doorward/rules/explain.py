"""Why a request was answered as it was: every rule for its host, each condition, and what would change the answer.

The verdict is `access.decide`'s own; nothing here decides. tests/property/test_explain.py holds the two together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from doorward.rules.access import Verdict, decide, find_missing
from doorward.rules.app_key import AppKey
from doorward.rules.identity import User
from doorward.rules.policy import App, Audience, Effect, PathKind, PathPattern, Policy, Rule, TimeWindow
from doorward.rules.reason import Reason
from doorward.rules.remedy import Remedy, find_remedy
from doorward.rules.request import AccessRequest
from doorward.rules.session import Subject, find_end
from doorward.rules.single_user import SingleUser

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: `what` it looks at, whether it `held`, and why."""

    what: str
    held: bool
    why: str


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule for the host. `applies`: all its conditions held. `missing`: what a require asked for and did not get."""

    rule: Rule
    conditions: tuple[Condition, ...]
    applies: bool
    missing: Reason | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer and everything it came from. `ended`: why the session shown no longer counts.

    `stands_in`: nobody is signed in, and it is decided for `user`, whom the network stands for. `key`: what asks in
    their place; where something is wrong with it, that is the answer before any rule.
    """

    request: AccessRequest
    user: User | None
    groups: frozenset[str]
    ended: Reason | None
    app: App | None
    is_known: bool
    considered: tuple[Considered, ...]
    others: int
    verdict: Verdict
    remedy: Remedy | None
    stands_in: bool = False
    key: AppKey | None = None


def explain(
    request: AccessRequest,
    subject: Subject | None,
    policy: Policy,
    *,
    now: datetime,
    single_user: SingleUser | None = None,
) -> Explanation:
    """Explain the answer to this request, without changing it."""
    rules = policy.for_host(request.host)
    ended = find_end(subject.session, subject.user, now) if subject else None
    living = subject if ended is None else None
    stands_in = None
    if living is None and single_user is not None and single_user.stands_for(request.client):
        stands_in = living = single_user.subject
    user = living.user if living else None
    groups = policy.groups_of(user) if user else frozenset[str]()
    mine = (*rules.denies, *rules.allows, *rules.requires)
    return Explanation(
        request=request,
        user=user or (subject.user if subject else None),
        groups=groups,
        ended=ended,
        app=rules.app,
        is_known=rules.is_known,
        considered=tuple(_consider(rule, request, living, groups, now) for rule in mine),
        others=len(policy.rules) - len(mine),
        verdict=decide(request, subject, policy, now=now, single_user=single_user),
        remedy=find_remedy(request, subject, policy, now=now, single_user=single_user),
        stands_in=stands_in is not None,
        key=subject.key if subject else None,
    )


def format_window(window: TimeWindow) -> str:
    """Days and hours the way the configuration spells them."""
    days = ",".join(_DAYS[day] for day in sorted(window.days))
    until = f"{window.until:%H:%M}"
    return f"{days} {window.start:%H:%M}-{'24:00' if until == '00:00' else until}"


def format_path(pattern: PathPattern) -> str:
    """A path pattern the way the configuration spells it."""
    return {PathKind.EXACT: "=", PathKind.REGEX: "~"}.get(pattern.kind, "") + pattern.text


def _consider(
    rule: Rule, request: AccessRequest, subject: Subject | None, groups: frozenset[str], now: datetime
) -> Considered:
    user = subject.user if subject else None
    conditions = [Condition("who", rule.speaks_of(user, groups), _explain_who(rule, user, groups))]
    if rule.methods:
        named = request.method in rule.methods
        word = "is" if named else "is not"
        conditions.append(Condition("method", named, f"{request.method} {word} among {_list(rule.methods)}"))
    if rule.paths:
        # Asked of the rule itself, with its other conditions out of the way.
        covered = replace(rule, methods=frozenset()).covers(request)
        conditions.append(Condition("path", covered, _explain_path(rule, request, covered=covered)))
    if rule.networks:
        inside = rule.holds_from(request.client)
        conditions.append(Condition("network", inside, _explain_network(rule, request, inside=inside)))
    if rule.times:
        holds = rule.holds_at(now)
        local = now.astimezone(rule.times[0].zone)
        when = f"{_DAYS[local.weekday()]} {local:%H:%M} is {'' if holds else 'not '}within "
        conditions.append(Condition("time", holds, when + " or ".join(format_window(window) for window in rule.times)))
    applies = all(condition.held for condition in conditions)
    missing = None
    if rule.requirement is not None and applies:
        missing = find_missing(rule.requirement, subject.session if subject else None, request.client, now)
    return Considered(rule, tuple(conditions), applies, missing)


def _explain_who(rule: Rule, user: User | None, groups: frozenset[str]) -> str:
    if rule.audience is Audience.ANYONE:
        return "it speaks of anyone"
    if user is None:
        return "nobody is signed in"
    if rule.audience is Audience.ANY_USER:
        return "it speaks of whoever is signed in"
    named = sorted({user.name, user.email} & rule.users)
    shared = sorted(groups & rule.groups)
    if named or shared:
        return " and ".join([f"it names {name}" for name in named] + [f"{user.name} is in {name}" for name in shared])
    parts = [f"users {_list(rule.users)}"] if rule.users else []
    parts += [f"groups {_list(rule.groups)}"] if rule.groups else []
    return f"{user.name} is not among its {' or '.join(parts)}" if parts else "it names nobody"


def _explain_path(rule: Rule, request: AccessRequest, *, covered: bool) -> str:
    patterns = " or ".join(format_path(pattern) for pattern in rule.paths)
    if request.ambiguous:
        worst = "an allow never" if rule.effect is Effect.ALLOW else "a deny or require always"
        return f"servers disagree about what {request.path} means, and {worst} matches such a path"
    return f"{request.path} {'is' if covered else 'is not'} under {patterns}"


def _explain_network(rule: Rule, request: AccessRequest, *, inside: bool) -> str:
    networks = _list(str(network) for network in rule.networks)
    if request.client is None:
        return f"the visitor's address is unknown; the rule asks for {networks}"
    return f"{request.client} is {'' if inside else 'not '}in {networks}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
