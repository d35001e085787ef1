"""An explanation never decides: its verdict is the decision's own, and what it proposes really turns the answer round."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.access import Allow, decide
from doorward.rules.explain import explain
from doorward.rules.identity import User, UserId
from doorward.rules.policy import (
    App,
    Audience,
    Effect,
    HostPattern,
    PathKind,
    PathPattern,
    Policy,
    Requirement,
    Rule,
    TimeWindow,
)
from doorward.rules.reason import Reason
from doorward.rules.remedy import assume_session
from doorward.rules.request import AccessRequest
from doorward.rules.session import Method, Subject, find_end
from doorward.rules.single_user import stand_in

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOSTS = st.sampled_from(["app.example.com", "admin.example.com", "example.com", "other.example.net"])
PATTERNS = st.sampled_from(
    [
        HostPattern("app.example.com"),
        HostPattern("example.com", below=True, apex=False),
        HostPattern("example.com", below=True),
    ]
)
PATHS = st.sampled_from(
    [PathPattern(PathKind.PREFIX, "/admin"), PathPattern(PathKind.EXACT, "/"), PathPattern(PathKind.GLOB, "/a/*/b")]
)
NETWORKS = st.sampled_from(
    [ip_network("10.0.0.0/8"), ip_network("203.0.113.7/32"), ip_network("fd00::/8"), ip_network("0.0.0.0/0")]
)
WINDOWS = st.builds(
    TimeWindow,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.sampled_from([time(0), time(8), time(22)]),
    until=st.sampled_from([time(0), time(6), time(18)]),
    zone=st.sampled_from([UTC, ZoneInfo("America/New_York")]),
)
FEW = {"max_size": 2}
REQUIREMENTS = st.builds(
    Requirement,
    two_factor=st.booleans(),
    passkey=st.booleans(),
    fresh=st.none() | st.just(timedelta(minutes=15)),
    networks=st.lists(NETWORKS, **FEW).map(tuple),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    effect = draw(st.sampled_from(Effect))
    return Rule(
        name=draw(st.sampled_from(["one", "two", "three"])),
        effect=effect,
        hosts=tuple(draw(st.lists(PATTERNS, min_size=1, **FEW))),
        paths=tuple(draw(st.lists(PATHS, **FEW))),
        methods=draw(st.frozensets(st.sampled_from(["GET", "POST"]), **FEW)),
        audience=draw(st.sampled_from(Audience)),
        users=draw(st.frozensets(st.sampled_from(["alice", "bob@example.com"]), **FEW)),
        groups=draw(st.frozensets(st.sampled_from(["admins", "staff"]), **FEW)),
        networks=tuple(draw(st.lists(NETWORKS, **FEW))),
        times=tuple(draw(st.lists(WINDOWS, **FEW))),
        requirement=draw(REQUIREMENTS) if effect is Effect.REQUIRE else None,
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    app = App(
        "app", (HostPattern("app.example.com"),), preflight=draw(st.booleans()), guard_cross_site=draw(st.booleans())
    )
    apps = [app] if draw(st.booleans()) else []
    groups = draw(st.dictionaries(st.sampled_from(["alice", "bob@example.com"]), st.just(frozenset({"staff"})), **FEW))
    return Policy(draw(st.lists(rules(), max_size=5)), apps=apps, groups=groups)


@st.composite
def subjects(draw: st.DrawFn) -> Subject | None:
    if draw(st.booleans()):
        return None
    name, email = draw(st.sampled_from([("alice", ""), ("bob", "bob@example.com")]))
    groups = draw(st.frozensets(st.sampled_from(["admins", "staff"]), **FEW))
    enabled = draw(st.booleans())
    user = User(
        UserId(name),
        name,
        name,
        email,
        groups,
        is_admin=False,
        enabled=enabled,
        generation=1,
        created_at=NOW,
        console_only=draw(st.sampled_from([False, False, False, True])),
    )
    session = assume_session(
        user, NOW - draw(st.sampled_from([timedelta(), timedelta(minutes=30), timedelta(hours=2)]))
    )
    methods = draw(st.sampled_from([frozenset({Method.PASSWORD}), frozenset({Method.PASSWORD, Method.PASSKEY})]))
    return Subject(user, replace(session, methods=methods, generation=draw(st.sampled_from([0, 1, 1]))))


REQUESTS = st.builds(
    AccessRequest,
    method=st.sampled_from(["GET", "POST"]),
    scheme=st.just("https"),
    host=HOSTS,
    path=st.sampled_from(["/", "/admin/x", "/a/1/b"]),
    target=st.just("/"),
    ambiguous=st.booleans(),
    client=st.none() | st.sampled_from([ip_address("10.1.2.3"), ip_address("198.51.100.9"), ip_address("fd00::5")]),
    preflight=st.booleans(),
    cross_site=st.booleans(),
)
HOUSEHOLD = User(
    UserId("household"),
    "household",
    "Household",
    "",
    frozenset({"staff"}),
    is_admin=False,
    enabled=True,
    generation=1,
    created_at=NOW,
)
AT_HOME = stand_in(HOUSEHOLD, networks=(ip_network("10.0.0.0/8"),))


@given(REQUESTS, subjects(), policies())
def test_a_network_stands_for_nobody_who_is_signed_in_and_nobody_outside_it(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    """D-11: and what it opens, a session of that account would open, too."""
    plain = decide(request, subject, policy, now=NOW)
    verdict = decide(request, subject, policy, now=NOW, single_user=AT_HOME)
    assert AT_HOME is not None
    if isinstance(verdict, Allow) and verdict.subject is AT_HOME.subject:
        assert verdict.reason is Reason.SINGLE_USER
        assert request.client == ip_address("10.1.2.3")
        assert subject is None or find_end(subject.session, subject.user, NOW) is not None
        signed_in = Subject(HOUSEHOLD, assume_session(HOUSEHOLD, NOW))
        assert isinstance(decide(request, signed_in, policy, now=NOW), Allow)
    elif request.client != ip_address("10.1.2.3"):
        assert verdict == plain


@given(REQUESTS, subjects(), policies())
def test_the_guard_of_an_app_only_takes_away(request: AccessRequest, subject: Subject | None, policy: Policy) -> None:
    """From whom somebody is known, and only what pages of other origins do; everything else is as without it."""
    without = Policy(
        policy.rules, apps=[replace(app, guard_cross_site=False) for app in policy.apps], groups=policy.groups
    )
    verdict = decide(request, subject, policy, now=NOW)
    unguarded = decide(request, subject, without, now=NOW)
    if verdict.reason is Reason.CROSS_SITE:
        assert isinstance(unguarded, Allow)
        assert unguarded.subject is not None
        assert request.cross_site
    else:
        assert verdict == unguarded


@given(REQUESTS, subjects(), policies())
def test_explaining_knows_of_the_network_what_the_decision_knows(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    found = explain(request, subject, policy, now=NOW, single_user=AT_HOME)
    assert found.verdict == decide(request, subject, policy, now=NOW, single_user=AT_HOME)
    if found.remedy is not None:
        assert isinstance(found.remedy.verdict, Allow) is not isinstance(found.verdict, Allow)
    if found.stands_in:
        assert found.user == HOUSEHOLD


@given(REQUESTS, subjects(), policies())
def test_the_explanation_carries_the_very_verdict_of_the_decision(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    assert explain(request, subject, policy, now=NOW).verdict == decide(request, subject, policy, now=NOW)


@given(REQUESTS, subjects(), policies())
def test_no_app_is_told_of_an_account_for_the_console(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    """D-06: neither by a rule nor where anyone may pass."""
    verdict = decide(request, subject, policy, now=NOW)
    assert not (isinstance(verdict, Allow) and verdict.subject and verdict.subject.user.console_only)


@given(REQUESTS, subjects(), policies())
def test_a_remedy_always_turns_the_answer_round(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    found = explain(request, subject, policy, now=NOW)
    if found.remedy is not None:
        assert isinstance(found.remedy.verdict, Allow) is not isinstance(found.verdict, Allow)
        assert found.remedy.steps


@given(REQUESTS, subjects(), policies())
def test_an_allow_always_has_a_remedy(request: AccessRequest, subject: Subject | None, policy: Policy) -> None:
    found = explain(request, subject, policy, now=NOW)
    assert found.remedy is not None or not isinstance(found.verdict, Allow)


@given(REQUESTS, subjects(), policies())
def test_the_rule_that_decided_is_among_the_considered_and_applied(
    request: AccessRequest, subject: Subject | None, policy: Policy
) -> None:
    found = explain(request, subject, policy, now=NOW)
    if found.verdict.rule is not None:
        assert any(each.rule == found.verdict.rule and each.applies for each in found.considered)
    assert len(found.considered) + found.others == len(policy.rules) or len(set(policy.rules)) < len(policy.rules)


@given(REQUESTS, subjects(), policies())
def test_every_condition_says_why(request: AccessRequest, subject: Subject | None, policy: Policy) -> None:
    found = explain(request, subject, policy, now=NOW)
    assert all(condition.why for each in found.considered for condition in each.conditions)
