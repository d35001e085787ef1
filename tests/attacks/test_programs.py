"""The API in the hands of another page (attacks K, L): no type of body and no preflight is a way in."""

import json

from tests.attacks.factors import own_form
from tests.attacks.household import House
from tests.attacks.stage import AUTH, CSRF_COOKIE, ROOT, Browser, Person, Stage
from tests.attacks.test_every_form import snapshot
from tests.attacks.test_routes import DECLARED, fill_in
from tests.attacks.wire import Answer, Pairs, write

EVIL: Pairs = ((b"Origin", b"https://evil.test"), (b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"cors"))
HOME: Pairs = ((b"Origin", b"https://" + AUTH), (b"Sec-Fetch-Site", b"same-origin"))
API = sorted({path for _, path in DECLARED if path.startswith("/api/")})
SENT = json.dumps({"display_name": "Planted"}).encode()


def send(browser: Browser, method: bytes, target: str, headers: Pairs, body: bytes | None = None) -> Answer:
    """Exactly these headers, with the browser's cookies."""
    return browser.stage.send_on(write(method, target.encode(), browser.headers(*headers), body), method=method)


def test_no_preflight_gets_permission(stage: Stage) -> None:
    """K03, B25: at any address of the API, for any method and header; nor is an answer read elsewhere."""
    root = stage.visitor(ROOT)
    before = snapshot(stage)
    for path in API:
        asks = (
            (b"Access-Control-Request-Method", b"DELETE"),
            (b"Access-Control-Request-Headers", b"x-csrf-token,content-type,authorization"),
            (b"Access-Control-Request-Private-Network", b"true"),
        )
        for origin in (EVIL, ((b"Origin", b"null"),), ((b"Origin", b"https://app.example.test"),)):
            answer = send(root, b"OPTIONS", fill_in(path), (*origin, *asks))
            assert answer.status in {204, 400, 401, 403, 404, 405}, path
            assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")], path
        if ("GET", path) in DECLARED:
            read = send(root, b"GET", fill_in(path), EVIL)
            assert not [name for name, _ in read.headers if name.startswith(b"access-control-")], path
            assert read.all("cross-origin-resource-policy") != [b"cross-origin"]
    assert snapshot(stage) == before


def bodies(token: str) -> list[tuple[bytes, bytes]]:
    """What a form or a simple request of another page can send, each with a right token in it, which they do not have."""
    value = json.dumps({"display_name": "Planted", "csrf_token": token}).encode()
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    pairs = (b"csrf_token", token.encode()), (b"display_name", b"Planted")
    multipart = b"".join(part % pair for pair in pairs) + b"--x--\r\n"
    return [
        (b"text/plain", value),
        (b"text/plain; charset=utf-8", value),
        (b"text/plain; application/json", value),
        (b"multipart/form-data; boundary=x", multipart),
        (b"multipart/form-data; boundary=x", part % (b"body", value) + b"--x--\r\n"),
        (b"application/x-www-form-urlencoded", value + b"="),
        (b"application/x-www-form-urlencoded", b"csrf_token=" + token.encode() + b"&display_name=Planted"),
        (b"application/json", value[:-1] + b',"display_name":"Twice"}'),
        (b"application/json; charset=utf-16", value.decode().encode("utf-16")),
        (b"application/json", b"\xef\xbb\xbf" + value),
        (b"application/octet-stream", value),
        (b"", value),
    ]


def test_no_other_type_of_body_is_read(house: House) -> None:
    """K03, K06, I10, P06: with the token inside, in the header too, from our own page or another."""
    stage, guest = house.stage, house.stage.newcomer()
    own = stage.signed_in(guest)
    token = own_form(own)["csrf_token"]
    key = ((b"X-CSRF-Token", token.encode()),)
    before = snapshot(stage)
    for kind, body in bodies(token):
        types = ((b"Content-Type", kind),) if kind else ()
        for headers in ((*HOME, *types), (*HOME, *key, *types)):
            answer = send(own, b"PATCH", "/api/v1/account", headers, body)
            assert answer.status in {400, 403, 415, 422}, f"{kind!r}: {body[:40]!r}"
        for origin in (EVIL, ((b"Origin", b"https://app.example.test"),), ((b"Sec-Fetch-Site", b"same-site"),)):
            assert send(own, b"PATCH", "/api/v1/account", (*origin, *key, *types), body).status == 403
    assert snapshot(stage) == before
    right = (*HOME, *key, (b"Content-Type", b"application/json"))
    assert send(own, b"PATCH", "/api/v1/account", right, SENT).status == 200


def test_a_method_is_the_one_that_was_sent(house: House) -> None:
    """K05, A20: no header, field or query makes a reading a change."""
    stage, guest = house.stage, house.stage.newcomer()
    own = stage.signed_in(guest)
    key = (b"X-CSRF-Token", own_form(own)["csrf_token"].encode())
    names = (
        b"X-HTTP-Method-Override",
        b"X-HTTP-Method",
        b"X-Method-Override",
        b"X-Forwarded-Method",
        b"X-Original-Method",
    )
    before = snapshot(stage)
    for method in (b"GET", b"HEAD"):
        for name in names:
            target = "/api/v1/account?_method=DELETE&method=DELETE"
            answer = send(own, method, target, (*HOME, key, (name, b"DELETE")))
            assert answer.status in {200, 405}
    assert snapshot(stage) == before
    assert own.get("/account").status == 200


def test_a_right_that_was_taken_away_is_gone_at_the_next_call(house: House) -> None:
    """L10, J04: somebody who governed a moment ago, with a session, a companion and a token from then."""
    stage = house.stage
    ruler = stage.newcomer(admin=True)
    own = stage.signed_in(ruler)
    key = (b"X-CSRF-Token", own_form(own)["csrf_token"].encode())
    assert own.call("GET", "/api/v1/users").status == 200
    assert house.act(ruler.name, "unmake_admin") == "unmake_admin"
    stage.bury(ruler)
    assert own.call("GET", "/api/v1/users").status == 401
    again = stage.signed_in(Person(ruler.name, ruler.email, ruler.password))
    fresh = (b"X-CSRF-Token", own_form(again)["csrf_token"].encode())
    for token in (key, fresh):
        answer = send(again, b"POST", "/api/v1/invites", (*HOME, token, (b"Content-Type", b"application/json")), b"{}")
        assert answer.status == 403
    assert again.jar.get(CSRF_COOKIE)
