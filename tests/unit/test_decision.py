"""The decision and its parts, case by case, where a property would not say which case it is."""

import re
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.errors import InputError
from doorward.rules.access import Allow, Challenge, Deny, decide
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
    glob_matches,
    in_networks,
    parse_host_pattern,
    segments,
)
from doorward.rules.reason import Reason
from doorward.rules.request import AccessRequest, parse_host
from doorward.rules.session import Method, Subject
from doorward.rules.token import make_cookie, read_cookie
from tests.fakes.gate import World, make_user
from tests.fakes.system import START

HOST = HostPattern("app.example.test")
EVERYONE = Rule("everyone", Effect.ALLOW, (HOST,), audience=Audience.ANY_USER)


def ask(
    path: str = "/", client: str | None = "203.0.113.7", method: str = "GET", *, preflight: bool = False
) -> AccessRequest:
    address = ip_address(client) if client else None
    return AccessRequest(
        method, "https", "app.example.test", path, path, ambiguous=False, client=address, preflight=preflight
    )


def sign_in(*methods: Method, **changes: object) -> Subject:
    world = World(Policy([]))
    world.sign_in(make_user("alice", "family", **changes), methods=frozenset(methods or (Method.PASSWORD,)))
    return next(iter(world.view.subjects.values()))


def demand(**requirement: object) -> Policy:
    asked = Requirement(**requirement)  # type: ignore[arg-type]
    return Policy([EVERYONE, Rule("asked", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=asked)])


@pytest.mark.parametrize(
    ("requirement", "methods", "reason"),
    [
        ({"two_factor": True}, [Method.PASSWORD], Reason.TWO_FACTOR_REQUIRED),
        ({"two_factor": True}, [Method.UPSTREAM], Reason.TWO_FACTOR_REQUIRED),
        ({"two_factor": True}, [Method.PASSWORD, Method.TOTP], None),
        ({"passkey": True}, [Method.PASSWORD, Method.TOTP], Reason.PASSKEY_REQUIRED),
        ({"passkey": True}, [Method.PASSKEY], None),
        ({"networks": (ip_network("10.0.0.0/8"),)}, [Method.PASSWORD], Reason.NETWORK_REQUIRED),
        ({"networks": (ip_network("203.0.113.0/24"),)}, [Method.PASSWORD], None),
    ],
)
def test_a_requirement_holds_or_refuses(
    requirement: dict[str, object], methods: list[Method], reason: Reason | None
) -> None:
    """F15: what was proven is what counts. What can be proven is asked for; where somebody is cannot."""
    verdict = decide(ask(), sign_in(*methods), demand(**requirement), now=START)
    denied = Deny if reason is Reason.NETWORK_REQUIRED else Challenge
    assert isinstance(verdict, Allow if reason is None else denied)
    assert verdict.reason is (reason or Reason.RULE)


def test_a_requirement_of_a_network_is_not_met_from_nowhere() -> None:
    """A08: an unknown address is inside no network."""
    policy = demand(networks=(ip_network("0.0.0.0/0"),))
    assert decide(ask(client=None), sign_in(), policy, now=START).reason is Reason.NETWORK_REQUIRED


def test_freshness_is_measured_from_the_last_proof() -> None:
    policy = demand(fresh=timedelta(minutes=5))
    subject = sign_in()
    assert isinstance(decide(ask(), subject, policy, now=START + timedelta(minutes=5, microseconds=-1)), Allow)
    late = decide(ask(), subject, policy, now=START + timedelta(minutes=5))
    assert isinstance(late, Challenge)
    assert late.reason is Reason.NOT_FRESH


def test_an_open_path_under_a_requirement_of_proof_asks_to_sign_in() -> None:
    asked = Rule("asked", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=Requirement(two_factor=True))
    near = Rule(
        "near", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=Requirement(networks=(ip_network("203.0.113.0/24"),))
    )  # fmt: skip
    opened = Rule("open", Effect.ALLOW, (HOST,), audience=Audience.ANYONE)
    assert decide(ask(), None, Policy([opened, asked]), now=START).reason is Reason.NO_SESSION
    assert decide(ask(), None, Policy([opened, near]), now=START).reason is Reason.PUBLIC


def test_a_disabled_account_is_denied_and_not_sent_to_sign_in() -> None:
    """E25."""
    assert decide(ask(), sign_in(enabled=False), Policy([EVERYONE]), now=START) == Deny(Reason.USER_DISABLED)


def test_an_account_for_the_console_is_denied_at_every_app() -> None:
    """D-06: by no rule, not where anyone may pass, not as an administrator; elsewhere the host is unknown as ever."""
    opened = Rule("open", Effect.ALLOW, (HOST,), audience=Audience.ANYONE)
    for policy in (Policy([EVERYONE]), Policy([opened]), Policy([])):
        subject = sign_in(console_only=True, is_admin=True)
        known = policy.for_host(HOST.name).is_known
        assert decide(ask(), subject, policy, now=START) == Deny(Reason.CONSOLE_ONLY if known else Reason.UNKNOWN_HOST)
    late = START + timedelta(days=2)
    assert decide(ask(), sign_in(console_only=True), Policy([EVERYONE]), now=late) == Challenge(Reason.SESSION_EXPIRED)


