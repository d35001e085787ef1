"""The smallest change that would turn an answer round, found by trying: each candidate is put to `access.decide`.

The search goes one step further at a time and lets the reason of the answer so far say what to try next, so the first
remedy found has the fewest steps. Steps of the visitor are tried before steps of the operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from doorward.rules.access import Allow, Verdict, decide
from doorward.rules.app_key import AppKey
from doorward.rules.identity import User, UserId
from doorward.rules.key_subject import subject_of
from doorward.rules.policy import Address, Audience, Effect, HostPattern, Network, Policy, Rule, in_networks
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest
from doorward.rules.session import Fingerprint, Method, Session, SessionHandle, Subject
from doorward.rules.single_user import SingleUser

_MAX_STEPS: Final = 4
_MAX_CASES: Final = 2000
_WEEK: Final = 8
_STRANGER: Final = UserId("")
"""Whoever might sign in, where nobody is."""
_PROOFS: Final = {
    Reason.TWO_FACTOR_REQUIRED: (Method.TOTP, "sign in with a second factor"),
    Reason.PASSKEY_REQUIRED: (Method.PASSKEY, "sign in with a passkey"),
}
_KEYS: Final[dict[Reason, tuple[str, dict[str, object]]]] = {
    Reason.KEY_INVALID: ("make a new key", {"generation": None}),
    Reason.KEY_EXPIRED: ("make a new key, or one that lasts longer", {"expires_at": None}),
    Reason.KEY_ASLEEP: ("wake the key", {"disabled_at": None}),
    Reason.KEY_APP: ("use a key that opens this app", {}),
    Reason.KEY_PATH: ("use a key that is for this path, too", {"paths": ()}),
    Reason.KEY_METHOD: ("use a key that is for this method, too", {"methods": frozenset()}),
    Reason.KEY_READ_ONLY: ("use a key that may change things", {"read_only": False}),
    Reason.KEY_NETWORK: ("use a key that is good from this network, too", {"networks": ()}),
}
"""What another key would have to be like."""
_AWAY: Final = (
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "10.255.255.254",
    "172.31.255.254",
    "192.168.255.254",
    "2001:db8::1",
    "fd00::1",
)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to change, step by step, and the answer that `decide` gives then."""

    steps: tuple[str, ...]
    verdict: Verdict


def assume_session(user: User, now: datetime, *, methods: frozenset[Method] = frozenset({Method.PASSWORD})) -> Session:
    """A session as it would be right after signing in; it is stored nowhere and opens nothing."""
    return Session(
        fingerprint=Fingerprint(bytes(32)),
        handle=SessionHandle("assumed"),
        user_id=user.id,
        generation=user.generation,
        created_at=now,
        authenticated_at=now,
        expires_at=now + timedelta(hours=1),
        idle_timeout=None,
        last_seen_at=now,
        methods=methods,
        remembered=False,
        user_agent="",
        address="",
    )


@dataclass(frozen=True, slots=True)
class _Case:
    request: AccessRequest
    subject: Subject | None
    policy: Policy
    now: datetime
    steps: tuple[str, ...] = ()
    single_user: SingleUser | None = None

    def decide(self) -> Verdict:
        return decide(self.request, self.subject, self.policy, now=self.now, single_user=self.single_user)

    def then(self, step: str, **changes: object) -> "_Case":
        return replace(self, steps=(*self.steps, step), **changes)  # type: ignore[arg-type]


def find_remedy(
    request: AccessRequest,
    subject: Subject | None,
    policy: Policy,
    *,
    now: datetime,
    single_user: SingleUser | None = None,
) -> Remedy | None:
    """The fewest steps that turn a refusal into an Allow, or an Allow into a refusal; None when none were found."""
    start = _Case(request, subject, policy, now, single_user=single_user)
    first = start.decide()
    if isinstance(first, Allow):
        return _find_refusal(start, first)
    frontier: list[tuple[_Case, Verdict]] = [(start, first)]
    tried = 0
    for _ in range(_MAX_STEPS):
        reached: list[tuple[_Case, Verdict]] = []
        for case, verdict in frontier:
            for candidate in _candidates(case, verdict):
                tried += 1
                answer = candidate.decide()
                if isinstance(answer, Allow):
                    return Remedy(candidate.steps, answer)
                reached.append((candidate, answer))
                if tried >= _MAX_CASES:
                    return None
        frontier = reached
    return None


