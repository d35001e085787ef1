"""Whoever may pass reaches the app with their identity, and with everything else as it was sent."""

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, BOB, NOBODY, Person
from tests.integration.wire import NAVIGATION, write_request


@pytest.mark.parametrize("target", ["/", "/a%20b/c?x=1&y=%2F&z=a+b", "/%C3%A9?q=%E5%90%8D", "/a?b?c", "/a/?"])
def test_the_app_is_told_who_it_is_exactly_once(scene: Scene, target: str) -> None:
    """C-10, C02: each identity header once, names beyond latin-1 in the documented encoding; the address untouched."""
    reply = scene.visitor.navigate(target, cookie=scene.cookie_of(ALICE))
    assert reply.status == 200, reply
    arrival = scene.only_arrival()
    assert reply.status == 200
    assert (arrival.method, arrival.target) == ("GET", target)
    for name, value in ALICE.headers.items():
        assert arrival.like(name) == [value]


def test_a_posted_form_arrives_as_it_was_sent(scene: Scene) -> None:
    """The check takes nothing from the body (P03)."""
    body = b"a=1&b=%20&c=" + bytes(range(256)) * 64
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    reply = scene.visitor.send("POST", "/form?x=1", headers, body=body, cookie=scene.cookie_of(ALICE))
    arrival = scene.only_arrival()
    assert reply.status == 200
    assert (arrival.method, arrival.target, arrival.body) == ("POST", "/form?x=1", body)
    assert arrival.all("Content-Type") == ["application/x-www-form-urlencoded"]


def test_an_open_address_needs_no_sign_in_and_names_nobody(scene: Scene) -> None:
    """C07: what anyone may open carries empty identity headers, or none; never what the client claims."""
    claimed = tuple((name, "root@example.com") for name in ALICE.headers)
    reply = scene.visitor.send("GET", "/public/x", claimed, host="api.example.com")
    arrival = scene.only_arrival()
    assert reply.status == 200
    for name in NOBODY:
        assert arrival.like(name) in ([], [""])


def test_an_open_address_still_names_who_is_signed_in(scene: Scene) -> None:
    """An app may greet somebody on an open page."""
    scene.visitor.navigate("/public/x", host="api.example.com", cookie=scene.cookie_of(ALICE))
    arrival = scene.only_arrival()
    for name, value in ALICE.headers.items():
        assert arrival.like(name) == [value]


def test_one_visitor_never_gets_the_answer_of_another(scene: Scene) -> None:
    """K09: no proxy keeps an answer to the check, not even where everything else is cached."""
    for person, status in ((ALICE, 200), (BOB, 403), (None, 303), (ALICE, 200)):
        cookie = scene.cookie_of(person) if isinstance(person, Person) else ""
        assert scene.visitor.navigate("/same", cookie=cookie).status == status
    assert [arrival.all("X-Forwarded-User-Email") for arrival in scene.arrivals] == [["alice@example.com"]] * 2


def test_many_requests_on_one_connection_are_judged_one_by_one(scene: Scene) -> None:
    """P03: a kept connection does not carry one visitor's verdict over to the next request."""
    with scene.visitor.connect() as connection:
        for person, status in ((ALICE, 200), (None, 303), (BOB, 403), (ALICE, 200)):
            headers = (*NAVIGATION, ("Cookie", scene.cookie_of(person))) if person else NAVIGATION
            reply = connection.exchange(write_request("GET", "/kept", "app.example.com", headers))
            assert reply.status == status
    assert len(scene.arrivals) == 2
