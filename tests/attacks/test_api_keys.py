"""Section L of docs/attacks.md: keys at our own API, in the hands of whoever found one."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from doorward.rules.access_token import AccessToken, write_token
from doorward.rules.app_key import ApiScope, parse_key, write_key, write_key_id
from doorward.rules.identity import UserId
from doorward.verify import FixedKeys, RefusedError, verify
from doorward.web.api.scopes import SCOPES
from tests.attacks.factors import own_form
from tests.attacks.household import House
from tests.attacks.stage import AUTH, Browser, Person, Stage
from tests.attacks.test_every_form import snapshot
from tests.attacks.test_routes import fill_in
from tests.attacks.wire import Answer, Pairs, write

OWN = "/api/v1/account"
KEYS = f"{OWN}/keys"
SESSION = "doorward"
DIALECT = "nginx"
READING = {"GET", "HEAD"}
ANY = ("read", "write", "admin")
MISSING = "a" * 12


def call(browser: Browser, method: str, target: str, body: object = None) -> Answer:
    """A call with the cookies of somebody who is signed in, and their token."""
    token = own_form(browser)["csrf_token"].encode()
    more = ((b"Content-Type", b"application/json"),) if body is not None else ()
    raw = json.dumps(body).encode() if body is not None else None
    return browser.call(method, target, (b"X-CSRF-Token", token), *more, body=raw)


def make(browser: Browser, name: str, *scopes: str, token: bool = False, **wish: Any) -> tuple[str, str]:
    """A key or an access token: its text and its id."""
    target = "/api/v1/access-tokens" if token else KEYS
    answer = call(browser, "POST", target, {"name": name, "scopes": list(scopes), **wish})
    assert answer.status == 201, answer
    made = json.loads(answer.body)
    return made["text"], made["key"]["id"]


def show(stage: Stage, method: str, target: str, *shown: tuple[bytes, bytes], body: bytes | None = None) -> Answer:
    """A program without cookies."""
    own = ((b"Content-Type", b"application/json"),) if body is not None else ()
    headers = [
        (b"Host", AUTH),
        (b"X-Forwarded-For", stage.address().encode()),
        (b"X-Forwarded-Proto", b"https"),
        (b"User-Agent", b"curl/8"),
        (b"Accept", b"application/json"),
        *own,
        *shown,
    ]
    verb = method.encode()
    return stage.send_on(write(verb, target.encode(), headers, body), method=verb)


def by_key(stage: Stage, text: str, method: str, target: str) -> Answer:
    """The same, with a key."""
    body = None if method in READING else b"{}"
    return show(stage, method, target, (b"X-Api-Key", text.encode()), body=body)


def kept(stage: Stage) -> list[list[tuple[object, ...]]]:
    """What people have here, but for letters, which are sent meanwhile."""
    return snapshot(stage)[:-1]


def code_of(answer: Answer) -> str:
    """Why not."""
    return str(json.loads(answer.body)["code"])


@pytest.mark.parametrize("scope", [scope.value for scope in ApiScope])
def test_a_scope_opens_no_route_of_another(house: House, scope: str) -> None:
    """L03: every route of the application, by a key of an administrator's; and nothing is changed by asking."""
    stage = house.stage
    ruler = stage.signed_in(stage.newcomer(admin=True))
    text, _ = make(ruler, f"Only {scope}", scope)
    before = kept(stage)
    for route, needed in SCOPES.items():
        method, _, path = route.partition(" ")
        if needed is None or needed.value != scope:
            answer = by_key(stage, text, method, fill_in(path))
            assert (answer.status, code_of(answer)) == (403, "KEY_REFUSED"), route
        elif method in READING:
            assert by_key(stage, text, method, fill_in(path)).status in {200, 404}, route
    assert kept(stage) == before


def test_what_proves_somebody_is_opened_by_no_key_however_it_is_carried(house: House) -> None:
    """L03, L06: all scopes at once, as key and as access token, in every header that takes one."""
    stage = house.stage
    ruler = stage.signed_in(stage.newcomer(admin=True))
    key, _ = make(ruler, "Everything", *ANY)
    token, _ = make(ruler, "Token", *ANY, token=True)
    basic = b"Basic " + base64.b64encode(b"x:" + key.encode())
    carried = ((b"X-Api-Key", key.encode()), (b"Authorization", basic), (b"Authorization", b"Bearer " + token.encode()))
    before = kept(stage)
    for route in (route for route, scope in SCOPES.items() if scope is None):
        method, _, path = route.partition(" ")
        for header in carried:
            body = None if method in READING else b"{}"
            assert show(stage, method, fill_in(path), header, body=body).status == 403, route
    assert kept(stage) == before
    for page in ("/", "/account", "/keys/new", "/admin/users", "/device"):
        assert show(stage, "GET", page, carried[0]).status in {303, 401}, page


