"""Signing in through a proxy, coming back, and losing what one had."""

import re
from html import unescape
from itertools import count
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE, AUTH, BOB, Form, Person, post_form, submit_login
from tests.integration.wire import Reply

NUMBERS = count(1)


@pytest.fixture
def carol(scene: Scene) -> Person:
    """Somebody whose account this test may spoil."""
    name = f"carol{next(NUMBERS)}"
    person = Person(name, "Carol", f"{name}@example.com", "A passphrase 9 of her own!", ("staff",), {})
    scene.gateway.add(person)
    return person


def test_signing_in_leads_back_to_where_one_was_going(scene: Scene) -> None:
    """C-05: query and escapes intact, and the next request is allowed."""
    target = "/a%20b/c?x=1&y=%2F&z=a+b"
    refused = scene.visitor.navigate(target)
    page = urlsplit(refused.one("Location"))
    assert page.hostname == AUTH
    reply = submit_login(scene.gateway.elsewhere(scene.visitor), ALICE, f"{page.path}?{page.query}")
    assert reply.status == 200
    refresh = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', reply.body.decode())
    assert [unescape(url) for url in refresh] == [f"https://app.example.com{target}"]
    cookie = scene.gateway.keep(reply)
    assert scene.visitor.navigate(target, cookie=cookie).status == 200
    assert scene.only_arrival().target == target


def test_the_session_cookie_has_the_attributes_it_needs(scene: Scene) -> None:
    """C-09, J12: HttpOnly, Secure, SameSite=Lax, for every host of ours."""
    reply = submit_login(scene.gateway.elsewhere(scene.visitor), ALICE, "/login")
    scene.gateway.keep(reply)
    line = next(line for line in reply.all("Set-Cookie") if line.startswith("doorward="))
    attributes = {part.strip().lower() for part in line.split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/", "domain=example.com"} <= attributes


def test_a_wrong_password_signs_nobody_in(scene: Scene) -> None:
    """The sign-in page again, and no cookie."""
    wrong = Person(BOB.name, "", "", "not his password", (), {})
    reply = submit_login(scene.gateway.elsewhere(scene.visitor), wrong, "/login")
    assert 400 <= reply.status < 500
    assert not any(line.startswith("doorward=") for line in reply.all("Set-Cookie"))


def test_the_old_cookie_opens_nothing_after_signing_out(scene: Scene) -> None:
    """C-41: the session is gone on the server, whatever the browser kept."""
    cookie = scene.gateway.sign_in(ALICE, scene.visitor)
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200
    assert sign_out(scene, cookie).status == 303
    scene.app.arrivals.clear()
    assert scene.visitor.navigate("/x", cookie=cookie).status == 303
    assert scene.arrivals == []


def test_disabling_an_account_takes_effect_at_the_next_request(scene: Scene, carol: Person) -> None:
    """J04: a command on the same data, no restart, no waiting."""
    cookie = scene.gateway.sign_in(carol, scene.visitor)
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200
    scene.gateway.command("user", "disable", carol.name)
    scene.app.arrivals.clear()
    assert scene.visitor.navigate("/x", cookie=cookie).status in {303, 403}
    assert scene.arrivals == []


def test_taking_a_group_away_takes_effect_at_the_next_request(scene: Scene, carol: Person) -> None:
    """J04: rights are those of now, not those of the sign-in."""
    cookie = scene.gateway.sign_in(carol, scene.visitor)
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200
    scene.gateway.command("user", "groups", carol.name, "--none")
    scene.app.arrivals.clear()
    assert scene.visitor.navigate("/x", cookie=cookie).status in {303, 403}
    assert scene.arrivals == []


def test_ending_all_sessions_of_somebody_ends_them_at_the_next_request(scene: Scene, carol: Person) -> None:
    """J03: by the operator, from the command line."""
    cookie = scene.gateway.sign_in(carol, scene.visitor)
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200
    scene.gateway.command("session", "end", "--user", carol.name)
    scene.app.arrivals.clear()
    assert scene.visitor.navigate("/x", cookie=cookie).status == 303
    assert scene.arrivals == []


def sign_out(scene: Scene, cookie: str) -> Reply:
    """Press the button on the sign-out page."""
    page = scene.visitor.navigate("/logout", host=AUTH, cookie=cookie)
    assert page.status == 200, page
    form = Form(page.body)
    jar = [cookie, *(value.partition(";")[0] for value in page.all("Set-Cookie"))]
    return post_form(scene.visitor, form.action or "/logout", form.fields, jar)
