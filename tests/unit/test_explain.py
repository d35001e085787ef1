"""Each condition says what it looked at, and the remedy is the shortest way round."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.rules.access import Allow, Challenge, Deny
from doorward.rules.explain import Explanation, explain, format_path, format_window
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
from doorward.rules.session import Method, Subject

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
HOST = (HostPattern("app.example.com"),)
OFFICE = ip_network("10.0.0.0/8")
MORNING = TimeWindow(frozenset({0, 1, 2, 3, 4}), time(8), time(10), UTC)
ALICE = User(
    UserId("a"),
    "alice",
    "Alice",
    "alice@example.com",
    frozenset(),
    is_admin=False,
    enabled=True,
    generation=1,
    created_at=NOW,
)


def rule(name: str = "one", effect: Effect = Effect.ALLOW, **changes: object) -> Rule:
    base = Rule(name=name, effect=effect, hosts=HOST, audience=Audience.ANYONE)
    return replace(base, **changes)  # type: ignore[arg-type]


def named(**changes: object) -> Rule:
    return rule(audience=Audience.NAMED, **changes)


def requiring(requirement: Requirement) -> Rule:
    return rule("strict", Effect.REQUIRE, requirement=requirement)


def ask(path: str = "/", **changes: object) -> AccessRequest:
    base = AccessRequest(
        "GET", "https", "app.example.com", path, path, ambiguous=False, client=ip_address("203.0.113.9")
    )
    return base._replace(**changes)


def signed_in(user: User = ALICE, **changes: object) -> Subject:
    return Subject(user, replace(assume_session(user, NOW), **changes))  # type: ignore[arg-type]


def of(
    *rules: Rule, request: AccessRequest | None = None, subject: Subject | None = None, policy: Policy | None = None
) -> Explanation:
    return explain(request or ask(), subject, policy or Policy(rules), now=NOW)


def whys(found: Explanation) -> dict[str, tuple[bool, str]]:
    return {each.what: (each.held, each.why) for each in found.considered[0].conditions}


def steps(found: Explanation) -> tuple[str, ...]:
    assert found.remedy is not None
    return found.remedy.steps


@pytest.mark.parametrize(
    ("subject", "given", "held", "why"),
    [
        (None, rule(), True, "it speaks of anyone"),
        (None, rule(audience=Audience.ANY_USER), False, "nobody is signed in"),
        (signed_in(), rule(audience=Audience.ANY_USER), True, "it speaks of whoever is signed in"),
        (signed_in(), named(users=frozenset({"alice"})), True, "it names alice"),
        (signed_in(), named(users=frozenset({"alice@example.com"})), True, "it names alice@example.com"),
        (
            signed_in(replace(ALICE, groups=frozenset({"staff"}))),
            named(users=frozenset({"alice"}), groups=frozenset({"staff"})),
            True,
            "it names alice and alice is in staff",
        ),
        (signed_in(), named(users=frozenset({"bob"})), False, "alice is not among its users bob"),
        (
            signed_in(),
            named(users=frozenset({"bob"}), groups=frozenset({"b", "a"})),
            False,
            "alice is not among its users bob or groups a, b",
        ),
        (signed_in(), named(), False, "it names nobody"),
    ],
)
def test_who_is_meant_is_explained(subject: Subject | None, given: Rule, why: str, *, held: bool) -> None:
    assert whys(of(given, subject=subject))["who"] == (held, why)


def test_method_and_path_are_explained() -> None:
    given = rule(
        methods=frozenset({"POST", "GET"}),
        paths=(PathPattern(PathKind.PREFIX, "/a"), PathPattern(PathKind.EXACT, "/b")),
    )
    found = whys(of(given, request=ask("/c")))
    assert found["method"] == (True, "GET is among GET, POST")
    assert found["path"] == (False, "/c is not under /a or =/b")
    other = whys(of(given, request=ask("/a/x", method="PUT")))
    assert other["method"] == (False, "PUT is not among GET, POST")
    assert other["path"] == (True, "/a/x is under /a or =/b")


@pytest.mark.parametrize(
    ("effect", "held", "words"),
    [(Effect.ALLOW, False, "an allow never"), (Effect.DENY, True, "a deny or require always")],
)
def test_an_ambiguous_path_is_explained(effect: Effect, words: str, *, held: bool) -> None:
    given = rule(effect=effect, paths=(PathPattern(PathKind.PREFIX, "/a"),))
    found = whys(of(given, request=ask("/b//c", ambiguous=True)))["path"]
    assert found[0] is held
    assert words in found[1]


def test_network_and_time_are_explained() -> None:
    given = rule(networks=(OFFICE,), times=(MORNING,))
    found = whys(of(given))
    assert found["network"] == (False, "203.0.113.9 is not in 10.0.0.0/8")
    assert found["time"] == (False, "Wed 12:00 is not within Mon,Tue,Wed,Thu,Fri 08:00-10:00")
    assert "unknown" in whys(of(given, request=ask(client=None)))["network"][1]
    inside = whys(of(given, request=ask(client=ip_address("10.1.1.1"))))
    assert inside["network"] == (True, "10.1.1.1 is in 10.0.0.0/8")


def test_windows_and_paths_are_spelled_like_the_configuration() -> None:
    assert format_window(TimeWindow(frozenset({5}), time(0), time(0), UTC)) == "Sat 00:00-24:00"
    assert format_path(PathPattern(PathKind.REGEX, "a+")) == "~a+"
    assert format_path(PathPattern(PathKind.GLOB, "/a/*")) == "/a/*"


def test_what_a_require_misses_is_told() -> None:
    found = of(rule(), requiring(Requirement(two_factor=True)), subject=signed_in())
    assert [each.missing for each in found.considered] == [None, Reason.TWO_FACTOR_REQUIRED]
    held = of(rule(), requiring(Requirement(fresh=timedelta(minutes=5))), subject=signed_in())
    assert [each.missing for each in held.considered] == [None, None]


def test_rules_for_other_hosts_are_counted_only() -> None:
    other = rule("other", hosts=(HostPattern("b.example.com"),))
    found = of(rule(), other)
    assert ([each.rule.name for each in found.considered], found.others) == (["one"], 1)


def test_an_ended_session_speaks_for_nobody_and_says_why() -> None:
    found = of(rule(audience=Audience.ANY_USER), subject=signed_in(generation=0))
    assert found.ended is Reason.SESSION_REVOKED
    assert found.user == ALICE
    assert found.groups == frozenset()
    assert whys(found)["who"] == (False, "nobody is signed in")
    assert steps(found) == ("sign in again",)


def test_the_app_and_the_groups_are_told() -> None:
    policy = Policy([rule()], apps=[App("Wiki", HOST)], groups={"alice": frozenset({"staff"})})
    found = of(policy=policy, subject=signed_in())
    assert found.app is not None
    assert found.app.name == "Wiki"
    assert found.groups == {"staff"}


@pytest.mark.parametrize(
    ("rules", "subject", "expected"),
    [
        ([rule(audience=Audience.ANY_USER)], None, ("sign in",)),
        ([named(users=frozenset({"bob@example.com"}))], None, ("sign in as bob@example.com",)),
        ([named(groups=frozenset({"staff"}))], None, ("sign in as a member of staff",)),
        ([rule(), requiring(Requirement(passkey=True))], None, ("sign in", "sign in with a passkey")),
        ([rule(), requiring(Requirement(two_factor=True))], signed_in(), ("sign in with a second factor",)),
        (
            [rule(), requiring(Requirement(fresh=timedelta(minutes=5)))],
            signed_in(authenticated_at=NOW - timedelta(hours=1)),
            ("sign in again",),
        ),
        (
            [rule(audience=Audience.ANY_USER)],
            signed_in(replace(ALICE, console_only=True)),
            ("let the account alice open apps, too",),
        ),
        ([rule(), requiring(Requirement(networks=(OFFICE,)))], None, ("come from 10.0.0.0/8",)),
        ([rule(networks=(OFFICE,))], None, ("come from 10.0.0.0/8",)),
        ([rule(times=(MORNING,))], None, ("come on Thursday at 08:00",)),
        ([rule(audience=Audience.ANY_USER, times=(MORNING,))], signed_in(), ("come on Thursday at 08:00",)),
        ([named(groups=frozenset({"staff"}))], signed_in(), ("put alice into the group staff",)),
        ([named()], signed_in(), ("add the rule {domain: app.example.com, users: [alice]}",)),
        ([], signed_in(), ("add the rule {domain: app.example.com, users: [alice]}",)),
        ([], None, ("add the rule {domain: app.example.com, who: any_user}", "sign in")),
        (
            [rule(times=(TimeWindow(frozenset(), time(8), time(10), UTC),))],
            None,
            ("sign in", "add the rule {domain: app.example.com, who: any_user}"),
        ),
        ([rule(), rule("no", Effect.DENY)], None, ("remove the deny rule 'no'",)),
        (
            [rule(), rule("no", Effect.DENY, networks=(ip_network("203.0.113.0/24"),))],
            None,
            ("come from outside 203.0.113.0/24",),
        ),
        (
            [rule(), rule("no", Effect.DENY, networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))],
            None,
            ("remove the deny rule 'no'",),
        ),
        (
            [rule(), rule("no", Effect.DENY, audience=Audience.NAMED, groups=frozenset({"bad"}))],
            signed_in(replace(ALICE, groups=frozenset({"bad"}))),
            ("take alice out of the group bad",),
        ),
        ([rule(audience=Audience.ANY_USER)], signed_in(replace(ALICE, enabled=False)), ("enable the account alice",)),
        (
            [rule(networks=(OFFICE,)), requiring(Requirement(two_factor=True))],
            signed_in(),
            ("come from 10.0.0.0/8", "sign in with a second factor"),
        ),
    ],
)
def test_the_remedy_of_a_refusal_is_the_shortest_way_to_an_allow(
    rules: list[Rule], subject: Subject | None, expected: tuple[str, ...]
) -> None:
    found = of(*rules, subject=subject)
    assert not isinstance(found.verdict, Allow)
    assert steps(found) == expected
    assert found.remedy is not None
    assert isinstance(found.remedy.verdict, Allow)


def test_a_group_of_the_configuration_can_be_left_too() -> None:
    denying = rule("no", Effect.DENY, audience=Audience.NAMED, groups=frozenset({"bad"}))
    policy = Policy([rule(), denying], groups={"alice": frozenset({"bad"})})
    assert steps(of(policy=policy, subject=signed_in())) == ("take alice out of the group bad",)


def test_a_network_of_one_address_is_that_address() -> None:
    assert steps(of(rule(networks=(ip_network("192.0.2.7/32"),)))) == ("come from 192.0.2.7/32",)


def test_a_plain_path_is_proposed_for_an_ambiguous_one() -> None:
    found = of(rule(paths=(PathPattern(PathKind.PREFIX, "/a"),)), request=ask("/a/b", ambiguous=True))
    assert steps(found) == ("ask for the path in its plain spelling",)


def test_a_refusal_that_no_few_steps_undo_has_no_remedy() -> None:
    denies = [rule(f"no {number}", Effect.DENY, methods=frozenset({"GET", str(number)})) for number in range(6)]
    found = of(rule(), *denies)
    assert found.verdict == Deny(Reason.DENIED_BY_RULE, denies[0])
    assert found.remedy is None


def test_a_search_that_branches_too_much_gives_up() -> None:
    networks = tuple(ip_network(f"10.{number}.0.0/16") for number in range(200))
    denies = [rule(f"no {number}", Effect.DENY, methods=frozenset({"GET", str(number)})) for number in range(4)]
    strict = [requiring(Requirement(networks=networks[:100])), requiring(Requirement(networks=networks[100:]))]
    assert of(rule(), *strict, subject=signed_in()).remedy is None
    assert of(rule(), *denies, *strict).remedy is None


def test_an_allow_is_undone_by_removing_its_rule() -> None:
    found = of(rule("door"))
    assert steps(found) == ("remove the allow rule 'door'",)
    assert found.remedy is not None
    assert found.remedy.verdict == Challenge(Reason.NO_SESSION) or isinstance(found.remedy.verdict, Deny)


@pytest.mark.parametrize(
    ("subject", "who"),
    [(None, "who: anyone"), (signed_in(), "users: [alice]"), (signed_in(generation=0), "who: anyone")],
)
def test_an_allow_by_two_rules_is_undone_by_a_deny(subject: Subject | None, who: str) -> None:
    found = of(rule("one"), rule("two"), subject=subject)
    assert steps(found) == (f"add the rule {{effect: deny, domain: app.example.com, {who}}}",)


def test_a_preflight_that_passes_is_undone_by_a_deny() -> None:
    policy = Policy([rule(audience=Audience.ANY_USER)], apps=[App("Wiki", HOST, preflight=True)])
    found = of(policy=policy, request=ask(preflight=True, method="OPTIONS"))
    assert isinstance(found.verdict, Allow)
    assert steps(found) == ("add the rule {effect: deny, domain: app.example.com, who: anyone}",)


def test_an_assumed_session_has_the_methods_asked_for() -> None:
    session = assume_session(ALICE, NOW, methods=frozenset({Method.PASSKEY}))
    assert session.methods == {Method.PASSKEY}
    assert session.generation == ALICE.generation