@pytest.mark.parametrize("fate", ["demoted", "disabled", "deleted"])
def test_a_key_falls_with_its_owner(house: House, fate: str) -> None:
    """L02, J04: at gate and API, at the very next request."""
    stage = house.stage
    guest = stage.newcomer("admin", admin=True)
    text, _ = make(stage.signed_in(guest), "Phone", *ANY, hosts=["admin.example.test"])

    stage.live[text.encode()] = guest

    def at_gate() -> int:
        return stage.ask(DIALECT, host=b"admin.example.test", more=((b"X-Api-Key", text.encode()),)).status

    assert at_gate() == 200
    assert by_key(stage, text, "GET", "/api/v1/users").status == 200
    if fate == "demoted":
        assert house.act(guest.name, "unmake_admin") == "unmake_admin"
        assert by_key(stage, text, "GET", "/api/v1/users").status == 403
        stage.command("user", "groups", guest.name, "users")
        assert at_gate() == 403
    else:
        word = ("disable", guest.name) if fate == "disabled" else ("delete", guest.name, "--yes")
        stage.command("user", *word)
        assert at_gate() in {401, 403}
        assert by_key(stage, text, "GET", "/api/v1/users").status == 401
    stage.bury(guest)


def test_an_access_token_ends_with_the_sessions_of_its_owner(house: House) -> None:
    """L02, J04: and a key does not, unless it is taken back."""
    stage = house.stage
    guest = stage.newcomer()
    own = stage.signed_in(guest)
    key, key_id = make(own, "Phone", "read")
    token, _ = make(own, "Client", "read", token=True, hosts=["app.example.test"])
    bearer = (b"Authorization", b"Bearer " + token.encode())
    stage.live[token.encode()] = guest
    assert show(stage, "GET", OWN, bearer).status == 200
    assert stage.ask(DIALECT, more=(bearer,)).status == 200
    stage.command("session", "end", "--user", guest.name)
    stage.bury(guest)
    assert show(stage, "GET", OWN, bearer).status == 401
    assert stage.ask(DIALECT, more=(bearer,)).status == 401
    assert by_key(stage, key, "GET", OWN).status == 200
    again = stage.signed_in(guest)
    assert call(again, "DELETE", f"{KEYS}/{key_id}").status == 204
    assert by_key(stage, key, "GET", OWN).status == 401


def test_somebody_elses_key_is_none(house: House) -> None:
    """L08: by id, name or preview, to see it, change it, wake it or take it back."""
    stage = house.stage
    victim, other = stage.signed_in(stage.newcomer()), stage.signed_in(stage.newcomer())
    text, key_id = make(victim, "The victim's phone", "read")
    rows = stage.query("SELECT id, name, digest FROM app_keys ORDER BY id")
    for which in (key_id, "The%20victim's%20phone", text[:8], "%27%20OR%201=1"):
        for method, tail, body in (("PATCH", "", {"name": "Mine"}), ("DELETE", "", None), ("POST", "/wake", None)):
            answer, nothing = (call(other, method, f"{KEYS}/{key}{tail}", body) for key in (which, MISSING))
            assert answer.status == nothing.status == 404
            told, missing = (json.loads(each.body) for each in (answer, nothing))
            assert {**told, "correlation_id": ""} == {**missing, "correlation_id": ""}
    preview = f"{text[:8]}…{text[-4:]}"
    for wish in ({"id": key_id}, {"name": "The victim's phone"}, {"preview": preview}):
        assert call(other, "POST", "/api/auth/apikey/revoke", wish).status == 404
    for target in (f"/api/v1/app-keys/{key_id}", "/api/v1/app-keys/revoke"):
        method = "DELETE" if target.endswith(key_id) else "POST"
        assert call(other, method, target, None if method == "DELETE" else {"everything": True}).status == 403
    assert json.loads(other.call("GET", KEYS).body)["keys"] == []
    assert stage.query("SELECT id, name, digest FROM app_keys ORDER BY id") == rows


