"""The decision: may this person make this request.

The whole of it is here, and everything that answers a check runs it: both lanes of the gate, `explain`, and tests.
"""

from dataclasses import dataclass
from datetime import datetime

from doorward.rules.identity import User
from doorward.rules.key_limits import find_flaw, find_limit
from doorward.rules.policy import Address, App, HostRules, Policy, Requirement, Rule, in_networks
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest
from doorward.rules.session import NEVER, Method, Session, Subject, find_end
from doorward.rules.single_user import SingleUser

SECOND_FACTORS = frozenset(
    {Method.TOTP, Method.PASSKEY, Method.SECURITY_KEY, Method.RECOVERY_CODE, Method.UPSTREAM_MFA}
)


@dataclass(frozen=True, slots=True)
class Allow:
    """May pass. `subject` is who it is, None where anyone may and nobody is signed in."""

    reason: Reason
    subject: Subject | None
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """May not pass now; proving something would help."""

    reason: Reason
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """May not pass."""

    reason: Reason
    rule: Rule | None = None


Verdict = Allow | Challenge | Deny


def decide(
    request: AccessRequest,
    subject: Subject | None,
    policy: Policy,
    *,
    now: datetime,
    single_user: SingleUser | None = None,
) -> Verdict:
    """Answer a check. No match is a deny; order of rules never matters.

    `single_user` is who asks where nobody is signed in and the request comes from its networks. A subject with a key
    may do what its owner may, as far as the key goes: it is allowed or denied, and never led anywhere to prove more.
    """
    rules = policy.for_host(request.host)
    if not rules.is_known:
        return Deny(Reason.UNKNOWN_HOST)
    # SECURITY: what is wrong with a key is the answer, even where anyone may pass or a network stands for somebody:
    # whoever shows a key asks as its owner. tests/unit/test_key_limits.py would fail.
    flaw = _find_flaw(subject, request, rules.app, now)
    if flaw is not None:
        return Deny(flaw)
    absence = Reason.NO_SESSION
    end = find_end(subject.session, subject.user, now) if subject is not None else None
    if end is not None:
        subject, absence = None, end
    allowed = Reason.RULE
    if subject is None and single_user is not None and single_user.stands_for(request.client):
        subject, allowed = single_user.subject, Reason.SINGLE_USER
    user = subject.user if subject else None
    if user is not None and user.console_only:
        # SECURITY: before any rule, and where anyone may pass, too: no app is ever told of such an account (D-06).
        # tests/property/test_explain.py would fail.
        return Deny(Reason.CONSOLE_ONLY)
    groups = policy.groups_of(user) if user else frozenset[str]()

    for rule in rules.denies:
        if _applies(rule, request, user, groups, now):
            return Deny(Reason.DENIED_BY_RULE, rule)
    if request.preflight and rules.app is not None and rules.app.preflight:
        return _decide_preflight(request, rules, now)

    allowing = next((rule for rule in rules.allows if _applies(rule, request, user, groups, now)), None)
    if allowing is None:
        if user is not None:
            return Deny(Reason.NO_RULE)
        return Deny(absence) if absence is Reason.USER_DISABLED else Challenge(absence)
    for rule in rules.requires:
        if rule.requirement is not None and _applies(rule, request, user, groups, now):
            missing = find_missing(rule.requirement, subject.session if subject else None, request.client, now)
            if missing is not None:
                return _refuse(missing, rule)
    if request.cross_site and subject is not None and rules.app is not None and rules.app.guard_cross_site:
        # Last, so that it only ever turns an allow into a deny; and of nobody, for then nobody's rights are used.
        return Deny(Reason.CROSS_SITE)
    return Allow(allowed if subject else Reason.PUBLIC, subject, allowing)


def find_missing(
    requirement: Requirement, session: Session | None, client: Address | None, now: datetime
) -> Reason | None:
    """The first thing the requirement asks for and the request has not, or None."""
    if requirement.networks and (client is None or not in_networks(client, requirement.networks)):
        return Reason.NETWORK_REQUIRED
    needs_session = requirement.two_factor or requirement.passkey or requirement.fresh is not None
    if session is None:
        return Reason.NO_SESSION if needs_session else None
    if Method.KEY in session.methods:
        return Reason.KEY_NOT_ENOUGH if needs_session and not requirement.keys else None
    if requirement.passkey and Method.PASSKEY not in session.methods:
        return Reason.PASSKEY_REQUIRED
    if requirement.two_factor and not session.methods & SECOND_FACTORS:
        return Reason.TWO_FACTOR_REQUIRED
    proven_at = session.authenticated_at
    if requirement.fresh is not None and (proven_at == NEVER or not now - proven_at < requirement.fresh):
        return Reason.NOT_FRESH
    return None


def _decide_preflight(request: AccessRequest, rules: HostRules, now: datetime) -> Verdict:
    # A preflight carries no cookie by design, so what a session would prove cannot be asked; networks still can.
    for rule in rules.requires:
        networks = rule.requirement.networks if rule.requirement else ()
        if networks and _applies(rule, request, None, frozenset(), now):
            missing = find_missing(Requirement(networks=networks), None, request.client, now)
            if missing is not None:
                return Deny(missing, rule)
    return Allow(Reason.PREFLIGHT, None)


def _find_flaw(subject: Subject | None, request: AccessRequest, app: App | None, now: datetime) -> Reason | None:
    if subject is None or subject.key is None:
        return None
    return find_flaw(subject.key, subject.user, now) or find_limit(subject.key, request, app)


def _applies(rule: Rule, request: AccessRequest, user: User | None, groups: frozenset[str], now: datetime) -> bool:
    return (
        rule.speaks_of(user, groups) and rule.covers(request) and rule.holds_from(request.client) and rule.holds_at(now)
    )


def _refuse(missing: Reason, rule: Rule) -> Challenge | Deny:
    match missing:
        case Reason.NETWORK_REQUIRED | Reason.KEY_NOT_ENOUGH:
            return Deny(missing, rule)
        case _:
            return Challenge(missing, rule)