def _find_refusal(start: _Case, verdict: Allow) -> Remedy:
    """One allow fewer where that suffices; otherwise a deny, which always does."""
    if verdict.rule is not None:
        without = _without(start, verdict.rule).decide()
        if not isinstance(without, Allow):
            return Remedy((f"remove the allow rule {verdict.rule.name!r}",), without)
    case = replace(start, subject=verdict.subject)  # a session that has ended speaks for nobody
    return Remedy((_spell(case, Effect.DENY),), _with(case, _rule_for(case, Effect.DENY)).decide())


def _candidates(case: _Case, verdict: Verdict) -> Iterator[_Case]:
    match verdict.reason:
        case Reason.UNKNOWN_HOST:
            yield _with(case, _rule_for(case, Effect.ALLOW)).then(_spell(case, Effect.ALLOW))
        case Reason.USER_DISABLED if case.subject is not None:
            user = replace(case.subject.user, enabled=True, awaits_approval=False)
            yield case.then(f"enable the account {user.name}", subject=case.subject._replace(user=user))
        case Reason.CONSOLE_ONLY if case.subject is not None:
            user = replace(case.subject.user, console_only=False)
            yield case.then(f"let the account {user.name} open apps, too", subject=case.subject._replace(user=user))
        case Reason.CROSS_SITE:
            yield case.then("do it from a page of the app's own", request=case.request._replace(cross_site=False))
        case Reason.NOT_FRESH | Reason.TWO_FACTOR_REQUIRED | Reason.PASSKEY_REQUIRED if case.subject is None:
            yield from _sign_in(case)
        case Reason.NO_SESSION | Reason.SESSION_EXPIRED | Reason.SESSION_IDLE | Reason.SESSION_REVOKED:
            yield from _sign_in(case)
            yield from _move(case)
        case Reason.NOT_FRESH if case.subject is not None:
            yield case.then("sign in again", subject=_renew(case.subject, case.now))
        case Reason.TWO_FACTOR_REQUIRED | Reason.PASSKEY_REQUIRED if case.subject is not None:
            method, step = _PROOFS[verdict.reason]
            renewed = _renew(case.subject, case.now, case.subject.session.methods | {method})
            yield case.then(step, subject=renewed)
        case Reason.NETWORK_REQUIRED:
            networks = verdict.rule.requirement.networks if verdict.rule and verdict.rule.requirement else ()
            yield from _come_from(case, networks)
        case Reason.KEY_IN_URL:
            yield case.then("show the key in a header", request=case.request._replace(key_in_url=False))
        case Reason.OWNER_PENDING | Reason.KEY_NOT_TAKEN | Reason.KEY_NOT_ENOUGH if case.subject is not None:
            user = replace(case.subject.user, must_change_password=False)
            step = f"sign in as {user.name}, without a key"
            yield case.then(step, subject=Subject(user, assume_session(user, case.now)))
        case reason if reason in _KEYS and case.subject is not None and case.subject.key is not None:
            yield _change_key(case, case.subject.user, case.subject.key, reason)
        case Reason.DENIED_BY_RULE if verdict.rule is not None:
            yield from _escape(case, verdict.rule)
        case _:
            yield from _widen(case)


def _change_key(case: _Case, user: User, key: AppKey, reason: Reason) -> _Case:
    step, changes = _KEYS[reason]
    if reason is Reason.KEY_APP:
        changes = {"hosts": (*key.hosts, case.request.host)}
    return case.then(step, subject=subject_of(replace(key, **changes), user))  # type: ignore[arg-type]


def _sign_in(case: _Case) -> Iterator[_Case]:
    if case.subject is not None:
        yield case.then("sign in again", subject=_renew(case.subject, case.now))
        return
    for rule in case.policy.for_host(case.request.host).allows:
        if rule.audience is Audience.ANY_USER:
            yield _as_user(case, "sign in", "somebody")
        for name in sorted(rule.users)[:1]:
            yield _as_user(case, f"sign in as {name}", name)
        for group in sorted(rule.groups)[:1]:
            yield _as_user(case, f"sign in as a member of {group}", "somebody", frozenset({group}))
    yield _as_user(case, "sign in", "somebody")


def _as_user(case: _Case, step: str, name: str, groups: frozenset[str] = frozenset()) -> _Case:
    email = name if "@" in name else ""
    user = User(_STRANGER, name, name, email, groups, is_admin=False, enabled=True, generation=0, created_at=case.now)
    return case.then(step, subject=Subject(user, assume_session(user, case.now)))


