"""A setting takes one spelling of each value and refuses everything that only looks like it."""

from datetime import time, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from doorward.config import patterns, values
from doorward.config.patterns import Hours
from doorward.config.values import Listen, Secret
from doorward.rules.policy import HostPattern, PathKind
from doorward.rules.span import format_span
from doorward.rules.throttle import Window


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("24h", 86400), ("7d", 604800), ("1h30m", 5400), ("1d2h3m4s", 93784)],
)
def test_a_span_is_a_number_with_its_unit(text: str, seconds: int) -> None:
    assert values.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "given",
    [
        10,
        600,
        True,
        None,
        "",
        "10",
        "1:30",
        "10 m",
        "m",
        "-5m",
        "1.5h",
        "0s",
        "0m0s",
        "30m1h",
        "99999d",
        "\uff110m",
        ["10m"],
    ],
)
def test_nothing_else_is_a_span(given: object) -> None:
    """Q02: a bare number and YAML 1.1's sexagesimal 1:30 are refused."""
    with pytest.raises(PydanticCustomError):
        values.parse_duration(given)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=3000)))
def test_a_span_is_written_as_it_is_read(span: timedelta) -> None:
    whole = timedelta(seconds=int(span.total_seconds()))
    assert values.parse_duration(format_span(whole)) == whole


def test_off_is_no_span() -> None:
    assert values.parse_optional_duration("off") is None
    assert values.parse_optional_duration("5m") == timedelta(minutes=5)


@pytest.mark.parametrize(("text", "size"), [("512B", 512), ("64KiB", 65536), ("2MiB", 2097152)])
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert values.parse_size(text) == size
    assert values.format_size(size) == text


