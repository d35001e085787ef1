"""Who may come in and what they need: registration, second factors, passwords, forged requests."""

import re
import sqlite3
from contextlib import closing

import pytest

from doorward.flows.methods.password import place_of
from doorward.outside.keyring import open_keyring
from doorward.outside.system import SystemRandom
from doorward.rules.identity import UserId
from tests.profiles.gateway import GOOD, Gateway, find_form
from tests.profiles.pages import Page


def test_registration_is_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """A-02, B-13, B-25, D-06, E-24 to E-26."""
    told = gateway.visitor().get("/api/auth/registration-available").json()
    assert told["setup_required"] is False
    answer = gateway.visitor().get("/register")
    offered = answer.status_code == 200 and 'name="password"' in answer.text
    assert offered is (page.registration == "open")


def test_a_second_factor_is_owed_or_not(page: Page, gateway: Gateway) -> None:
    """A-14, B-11, B-12, D-08."""
    answer = gateway.visitor().try_password("alice", GOOD)
    assert answer.status_code == 303
    assert ("/login/enrol" in answer.headers["location"]) is page.owes_factor


def test_the_shortest_password(page: Page, gateway: Gateway) -> None:
    """A-02, B-20."""
    gateway.add("erin")
    visitor = gateway.visitor().sign_in("erin")
    long = "Zq7!vLm2#xTd9@wK"
    for size, done in ((page.least - 1, False), (page.least, True)):
        password = long[:size]
        shown = visitor.get("/account/profile")
        form = find_form(shown.text, "/account/password")
        fields = form.fields | {"current": GOOD, "password": password, "password_again": password}
        answer = visitor.post("/account/password", fields)
        assert (answer.status_code == 303) is done, answer.text


def test_passwords_are_hashed_with_bcrypt_at_cost_12(page: Page, gateway: Gateway) -> None:
    """A-02, B-23, D-02, E-18: unsealed as the program does, from what is on the disk."""
    folder = gateway.folder / "data"
    with closing(sqlite3.connect(folder / "doorward.db")) as records:
        rows = records.execute("SELECT user_id, sealed FROM passwords").fetchall()
        (installation,) = records.execute("SELECT value FROM settings WHERE name = 'installation'").fetchone()
    keyring = open_keyring(folder, random=SystemRandom())
    keyring.join(installation)
    hashes = [keyring.unseal(place_of(UserId(user)), sealed).decode() for user, sealed in rows]
    assert hashes
    assert all(re.fullmatch(r"bcrypt\$2b\$12\$.{53}", each) for each in hashes)


@pytest.mark.parametrize("transport", ["header", "form", "json"])
def test_the_token_against_forged_requests_is_taken_in_every_form(page: Page, gateway: Gateway, transport: str) -> None:
    """A-25, A-26, D-13 to D-17: in the header, in a form or in JSON, and never without its cookie."""
    visitor, other = gateway.visitor().sign_in("alice"), gateway.visitor().sign_in("alice")
    (target,) = [
        f"/api/sessions/session/{handle}"
        for handle, each in other.get("/api/sessions/list").json().items()
        if each["current"]
    ]
    token = visitor.get("/api/auth/csrf-token").json()["csrf_token"]
    assert re.search(r'<meta name="csrf-token" content="([^"]+)">', visitor.get("/account").text)
    bare = visitor.send("DELETE", target)
    assert (bare.status_code, bare.json()["code"]) == (403, "CSRF_FAILED")
    body = {"header": "", "form": f"csrf_token={token}", "json": f'{{"csrf_token": "{token}"}}'}[transport].encode()
    kind = {"header": "text/plain", "form": "application/x-www-form-urlencoded", "json": "application/json"}[transport]
    told = {"content_type": kind} | ({"x_csrf_token": token} if transport == "header" else {})
    kept = dict(visitor.jar)
    attributes = visitor.told[page.csrf].attributes
    assert attributes == {"path": "/", "secure": "", "httponly": "", "samesite": "Strict"}
    del visitor.jar[page.csrf]
    assert visitor.send("DELETE", target, content=body, **told).status_code == 403
    visitor.jar = kept
    assert visitor.send("DELETE", target, content=body, **told).status_code == 204
    assert not other.is_signed_in()
