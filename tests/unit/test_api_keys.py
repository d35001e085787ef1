"""Keys at our own API: what they open and what they never do, where they may stand, and what comes of wrong ones."""

import base64
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from doorward.rules.access_token import AccessToken, write_token
from doorward.rules.app_key import ApiScope, KeyKind, hash_secret, parse_key, write_key, write_key_id
from doorward.rules.lockdown import LOCKDOWN_SETTING
from doorward.web.api.application import build_api
from doorward.web.api.credentials import find_shown
from doorward.web.api.parts import ApiParts
from doorward.web.api.scopes import SCOPES, scope_of
from doorward.web.visit import find_header
from tests.fakes.api import TOKENS, Program, Ring, code_told, give_key, open_api, told
from tests.fakes.door import Answer, Browser, Door, call_app

OWN = "/api/v1/account"
ALL = (ApiScope.READ, ApiScope.WRITE, ApiScope.ADMIN)
UNKNOWN = write_key(write_key_id(b"nobody's at all "), b"x" * 32)


@pytest.fixture
def ring() -> Ring:
    """What becomes of keys."""
    return Ring()


@pytest.fixture
async def door(ring: Ring) -> Door:
    """With root, who administers, alice and bob."""
    made = open_api(Door(), ring)
    for name in ("root", "alice", "bob"):
        await made.add_user(name, admin=name == "root")
    return made


