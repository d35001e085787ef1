"""Pairing as values: codes, scopes, the pace of asking, and whose network a device is in (RFC 8628)."""

from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.app_key import ApiScope
from doorward.rules.pairing import (
    ALPHABET,
    INTERVAL,
    SLOWEST,
    Pace,
    Reach,
    Whence,
    compare_networks,
    hash_user_code,
    keep_pace,
    list_places,
    parse_scope,
    parse_user_code,
    show_user_code,
    write_user_code,
)

NAMES = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=12).filter(
    lambda name: name.isprintable() and name == name.strip()
)


@given(st.binary(min_size=16, max_size=32))
def test_a_code_is_read_however_it_is_typed(random):
    code = write_user_code(random)
    shown = show_user_code(code)
    assert (len(code), len(shown), shown[4]) == (8, 9, "-")
    assert set(code) <= set(ALPHABET)
    for typed in (
        shown,
        code,
        shown.lower(),
        f" {code[:3]} {code[3:]}\t",
        shown.replace("-", "\u2013"),
        ".".join(code),
    ):
        assert parse_user_code(typed) == code


@pytest.mark.parametrize(
    "typed", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJ0", "BCDF-GHJKL", "-" * 60 + "BCDFGHJK", "ﬀCDFGHJ"]
)
def test_what_is_no_code_is_none(typed):
    assert parse_user_code(typed) is None


def test_a_code_is_stored_under_a_hash_that_takes_a_key():
    """Whoever reads the store cannot try all codes."""
    assert hash_user_code("BCDFGHJK", b"1" * 32) != hash_user_code("BCDFGHJK", b"2" * 32)
    assert len(hash_user_code("BCDFGHJK", b"1" * 32)) == 32


def test_a_scope_names_apps_hosts_and_our_own_api():
    scope = "app:Home%20Assistant app:wiki host:Cal.example.test. read write"
    assert parse_scope(scope) == Reach(
        ("Home Assistant", "wiki"), ("cal.example.test",), frozenset({ApiScope.READ, ApiScope.WRITE})
    )


def test_words_of_others_are_passed_over():
    reach = parse_scope("openid profile offline_access urn:x read read")
    assert reach == Reach(scopes=frozenset({ApiScope.READ}))
    assert not reach.names_places
    assert parse_scope("host:a.test").names_places
    assert parse_scope("") == Reach()


@given(
    st.lists(NAMES, unique=True, max_size=4),
    st.lists(st.sampled_from(["a.test", "b.test", "[2001:db8::1]"]), unique=True),
    st.frozensets(st.sampled_from([ApiScope.READ, ApiScope.WRITE])),
)
def test_a_scope_is_read_as_it_was_written(apps, hosts, scopes):
    reach = Reach(tuple(apps), tuple(hosts), scopes)
    assert parse_scope(reach.text) == reach


@pytest.mark.parametrize(
    "scope",
    [
        " read",
        "read  write",
        "read\twrite",
        'app:"x"',
        "app:ä",
        "app:",
        "app:%",
        "app:%zz",
        "app:%ff",
        "app:%0a",
        "app:%e2%80%ae",
        "app:%20",
        "host:",
        "host:a..b",
        "host:a.test:8443",
        "admin",
        "read admin",
        "x" * 2001,
        " ".join(f"s{number}" for number in range(21)),
    ],
)
def test_what_begins_like_ours_and_is_no_such_thing_is_refused(scope):
    """Nor is any device given the right to administer."""
    with pytest.raises(InputError):
        parse_scope(scope)


def test_who_asks_too_soon_has_to_wait_longer_each_time():
    """RFC 8628, 3.5."""
    pace, too_soon = keep_pace(None, 100.0)
    assert (pace, too_soon) == (Pace(100.0, INTERVAL), False)
    pace, too_soon = keep_pace(pace, 104.5)
    assert (pace, too_soon) == (Pace(104.5, INTERVAL), False), "what was asked on time may arrive a little early"
    pace, too_soon = keep_pace(pace, 106.0)
    assert (pace, too_soon) == (Pace(106.0, timedelta(seconds=10)), True)
    pace, too_soon = keep_pace(pace, 112.0)
    assert (pace.interval, too_soon) == (timedelta(seconds=15), True)
    pace, too_soon = keep_pace(pace, 130.0)
    assert (pace.interval, too_soon) == (timedelta(seconds=15), False), "it stays as it was made"
    for _ in range(20):
        pace, _ = keep_pace(pace, 130.0)
    assert pace.interval == SLOWEST


@pytest.mark.parametrize(
    ("device", "browser", "whence"),
    [
        ("203.0.113.7", "203.0.113.7", Whence.HERE),
        ("203.0.113.7", "203.0.113.8", Whence.ELSEWHERE),
        ("2001:db8:1:2::7", "2001:db8:1:2:ffff::8", Whence.HERE),
        ("2001:db8:1:2::7", "2001:db8:1:3::7", Whence.ELSEWHERE),
        ("::ffff:203.0.113.7", "203.0.113.7", Whence.HERE),
        ("192.168.1.20", "192.168.1.30", Whence.HERE),
        ("192.168.1.20", "192.168.2.30", Whence.ELSEWHERE),
        ("192.168.1.20", "203.0.113.7", Whence.ELSEWHERE),
        ("192.168.1.20", "2001:db8::1", Whence.ELSEWHERE),
        (None, "203.0.113.7", Whence.UNKNOWN),
        ("203.0.113.7", None, Whence.UNKNOWN),
    ],
)
def test_a_device_is_in_the_same_network_as_far_as_addresses_tell(device, browser, whence):
    addresses = [None if text is None else ip_address(text) for text in (device, browser)]
    assert compare_networks(*addresses) is whence


@pytest.mark.parametrize(
    ("address", "most", "places"),
    [
        ("192.0.2.1", 200, (("192.0.2.1", 10),)),
        ("2001:db8:1:2::3", 200, (("2001:db8:1:2::/64", 10), ("2001:db8:1::/48", 50))),
        ("2001:db8:1:2::3", 20, (("2001:db8:1:2::/64", 10), ("2001:db8:1::/48", 10))),
        ("::ffff:192.0.2.1", 200, (("192.0.2.1", 10),)),
        (None, 200, (("unknown", 10),)),
    ],
)
def test_no_site_fills_what_may_wait(address, most, places):
    """Whoever has a /48 has as many networks as there are addresses to count under."""
    found = list_places(None if address is None else ip_address(address), most)
    assert found == (*((f"pairing_waiting:{name}", limit) for name, limit in places), ("pairing_waiting", most))
