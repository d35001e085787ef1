"""The two addresses of RFC 8628 on the wire: what is taken, what is answered, and in whose words."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import urlencode

import pytest

from doorward.errors import UnavailableError
from doorward.flows.outcome import Refused
from doorward.flows.pairing import PairingTerms
from doorward.rules.key_wish import KeyWish
from doorward.rules.login import Failure
from doorward.rules.pairing import ALPHABET
from doorward.rules.policy import App, HostPattern
from doorward.rules.session import Subject
from doorward.web.client import Trust
from doorward.web.pairing import GRANT_TYPE, MAX_BODY
from tests.fakes.devices import BROWSER
from tests.fakes.door import Answer, Browser, Door, call_app

CODE, TOKEN = "/api/device/code", "/api/device/token"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def door() -> Door:
    return Door()


async def send(door: Door, target: str, body: bytes, *, kind: str = FORM, method: str = "POST", **more: str) -> Answer:
    lines = {
        "host": "auth.example.test",
        "content-type": kind,
        "content-length": str(len(body)),
        "user-agent": "Dart/3.3 (dart:io)",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]
    return await call_app(door.server, method, target, headers, body, peer="198.51.100.9")


async def ask(door: Door, target: str = CODE, **fields: str) -> Answer:
    return await send(door, target, urlencode(fields).encode())


async def begin(door: Door, **fields: str) -> dict:
    answer = await ask(door, **{"client_id": "Wiki Reader", **fields})
    assert answer.status == 200, answer.text
    return json.loads(answer.body)


async def fetch(door: Door, device_code: str, **fields: str) -> Answer:
    values = {"grant_type": GRANT_TYPE, "device_code": device_code, "client_id": "Wiki Reader", **fields}
    return await ask(door, TOKEN, **values)


async def approve(door: Door, user_code: str, **changes) -> None:
    user = await door.add_user("alice")
    entered = await door.town.enter("alice")
    wish = replace(KeyWish("Phone", apps=("Wiki",)), **changes)
    subject = Subject(user, entered.session)
    assert await door.flows.pairing.approve(subject, user_code, wish, BROWSER, now=door.town.now)


def error_of(answer: Answer, status: int = 400) -> str:
    assert answer.status == status, answer.text
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-store"
    body = json.loads(answer.body)
    assert set(body) == {"error", "error_description"}
    assert all(0x20 <= ord(letter) < 0x7F and letter not in '"\\' for letter in body["error_description"])
    return body["error"]


async def test_a_device_is_told_its_codes_and_where_to_send_its_owner(door: Door) -> None:
    """RFC 8628, 3.2."""
    answer = await ask(door, client_id="Wiki Reader", scope="app:Wiki openid")
    body = json.loads(answer.body)
    code = body["user_code"]
    assert set(code.replace("-", "")) <= set(ALPHABET)
    assert len(body["device_code"]) == 43
    assert {name: body[name] for name in body if name != "device_code"} == {
        "user_code": code,
        "verification_uri": "https://auth.example.test/device",
        "verification_uri_complete": f"https://auth.example.test/device?code={code}",
        "expires_in": 600,
        "interval": 5,
    }
    assert answer.header("content-type") == "application/json"
    assert (answer.header("cache-control"), answer.header("pragma")) == ("no-store", "no-cache")
    assert answer.all("set-cookie") == answer.all("access-control-allow-origin") == []


async def test_it_asks_until_it_is_approved_and_has_a_key(door: Door) -> None:
    """RFC 8628, 3.4 and 3.5; RFC 6749, 5.1."""
    begun = await begin(door, scope="app:Wiki")
    assert error_of(await fetch(door, begun["device_code"])) == "authorization_pending"
    assert error_of(await fetch(door, begun["device_code"])) == "slow_down"
    await approve(door, begun["user_code"], expires_at=door.town.now + timedelta(days=1))
    answer = await fetch(door, begun["device_code"])
    assert answer.status == 200
    assert (answer.header("cache-control"), answer.header("pragma")) == ("no-store", "no-cache")
    body = json.loads(answer.body)
    assert body.pop("access_token").startswith("dw_")
    assert body == {"token_type": "Bearer", "expires_in": 86400, "scope": "app:Wiki"}
    assert error_of(await fetch(door, begun["device_code"])) == "invalid_grant"


async def test_a_key_without_an_end_has_none(door: Door) -> None:
    begun = await begin(door)
    await approve(door, begun["user_code"])
    assert "expires_in" not in json.loads((await fetch(door, begun["device_code"])).body)


async def test_it_is_told_when_it_is_late_and_when_it_was_refused(door: Door) -> None:
    late, refused = await begin(door), await begin(door)
    user = await door.add_user("bob")
    subject = Subject(user, (await door.town.enter("bob")).session)
    await door.flows.pairing.refuse(subject, refused["user_code"], BROWSER, now=door.town.now)
    assert error_of(await fetch(door, refused["device_code"])) == "access_denied"
    door.clock.advance(timedelta(minutes=10))
    assert error_of(await fetch(door, late["device_code"])) == "expired_token"


@pytest.mark.parametrize(
    ("target", "fields", "error"),
    [
        (CODE, {}, "invalid_request"),
        (CODE, {"client_id": "  "}, "invalid_request"),
        (CODE, {"client_id": "App", "scope": "admin"}, "invalid_scope"),
        (CODE, {"client_id": "App", "scope": 'a"b'}, "invalid_scope"),
        (TOKEN, {}, "invalid_request"),
        (TOKEN, {"grant_type": "", "device_code": "x", "client_id": "App"}, "invalid_request"),
        (TOKEN, {"grant_type": "authorization_code"}, "unsupported_grant_type"),
        (TOKEN, {"grant_type": GRANT_TYPE}, "invalid_request"),
        (TOKEN, {"grant_type": GRANT_TYPE, "device_code": "x"}, "invalid_request"),
        (TOKEN, {"grant_type": GRANT_TYPE, "client_id": "App"}, "invalid_request"),
        (TOKEN, {"grant_type": GRANT_TYPE, "device_code": "x", "client_id": "App"}, "invalid_grant"),
    ],
)
async def test_what_cannot_be_answered_is_refused_in_the_words_of_the_rfc(door: Door, target, fields, error) -> None:
    assert error_of(await ask(door, target, **fields)) == error


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"client_id": "App"}', "application/json", 400),
        (b"client_id=App", "text/plain", 400),
        (b"client_id=App&client_id=Other", FORM, 400),
        (b"client_id=%zz", FORM, 400),
        (b"client_id=%ff", FORM, 400),
        (b"client_id=a%00b", FORM, 400),
        (b"client_id=a%1b%5b31mb", FORM, 400),
        (b"client_id=" + b"x" * MAX_BODY, FORM, 413),
    ],
)
async def test_only_well_formed_forms_are_taken(door: Door, body: bytes, kind: str, status: int) -> None:
    """Nor is JSON, nor a name with control characters, nor anything that is said twice."""
    answer = await send(door, CODE, body, kind=kind)
    assert error_of(answer, status) == "invalid_request"
    assert (answer.header("connection") == "close") is (status == 413)


async def test_a_body_whose_length_is_told_too_large_is_not_read(door: Door) -> None:
    answer = await send(door, CODE, b"client_id=App", content_length=str(10**6))
    assert answer.status == 413


@pytest.mark.parametrize("target", [CODE, TOKEN])
async def test_only_post_is_answered_and_no_other_origin_let_in(door: Door, target: str) -> None:
    answer = await send(door, target, b"", method="GET")
    assert error_of(answer, 405) == "invalid_request"
    assert answer.header("allow") == "POST, OPTIONS"
    preflight = await send(
        door, target, b"", method="OPTIONS", origin="https://evil.test", access_control_request_method="POST"
    )
    assert preflight.status == 204
    assert [name for name, _ in preflight.headers if name.startswith(b"access-control")] == []


async def test_cookies_are_not_read(door: Door) -> None:
    """A session changes nothing, and is not touched by it; whatever else stands in the cookie, too."""
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    door.touched.clear()
    door.clock.advance(timedelta(minutes=5))
    cookie = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
    for value in (cookie, cookie + "; doorward=\x7f", "doorward=a; doorward=b"):
        answer = await send(door, CODE, b"client_id=App", cookie=value, origin="https://evil.test")
        assert answer.status == 200
        assert answer.all("set-cookie") == []
    assert door.touched == []


async def test_too_much_is_told_with_a_time_to_wait(door: Door) -> None:
    for _ in range(10):
        await begin(door)
    answer = await ask(door, client_id="App")
    assert error_of(answer, 429) == "temporarily_unavailable"
    assert answer.header("retry-after") == "900"


async def test_a_store_that_does_not_answer_is_no_refusal_for_good(door: Door, monkeypatch) -> None:
    async def broken(*_, **__):
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(door.store.tickets, "put", broken)
    assert error_of(await ask(door, client_id="App"), 503) == "temporarily_unavailable"


async def test_the_address_is_what_a_trusted_proxy_says() -> None:
    door = Door(trust=Trust(networks=(ip_network("198.51.100.9/32"),)))
    answer = await send(door, CODE, b"client_id=App", x_forwarded_for="192.0.2.1")
    assert error_of(await send(door, CODE, b"client_id=App", x_forwarded_for="elsewhere")) == "invalid_request"
    user = await door.add_user("alice")
    subject = Subject(user, (await door.town.enter("alice")).session)
    asked = await door.flows.pairing.look(subject, json.loads(answer.body)["user_code"], BROWSER, now=door.town.now)
    assert asked is not None
    assert not isinstance(asked, Refused)
    assert (asked.address, asked.agent) == ("192.0.2.1", "Dart/3.3 (dart:io)")


async def test_other_addresses_of_the_api_are_its_own(door: Door) -> None:
    answer = await send(door, "/api/device/other", b"")
    assert answer.body == b"{}"


async def test_where_pairing_is_off_nothing_of_it_is_there(door: Door) -> None:
    door.flows.pairing._terms = PairingTerms(is_open=False)
    assert (await ask(door, client_id="App")).body == b"{}"
    browser = Browser(door)
    await door.add_user("alice")
    await browser.sign_in("alice")
    assert (await browser.get("/device")).status == 404
    assert (await browser.post("/device", {})).status == 404
    assert (await browser.post("/device/answer", {})).status == 404
    assert (await browser.get("/.well-known/oauth-authorization-server")).status == 404


async def test_clients_find_out_where_to_ask(door: Door) -> None:
    """RFC 8414, B-25: and what is signed with, from when on an app is told anything signed."""
    address, ours = "/.well-known/oauth-authorization-server", "https://auth.example.test"
    answer = await Browser(door).get(address)
    assert answer.header("content-type") == "application/json"
    pairing = {
        "device_authorization_endpoint": f"{ours}/api/device/code",
        "token_endpoint": f"{ours}/api/device/token",
        "grant_types_supported": [GRANT_TYPE],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["read", "write"],
    }
    server = {"issuer": ours, "response_types_supported": []}
    assert json.loads(answer.body) == server | pairing
    door.town.apps = (App("Wiki", (HostPattern("wiki.example.test"),), assertion=True),)
    signed = server | {"jwks_uri": f"{ours}/.well-known/jwks.json"}
    assert json.loads((await Browser(door).get(address)).body) == signed | pairing
    door.flows.pairing._terms = PairingTerms(is_open=False)
    assert json.loads((await Browser(door).get(address)).body) == signed


async def test_a_lockdown_is_a_denial_to_the_device(door: Door) -> None:
    begun = await begin(door)
    await approve(door, begun["user_code"])

    async def locked(*_, **__):
        return Refused(Failure.LOCKDOWN)

    door.flows.pairing._keys = type("Keys", (), {"create_for_device": staticmethod(locked)})()
    assert error_of(await fetch(door, begun["device_code"])) == "access_denied"
