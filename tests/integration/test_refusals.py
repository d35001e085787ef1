"""Whoever may not pass gets an answer that fits, from Doorward, and the app hears nothing."""

import http.client
import json
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, BOB
from tests.integration.wire import NAVIGATION, SCRIPT, Headers

PREFLIGHT: Headers = (
    ("Origin", "https://app.example.com"),
    ("Access-Control-Request-Method", "PUT"),
    ("Sec-Fetch-Mode", "cors"),
)
REFUSED = {401, 403}


@pytest.mark.parametrize("target", ["/", "/a%20b/c?x=1&y=%2F&z=a+b", "/%C3%A9?q=%E5%90%8D"])
def test_a_page_opened_by_a_stranger_leads_to_sign_in_and_keeps_its_address(scene: Scene, target: str) -> None:
    """C-06: 303 with an absolute Location; path and query survive byte for byte."""
    reply = scene.visitor.navigate(target)
    assert reply.status == 303
    wanted = quote(f"https://app.example.com{target}", safe="")
    assert reply.one("Location") == f"https://auth.example.com/login?rd={wanted}"
    assert reply.one("Cache-Control") == "no-store"
    assert scene.arrivals == []


def test_a_script_of_a_stranger_gets_401_with_the_way_to_sign_in(scene: Scene) -> None:
    """C-06: not a redirect, which a script could not follow; never an empty Location."""
    reply = scene.visitor.send("GET", "/data", SCRIPT)
    assert reply.status == 401
    assert reply.all("Location") == []
    assert reply.one("Content-Type") == "application/problem+json"
    assert json.loads(reply.body)["login_url"].startswith("https://auth.example.com/login?rd=")
    # What docs/guides/expiry.md has pages of apps look for, on their own origin.
    assert reply.all("X-Doorward-Login") == [json.loads(reply.body)["login_url"]]
    assert scene.arrivals == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_no_method_gets_a_stranger_in(scene: Scene, method: str) -> None:
    """C12: what is not allowed is no 2xx, whatever the method."""
    body = b"a=1" if method in {"POST", "PUT", "PATCH"} else b""
    reply = scene.visitor.send(method, "/form", NAVIGATION, body=body)
    assert reply.status == (303 if method == "HEAD" else 403)
    assert scene.arrivals == []


def test_a_posted_form_is_answered_with_a_page_that_says_so(scene: Scene) -> None:
    """C-06: nothing is lost without a word, and what the page leads to is our own sign-in."""
    reply = scene.visitor.send("POST", "/form", NAVIGATION, body=b"a=1")
    assert reply.status == 403
    assert reply.one("Cache-Control") == "no-store"
    assert reply.all("Location") == []
    assert "Your form was not sent" in reply.body.decode()
    assert 'href="https://auth.example.com/login?rd=' in reply.body.decode()
    assert scene.arrivals == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_made_elsewhere_is_not_one_to_send_again(scene: Scene, site: str) -> None:
    """K02: it leads to the sign-in like any page, and what it said is gone."""
    headers = tuple((name, site if name == "Sec-Fetch-Site" else value) for name, value in NAVIGATION)
    reply = scene.visitor.send("POST", "/form", headers, body=b"a=1")
    assert reply.status == 303
    assert reply.one("Location").startswith("https://auth.example.com/login?rd=")
    assert scene.arrivals == []


def test_somebody_without_a_rule_reads_why_on_a_page(scene: Scene) -> None:
    """C-26: signed in, no rule: 403, with reason, app and a correlation id, through every proxy."""
    reply = scene.visitor.navigate("/x", cookie=scene.cookie_of(BOB))
    page = reply.body.decode()
    assert reply.status == 403
    assert reply.one("Content-Type") == "text/html; charset=utf-8"
    assert reply.one("Cache-Control") == "no-store"
    assert "No rule lets your account open this." in page
    assert "Example" in page
    assert scene.arrivals == []


def test_the_script_of_somebody_without_a_rule_gets_403_as_json(scene: Scene) -> None:
    """Denied scripts get a problem document with the reason's word."""
    reply = scene.visitor.send("GET", "/x", SCRIPT, cookie=scene.cookie_of(BOB))
    assert reply.status == 403
    assert json.loads(reply.body)["reason"] == "no_rule"
    assert scene.arrivals == []


@pytest.mark.parametrize("person", [None, ALICE])
def test_preflights_are_refused_unless_the_app_says_otherwise(scene: Scene, person: object) -> None:
    """B25: off by default. A preflight with a cookie, which no browser sends, is judged like any request."""
    cookie = scene.cookie_of(ALICE) if person else ""
    reply = scene.visitor.send("OPTIONS", "/x", PREFLIGHT, cookie=cookie)
    if person:
        assert (reply.status, len(scene.arrivals)) == (200, 1)
    else:
        assert reply.status in REFUSED
        assert reply.all("Location") == []
        assert scene.arrivals == []


def test_preflights_pass_where_the_app_says_so_and_carry_no_identity(scene: Scene) -> None:
    """B25: with Origin and Access-Control-Request-Method, and never with identity headers."""
    claimed = tuple((name, "root@example.com") for name in ALICE.headers)
    reply = scene.visitor.send("OPTIONS", "/x", (*PREFLIGHT, *claimed), host="api.example.com")
    assert reply.status == 200
    arrival = scene.only_arrival()
    for name in ALICE.headers:
        assert arrival.like(name) in ([], [""])


@pytest.mark.parametrize("missing", ["Origin", "Access-Control-Request-Method"])
def test_an_options_request_that_is_no_preflight_does_not_pass(scene: Scene, missing: str) -> None:
    """B25: both headers, or it is no preflight."""
    headers = tuple(pair for pair in PREFLIGHT if pair[0] != missing)
    reply = scene.visitor.send("OPTIONS", "/x", headers, host="api.example.com")
    assert reply.status in REFUSED
    assert scene.arrivals == []


@pytest.mark.parametrize(
    "target", ["/api/authz/traefik", "/api/authz/envoy/x", "/api/authz/nginx?x", "/api/auth/forwardauth"]
)
def test_visitors_cannot_put_questions_to_the_check_themselves(scene: Scene, target: str) -> None:
    """A01: the check's addresses do not exist on Doorward's public host."""
    headers = (("X-Original-URL", "https://app.example.com/"), ("X-Original-Method", "GET"))
    reply = scene.visitor.send("GET", target, headers, host="auth.example.com", cookie=scene.cookie_of(ALICE))
    # The Gateway API cannot say "no" to a path, so its route leads to the list of apps instead.
    assert reply.status == 404 or (reply.status, urlsplit(reply.one("Location")).path) == (302, "/")


def test_plain_http_is_sent_to_https(scene: Scene) -> None:
    """Nothing is served without TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", scene.proxy.plain_port, timeout=10)
    try:
        connection.request("GET", "/x?y=1", headers={"Host": "app.example.com"})
        reply = connection.getresponse()
        assert reply.status in {301, 308}
        assert (reply.getheader("Location") or "").startswith("https://app.example.com")
    finally:
        connection.close()
    assert scene.arrivals == []
