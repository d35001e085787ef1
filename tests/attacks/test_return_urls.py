"""A browser is sent nowhere but to a host we know (attacks D): spellings that worked elsewhere, and generated ones."""

import itertools

import pytest

from doorward.errors import InputError
from doorward.rules.redirect import parse_return_url

HOSTS = frozenset({"app.example.test", "10.0.0.5", "[::1]"})
HTTPS, HTTP = "https://auth.example.test", "http://auth.localhost:8080"


def parse(text, public_url=HTTPS):
    return parse_return_url(text, public_url=public_url, is_known_host=HOSTS.__contains__)


ATTACKS = {
    "D01": [
        "//evil.test",
        "///evil.test",
        "////evil.test/%2e%2e",
        "/%2f%2fevil.test",
        "//evil.test/..;/",
        "/%2F/evil.test",
    ],
    "D02": ["/\\evil.test", "\\\\evil.test", "/\\/evil.test", "\\/evil.test", "https:\\\\evil.test", "/%5cevil.test"],
    "D03": [
        "/\t/evil.test",
        "/%09/evil.test",
        "/%0a/evil.test",
        "ht\ntps://evil.test",
        "\x01//evil.test",
        " //evil.test",
        "//evil.test ",
        "/\r\nSet-Cookie: x=y",
        "/%0d%0aSet-Cookie:%20x=y",
        "/x\x7f",
        "/\x00/evil.test",
        "/%00/evil.test",
    ],
    "D04": ["https:evil.test", "https:/evil.test", "https:///evil.test", "HTTPS:evil.test", "http:evil.test", "https:"],
    "D06": [
        "https://evil.test\\@app.example.test/",
        "//evil.test\\@app.example.test",
        "https://evil.test%23@app.example.test",
        "https://evil.test#@app.example.test",
        "https://evil.test?@app.example.test",
        "https://user:pw@app.example.test/",
        "https://@app.example.test/",
        "https://app.example.test@evil.test/",
    ],
    "D07": [
        "https://evilexample.test",
        "https://example.test.evil.test",
        "https://app-example.test",
        "https://app.example.test.evil.test",
        "https://xapp.example.test",
        "https://app.example.tes",
    ],
    "D09": [
        "https://evil.test\u3002example.test",
        "https://evil\u3002test",
        "https://app.example.test\uff0f.evil.test",
        "https://\u24d4vil.test",
        "https://evil.test%E3%80%82example.test",
        "/\u3002",
        "https://app.example\u2024test/",
    ],
    "D10": [
        "javascript:alert(1)",
        "javascript://app.example.test/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example.test/x",
        "JaVaScRiPt:alert(1)",
        "ftp://app.example.test/",
        "http://app.example.test/",
    ],
    "D13": ["%252f%252fevil.test", "%25%35%63evil.test", "&#47;&#47;evil.test", "%2f%2fevil.test", "/%255cevil.test"],
    "dots": ["/../evil", "/..//evil.test", "/a/../b", "/.", "/%2e%2e//evil.test", "/./x", "/%252e%252e/x"],
    "ports": ["https://app.example.test:0/", "https://app.example.test:99999/", "https://app.example.test:/"],
    "shape": ["", "x", "x/y", "?", "#", "/#/x", "http", "://app.example.test", "https://", "https://?", "https:// /"],
    "numbers": ["https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://10.0.0.05/", "https://1.2.3/"],
    "long": ["/" + "x" * 8192],
}


@pytest.mark.parametrize(
    ("number", "text"), [(number, text) for number, texts in ATTACKS.items() for text in texts], ids=repr
)
@pytest.mark.parametrize("public_url", [HTTPS, "https://auth.example.test:8443"])
def test_an_address_that_leads_elsewhere_is_refused(number, text, public_url):
    """D01, D02, D03, D04, D06, D07, D09, D10, D13."""
    with pytest.raises(InputError):
        parse(text, public_url)


_SLASHES = ["/", "//", "\\", "%2f", "%5c", "\t", "%09", "/.", "%2e"]


@pytest.mark.parametrize("pieces", list(itertools.product(_SLASHES, repeat=3)))
def test_no_mixture_of_slashes_leaves_our_hosts(pieces):
    """D01, D02, D03, D13: whatever is accepted begins with our own origin."""
    for tail in ("evil.test", "evil.test/x", "@evil.test"):
        try:
            url = parse("".join(pieces) + tail)
        except InputError:
            continue
        assert url.startswith(HTTPS + "/")
        assert not url.removeprefix(HTTPS).startswith("//")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/", "https://auth.example.test/"),
        ("/x?y=1", "https://auth.example.test/x?y=1"),
        ("/a//b", "https://auth.example.test/a//b"),
        ("/%C3%A9", "https://auth.example.test/%C3%A9"),
        ("https://app.example.test", "https://app.example.test/"),
        ("https://app.example.test?x", "https://app.example.test/?x"),
        ("HTTPS://APP.Example.TEST./Path", "https://app.example.test/Path"),
        ("https://app.example.test:443/x", "https://app.example.test/x"),
        ("https://app.example.test:8443/x", "https://app.example.test:8443/x"),
        ("https://app.example.test:08443/x", "https://app.example.test:8443/x"),
        ("https://auth.example.test/sessions", "https://auth.example.test/sessions"),
        ("https://10.0.0.5/x", "https://10.0.0.5/x"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://app.example.test/a/..b/c..", "https://app.example.test/a/..b/c.."),
    ],
)
def test_an_honest_address_survives(text, url):
    """What was typed is rebuilt from its parts, never echoed (D06)."""
    assert parse(text) == url


@pytest.mark.parametrize(
    "query",
    [
        "?a=1&b=2",
        "?q=%2F%2Fevil.test",
        "?next=//evil.test",
        "?x=%5C%5c",
        "?u=https://evil.test/?a=b&c",
        "?",
        "?%E2%82%AC",
        "??",
    ],
)
def test_a_query_survives_byte_by_byte(query):
    """The way back keeps what the visitor had asked for."""
    assert parse("/search" + query).endswith("/search" + query)
    assert parse("https://app.example.test/search" + query) == "https://app.example.test/search" + query


@pytest.mark.parametrize("text", ["/x", "https://app.example.test/a?b=%2f", "https://[::1]/"])
def test_what_was_accepted_is_accepted_again_unchanged(text):
    """D13: one reading is the last one."""
    once = parse(text)
    assert parse(once) == once


def test_plain_http_leads_on_only_where_we_are_reached_by_it():
    """D10."""
    assert parse("http://app.example.test/x", HTTP) == "http://app.example.test/x"
    assert parse("http://app.example.test:80/x", HTTP) == "http://app.example.test/x"
    assert parse("/x", HTTP) == "http://auth.localhost:8080/x"
    with pytest.raises(InputError):
        parse("http://app.example.test/x", HTTPS)