def test_a_preflight_passes_by_the_apps_choice_but_not_past_a_network() -> None:
    """B25."""
    app = App("app", (HOST,), preflight=True)
    near = Requirement(networks=(ip_network("10.0.0.0/8"),), two_factor=True)
    far = Rule("near", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=near)
    factor = Rule("factor", Effect.REQUIRE, (HOST,), audience=Audience.ANYONE, requirement=Requirement(two_factor=True))
    shut = Rule("shut", Effect.DENY, (HOST,), audience=Audience.ANYONE)
    question = ask(method="OPTIONS", preflight=True)
    assert decide(question, None, Policy([EVERYONE, factor], apps=[app]), now=START) == Allow(Reason.PREFLIGHT, None)
    assert decide(question, None, Policy([EVERYONE, far], apps=[app]), now=START) == Deny(Reason.NETWORK_REQUIRED, far)
    inside = ask(client="10.1.1.1", method="OPTIONS", preflight=True)
    assert decide(inside, None, Policy([EVERYONE, far], apps=[app]), now=START) == Allow(Reason.PREFLIGHT, None)
    assert isinstance(decide(question, None, Policy([EVERYONE, shut], apps=[app]), now=START), Deny)
    assert isinstance(decide(question, None, Policy([EVERYONE], apps=[App("app", (HOST,))]), now=START), Challenge)


def test_users_are_meant_by_name_or_address_and_groups_may_come_from_the_configuration() -> None:
    """C-26, C-27: case was settled when they were read."""
    by_address = Rule("mail", Effect.ALLOW, (HOST,), users=frozenset({"alice@example.test"}))
    by_group = Rule("group", Effect.ALLOW, (HOST,), groups=frozenset({"staff"}))
    assert isinstance(decide(ask(), sign_in(), Policy([by_address]), now=START), Allow)
    assert isinstance(decide(ask(), sign_in(email=""), Policy([by_address]), now=START), Deny)
    assert isinstance(decide(ask(), sign_in(), Policy([by_group]), now=START), Deny)
    for who in ("alice", "alice@example.test"):
        policy = Policy([by_group], groups={who: frozenset({"staff"})})
        assert isinstance(decide(ask(), sign_in(), policy, now=START), Allow)
    assert Policy([], groups={"": frozenset({"staff"})}).groups_of(sign_in(email="").user) == {"family"}