def test_two_keys_odd_headers_and_what_is_nearly_a_key_open_nothing(house: House) -> None:
    """L05."""
    stage = house.stage
    own = stage.signed_in(stage.newcomer())
    key, _ = make(own, "Phone", "read")
    raw, name = key.encode(), b"Authorization"
    for headers in (
        ((name, b"Bearer " + raw), (name, b"Bearer " + raw)),
        ((b"X-Api-Key", raw), (b"x-api-key", raw)),
        ((name, b"Bearer " + raw), (b"X-Api-Key", b"dw_other")),
        ((name, b"Basic eDp5"), (name, b"Bearer " + raw)),
    ):
        assert show(stage, "GET", OWN, *headers).status == 400
    for value in (
        b"",
        b"Bearer",
        b"Bearer " + raw + b", Bearer " + raw,
        b"Bearer dw_",
        b"Bearer " + raw.upper(),
        b"Bearer " + raw[:-1],
        b"Bearer " + raw + b"\xc3\xa9",
        b"Basic",
        b"Basic =",
        b"Basic " + base64.b64encode(raw),
        b"Basic " + base64.b64encode(b"x:\0" + raw),
        b"Basic " + base64.b64encode(f"x:{key}".encode("utf-16")),
        b"Digest " + raw,
        raw,
    ):
        assert show(stage, "GET", OWN, (name, value)).status == 401, value
    assert show(stage, "GET", OWN, (name, b"bEaReR " + raw)).status == 200


def test_a_wrong_key_excuses_from_nothing_and_a_right_one_is_nobody_elses(house: House) -> None:
    """K06, L03: beside a session, with its token and without; and beside somebody else's."""
    stage = house.stage
    guest, other = stage.newcomer(), stage.newcomer()
    own, key = stage.signed_in(guest), make(stage.signed_in(other), "Phone", *ANY[:2])[0]
    token = (b"X-CSRF-Token", own_form(own)["csrf_token"].encode())
    kind = (b"Content-Type", b"application/json")
    before = kept(stage)
    for shown, status in (
        ((b"X-Api-Key", b"junk"), 401),
        ((b"X-Api-Key", write_key(write_key_id(bytes(16)), bytes(32)).encode()), 401),
        ((b"Authorization", b"Bearer junk"), 401),
        ((b"X-Api-Key", key.encode()), 400),
        ((b"Authorization", b"Bearer " + key.encode()), 400),
    ):
        for more in ((), (token,)):
            answer = own.call("PATCH", OWN, shown, kind, *more, body=b'{"display_name": "Mallory"}')
            assert answer.status == status, shown
    assert kept(stage) == before


def test_nothing_else_of_ours_is_a_key(house: House) -> None:
    """I14: cookies and tokens of every purpose, and an access token that somebody else signed."""
    stage = house.stage
    guest = stage.newcomer()
    own = stage.signed_in(guest)
    key, key_id = make(own, "Phone", "read")
    token, _ = make(own, "Client", "read", token=True)
    read = parse_key(key)
    assert read is not None
    (user_id,) = stage.query("SELECT id FROM users WHERE name = ?", guest.name)[0]
    now = datetime.now(UTC)
    forged = AccessToken(read[0], UserId(user_id), guest.name, now, now.replace(year=now.year + 1))
    values = [*own.jar.values(), own.jar[SESSION].partition(".")[0], own_form(own)["csrf_token"], key_id]
    values += [write_token(forged, secret=secret, issuer="Doorward", audience="programs") for secret in (b"", read[1])]
    values += [token.rpartition(".")[0] + ".", token + "A"]
    for value in values:
        for header in ((b"X-Api-Key", value.encode()), (b"Authorization", b"Bearer " + value.encode())):
            assert show(stage, "GET", OWN, header).status == 401
    assert show(stage, "GET", OWN, (b"X-Api-Key", token.encode())).status == 401
    for value in (key, token):
        jar = {**own.jar, SESSION: value}
        assert Browser(stage, stage.address(), jar).call("GET", OWN).status == 401


def test_an_assertion_opens_nothing_here_and_an_access_token_is_no_assertion(house: House) -> None:
    """I14: what is for apps alone, at gate and API; and what is for us alone, at an app that verifies."""
    stage = house.stage
    guest = stage.newcomer()
    own = stage.signed_in(guest)
    key, _ = make(own, "Phone", "read")
    token, _ = make(own, "Client", "read", token=True, apps=["Feeds"])
    bearer = (b"Authorization", b"Bearer " + token.encode())
    stage.live[token.encode()] = guest

    def at_gate(*more: tuple[bytes, bytes]) -> Answer:
        return stage.ask(DIALECT, host=b"feeds.example.test", more=more)

    shown = at_gate(bearer)
    assertion = dict(shown.headers)[b"x-doorward-assertion"]
    assert (shown.status, assertion.count(b".")) == (200, 2)
    for header in ((b"Authorization", b"Bearer " + assertion), (b"X-Api-Key", assertion)):
        assert at_gate(header).status == 401
        assert show(stage, "GET", OWN, header).status == 401
    assert at_gate((b"X-Doorward-Assertion", assertion)).status == 401
    assert show(stage, "GET", OWN, (b"X-Doorward-Assertion", assertion)).status == 401
    assert stage.ask(DIALECT, host=b"feeds.example.test", cookie=b"doorward=" + assertion).status == 401
    keys = FixedKeys(show(stage, "GET", "/.well-known/jwks.json").body)
    place = {
        "issuer": f"https://{AUTH.decode()}",
        "audience": "Feeds",
        "method": "GET",
        "url": "https://feeds.example.test/",
    }

    def taken_by_the_app(text: str) -> str:
        return str(verify(text, keys=keys, **place, now=datetime.now(UTC).timestamp())["preferred_username"])

    assert taken_by_the_app(assertion.decode()) == guest.name
    for text in (token, key, own_form(own)["csrf_token"], own.jar[SESSION]):
        with pytest.raises(RefusedError):
            taken_by_the_app(text)


