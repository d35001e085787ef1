"""What can be seen to break a sign-in is named first."""

import pytest

from doorward.web.pages.loop import Trail, find_causes, follow, is_on, is_shared, read_trail
from tests.fakes.system import START

URL = "https://app.example.test/x"
WELL = {
    "public_host": "auth.example.test",
    "cookie_domain": "example.test",
    "secure": True,
    "scheme": "https",
    "signed_in": True,
    "torn": False,
}


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"torn": True}, "two sign-in cookies"),
        ({"cookie_domain": ""}, "does not reach"),
        ({"cookie_domain": "other.test"}, "does not reach"),
        ({"scheme": "http"}, "https is needed"),
        ({"cookie_domain": "test", "signed_in": False}, "accept no cookies"),
        ({"cookie_domain": "duckdns.org", "signed_in": False, "url": "https://a.duckdns.org/"}, "accept no cookies"),
    ],
)
def test_the_cause_at_hand_comes_first(change: dict, title: str) -> None:
    found = {**WELL, **change}
    causes = find_causes(found.pop("url", URL), **found)
    assert [cause.seen for cause in causes].count(True) == 1
    assert causes[0].seen
    assert title in causes[0].title


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ["does not hand the cookie", "another host or scheme"]),
        ({"scheme": ""}, ["does not hand the cookie", "another host or scheme", "https is needed"]),
        ({"signed_in": False}, ["another host or scheme", "refuses the cookie"]),
    ],
)
def test_what_can_be_seen_not_to_be_so_is_left_out(change: dict, words: list[str]) -> None:
    causes = find_causes(URL, **{**WELL, **change})
    assert not any(cause.seen for cause in causes)
    assert len(causes) == len(words)
    for cause, word in zip(causes, words, strict=True):
        assert word in cause.title


def test_an_app_on_http_is_seen() -> None:
    assert find_causes("http://app.example.test/", **WELL)[0].title.startswith("http where")


@pytest.mark.parametrize(
    ("domain", "shared"), [("co.uk", True), ("localhost", True), ("example.test", False), ("", False)]
)
def test_public_suffixes_are_known(domain: str, shared: bool) -> None:
    assert is_shared(domain) is shared
    assert not is_shared("127.0.0.1")


def test_a_trail_reads_as_it_was_written() -> None:
    trail = follow(None, URL, START)
    assert read_trail(trail.text) == trail
    assert follow(trail, URL, START).count == 2
    assert follow(trail, "https://other.test/", START).count == 1
    assert not is_on(None, URL, START)
    assert len(Trail(1000, START, trail.target).text.split(".")[0]) == 2


@pytest.mark.parametrize("text", ["", "x", "1.2", "1.2.3", "-1.5.0123456789abcdef", "1.999999999999.0123456789abcdef"])
def test_anything_else_is_no_trail(text: str) -> None:
    assert read_trail(text) is None


def test_a_trail_of_the_far_future_is_read_and_leads_nowhere() -> None:
    trail = read_trail("1.99999999999.0123456789abcdef")
    assert trail is not None
    assert not is_on(trail, URL, START)
