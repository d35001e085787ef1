"""Keys for apps: how many there may be, how often one is made, how long it lasts and what is stored of it."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import datetime

import httpx

from doorward.rules.app_key import parse_key
from tests.profiles.gateway import Gateway, Visitor
from tests.profiles.pages import DAY, HOUR, QUARTER, Page
from tests.profiles.test_limits import SPENT

MOST = 10
KEYS = "/api/v1/account/keys"
TOKENS = "/api/v1/access-tokens"


def ask(visitor: Visitor, target: str, **wish: object) -> httpx.Response:
    """Ask for a key as a program does with somebody's cookies and their token."""
    token = visitor.get("/api/auth/csrf-token").json()["csrf_token"]
    told = {"x_csrf_token": token, "content_type": "application/json"}
    return visitor.send("POST", target, content=json.dumps(wish).encode(), **told)


def make(visitor: Visitor, name: str) -> httpx.Response:
    """One that opens the app of these gateways."""
    return ask(visitor, KEYS, name=name, hosts=[visitor.gateway.app])


def days_of(answer: httpx.Response) -> float | None:
    """How long what was made lasts."""
    assert answer.status_code == 201, answer.text
    made, ends = answer.json()["key"]["created_at"], answer.json()["key"]["expires_at"]
    if ends is None:
        return None
    return round((datetime.fromisoformat(ends) - datetime.fromisoformat(made)).total_seconds() / DAY, 3)


def check(gateway: Gateway, **shown: str) -> int:
    """What the proxy is told about a program's request to the app."""
    headers = {"x_forwarded_method": "GET", "x_forwarded_host": gateway.app, "x_forwarded_uri": "/"}
    return gateway.visitor().get("/api/auth/forwardauth", **headers, **shown).status_code


def test_keys_are_made_as_often_as_the_page_says_and_there_are_ten_at_most(page: Page, gateway: Gateway) -> None:
    """A-19, A-23, A-32, B-28, B-29: by address, and the number for each account, wherever they were made."""
    gateway.add("fritz")
    limit, span = page.keys
    made: list[httpx.Response] = []
    for number in range(MOST):
        if number % limit == 0:
            visitor = gateway.visitor().sign_in("fritz")
        made.append(make(visitor, f"Device {number}"))
    assert [answer.status_code for answer in made] == [201] * MOST
    refused = make(visitor, "One more")
    assert refused.status_code == SPENT, refused.text
    assert (QUARTER if span == HOUR else 0) < int(refused.headers["retry-after"]) <= span
    eleventh = make(gateway.visitor().sign_in("fritz"), "One more")
    assert eleventh.status_code == 400, eleventh.text
    assert make(gateway.visitor().sign_in("alice"), "Mine").status_code == 201


def test_a_key_lasts_as_long_as_the_page_says_and_is_stored_as_it_says(page: Page, gateway: Gateway) -> None:
    """A-18, A-20, A-21, A-24, B-17: verified against one row, by the header or as a Bearer, until it is taken back."""
    gateway.add("gerda")
    visitor = gateway.visitor().sign_in("gerda")
    made = make(visitor, "Phone")
    assert days_of(made) == page.key_days
    for_ever = ask(visitor, KEYS, name="For ever", hosts=[gateway.app], forever=True)
    assert (for_ever.status_code == 201) is not page.keys_end, for_ever.text
    text = made.json()["text"]
    named = parse_key(text)
    assert named is not None
    with closing(sqlite3.connect(gateway.folder / "data" / "doorward.db")) as records:
        ((digest, preview),) = records.execute(
            "SELECT digest, preview FROM app_keys WHERE id = ?", (named[0],)
        ).fetchall()
    assert re.fullmatch(r"\$2b\$12\$.{53}|bcrypt\$2b\$12\$.{53}" if page.slow_keys else r"sha256:[0-9a-f]{64}", digest)
    assert preview == f"{text[:8]}…{text[-4:]}"
    assert [check(gateway, x_api_key=text), check(gateway, authorization=f"Bearer {text}")] == [200, 200]
    assert check(gateway, x_api_key=text[:-1]) == 401
    gateway.command("key", "revoke", named[0])
    assert check(gateway, x_api_key=text) == 401


def test_a_key_that_is_none_spares_nobody_the_token(gateway: Gateway) -> None:
    """A-22, A-27, T-03: beside a session, where the token is missing."""
    visitor = gateway.visitor().sign_in("alice")
    body = json.dumps({"name": "Phone", "hosts": [gateway.app]}).encode()
    for shown in ({"x_api_key": "your-key-here"}, {"x_api_key": "dw_x"}, {"authorization": "Bearer x"}):
        answer = visitor.send("POST", KEYS, content=body, content_type="application/json", **shown)
        assert (answer.status_code, answer.json()["code"]) == (401, "WRONG_KEY"), (shown, answer.text)


def test_an_access_token_lasts_seven_days(gateway: Gateway) -> None:
    """E-20, E-22, E-23: from when it was made, sent as a Bearer and never as a cookie."""
    gateway.add("hilde")
    visitor = gateway.visitor().sign_in("hilde")
    made = ask(visitor, TOKENS, name="Client", hosts=[gateway.app])
    assert days_of(made) == 7
    assert "set-cookie" not in made.headers
    token = made.json()["text"]
    assert check(gateway, authorization=f"Bearer {token}") == 200
    assert check(gateway, cookie=f"{gateway.cookie}={token}", accept="application/json") == 401