@pytest.mark.parametrize(
    ("at", "holds"),
    [("2030-01-01T07:59", False), ("2030-01-01T08:00", True), ("2030-01-01T17:59", True), ("2030-01-01T18:00", False), ("2030-01-05T12:00", False)],
)  # fmt: skip
def test_a_time_window_opens_and_closes_on_the_minute(at: str, holds: bool) -> None:
    window = TimeWindow(frozenset(range(5)), time(8), time(18), UTC)
    assert window.holds(datetime.fromisoformat(at).replace(tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [("2030-01-04T21:59", False), ("2030-01-04T22:00", True), ("2030-01-05T05:59", True), ("2030-01-05T06:00", False), ("2030-01-05T22:00", False), ("2030-01-04T05:00", False)],
)  # fmt: skip
def test_a_window_past_midnight_belongs_to_the_day_it_began(at: str, holds: bool) -> None:
    window = TimeWindow(frozenset({4}), time(22), time(6), UTC)
    assert window.holds(datetime.fromisoformat(at).replace(tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    ("kind", "text", "path", "strict", "loose"),
    [
        (PathKind.EXACT, "/admin", "/admin", True, True),
        (PathKind.EXACT, "/admin", "/admin/", False, True),
        (PathKind.EXACT, "/admin", "/admin/x", False, False),
        (PathKind.EXACT, "/", "/", True, True),
        (PathKind.EXACT, "/", "/x", False, False),
        (PathKind.PREFIX, "/", "/x/y", True, True),
        (PathKind.PREFIX, "/a/", "/a/b", True, True),
        (PathKind.PREFIX, "/public", "/publicadmin", False, False),
        (PathKind.PREFIX, "/public", "/public-old/x", False, False),
        (PathKind.PREFIX, "/public", "/public.bak", False, True),
        (PathKind.PREFIX, "/a/admin", "/A/Admin.json/x", False, True),
        (PathKind.PREFIX, "/a/admin", "/a", False, False),
        (PathKind.PREFIX, "/a/admin", "/a/b", False, False),
        (PathKind.GLOB, "/a/*/c", "/a/b/c", True, True),
        (PathKind.GLOB, "/a/*/c", "/a/b/C.json", False, True),
        (PathKind.GLOB, "/a/*/c", "/a/c", False, False),
        (PathKind.GLOB, "/a/**", "/a", True, True),
        (PathKind.GLOB, "/**/c", "/a/b/c", True, True),
        (PathKind.GLOB, "/x*y*z", "/xAyBz", True, True),
        (PathKind.GLOB, "/x*y*z", "/xABz", False, False),
        (PathKind.GLOB, "/x*y", "/zy", False, False),
        (PathKind.GLOB, "/xy*yx", "/xyx", False, False),
        (PathKind.GLOB, "/a", "/", False, False),
    ],
)
def test_a_path_pattern_matches_strictly_and_loosely(
    kind: PathKind, text: str, path: str, strict: bool, loose: bool
) -> None:
    """B07, B11: by whole segments; what a forgiving server might read alike is matched by denies only."""
    pattern = PathPattern(kind, text)
    assert pattern.matches(path) is strict
    assert pattern.could_match(path) is loose


def test_a_regular_expression_is_anchored_and_read_loosely_by_denies() -> None:
    """B14: `$` before a newline is no end; an expression that cannot be run refuses."""
    pattern = PathPattern(PathKind.REGEX, "/admin(/.*)?", re.compile("/admin(/.*)?").fullmatch)
    assert pattern.matches("/admin/x")
    assert not pattern.matches("/admin\n")
    assert not pattern.matches("/x/admin")
    assert pattern.could_match("/Admin.json")
    assert not pattern.could_match("/public")
    broken = PathPattern(PathKind.REGEX, "/x")
    assert not broken.matches("/x")
    assert broken.could_match("/anything")


def test_a_glob_that_begins_with_any_depth_may_match_nothing() -> None:
    assert glob_matches(segments("/**"), [])
    assert glob_matches(segments("/**/**/x"), ["x"])
    assert not glob_matches(segments("/**/x"), [])


def test_what_is_known_of_hosts_does_not_grow_without_end() -> None:
    policy = Policy([Rule("all", Effect.ALLOW, (HostPattern("example.test", below=True),), audience=Audience.ANY_USER)])
    for number in range(5000):
        assert policy.for_host(f"h{number}.example.test").is_known
        assert not policy.for_host(f"h{number}.other.test").is_known
    assert len(policy._remembered) <= 4096


def test_the_most_specific_app_names_a_host() -> None:
    wide, narrow = App("wide", (HostPattern("example.test", below=True),)), App("narrow", (HOST,))
    policy = Policy([], apps=[wide, narrow])
    assert policy.app_of("app.example.test") == narrow
    assert policy.app_of("x.y.example.test") == wide
    assert policy.app_of("other.test") is None


def test_a_policy_knows_the_users_it_names() -> None:
    policy = Policy(
        [Rule("one", Effect.ALLOW, (HOST,), users=frozenset({"ann"}))], groups={"bob": frozenset({"staff"})}
    )
    assert policy.names_user("ann")
    assert policy.names_user("bob")
    assert not policy.names_user("cat")


def test_a_mapped_address_is_the_address_it_maps() -> None:
    """A10."""
    assert in_networks(ip_address("::ffff:10.0.0.1"), [ip_network("10.0.0.0/8")])
    assert not in_networks(ip_address("10.0.0.1"), [ip_network("::/0")])


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "**", "a*.example.test", "*.*.example.test", "a_b..c", "é.test", "a/b"]
)
def test_a_pattern_that_is_no_host_is_none(text: str) -> None:
    assert parse_host_pattern(text) is None


def test_an_address_of_ipv6_that_is_none_is_no_host() -> None:
    for text in ("[1:2]", "[::1::2]", "[12345::]"):
        with pytest.raises(InputError):
            parse_host(text)


KEY = b"k" * 32


def test_a_cookie_is_token_and_mac() -> None:
    """A-06, B-14: 32 random bytes, HMAC-SHA-256; another key ends them all; C-03, D-36: stored is the SHA-256."""
    value, fingerprint = make_cookie(b"\x01" * 32, KEY)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}", value)
    assert read_cookie(value.encode(), KEY) == fingerprint
    assert len(fingerprint) == 32
    assert value.encode() not in fingerprint
    assert read_cookie(value.encode(), b"l" * 32) is None


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_token_of_another_size_is_never_made(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make_cookie(b"x" * size, KEY)


@pytest.mark.parametrize(
    "value",
    ["", "%", "_", "../../x", "null", "0", "x" * 1_000_000, "\x00" * 87, "é" * 43, "a" * 43 + "." + "b" * 43, "a" * 87],
)
def test_a_value_of_another_shape_is_nobody(value: str) -> None:
    """J15."""
    assert read_cookie(value.encode(), KEY) is None


def test_every_changed_character_makes_it_somebody_unknown() -> None:
    value = make_cookie(b"\x07" * 32, KEY)[0]
    for index, letter in enumerate(value):
        other = "A" if letter != "A" else "B"
        assert read_cookie((value[:index] + other + value[index + 1 :]).encode(), KEY) is None
    assert read_cookie(value.encode() + b"\n", KEY) is None