async def ask(door: Door, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    """A program without cookies."""
    kind = {"content_type": "application/json"} if body else {}
    sent = {"accept": "application/json", "sec_fetch_mode": "", **kind, **headers}
    return await Browser(door, agent="curl/8")._send(method, target, sent, body)


def basic(name: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def test_a_key_stands_for_its_owner_wherever_it_is_carried(door: Door, ring: Ring) -> None:
    """A-18, A-24, B-17: as X-Api-Key, as Bearer, as the password of any user name. Its use is noted."""
    key = await give_key(door, "alice", ApiScope.READ)
    for headers in (
        {"x_api_key": key},
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
        {"authorization": basic("alice", key)},
        {"authorization": basic("", key)},
        {"authorization": basic("whoever", key)},
        {"authorization": f"Bearer {key}", "x_api_key": key},
    ):
        assert told(await ask(door, "GET", OWN, **headers))["name"] == "alice"
    assert len(ring.used) == 1
    assert ring.wrong == []


async def test_uses_are_noted_by_address(door: Door, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-76: once a minute as at the gate, and nobody else's is hidden among them."""
    monkeypatch.setattr("doorward.flows.key_entry._MOST_KNOWN", 2)
    key = await give_key(door, "alice", ApiScope.READ, last_used_at=door.clock.now())
    for seconds, host, noted in ((0, 7, 1), (59, 7, 1), (0, 8, 2), (0, 8, 2), (1, 7, 3), (0, 9, 4), (0, 8, 5)):
        door.clock.advance(timedelta(seconds=seconds))
        assert (await ask(door, "GET", OWN, x_api_key=key, x_forwarded_for=f"10.0.0.{host}")).status == 200
        assert len(ring.used) == noted


async def test_a_key_changes_what_is_its_owners_without_the_token_of_a_session(door: Door) -> None:
    """A-22, A-27: the key is in a header, which no browser adds by itself. The record says that a key did it."""
    key = await give_key(door, "alice", ApiScope.WRITE)
    body = b'{"display_name": "Alice by key"}'
    assert told(await ask(door, "PATCH", OWN, body, x_api_key=key))["display_name"] == "Alice by key"
    assert door.store.state.audit[-1].event.private["by_key"] == parse_key(key)[0]  # type: ignore[index]


@pytest.mark.parametrize("wrong", ["x", "", "dw_", UNKNOWN, UNKNOWN[:-1], UNKNOWN + "A"])
async def test_a_wrong_key_is_401_and_no_cookie_makes_up_for_it(door: Door, ring: Ring, wrong: str) -> None:
    """T-03, A-24: neither for reading nor for changing, with the token of the session or without."""
    alice = await Program.enter(door, "alice")
    token = await alice.token()
    for headers in (
        {"x_api_key": wrong or " "},
        {"authorization": f"Bearer {wrong}"},
        {"authorization": basic("a", wrong)},
    ):
        for more in ({}, {"x_csrf_token": token}):
            for method, body in (("GET", None), ("PATCH", {"display_name": "Mallory"})):
                answer = await alice.send(method, OWN, body, **headers, **more)
                assert code_told(answer, 401) == "WRONG_KEY"
                assert answer.header("www-authenticate").startswith('Doorward realm="doorward", Bearer')
                assert not answer.all("set-cookie")
    assert len(ring.wrong) == 12
    assert told(await alice.send("GET", OWN))["display_name"] == "Alice"


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Basic",
        "Basic !!!!",
        "Basic YWJj",
        "Basic AA==",
        "Digest username=alice",
        "Negotiate YWJj",
        "{key}",
        "Bearer {key}, Bearer {key}",
        "Bearer  {key}",
        "Bearer {key} ",
        "Bearer\t{key}",
        "Token {key}",
        "Basic {key}",
    ],
)
async def test_an_odd_authorization_is_a_wrong_key(door: Door, value: str) -> None:
    """L05: what is not exactly a key where a key stands is none."""
    key = await give_key(door, "alice", ApiScope.READ)
    assert code_told(await ask(door, "GET", OWN, authorization=value.replace("{key}", key)), 401) == "WRONG_KEY"


async def test_basic_in_another_encoding_or_with_a_password_opens_nothing(door: Door) -> None:
    """L05, L06: the account's own password is no key."""
    key = await give_key(door, "alice", ApiScope.READ)
    utf16 = "Basic " + base64.b64encode(f"alice:{key}".encode("utf-16")).decode()
    nul = basic("alice", f"\0{key}")
    urlsafe = basic("ü¿alice", key).replace("/", "_").replace("+", "-")
    for value in (utf16, nul, basic("alice", "correct horse battery staple"), urlsafe.rstrip("=") + "="):
        if value != basic("ü¿alice", key):
            assert code_told(await ask(door, "GET", OWN, authorization=value), 401) == "WRONG_KEY"


async def test_two_keys_or_a_header_twice_are_refused(door: Door) -> None:
    """L05: two of them are one too many, whichever would be good."""
    key, other = await give_key(door, "alice", ApiScope.READ), await give_key(door, "alice", ApiScope.READ, number=2)
    assert code_told(await ask(door, "GET", OWN, authorization=f"Bearer {key}", x_api_key=other), 400) == "MALFORMED"
    assert code_told(await ask(door, "GET", OWN, authorization=f"Bearer {key}", x_api_key="junk"), 400) == "MALFORMED"
    home = door.site.origin.partition("://")[2].encode()
    for name, value in ((b"authorization", f"Bearer {key}".encode()), (b"x-api-key", key.encode())):
        answer = await call_app(door.server, "GET", OWN, [(b"host", home), (name, value), (name, value)])
        assert answer.status == 400


async def test_a_key_and_somebody_elses_cookie_are_refused(door: Door) -> None:
    """Whoever plants one of the two makes nobody somebody else."""
    bob, key = await Program.enter(door, "bob"), await give_key(door, "alice", *ALL)
    assert code_told(await bob.send("GET", OWN, x_api_key=key), 400) == "TWO_ACCOUNTS"
    changed = await bob.call("PATCH", OWN, {"display_name": "Mallory"}, x_api_key=key)
    assert code_told(changed, 400) == "TWO_ACCOUNTS"


async def test_beside_a_cookie_of_its_owner_the_key_decides(door: Door) -> None:
    """It is the narrower: what it was not made for, it does not do with the cookie's help."""
    alice, key = await Program.enter(door, "alice"), await give_key(door, "alice", ApiScope.READ)
    assert told(await alice.send("GET", OWN, x_api_key=key))["name"] == "alice"
    answer = await alice.call("PATCH", OWN, {"display_name": "Mallory"}, x_api_key=key)
    assert code_told(answer, 403) == "KEY_REFUSED"


async def test_a_key_without_a_scope_opens_nothing_here(door: Door) -> None:
    """Keys are for apps; our own API is one more thing that they have to be made for."""
    key = await give_key(door, "root", apps=("grafana",), hosts=("auth.example.test",))
    for route in SCOPES:
        method, _, path = route.partition(" ")
        assert (await ask(door, method, fill_in(path), x_api_key=key)).status == 403, route


def fill_in(path: str) -> str:
    """An address that this route answers to."""
    return path.replace("{", "").replace("}", "")


def test_every_route_says_what_key_opens_it_or_that_none_does(door: Door) -> None:
    """L03, L10: read off the application; whoever adds a route decides, and until then no key opens it."""
    paths = door.server.api.openapi()["paths"]  # type: ignore[attr-defined]
    found = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    asks_nobody = {"GET /api/auth/mode", "GET /api/auth/registration-available"}
    assert found - asks_nobody == SCOPES.keys()
    assert scope_of("GET", "/api/v1/of-tomorrow") is None


@pytest.mark.parametrize("owner", ["root", "alice"])
@pytest.mark.parametrize("scope", ALL)
async def test_every_scope_opens_its_own_routes_and_no_other(door: Door, scope: ApiScope, owner: str) -> None:
    """L03: each scope at each route; administration only where the owner administers."""
    key = await give_key(door, owner, scope)
    for route, needed in SCOPES.items():
        method, _, path = route.partition(" ")
        answer = await ask(
            door, method, fill_in(path), b"{}" if method in {"POST", "PUT", "PATCH"} else b"", x_api_key=key
        )
        if needed is not scope:
            assert code_told(answer, 403) == "KEY_REFUSED", route
        elif scope is ApiScope.ADMIN and owner != "root":
            assert code_told(answer, 403) == "FORBIDDEN", route
        else:
            assert answer.status not in {401, 403}, f"{route}: {answer.text}"
        door.clock.advance(timedelta(hours=1))


async def test_what_a_key_is_narrowed_to_holds_here_too(door: Door) -> None:
    """Methods, paths, networks, and reading alone."""
    for number, change in enumerate(
        (
            {"read_only": True},
            {"methods": frozenset({"GET"})},
            {"paths": ("/api/v1/account/preferences",)},
            {"networks": (ip_network("192.0.2.0/24"),)},
        )
    ):
        key = await give_key(door, "alice", ApiScope.WRITE, number=number + 1, **change)
        assert code_told(await ask(door, "PATCH", OWN, b"{}", x_api_key=key), 403) == "KEY_REFUSED", change
    within = await give_key(
        door,
        "alice",
        ApiScope.READ,
        number=9,
        paths=(OWN,),
        methods=frozenset({"GET"}),
        networks=(ip_network("198.51.100.0/24"),),
    )
    here = {"x_api_key": within, "x_forwarded_for": "198.51.100.7"}
    assert told(await ask(door, "GET", OWN, **here))["name"] == "alice"
    elsewhere = {**here, "x_forwarded_for": "198.51.101.7"}
    assert code_told(await ask(door, "GET", OWN, **elsewhere), 403) == "KEY_REFUSED"
    assert code_told(await ask(door, "GET", "/api/v1/account%2fsessions", **here), 403) == "KEY_REFUSED"


async def test_what_takes_a_right_from_the_owner_takes_it_from_the_key_at_once(door: Door) -> None:
    """L02, J04: demoted, disabled, deleted, and everything ended for a key that goes with it."""
    key = await give_key(door, "root", ApiScope.ADMIN)
    bound = await give_key(door, "root", ApiScope.ADMIN, number=2, generation=1)
    assert told(await ask(door, "GET", "/api/v1/users", x_api_key=key))
    assert told(await ask(door, "GET", "/api/v1/users", x_api_key=bound))
    user = door.store.live_view.find_user_by_name("root")
    assert user is not None
    for change, expected in (
        ({"is_admin": False}, 403),
        ({"console_only": True, "enabled": False}, 401),
        ({"must_change_password": True}, 401),
    ):
        door.store.state.users[user.id] = replace(user, **change)
        assert (await ask(door, "GET", "/api/v1/users", x_api_key=key)).status == expected
    door.store.state.users[user.id] = replace(user, generation=user.generation + 1)
    assert told(await ask(door, "GET", "/api/v1/users", x_api_key=key))
    assert code_told(await ask(door, "GET", "/api/v1/users", x_api_key=bound), 401) == "WRONG_KEY"
    del door.store.state.users[user.id]
    assert code_told(await ask(door, "GET", "/api/v1/users", x_api_key=key), 401) == "WRONG_KEY"


async def test_a_key_that_is_older_than_policy_allows_is_a_wrong_one(ring: Ring) -> None:
    """A-20: though it was made without an end."""
    ring.key_lifetime = timedelta(hours=1)
    door = open_api(Door(), ring)
    await door.add_user("alice")
    key = await give_key(door, "alice", ApiScope.READ, made_at=door.clock.now())
    assert (await ask(door, "GET", OWN, x_api_key=key)).status == 200
    door.clock.advance(timedelta(hours=1))
    assert (await ask(door, "GET", OWN, x_api_key=key)).status == 401


async def test_a_key_that_expired_or_sleeps_is_a_wrong_one(door: Door) -> None:
    """To the second."""
    now = door.clock.now()
    ends = await give_key(door, "alice", ApiScope.READ, expires_at=now + timedelta(minutes=1))
    asleep = await give_key(door, "alice", ApiScope.READ, number=2, disabled_at=now)
    assert told(await ask(door, "GET", OWN, x_api_key=ends))
    assert code_told(await ask(door, "GET", OWN, x_api_key=asleep), 401) == "WRONG_KEY"
    door.clock.advance(timedelta(minutes=1))
    assert code_told(await ask(door, "GET", OWN, x_api_key=ends), 401) == "WRONG_KEY"


async def test_too_many_wrong_keys_wait_and_a_right_one_never_does(door: Door, ring: Ring) -> None:
    """Wrong ones count by address, for the gate's limiter; nobody is locked out by strangers."""
    key = await give_key(door, "alice", ApiScope.READ)
    ring.wait = timedelta(seconds=30)
    answer = await ask(door, "GET", OWN, x_api_key=UNKNOWN)
    assert code_told(answer, 429) == "RATE_LIMITED"
    assert answer.header("retry-after") == "30"
    assert told(await ask(door, "GET", OWN, x_api_key=key))["name"] == "alice"


async def test_in_a_lockdown_no_key_opens_anything(door: Door) -> None:
    """Sessions ended with it, and keys wait until it is lifted."""
    key = await give_key(door, "alice", *ALL)
    async with door.store.records.transaction() as transaction:
        await transaction.put_setting(
            LOCKDOWN_SETTING, '{"by": "cli", "reason": "", "since": "2026-01-01T00:00:00+00:00"}'
        )
    assert code_told(await ask(door, "GET", OWN, x_api_key=key), 403) == "LOCKDOWN"


async def test_pages_take_no_key(door: Door) -> None:
    """A key is for programs; a page opens for whoever signed in."""
    key = await give_key(door, "root", *ALL)
    for path in ("/", "/account", "/sessions", "/admin/users"):
        for headers in ({"x_api_key": key}, {"authorization": f"Bearer {key}"}):
            answer = await Browser(door).get(path, **headers)
            assert answer.status == 303, path
            assert "/login?rd=" in answer.location


async def test_without_keys_whoever_shows_one_is_refused(door: Door) -> None:
    """Where the API was given none to look at."""
    without = ApiParts(door.flows, door.server.reader, door.csrf, door.cookies, door.clock, door.random, "0", True)
    door.server = replace(door.server, api=build_api(without))
    assert code_told(await ask(door, "GET", OWN, x_api_key=UNKNOWN), 401) == "WRONG_KEY"


async def test_an_access_token_is_a_key_of_its_own_row(door: Door) -> None:
    """B-17, I14: as Bearer alone, while its row is there, and no key is good as one."""
    now = door.clock.now()
    user = door.store.live_view.find_user_by_name("alice")
    assert user is not None
    key_id = write_key_id(b"sixteen bytes of")
    token = AccessToken(key_id, user.id, "alice", now, now + timedelta(hours=1))
    text = write_token(token, secret=TOKENS.secret, issuer=TOKENS.issuer, audience=TOKENS.audience)
    assert code_told(await ask(door, "GET", OWN, authorization=f"Bearer {text}"), 401) == "WRONG_KEY"
    await give_key(
        door, "alice", ApiScope.READ, id=key_id, kind=KeyKind.TOKEN, digest=hash_secret(text.encode()), generation=1
    )
    assert told(await ask(door, "GET", OWN, authorization=f"Bearer {text}"))["name"] == "alice"
    assert code_told(await ask(door, "GET", OWN, x_api_key=text), 401) == "WRONG_KEY"
    assert code_told(await ask(door, "GET", OWN, authorization=basic("alice", text)), 401) == "WRONG_KEY"
    other = write_token(
        replace(token, issued_at=now - timedelta(seconds=1)),
        secret=TOKENS.secret,
        issuer=TOKENS.issuer,
        audience=TOKENS.audience,
    )
    assert code_told(await ask(door, "GET", OWN, authorization=f"Bearer {other}"), 401) == "WRONG_KEY"
    assert code_told(await ask(door, "GET", OWN, x_api_key=write_key(key_id, b"z" * 32)), 401) == "WRONG_KEY"


async def test_nothing_else_of_ours_is_taken_for_a_key(door: Door) -> None:
    """I14: the values of our own cookies, wherever a key may stand."""
    alice = await Program.enter(door, "alice")
    await alice.token()
    for value in alice.browser.jar.values():
        for headers in (
            {"x_api_key": value},
            {"authorization": f"Bearer {value}"},
            {"authorization": basic("a", value)},
        ):
            assert code_told(await ask(door, "GET", OWN, **headers), 401) == "WRONG_KEY"


def test_a_request_without_a_key_shows_none() -> None:
    """And then the cookie decides."""
    assert (find_shown([(b"cookie", b"a=b")]), find_header([], b"x-api-key")) == (None, None)
