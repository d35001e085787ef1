"""Adding an allow can only widen, adding a deny or a require can only narrow, and order never matters."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doorward.config.patterns import parse_path
from doorward.errors import InputError
from doorward.rules.access import Allow, Challenge, Deny, Verdict, decide
from doorward.rules.identity import User
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
    parse_host_pattern,
)
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest, parse_target
from doorward.rules.session import Method, Session, Subject
from tests.fakes.gate import World, make_user
from tests.fakes.system import START

HOSTS = ["app.example.test", "a.b.example.test", "example.test", "admin.example.test"]
PATTERNS = [
    HostPattern("app.example.test"),
    HostPattern("example.test", below=True, apex=False),
    HostPattern("example.test", below=True),
    HostPattern("b.example.test", below=True, apex=False),
]
SEGMENT = st.sampled_from(["admin", "Admin", "public", "x", "admin.json", "admin.", "a b", "..", ".", "%41dmin", "é"])
PATHS = st.lists(SEGMENT, max_size=4).map(lambda parts: "/" + "/".join(parts))


@st.composite
def path_patterns(draw: st.DrawFn) -> PathPattern:
    kind = draw(st.sampled_from([PathKind.EXACT, PathKind.PREFIX, PathKind.GLOB]))
    parts = draw(st.lists(st.sampled_from(["admin", "public", "x", "*", "**", "ad*"]), min_size=1, max_size=3))
    return PathPattern(kind, "/" + "/".join(parts))


@st.composite
def rules(draw: st.DrawFn, effect: Effect | None = None) -> Rule:
    effect = effect or draw(st.sampled_from(Effect))
    requirement = None
    if effect is Effect.REQUIRE:
        requirement = draw(
            st.builds(
                Requirement,
                two_factor=st.booleans(),
                passkey=st.booleans(),
                fresh=st.none() | st.just(timedelta(minutes=5)),
                networks=st.sampled_from([(), (ip_network("203.0.113.0/24"),), (ip_network("10.0.0.0/8"),)]),
            )
        )
    return Rule(
        name=draw(st.sampled_from(["r1", "r2", "r3"])),
        effect=effect,
        hosts=tuple(draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2))),
        paths=tuple(draw(st.lists(path_patterns(), max_size=2))),
        methods=draw(st.sampled_from([frozenset(), frozenset({"GET"}), frozenset({"DELETE", "POST"})])),
        audience=draw(st.sampled_from(Audience)),
        users=draw(st.sampled_from([frozenset(), frozenset({"alice"}), frozenset({"bob@example.test"})])),
        groups=draw(st.sampled_from([frozenset(), frozenset({"family"}), frozenset({"admins"})])),
        networks=draw(st.sampled_from([(), (ip_network("203.0.113.0/24"),), (ip_network("10.0.0.0/8"),)])),
        times=draw(st.sampled_from([(), (TimeWindow(frozenset({1}), time(8), time(18), UTC),)])),
        requirement=requirement,
    )


@st.composite
def requests(draw: st.DrawFn) -> AccessRequest:
    return AccessRequest(
        method=draw(st.sampled_from(["GET", "POST", "DELETE", "OPTIONS"])),
        scheme="https",
        host=draw(st.sampled_from(HOSTS)),
        path=(path := draw(PATHS)),
        target=path,
        ambiguous=draw(st.booleans()),
        client=draw(st.sampled_from([None, ip_address("203.0.113.7"), ip_address("10.1.2.3")])),
        preflight=draw(st.booleans()),
    )


@st.composite
def subjects(draw: st.DrawFn) -> Subject | None:
    if draw(st.booleans()):
        return None
    user: User = make_user(
        draw(st.sampled_from(["alice", "bob"])), *draw(st.sampled_from([(), ("family",), ("admins",)]))
    )
    world = World(Policy([]))
    world.sign_in(user)
    subject = next(iter(world.view.subjects.values()))
    session: Session = replace(
        subject.session,
        methods=draw(st.sampled_from([frozenset({Method.PASSWORD}), frozenset({Method.PASSWORD, Method.TOTP})])),
        authenticated_at=draw(st.sampled_from([START, START - timedelta(hours=1)])),
    )
    return Subject(user, session)


MOMENTS = st.sampled_from([START, START + timedelta(minutes=3), START + timedelta(hours=3), START + timedelta(days=2)])
APPS = st.sampled_from([(), (App("app", (PATTERNS[0],), preflight=True),)])


def passes(verdict: Verdict) -> bool:
    return isinstance(verdict, Allow)


@given(requests(), subjects(), MOMENTS)
def test_no_rules_means_nobody(request: AccessRequest, subject: Subject | None, now: datetime) -> None:
    """C-26, C07: without a matching rule nobody passes, signed in or not."""
    assert decide(request, subject, Policy([]), now=now) == Deny(Reason.UNKNOWN_HOST)


@given(st.lists(rules(), max_size=5), requests(), subjects(), MOMENTS, APPS)
def test_nothing_passes_without_a_matching_allow(
    given_rules: list[Rule], request: AccessRequest, subject: Subject | None, now: datetime, apps: tuple[App, ...]
) -> None:
    verdict = decide(request, subject, Policy(given_rules, apps=apps), now=now)
    if passes(verdict) and verdict.reason is not Reason.PREFLIGHT:
        assert isinstance(verdict, Allow)
        assert verdict.rule is not None
        assert verdict.rule.effect is Effect.ALLOW
        assert any(pattern.matches(request.host) for pattern in verdict.rule.hosts)
        assert verdict.rule.covers(request)


@given(st.lists(rules(), max_size=5), rules(Effect.ALLOW), requests(), subjects(), MOMENTS, APPS)
def test_adding_an_allow_never_shuts_anybody_out(
    given_rules: list[Rule],
    more: Rule,
    request: AccessRequest,
    subject: Subject | None,
    now: datetime,
    apps: tuple[App, ...],
) -> None:
    before = decide(request, subject, Policy(given_rules, apps=apps), now=now)
    after = decide(request, subject, Policy([*given_rules, more], apps=apps), now=now)
    assert passes(after) or not passes(before)


@given(
    st.lists(rules(), max_size=5),
    rules(Effect.DENY) | rules(Effect.REQUIRE),
    requests(),
    subjects(),
    MOMENTS,
    APPS,
)
def test_adding_a_deny_or_a_require_never_lets_anybody_in(
    given_rules: list[Rule],
    more: Rule,
    request: AccessRequest,
    subject: Subject | None,
    now: datetime,
    apps: tuple[App, ...],
) -> None:
    before = decide(request, subject, Policy(given_rules, apps=apps), now=now)
    after = decide(request, subject, Policy([*given_rules, more], apps=apps), now=now)
    assert passes(before) or not passes(after)


@given(
    st.lists(rules(), max_size=6).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))),
    requests(),
    subjects(),
    MOMENTS,
)
def test_the_order_of_rules_never_matters(
    orders: tuple[list[Rule], list[Rule]], request: AccessRequest, subject: Subject | None, now: datetime
) -> None:
    first, second = (decide(request, subject, Policy(order), now=now) for order in orders)
    assert type(first) is type(second)
    assert passes(first) == passes(second)


@given(st.lists(rules(), max_size=5), requests(), MOMENTS)
def test_without_a_session_only_a_rule_for_anyone_passes(
    given_rules: list[Rule], request: AccessRequest, now: datetime
) -> None:
    verdict = decide(request, None, Policy(given_rules), now=now)
    if passes(verdict):
        assert isinstance(verdict, Allow)
        assert verdict.rule is not None
        assert verdict.rule.audience is Audience.ANYONE
        assert verdict.subject is None


@given(rules(Effect.ALLOW), st.lists(rules(), max_size=4), requests(), subjects(), MOMENTS)
def test_an_expired_session_is_worth_no_more_than_none(
    allow: Rule, given_rules: list[Rule], request: AccessRequest, subject: Subject | None, now: datetime
) -> None:
    if subject is not None:
        policy = Policy([allow, *given_rules])
        ended = Subject(subject.user, replace(subject.session, generation=subject.user.generation - 1))
        assert passes(decide(request, ended, policy, now=now)) == passes(decide(request, None, policy, now=now))


@given(path_patterns(), PATHS)
def test_what_matches_strictly_could_match_loosely(pattern: PathPattern, path: str) -> None:
    assert pattern.could_match(path) or not pattern.matches(path)


@given(path_patterns(), PATHS, st.integers(0, 3))
def test_an_extension_on_any_segment_never_escapes_a_deny(pattern: PathPattern, path: str, at: int) -> None:
    """B11: servers that serve `/a.json` from `/a` do so for what stands below, too."""
    parts = path.split("/")[1:]
    if pattern.matches(path) and at < len(parts) and parts[at]:
        parts[at] += ".json"
        assert pattern.could_match("/" + "/".join(parts))
        if at == len(parts) - 1 and pattern.kind is not PathKind.PREFIX:
            assert pattern.could_match("/" + "/".join([*parts, "info"]))


@given(path_patterns(), PATHS)
def test_letter_case_and_the_spelling_of_accents_never_escape_a_deny(pattern: PathPattern, path: str) -> None:
    accented = replace(pattern, text=pattern.text.replace("x", "\u00e9t\u00e9"))
    path = path.replace("x", "\u00e9t\u00e9")
    if accented.matches(path):
        for spelling in (normalize("NFD", path), path.upper(), normalize("NFD", path.upper())):
            assert accented.could_match(spelling)
            assert replace(accented, text=normalize("NFD", accented.text)).could_match(spelling)


@pytest.mark.parametrize(
    ("text", "path", "loose"),
    [
        ("/a/**", "/a.json/x", True),
        ("/a/**", "/A.tar.gz", True),
        ("/a/**", "/ab.json/x", False),
        ("/a/*/c", "/a/b.d/c.json", True),
        ("/a/b", "/a.json/b.json/c", True),
        ("/a/b", "/a.json/c", False),
        ("=/a/b", "/a.json/b.", True),
        ("=/a/b", "/a.json/b/c", False),
        ("=/x.php", "/x.php/info", True),
        ("/*.php", "/x.php/info", True),
        ("/*.php", "/x.php5/info", False),
        ("/*.php", "/x/info.php", False),
        ("/**/*.php", "/x/y.php/a/b", True),
        ("/*/admin", "/x/admin/y", False),
        ("/a./*", "/A/x", True),
        ("/caf\u00e9", "/cafe\u0301", True),
        ("/caf\u00e9/*", "/CAFE\u0301.json/x", True),
        ("/cafe\u0301", "/CAF\u00c9/x", True),
        ("/caf\u00e9", "/cafe", False),
        ("/\u03b1\u03c3", "/\u0391\u03a3.json", True),
        ("/\u0390", "/\u03aa\u0301", True),
        ("/key", "/\u212aey", True),
        ("~/caf\u00e9/x", "/CAFE\u0301/x.json", True),
        ("~/cafe\u0301", "/CAF\u00c9", True),
        ("~/a/b", "/a.json/b.json", True),
        ("~/a/b", "/a/c", False),
    ],
)
def test_how_loosely_a_deny_reads(text: str, path: str, loose: bool) -> None:
    """B11: what docs/policy.md says under "Paths"."""
    pattern = parse_path(text)
    assert pattern.could_match(path) is loose
    assert not loose or not pattern.matches(path)


@given(
    st.sampled_from(["/admin", "/a/b"]), st.sampled_from(["", "/", ".", "..", ".json", "%20", "/x", "/.", ";x", "//"])
)
@example("/admin", "/")
def test_trailing_noise_never_escapes_a_deny(prefix: str, noise: str) -> None:
    """B11: `/admin/`, `/admin.`, `/admin.json`, `/admin%20` are refused where `/admin` is."""
    deny = Rule(
        "no", Effect.DENY, (PATTERNS[0],), paths=(PathPattern(PathKind.PREFIX, prefix),), audience=Audience.ANYONE
    )
    allow = Rule("yes", Effect.ALLOW, (PATTERNS[0],), audience=Audience.ANYONE)
    for spelling in (prefix, prefix.upper(), prefix.replace("a", "%61")):
        path, target, ambiguous = parse_target((spelling + noise).encode())
        request = AccessRequest("GET", "https", "app.example.test", path, target, ambiguous, None)
        assert decide(request, None, Policy([allow, deny]), now=START) == Deny(Reason.DENIED_BY_RULE, deny)


TARGETS = st.text(st.sampled_from("/admin.pub;%2eEfF5cC0aA#\\? \t?x=é"), max_size=24).map(lambda tail: "/" + tail)


@given(TARGETS)
def test_a_path_limited_allow_passes_only_paths_that_every_server_reads_alike(target: str) -> None:
    """B01 to B10: what some server might read as another path is never opened by a path rule."""
    try:
        path, raw, ambiguous = parse_target(target.encode())
    except InputError:
        return
    allow = Rule(
        "open", Effect.ALLOW, (PATTERNS[0],), paths=(PathPattern(PathKind.PREFIX, "/pub"),), audience=Audience.ANYONE
    )
    request = AccessRequest("GET", "https", "app.example.test", path, raw, ambiguous, None)
    if passes(decide(request, None, Policy([allow]), now=START)):
        plain = raw.partition("?")[0]
        assert plain == "/pub" or plain.startswith("/pub/")
        assert not any(sign in plain for sign in ("//", "..", ";", "\\", "#"))
        assert "/." not in plain or not any(part in {".", ".."} for part in plain.split("/"))


@given(st.sampled_from(HOSTS), st.integers(0, 400))
def test_rules_for_other_hosts_change_nothing(host: str, count: int) -> None:
    others = [
        Rule(f"o{n}", Effect.ALLOW, (HostPattern(f"h{n}.other.test"),), audience=Audience.ANYONE) for n in range(count)
    ]
    request = AccessRequest("GET", "https", host, "/", "/", ambiguous=False, client=None)
    allow = Rule("mine", Effect.ALLOW, (HostPattern(host),), audience=Audience.ANY_USER)
    assert decide(request, None, Policy([*others, allow]), now=START) == Challenge(Reason.NO_SESSION)
    assert len(Policy([*others, allow]).for_host(host).allows) == 1


@given(st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5}){0,3}", fullmatch=True), st.from_regex(r"[a-z.]{0,12}", fullmatch=True))
def test_a_host_pattern_matches_by_whole_labels(name: str, host: str) -> None:
    """D07, Q04, T-25: `evilexample.test` is not below `example.test`; the apex needs `**.`."""
    for spelling, below, apex in ((name, False, True), (f"*.{name}", True, False), (f"**.{name}", True, True)):
        pattern = parse_host_pattern(spelling)
        assert pattern is not None
        assert pattern.text == spelling
        expected = (apex and host == name) or (below and host.endswith("." + name))
        assert pattern.matches(host) == expected
