"""Keys stay with the proxy, what is the app's own goes on, and what we show an app arrives."""

import json
from base64 import b64encode
from functools import cache

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, Gateway

SESAME = f"Basic {b64encode(b'alice:sesame').decode()}"
KEEPS_URL_KEYS = frozenset({"traefik", "traefik_labels", "traefik_ingressroute", "traefik_httproute"})
"""Proxies that cannot take a key out of an address."""


@cache
def key_for(gateway: int, app: str, *options: str) -> str:
    """A key of Alice's for an app, made the first time it is asked for."""
    made = _gateways[gateway].command(
        "key", "create", "--user", "alice", "--name", f"For {app}", "--app", app, *options, "--json"
    )
    return str(json.loads(made)["key"])


_gateways: dict[int, Gateway] = {}


def a_key(scene: Scene, app: str = "Example", *options: str) -> str:
    _gateways[id(scene.gateway)] = scene.gateway
    return key_for(id(scene.gateway), app, *options)


def check_hidden(scene: Scene, key: str) -> None:
    """No part of a key's secret reached the app, in whatever place, or stands in a log."""
    secret = key.split("_")[2]
    basic = b64encode(f"x:{key}".encode()).decode()
    for arrival in scene.arrivals:
        assert secret not in repr(arrival), arrival.headers
        assert basic not in repr(arrival), arrival.headers
    assert secret not in scene.gateway.process.log + scene.proxy.process.log


@pytest.mark.parametrize("way", ["bearer", "basic", "header"])
def test_a_key_opens_the_app_and_never_reaches_it(scene: Scene, way: str) -> None:
    """A-18, A-20: whichever way it is shown, and whatever cookies come with it."""
    key = a_key(scene)
    shown = {
        "bearer": ("Authorization", f"Bearer {key}"),
        "basic": ("Authorization", f"Basic {b64encode(f'x:{key}'.encode()).decode()}"),
        "header": ("X-Api-Key", key),
    }[way]
    reply = scene.visitor.send("GET", "/feed", (shown, ("Cookie", "theme=dark")))
    assert reply.status == 200, reply
    arrival = scene.only_arrival()
    assert arrival.like(shown[0]) in ([], [""])
    assert arrival.all("Cookie") == ["theme=dark"]
    assert arrival.all("X-Forwarded-User-Email") == [ALICE.email]
    check_hidden(scene, key)


@pytest.mark.parametrize(
    "own", [("Authorization", "Bearer the-apps-own"), ("Authorization", "Basic YTpi"), ("X-Api-Key", "the-apps-own")]
)
def test_what_is_the_apps_own_survives_beside_a_session(scene: Scene, own: tuple[str, str]) -> None:
    reply = scene.visitor.send("GET", "/own", (own,), cookie=scene.cookie_of(ALICE))
    assert reply.status == 200, reply
    assert scene.only_arrival().all(own[0]) == [own[1]]


def test_an_app_is_shown_what_opens_it_and_nothing_a_visitor_claims(scene: Scene) -> None:
    """T-21: the name and password of the app's own door, and the header by which it knows people."""
    claimed = (("X-Webauth-User", "root"), ("x_webauth_user", "root"), ("Authorization", "Basic cm9vdDpyb290"))
    reply = scene.visitor.send("GET", "/x", claimed, host="api.example.com", cookie=scene.cookie_of(ALICE))
    assert reply.status == 200, reply
    arrival = scene.only_arrival()
    assert arrival.like("Authorization") == [SESAME]
    assert arrival.like("X-Webauth-User") == ["alice"]


def test_who_is_nobody_is_shown_as_nobody(scene: Scene) -> None:
    """C07: an open address carries neither our secret nor what a visitor claims."""
    claimed = (("X-Webauth-User", "root"), ("Authorization", "Basic cm9vdDpyb290"), ("X-Doorward-Assertion", "x"))
    reply = scene.visitor.send("GET", "/public/x", claimed, host="api.example.com")
    assert reply.status == 200, reply
    arrival = scene.only_arrival()
    for name, _ in claimed:
        assert arrival.like(name) in ([], [""])


def test_a_header_of_one_app_claims_nothing_at_another(scene: Scene) -> None:
    claimed = (("X-Webauth-User", "root"), ("X-Doorward-Assertion", "x"))
    reply = scene.visitor.send("GET", "/x", claimed, cookie=scene.cookie_of(ALICE))
    assert reply.status == 200, reply
    for name, _ in claimed:
        assert scene.only_arrival().like(name) in ([], [""])


@pytest.mark.parametrize("spelt", ["dw_key", "%64w%5Fkey"])
@pytest.mark.parametrize("query", ["{}", "a=%20b&{}&c=d+e", "{}&x=1", "x=1&{}"])
def test_a_key_in_an_address_stays_with_the_proxy_where_it_can(scene: Scene, query: str, spelt: str) -> None:
    """Calendars know addresses only. Everything else of the query means what it meant."""
    key = a_key(scene, "Interface", "--in-url")
    reply = scene.visitor.send("GET", f"/cal?{query.format(f'{spelt}={key}')}", host="api.example.com")
    assert reply.status == 200, reply
    arrival = scene.only_arrival()
    assert arrival.all("X-Webauth-User") == ["alice"]
    assert arrival.target.startswith("/cal")
    if scene.proxy.name in KEEPS_URL_KEYS:
        return
    check_hidden(scene, key)
    rest = arrival.target.partition("?")[2].strip("&").replace("%20", "+")
    assert rest == query.format("").replace("&&", "&").strip("&").replace("%20", "+")
