"""What a client claims about itself, in whatever spelling, reaches neither the verdict nor the app."""

from collections.abc import Iterator
from itertools import product

import pytest

from tests.integration.conftest import IDENTITY, Scene
from tests.integration.gateway import ALICE
from tests.integration.wire import NAVIGATION, Headers, write_request

BATCH = 20
"""Headers in one request; more would be refused for their number."""

FORWARDED: Headers = (
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Uri", "/public/x"),
    ("X-Forwarded-Method", "OPTIONS"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Port", "8443"),
    ("X-Forwarded-Prefix", "/public"),
    ("X-Original-URL", "https://api.example.com/public/x"),
    ("X-Original-URI", "/public/x"),
    ("X-Original-Method", "OPTIONS"),
    ("X-Rewrite-URL", "/public/x"),
    ("X-Real-IP", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9;host=api.example.com;proto=http"),
)


def spellings(name: str) -> Iterator[str]:
    """Every way of writing a header that CGI, WSGI or PHP read as this one."""
    words = name.split("-")
    for number, separators in enumerate(product("-_.", repeat=len(words) - 1)):
        spelt = words[0] + "".join(separator + word for separator, word in zip(separators, words[1:], strict=True))
        yield (spelt, spelt.lower(), spelt.upper())[number % 3]
    yield name.lower()
    yield name.upper()


@pytest.mark.parametrize("name", IDENTITY)
def test_no_spelling_of_an_identity_header_gets_through(scene: Scene, name: str) -> None:
    """A04, A19: the app sees the true value once, or none where Doorward does not speak of it."""
    every = [(spelling, "root@example.com") for spelling in spellings(name)]
    cookie = scene.cookie_of(ALICE)
    for start in range(0, len(every), BATCH):
        scene.app.arrivals.clear()
        reply = scene.visitor.send("GET", "/x", (*NAVIGATION, *every[start : start + BATCH]), cookie=cookie)
        assert reply.status == 200
        wanted = [ALICE.headers[name]] if name in ALICE.headers else []
        assert scene.only_arrival().like(name) == wanted


def test_an_identity_header_sent_twice_counts_for_nothing(scene: Scene) -> None:
    """A19: duplicates are replaced, not appended to."""
    claimed = (("X-Forwarded-User-Email", "root@example.com"), ("X-Forwarded-User-Email", "admin@example.com"))
    reply = scene.visitor.send("GET", "/x", (*NAVIGATION, *claimed), cookie=scene.cookie_of(ALICE))
    assert reply.status == 200
    assert scene.only_arrival().like("X-Forwarded-User-Email") == ["alice@example.com"]


@pytest.mark.parametrize("spelling", ["dashes", "underscores"])
def test_forwarded_headers_of_a_stranger_change_no_verdict(scene: Scene, spelling: str) -> None:
    """A01, A11, A17: the verdict is about the request that was sent; the way back leads there, too."""
    reply = scene.visitor.send("GET", "/secret", (*NAVIGATION, *respell(FORWARDED, spelling)))
    assert reply.status == 303
    assert reply.one("Location").endswith("?rd=https%3A%2F%2Fapp.example.com%2Fsecret")
    assert scene.arrivals == []


@pytest.mark.parametrize("one", FORWARDED, ids=lambda pair: pair[0])
def test_each_forwarded_header_alone_changes_no_verdict(scene: Scene, one: tuple[str, str]) -> None:
    """A17: no header family is fallen back to."""
    reply = scene.visitor.send("GET", "/secret", (*NAVIGATION, one))
    assert reply.status == 303
    assert reply.one("Location").endswith("?rd=https%3A%2F%2Fapp.example.com%2Fsecret")
    assert scene.arrivals == []


@pytest.mark.parametrize("spelling", ["dashes", "underscores"])
def test_the_app_learns_the_true_address_and_host(scene: Scene, spelling: str) -> None:
    """A08: what an app reads of the client's address is the proxy's word."""
    headers = (*NAVIGATION, *respell(FORWARDED, spelling))
    reply = scene.visitor.send("GET", "/x", headers, cookie=scene.cookie_of(ALICE))
    assert reply.status == 200
    arrival = scene.only_arrival()
    assert arrival.like("X-Forwarded-For") == [scene.visitor.source]
    assert arrival.like("X-Forwarded-Proto") == ["https"]
    for name, claimed in FORWARDED:
        assert claimed not in arrival.like(name), f"{name}: {arrival.like(name)}"


@pytest.mark.parametrize("name", [*ALICE.headers, "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_a_connection_header_cannot_take_headers_away(scene: Scene, name: str) -> None:
    """The headers a client names in Connection are hop-by-hop; those that are ours to set must arrive all the same."""
    headers = (*NAVIGATION, ("Connection", f"keep-alive, {name}"))
    reply = scene.visitor.send("GET", "/x", headers, cookie=scene.cookie_of(ALICE))
    if reply.status == 200:
        arrival = scene.only_arrival()
        for header, value in ALICE.headers.items():
            assert arrival.like(header) == [value]
        assert not any(name.lower() in value.lower() for value in arrival.all("Connection"))
    else:
        assert reply.status in {303, 400}
        assert scene.arrivals == []


def test_naming_the_cookie_in_connection_signs_nobody_in(scene: Scene) -> None:
    """At worst the visitor is a stranger for this request."""
    headers = (*NAVIGATION, ("Connection", "keep-alive, Cookie"))
    reply = scene.visitor.send("GET", "/x", headers, cookie=scene.cookie_of(ALICE))
    assert reply.status in {200, 303, 400}
    assert len(scene.arrivals) == (reply.status == 200)


def test_a_second_host_header_gets_nobody_in(scene: Scene) -> None:
    """B19: two Hosts are no host."""
    raw = write_request("GET", "/x", "app.example.com", (*NAVIGATION, ("Host", "api.example.com")))
    with scene.visitor.connect() as connection:
        assert connection.exchange(raw).status in {400, 404, 421}
    assert scene.arrivals == []


def respell(headers: Headers, spelling: str) -> Headers:
    """The same headers as underscore aliases, or as they are."""
    if spelling == "underscores":
        return tuple((name.replace("-", "_"), value) for name, value in headers)
    return headers