def _move(case: _Case) -> Iterator[_Case]:
    """What a visitor could do so that an allow matches: another address, another hour, a plain path."""
    request, allows = case.request, case.policy.for_host(case.request.host).allows
    for rule in allows:
        if not rule.holds_from(request.client):
            yield from _come_from(case, rule.networks)
    for rule in allows:
        if not rule.holds_at(case.now):
            yield from _come_at(case, rule)
    if request.ambiguous:
        yield case.then("ask for the path in its plain spelling", request=request._replace(ambiguous=False))


def _widen(case: _Case) -> Iterator[_Case]:
    """What could make an allow match: the visitor's moves, then a group, and last a rule of one's own."""
    yield from _move(case)
    groups = {group for rule in case.policy.for_host(case.request.host).allows for group in rule.groups}
    yield from (
        case.then(
            f"put {subject.user.name} into the group {group}",
            subject=subject._replace(user=_with_group(subject.user, group)),
        )
        for subject in filter(None, [case.subject])
        for group in sorted(groups - case.policy.groups_of(subject.user))
    )
    yield _with(case, _rule_for(case, Effect.ALLOW)).then(_spell(case, Effect.ALLOW))


def _with_group(user: User, group: str) -> User:
    return replace(user, groups=user.groups | {group})


def _escape(case: _Case, deny: Rule) -> Iterator[_Case]:
    """What could make a deny not match, and last: to remove it."""
    if deny.networks:
        address = next((at for at in map(ip_address, _AWAY) if not in_networks(at, deny.networks)), None)
        if address is not None:
            yield case.then(f"come from outside {_list(deny.networks)}", request=case.request._replace(client=address))
    if case.subject is not None:
        user = case.subject.user
        for group in sorted(deny.groups & case.policy.groups_of(user)):
            left = replace(user, groups=user.groups - {group}, granted_groups=user.granted_groups - {group})
            groups = {name: members - {group} for name, members in case.policy.groups.items()}
            policy = Policy(case.policy.rules, apps=case.policy.apps, groups=groups)
            step = f"take {user.name} out of the group {group}"
            yield case.then(step, subject=case.subject._replace(user=left), policy=policy)
    yield _without(case, deny).then(f"remove the deny rule {deny.name!r}")


def _come_from(case: _Case, networks: Sequence[Network]) -> Iterator[_Case]:
    for network in networks:
        yield case.then(f"come from {network}", request=case.request._replace(client=_first_in(network)))


def _come_at(case: _Case, rule: Rule) -> Iterator[_Case]:
    for window in rule.times:
        for day in range(_WEEK):
            date = (case.now.astimezone(window.zone) + timedelta(days=day)).date()
            begin = datetime.combine(date, window.start, tzinfo=window.zone)
            if begin >= case.now and window.holds(begin):
                subject = _renew(case.subject, begin) if case.subject else None
                yield case.then(f"come on {begin:%A} at {begin:%H:%M}", now=begin, subject=subject)
                break


def _renew(subject: Subject, now: datetime, methods: frozenset[Method] | None = None) -> Subject:
    session = replace(
        subject.session,
        generation=subject.user.generation,
        user_id=subject.user.id,
        authenticated_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
        methods=subject.session.methods if methods is None else methods,
    )
    return Subject(subject.user, session, subject.key)


def _rule_for(case: _Case, effect: Effect) -> Rule:
    # Never proposes to open anything to anyone: whoever wants that will find the word.
    nobody = Audience.ANY_USER if effect is Effect.ALLOW else Audience.ANYONE
    is_account = case.subject is not None and case.subject.user.id != _STRANGER
    return Rule(
        name="added",
        effect=effect,
        hosts=(HostPattern(case.request.host),),
        audience=Audience.NAMED if is_account else nobody,
        users=frozenset({case.subject.user.name}) if case.subject and is_account else frozenset(),
    )


def _spell(case: _Case, effect: Effect) -> str:
    rule = _rule_for(case, effect)
    who = f"users: [{', '.join(rule.users)}]" if rule.users else f"who: {rule.audience.value}"
    deny = "effect: deny, " if effect is Effect.DENY else ""
    return f"add the rule {{{deny}domain: {case.request.host}, {who}}}"


def _with(case: _Case, rule: Rule) -> _Case:
    return replace(case, policy=Policy((*case.policy.rules, rule), apps=case.policy.apps, groups=case.policy.groups))


def _without(case: _Case, rule: Rule) -> _Case:
    rules = [other for other in case.policy.rules if other != rule]
    return replace(case, policy=Policy(rules, apps=case.policy.apps, groups=case.policy.groups))


def _first_in(network: Network) -> Address:
    first = network.network_address
    return first if network.num_addresses == 1 else first + 1


def _list(networks: Sequence[Network]) -> str:
    return ", ".join(str(network) for network in networks)