@pytest.mark.parametrize("given", [65536, "65536", "64kb", "0B", "1GiB", "", None, "-1B"])
def test_nothing_else_is_a_size(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_size(given)


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        (":8080", Listen("", 8080)),
        (":0", Listen("", 0)),
        ("127.0.0.1:80", Listen("127.0.0.1", 80)),
        ("localhost:8080", Listen("localhost", 8080)),
        ("[::1]:8080", Listen("::1", 8080)),
        ("unix:/run/doorward.sock", Listen(path="/run/doorward.sock")),
    ],
)
def test_an_address_to_listen_on_is_read_and_written(text: str, listen: Listen) -> None:
    """C-13."""
    assert values.parse_listen(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize(
    "given",
    [
        8080,
        "8080",
        ":",
        ":99999",
        "::1:80",
        "a:1:2",
        "[::1]",
        "[::1",
        "unix:",
        "unix:x",
        "unix:/run/",
        "http://x:1",
        "",
        "x",
    ],
)
def test_nothing_else_is_an_address_to_listen_on(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_listen(given)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com/", "https://auth.example.com"),
        ("HTTPS://Auth.Example.com:443", "https://auth.example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_canonical(text: str, origin: str) -> None:
    assert values.parse_origin(text) == origin


@pytest.mark.parametrize(
    "given",
    [
        "auth.example.com",
        "//auth.example.com",
        "ftp://auth.example.com",
        "https://",
        "https:///x",
        "https://a.example.com/x",
        "https://a.example.com?x",
        "https://a.example.com#",
        "https://u:p@a.example.com",
        "https://a.example.com\\@b.example.com",
        "https://a example.com",
        "https://a.example.com:99999",
        "https://ä.example.com",
        "https://a.example.com\n",
        5,
    ],
)
def test_nothing_else_is_an_origin(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        values.parse_origin(given)


def test_a_network_is_a_cidr_or_one_address() -> None:
    assert values.parse_network("10.0.0.0/8") == ip_network("10.0.0.0/8")
    assert values.parse_network("10.1.2.3") == ip_network("10.1.2.3/32")
    assert values.parse_network("fd00::/8") == ip_network("fd00::/8")
    assert values.parse_peer("unix") == "unix"


@pytest.mark.parametrize(
    "given",
    [
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.1/8",
        "10.0.0",
        "proxy",
        "fe80::1%eth0",
        "10.0.0.0/8;10.1.0.0/16",
        "10.0.0.0/8,10.1.0.0/16",
        "*",
        "10.0.0.0/33",
        "::ffff:10.0.0.0/104",
        "010.0.0.1",
        "1.2.3.4:80",
        "",
        10,
    ],
)
def test_nothing_else_is_a_network(given: object) -> None:
    """Q07: spaces, host bits, short forms, names, zones and other separators are refused, and the value is named."""
    with pytest.raises(PydanticCustomError) as refused:
        values.parse_network(given)
    if isinstance(given, str):
        assert repr(given) in str(refused.value)


def test_host_bits_are_refused_with_the_network_meant() -> None:
    """Q07."""
    with pytest.raises(PydanticCustomError) as refused:
        values.parse_network("10.0.0.1/8")
    assert refused.value.context is not None
    assert "10.0.0.0/8" in refused.value.context["hint"]


def test_hosts_are_literal_or_wildcards() -> None:
    """Q04: a dot is a dot."""
    pattern = patterns.parse_hosts("App.example.test")
    assert pattern == HostPattern("app.example.test")
    assert not pattern.matches("appxexample.test")
    assert patterns.parse_hosts("*.example.com") == HostPattern("example.com", below=True, apex=False)
    assert patterns.parse_hosts("**.example.com") == HostPattern("example.com", below=True)


@pytest.mark.parametrize(
    "given", ["*", "", "a.*.com", "https://a.b", "a.b/c", "a.b:80", "ä.b", "a b", ".example.com", "-a.b", 5, "a" * 600]
)
def test_nothing_else_is_a_host(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_hosts(given)


@pytest.mark.parametrize(
    ("text", "kind", "inside", "outside"),
    [
        ("/", PathKind.PREFIX, "/anything", None),
        ("/admin", PathKind.PREFIX, "/admin/x", "/administrator"),
        ("=/admin", PathKind.EXACT, "/admin", "/admin/x"),
        ("/a/*/b", PathKind.GLOB, "/a/1/b", "/a/1/2/b"),
        ("/a/**", PathKind.GLOB, "/a/1/2", "/b"),
        ("~/u/[0-9]+", PathKind.REGEX, "/u/7", "/u/7/x"),
        ("~/a|/b", PathKind.REGEX, "/b", "/bc"),
    ],
)
def test_paths_have_four_spellings(text: str, kind: PathKind, inside: str, outside: str | None) -> None:
    """Q04: a regular expression without anchors is anchored all the same."""
    pattern = patterns.parse_path(text)
    assert pattern.kind is kind
    assert pattern.matches(inside)
    assert outside is None or not pattern.matches(outside)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~/Admin(/.*)?", "/admin"),
        ("~/Admin(/.*)?", "/ADMIN/x"),
        ("~/Admin(/.*)?", "/aDMIN.json"),
        ("~/api/v[0-9]+/Users", "/api/V1/users/"),
        ("~/a|/B", "/b"),
        ("~/[^A-Z]+", "/ABC"),
        (r"~\Q/Admin+", "/admin+"),
    ],
)
def test_a_deny_with_an_expression_is_blind_to_letter_case_and_an_allow_is_not(text: str, path: str) -> None:
    """B11."""
    pattern = patterns.parse_path(text)
    assert pattern.could_match(path)
    assert not pattern.matches(path)


@pytest.mark.parametrize(
    "given",
    [
        "admin", "", "/a?b", "/a#b", "/a%20b", "/a//b", "/a/../b", "/./a", "/a\\b", "/a;b", "/a\nb", "=/a/*", "/a**",
        "~(", "~(?=a)", "~(a)\\1", "/" + "a" * 600, 5,
    ],
)  # fmt: skip
def test_nothing_else_is_a_path(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_path(given)


def test_a_regular_expression_runs_in_linear_time() -> None:
    """The classic exponential pattern answers at once: the engine cannot backtrack."""
    assert not patterns.parse_path("~(/a+)+b").matches("/" + "a" * 5000)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Mon-Fri 08:00-18:00", Hours(frozenset(range(5)), time(8), time(18))),
        ("sat,SUN", Hours(frozenset({5, 6}), time(), time())),
        ("Fri-Mon", Hours(frozenset({4, 5, 6, 0}), time(), time())),
        ("22:00-06:00", Hours(frozenset(range(7)), time(22), time(6))),
        ("Wed 18:00-24:00", Hours(frozenset({2}), time(18), time())),
    ],
)
def test_days_and_hours_are_read_and_written(text: str, hours: Hours) -> None:
    assert patterns.parse_hours(text) == hours
    assert patterns.parse_hours(str(hours)) == hours


@pytest.mark.parametrize(
    "given",
    ["", "Mo-Fr", "Mon-Fri 8-18", "08:00-08:00", "25:00-26:00", "Mon 08:00-18:00 x", "x 08:00-18:00", "Mon Tue", 800],
)
def test_nothing_else_is_days_and_hours(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_hours(given)


def test_a_limit_is_a_number_in_a_span() -> None:
    assert patterns.parse_window("5/1m") == Window(5, timedelta(minutes=1))


@pytest.mark.parametrize("given", ["5", "0/1m", "x/1m", "5/60", "5 per minute", 5, ""])
def test_nothing_else_is_a_limit(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_window(given)


def test_people_are_canonical() -> None:
    """C-26: names and addresses compare without regard to case."""
    assert patterns.parse_person("Alice") == "alice"
    assert patterns.parse_person("Alice@Example.com") == "alice@example.com"


@pytest.mark.parametrize("given", ["*", "", "a b", "a@b@c", "älice", 12345, True])
def test_nothing_else_is_a_person(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_person(given)


@pytest.mark.parametrize("given", ["", "a,b", "a b", 5])
def test_a_group_has_no_separators(given: object) -> None:
    with pytest.raises(PydanticCustomError):
        patterns.parse_group(given)


def test_a_secret_does_not_show_itself() -> None:
    secret = values.parse_secret("hunter2hunter2")
    assert "hunter2" not in repr(secret) + str(secret) + f"{secret}"
    assert secret.reveal() == "hunter2hunter2"
    assert secret == Secret("hunter2hunter2")
    assert secret != Secret("other")
    assert secret != "hunter2hunter2"
    assert len({secret, Secret("hunter2hunter2")}) == 1


@pytest.mark.parametrize("given", ["", "  ", 12345, None])
def test_an_empty_secret_is_refused_and_no_secret_is_repeated(given: object) -> None:
    """Q05."""
    with pytest.raises(PydanticCustomError) as refused:
        values.parse_secret(given)
    assert "12345" not in str(refused.value)
