"""What somebody asks of a key is read as it is meant, or refused with a sentence."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from doorward.errors import InputError
from doorward.rules.app_key import ApiScope
from doorward.rules.key_wish import (
    KeyTerms,
    accept_wish,
    check_openable,
    comes_from,
    is_live,
    list_openable,
    may_open,
    parse_key_name,
    parse_key_path,
)
from tests.contract.test_app_keys import ALICE, a_key
from tests.fakes.app_keys import POLICY, a_wish
from tests.fakes.system import START

DAY = timedelta(days=1)


def accept(terms=KeyTerms(), **changes):  # noqa: B008 -- frozen
    return accept_wish(a_wish(**changes), terms, now=START)


def test_a_name_has_one_to_fifty_characters_and_a_longer_one_is_cut():
    """A-19."""
    assert parse_key_name("  Alice's phone ") == "Alice's phone"
    assert parse_key_name("x" * 60) == "x" * 50
    for bad in ("", "   ", "a\nb", "\u200d", "a\x00"):
        with pytest.raises(InputError):
            parse_key_name(bad)


def test_everything_is_read_as_it_is_meant():
    found = accept(
        apps=("Wiki", " Wiki ", ""),
        hosts=("App.Example.test.",),
        paths=("/dav/", "/dav", "/k\u00e4se", "/a%20b"),
        methods=("get", "PROPFIND"),
        networks=("10.0.0.0/8", " "),
        scopes=frozenset({ApiScope.READ}),
        read_only=True,
    )
    assert found.apps == ("Wiki",)
    assert found.hosts == ("app.example.test",)
    assert found.paths == ("/dav", "/k\u00e4se", "/a b")
    assert found.methods == {"GET", "PROPFIND"}
    assert found.networks == (ip_network("10.0.0.0/8"),)
    assert found.read_only
    assert not found.in_url


def test_the_root_stands_for_every_path():
    assert accept(paths=("/api", "/")).paths == ()


@pytest.mark.parametrize(
    "path", ["api", "/a?b", "/a#b", "/a*", "/a/../b", "/a//b", "/%2e%2e", "/a%2fb", "/%ff", "/\ud800", "/" + "x" * 600]
)
def test_a_path_that_servers_could_read_in_two_ways_is_refused(path):
    with pytest.raises(InputError, match=r"is no path|not written plainly"):
        parse_key_path(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"apps": ()}, "choose what the key opens"),
        ({"methods": ("G T",)}, "is no method"),
        ({"methods": ("POST",), "read_only": True}, "read-only"),
        ({"hosts": ("a b",)}, "is no host"),
        ({"hosts": ("a.example.test:8443",)}, "is no host"),
        ({"networks": ("home",)}, "is no network"),
        ({"paths": tuple(f"/{n}" for n in range(21))}, "at most 20 apps"),
        ({"in_url": True, "scopes": frozenset({ApiScope.READ})}, "may stand in an address"),
        ({"expires_at": START}, "expired already"),
        ({"expires_at": START + DAY, "forever": True}, "either has an end or none"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        accept(**changes)


def test_a_key_for_our_own_api_needs_no_app():
    assert accept(apps=(), scopes=frozenset({ApiScope.WRITE})).scopes == {ApiScope.WRITE}


def test_how_long_a_key_lasts_is_within_policy():
    bounded = KeyTerms(max_lifetime=30 * DAY, default_lifetime=365 * DAY)
    assert accept().expires_at is None
    assert accept(KeyTerms(default_lifetime=DAY)).expires_at == START + DAY
    assert accept(KeyTerms(default_lifetime=DAY), forever=True).expires_at is None
    assert accept(bounded).expires_at == START + 30 * DAY
    assert accept(bounded, expires_at=START + 30 * DAY).expires_at == START + 30 * DAY
    for changes in ({"forever": True}, {"expires_at": START + 31 * DAY}):
        with pytest.raises(InputError, match="a key lasts 30 days at most"):
            accept(bounded, **changes)
    with pytest.raises(InputError, match="a key lasts 12 hours at most"):
        accept(KeyTerms(max_lifetime=DAY / 2), forever=True)


def test_only_what_its_owner_may_open_can_be_opened_by_a_key():
    """Where from and when is left to the check: a key for the home network is made elsewhere, too."""
    family = replace(ALICE, groups=frozenset({"family"}))
    assert list_openable(POLICY, ALICE) == ("Wiki", "Feeds")
    assert list_openable(POLICY, family) == ("Wiki", "NAS", "Feeds")
    assert list_openable(POLICY, replace(ALICE, console_only=True)) == ()
    assert may_open(POLICY, ALICE, "x.feeds.example.test")
    assert not may_open(POLICY, ALICE, "feeds.example.test")
    assert not may_open(POLICY, ALICE, "nowhere.example.test")
    assert not may_open(POLICY, ALICE, "vault.example.test")
    assert may_open(POLICY, replace(ALICE, name="bob"), "vault.example.test")
    assert not may_open(POLICY, ALICE, "persons.example.test")
    check_openable(POLICY, ALICE, accept(hosts=("x.feeds.example.test",)))
    with pytest.raises(InputError, match="no app 'Vault'"):
        check_openable(POLICY, ALICE, accept(apps=("Vault",)))
    with pytest.raises(InputError, match=r"no host nas\.example\.test"):
        check_openable(POLICY, ALICE, accept(hosts=("nas.example.test",)))


def test_a_key_stands_in_an_address_only_where_an_app_takes_it_there():
    """D-48."""
    check_openable(POLICY, ALICE, accept(apps=("Feeds",), hosts=("x.feeds.example.test",), in_url=True))
    for changes in ({"apps": ("Feeds", "Wiki")}, {"apps": ("Feeds",), "hosts": ("wiki.example.test",)}):
        with pytest.raises(InputError, match="url_keys"):
            check_openable(POLICY, ALICE, accept(**changes, in_url=True))


def test_a_key_is_live_until_it_ends_or_is_put_to_sleep():
    key = a_key(expires_at=START + DAY)
    assert is_live(a_key(), START + 10_000 * DAY)
    assert is_live(key, START + DAY - timedelta(microseconds=1))
    assert not is_live(key, START + DAY)
    assert not is_live(a_key(disabled_at=START), START)


def test_a_key_is_used_from_its_networks_alone():
    key = a_key(networks=(ip_network("10.0.0.0/8"),))
    assert comes_from(a_key(), None)
    assert comes_from(key, ip_address("10.1.2.3"))
    assert comes_from(key, ip_address("::ffff:10.1.2.3"))
    assert not comes_from(key, ip_address("203.0.113.7"))
    assert not comes_from(key, None)