@pytest.mark.parametrize("dialect", ["nginx", "traefik", "caddy", "haproxy", "envoy"])
def test_a_key_stands_in_an_address_once_or_it_opens_nothing(house: House, dialect: str) -> None:
    """L05: proxies take one out of it, and would show the app the other."""
    stage = house.stage
    guest = stage.newcomer()
    key, _ = make(stage.signed_in(guest), "Calendar", apps=["Feeds"], in_url=True)
    stage.live[key.encode()] = guest

    def ask(*pairs: str) -> int:
        target, client = b"/a.ics?" + "&".join(pairs).encode(), stage.address().encode()
        return stage.ask(dialect, host=b"feeds.example.test", target=target, forwarded_for=client).status

    plain, coded = f"dw_key={key}", f"%64w%5fkey={key}"
    assert [ask(plain), ask(coded), ask("a=b", plain, "c")] == [200, 200, 200]
    for pairs in (
        (plain, plain),
        (plain, coded),
        (coded, "a=b", plain),
        (plain, "dw_key=theirs"),
        ("dw_key", plain),
        (plain, "%64w_key=dw_other"),
        (plain, f"token={key}"),
        (f"DW_KEY={key}",),
        (f"a=b;dw_key={key}",),
    ):
        assert ask(*pairs) == 401, pairs


def test_no_answer_has_a_secret_of_a_key(house: House) -> None:
    """L11: every route that is read, by key and by session, of its owner and of an administrator."""
    stage = house.stage
    ruler = stage.signed_in(stage.newcomer(admin=True))
    text, key_id = make(ruler, "Phone", *ANY)
    token, _ = make(ruler, "Client", *ANY, token=True)
    digests = [row[0] for row in stage.query("SELECT digest FROM app_keys")]
    secrets = [
        text,
        text.split("_")[2],
        token,
        token.rpartition(".")[2],
        *digests,
        *(d.rpartition(":")[2] for d in digests),
    ]
    size = stage.log_size()
    for route in SCOPES:
        method, _, path = route.partition(" ")
        if method == "GET":
            target = path.replace("{key}", key_id)
            for answer in (by_key(stage, text, "GET", fill_in(target)), ruler.call("GET", fill_in(target))):
                assert not [secret for secret in secrets if secret.encode() in answer.body], route
    for page in ("/keys", "/admin/app-keys", "/account", "/admin/audit"):
        assert not [secret for secret in secrets if secret.encode() in ruler.get(page).body], page
    assert not [secret for secret in secrets if secret in stage.log_since(size)]


def test_a_key_makes_no_key_and_takes_none_back(house: House) -> None:
    """L03: whoever found one cannot stay when it is taken back."""
    stage = house.stage
    guest: Person = stage.newcomer(admin=True)
    own = stage.signed_in(guest)
    text, key_id = make(own, "Phone", *ANY)
    rows = stage.query("SELECT id, disabled_at FROM app_keys ORDER BY id")
    pairs: Pairs = ((b"X-Api-Key", text.encode()),)
    (user_id,) = stage.query("SELECT id FROM users WHERE name = ?", guest.name)[0]
    for method, target in (
        ("POST", KEYS),
        ("POST", "/api/v1/access-tokens"),
        ("POST", "/api/auth/apikey/generate"),
        ("POST", "/api/auth/apikey/revoke"),
        ("DELETE", f"{KEYS}/{key_id}"),
        ("PATCH", f"{KEYS}/{key_id}"),
        ("POST", f"{KEYS}/{key_id}/wake"),
        ("POST", f"/api/v1/users/{user_id}/app-keys"),
        ("DELETE", f"/api/v1/app-keys/{key_id}"),
        ("POST", "/api/v1/services"),
    ):
        wish = json.dumps({"name": "Another", "scopes": ["read"]}).encode()
        assert show(stage, method, target, *pairs, body=wish).status == 403, target
    assert stage.query("SELECT id, disabled_at FROM app_keys ORDER BY id") == rows
