"""Keys at the check: who they stand for, what they open, and every way of showing one badly."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network

import pytest

from doorward.rules.app_key import parse_key
from doorward.rules.policy import App, Effect, HostPattern, Policy, Rule
from doorward.web.gate.answer import Answer, split_block
from doorward.web.gate.dialect import Dialect
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, World, ask, make_user

TRAEFIK, CADDY, NGINX, HAPROXY, ENVOY = DIALECTS
HOST = HostPattern("app.example.test")
OPEN = Rule("open", Effect.ALLOW, (HOST, HostPattern("feed.example.test")), groups=frozenset({"family"}))
POLICY = Policy([OPEN], apps=[App("App", (HOST,)), App("Feed", (HostPattern("feed.example.test"),), url_keys=True)])
ALICE, BOB = make_user("alice", "family"), make_user("bob", "family")
SOMEBODY_ELSES = "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"


@pytest.fixture
def world() -> World:
    return World(POLICY)


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def show(way: str, key: str) -> dict[str, str]:
    match way:
        case "bearer":
            return {"authorization": f"Bearer {key}"}
        case "small":
            return {"authorization": f"bearer  {key}"}
        case "basic":
            return {"authorization": basic("alice", key)}
        case "anybody":
            return {"authorization": basic("", key)}
        case "both":
            return {"authorization": f"Bearer {key}", "x-api-key": key}
        case _:
            return {"x-api-key": key}


WAYS = ["bearer", "small", "basic", "anybody", "both", "x-api-key"]


def check(world: World, host: str = "app.example.test", uri: str = "/", method: str = "GET", **more: str) -> Answer:
    headers = [each for each in ask(host, uri, method, **more) if each[0] != b"accept"]
    return world.make_gate().answer(TRAEFIK, b"GET", b"", headers, PROXY)


def fields_of(answer: Answer) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in split_block(answer.head)}


def reason_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["reason"])


@pytest.mark.parametrize("way", WAYS)
def test_a_key_opens_what_its_owner_may_open(world: World, way: str) -> None:
    """A-24: however it is shown, and it never reaches the app."""
    answer = check(world, **show(way, world.make_key(ALICE)))
    assert answer.status == HTTPStatus.OK
    fields = fields_of(answer)
    assert fields["x-forwarded-user-email"] == "alice@example.test"
    assert "dw_" not in answer.head.decode()
    assert not {"authorization", "x-api-key"} & set(fields)
    assert check(world, **show(way, world.make_key(make_user("carol")))).status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_bad_key_is_refused_even_beside_a_good_cookie(world: World, way: str, signed_in: bool) -> None:
    """L05: what is shown and not good is never passed over."""
    more = {"cookie": f"doorward={world.sign_in(ALICE)}"} if signed_in else {}
    good = world.make_key(ALICE)
    for bad in (good[:-1] + ("a" if good[-1] != "a" else "b"), "dw_", "dw_x", good + "x", f"{good}, Bearer {good}"):
        answer = check(world, **more, **show(way, bad))
        assert (answer.status, reason_of(answer)) == (HTTPStatus.UNAUTHORIZED, "key_invalid")
        assert fields_of(answer)["www-authenticate"] == 'Bearer realm="doorward", error="invalid_token"'
    gone = world.make_key(ALICE)
    world.change_key(gone, gone=True)
    assert reason_of(check(world, **more, **show(way, gone))) == "key_invalid"
    assert check(world, **more, **show(way, good)).status == HTTPStatus.OK


@pytest.mark.parametrize(
    "value",
    [
        "", "Bearer", "bearer", "Basic", "Basic !", "Basic YWxpY2U=", "Basic AGE6YgA=", "Bearer x", "Bearer a, Bearer b",
        "Digest x", SOMEBODY_ELSES, "Basic " + b64encode("a:dw_".encode("utf-16")).decode(), "Basic " + "A" * 4001,
        "Negotiate", "Bearer d\xb5", "Bearer \x7f",
    ],
)  # fmt: skip
@pytest.mark.parametrize("signed_in", [True, False])
def test_what_is_not_written_like_a_key_is_the_apps_own_business(world: World, value: str, signed_in: bool) -> None:
    """L05: untouched beside a good cookie, nothing without one; never a fault."""
    more = {"cookie": f"doorward={world.sign_in(ALICE)}"} if signed_in else {}
    for name in ("authorization", "x-api-key"):
        headers = [each for each in ask("app.example.test", **more) if each[0] != b"accept"]
        headers.append((name.encode(), value.encode("latin-1")))
        gate = world.make_gate()
        for _ in range(2):
            answer = gate.answer(CADDY, b"GET", b"", headers, PROXY)
            assert answer.status == (HTTPStatus.OK if signed_in else HTTPStatus.UNAUTHORIZED)
            if signed_in:
                assert dict(split_block(answer.head))[name.encode()] == value.encode("latin-1").replace(b"\x7f", b"")


def test_two_authorization_lines_are_two_readings(world: World) -> None:
    """L05."""
    key = world.make_key(ALICE)
    for name in (b"authorization", b"x-api-key"):
        headers = [*ask("app.example.test"), (name, f"Bearer {key}".encode()), (name, b"Bearer x")]
        assert world.make_gate().answer(TRAEFIK, b"GET", b"", headers, PROXY).status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_no_dialect_lets_a_key_through_to_the_app_or_drops_what_is_the_apps(world: World, dialect: Dialect) -> None:
    def answer(**more: str) -> dict[str, str]:
        headers = [
            *ask("app.example.test", **more),
            (b"x-original-url", b"https://app.example.test/"),
            (b"x-original-method", b"GET"),
        ]
        if dialect is ENVOY:
            headers = [(name, b"app.example.test" if name == b"host" else value) for name, value in headers]
        found = world.make_gate().answer(dialect, b"GET", b"/", headers, PROXY)
        assert found.status == HTTPStatus.OK
        return fields_of(found)

    key = world.make_key(ALICE)
    fields = answer(authorization=f"Bearer {key}", x_api_key="theirs", cookie="a=b")
    assert fields.get("authorization", "") == ""
    assert (fields["x-api-key"], fields["cookie"]) == ("theirs", "a=b")
    assert ("authorization" in fields) == (dialect in {CADDY, HAPROXY})
    assert ("authorization" in fields.get("x-envoy-auth-headers-to-remove", "").split(",")) == (dialect is ENVOY)
    fields = answer(x_api_key=key, authorization=SOMEBODY_ELSES)
    assert (fields.get("x-api-key", ""), fields["authorization"]) == ("", SOMEBODY_ELSES)
    fields = answer(authorization=SOMEBODY_ELSES, cookie=f"doorward={world.sign_in(ALICE)}")
    assert (fields["authorization"], fields.get("cookie", "")) == (SOMEBODY_ELSES, "")


def test_a_key_and_a_sign_in_are_of_one_account_and_the_key_decides(world: World) -> None:
    """K06."""
    cookie = f"doorward={world.sign_in(ALICE)}"
    mine, narrow = world.make_key(ALICE), world.make_key(ALICE, apps=("Feed",))
    answer = check(world, cookie=cookie, x_api_key=world.make_key(BOB))
    assert (answer.status, reason_of(answer)) == (HTTPStatus.BAD_REQUEST, "credentials_differ")
    assert check(world, cookie=cookie, x_api_key=mine).status == HTTPStatus.OK
    assert reason_of(check(world, cookie=cookie, x_api_key=narrow)) == "key_app"
    answer = check(world, authorization=f"Bearer {mine}", x_api_key=narrow)
    assert (answer.status, reason_of(answer)) == (HTTPStatus.BAD_REQUEST, "credentials_differ")
    world.end_sessions("alice")
    assert check(world, cookie=cookie, x_api_key=mine).status == HTTPStatus.OK


def test_a_key_is_remembered_as_long_as_it_is_good_and_no_longer(world: World) -> None:
    gate = world.make_gate()
    key = world.make_key(ALICE, expires_at=world.clock.now() + timedelta(minutes=5))

    def answer(**more: str) -> int:
        return gate.answer(TRAEFIK, b"GET", b"", ask("app.example.test", x_api_key=key, **more), PROXY).status

    assert [answer(), answer()] == [HTTPStatus.OK] * 2
    assert len(gate.table) == 1
    world.change_key(key, read_only=True)
    assert [answer(), answer()] == [HTTPStatus.OK] * 2
    assert answer(upgrade="websocket") == HTTPStatus.FORBIDDEN
    assert answer(sec_fetch_mode="websocket") == HTTPStatus.FORBIDDEN
    assert [answer(sec_fetch_mode="cors"), answer(sec_fetch_mode="cors")] == [HTTPStatus.OK] * 2
    world.lock_down(on=True)
    assert [answer(), answer()] == [HTTPStatus.FORBIDDEN] * 2
    world.lock_down(on=False)
    assert answer() == HTTPStatus.OK
    world.change_user("alice", enabled=False)
    assert answer() == HTTPStatus.FORBIDDEN
    world.change_user("alice", enabled=True)
    assert answer() == HTTPStatus.OK
    world.clock.advance(timedelta(minutes=5))
    assert [answer(), answer()] == [HTTPStatus.UNAUTHORIZED] * 2
    world.change_key(key, expires_at=None)
    assert answer() == HTTPStatus.OK
    world.change_key(key, disabled_at=world.clock.now())
    assert answer() == HTTPStatus.UNAUTHORIZED


def test_uses_are_handed_over_about_once_a_minute_where_something_was_opened(world: World) -> None:
    gate, key = world.make_gate(), world.make_key(ALICE)
    parsed = parse_key(key)
    assert parsed is not None

    def use(host: str = "app.example.test") -> None:
        gate.answer(TRAEFIK, b"GET", b"", ask(host, x_api_key=key, user_agent="curl/8"), PROXY)

    use("feed.example.test")
    assert world.key_touches == []
    for _ in range(3):
        use()
    assert world.key_touches == [(parsed[0], world.clock.now(), "curl/8", "203.0.113.7")]
    world.clock.advance(timedelta(seconds=60))
    use()
    assert len(world.key_touches) == 2
    assert world.touches == []


def test_a_use_from_elsewhere_is_handed_over_at_once_and_a_sign_in_from_elsewhere_is_not(world: World) -> None:
    """E-76: or whoever has a busy key as well would hardly ever be seen."""
    gate, key, cookie = world.make_gate(), world.make_key(ALICE), f"doorward={world.sign_in(ALICE)}"

    def use(address: str, **shown: str) -> None:
        headers = [each for each in ask("app.example.test", **shown) if each[0] not in _OWN]
        asked = [*headers, (b"x-forwarded-for", address.encode())]
        assert gate.answer(TRAEFIK, b"GET", b"", asked, PROXY).status == HTTPStatus.OK

    for address in ("203.0.113.7", "203.0.113.7", "198.51.100.9", "203.0.113.7", "198.51.100.9"):
        use(address, x_api_key=key)
    assert [touch[3] for touch in world.key_touches] == ["203.0.113.7", "198.51.100.9"]
    for number in range(40):
        use(f"10.0.0.{number}", x_api_key=key)
    (entry,) = gate.table._keys.values()
    assert len(world.key_touches) == 42
    assert len(entry.places) <= 32
    world.clock.advance(timedelta(minutes=2))
    for address in ("203.0.113.7", "198.51.100.9"):
        use(address, cookie=cookie)
    assert len(world.touches) == 1


def test_what_is_asked_of_a_program_is_not_asked_of_a_browser(world: World) -> None:
    """Git and calendars send nothing before they are asked; browsers must never ask for a password of their own."""

    def challenges(**more: str) -> list[bytes]:
        answer = check(world, **more)
        assert answer.status == HTTPStatus.UNAUTHORIZED
        return [value for name, value in split_block(answer.head) if name == b"www-authenticate"]

    bearer, ours = b'Bearer realm="doorward"', b'Basic realm="doorward", charset="UTF-8"'
    assert challenges() == [ours, bearer]
    for name in ("sec_fetch_site", "sec_fetch_mode", "origin", "x_requested_with"):
        assert challenges(**{name: "cors"}) == [bearer]
    world.policy = Policy([OPEN], apps=[App("App", (HOST,), keys=False)])
    assert challenges() == [bearer]
    body = json.loads(check(world).body)
    assert body["device_authorization_url"] == "https://auth.example.test/api/device/code"
    assert body["login_url"].startswith("https://auth.example.test/login?rd=")
    world.settings = replace(world.settings, pairs_devices=False)
    for shown in ({}, {"x_api_key": "dw_wrong"}):
        answer = check(world, **shown)
        assert answer.status == HTTPStatus.UNAUTHORIZED
        assert b"device_authorization_url" not in answer.body


def test_wrong_keys_are_answered_with_429_above_the_limit_and_right_ones_let_through(world: World) -> None:
    """L05: in every dialect as far as it can say so, and by network."""
    gate, good = world.make_gate(), world.make_key(ALICE)

    def answer(key: str, dialect: Dialect = TRAEFIK, address: str = "203.0.113.7") -> Answer:
        headers = [each for each in ask("app.example.test", x_api_key=key) if each[0] not in _OWN]
        headers += [
            (b"x-forwarded-for", address.encode()), (b"x-original-url", b"https://app.example.test/"),
            (b"x-original-method", b"GET"),
        ]  # fmt: skip
        return gate.answer(dialect, b"GET", b"", headers, PROXY)

    assert [answer("dw_x").status for _ in range(3)] == [HTTPStatus.UNAUTHORIZED] * 3
    refused = answer("dw_x")
    assert (refused.status, fields_of(refused)["retry-after"]) == (HTTPStatus.TOO_MANY_REQUESTS, "900")
    assert answer("dw_x", NGINX).status == HTTPStatus.FORBIDDEN
    assert answer(good).status == HTTPStatus.OK
    assert answer("dw_x", address="203.0.113.8").status == HTTPStatus.UNAUTHORIZED
    world.clock.advance(timedelta(minutes=15))
    assert answer("dw_x").status == HTTPStatus.UNAUTHORIZED


def test_a_key_in_an_address_opens_a_feed_and_is_told_to_nobody(world: World) -> None:
    """C-29: where both the app and the key say so, to read; and no log line, redirect or record has it."""
    gate, key = world.make_gate(), world.make_key(ALICE, apps=("Feed", "App"), in_url=True)
    cookie = f"doorward={world.sign_in(ALICE)}"

    def answer(host: str, query: str = f"?dw_key={key}&x=1", **more: str) -> Answer:
        return gate.answer(TRAEFIK, b"GET", b"", ask(host, "/a.ics" + query, **more), PROXY)

    for _ in range(2):
        assert answer("feed.example.test").status == HTTPStatus.OK
    assert reason_of(answer("app.example.test")) == "key_in_url"
    assert reason_of(answer("feed.example.test", "?x=1&dw_key=dw_wrong")) == "key_invalid"
    assert reason_of(answer("feed.example.test", f"?dw_key={key}&dw_key=dw_other")) == "key_invalid"
    assert answer("feed.example.test", f"?%64w_key={key.replace('_', '%5f')}").status == HTTPStatus.OK
    for query in ("", "?dw_key=theirs", "?dw_key", "?x=dw_key"):
        assert answer("app.example.test", query, cookie=cookie).status == HTTPStatus.OK
    assert reason_of(answer("app.example.test", cookie=cookie)) == "key_in_url"
    assert reason_of(answer("feed.example.test", x_api_key=world.make_key(ALICE))) == "credentials_differ"
    assert answer("feed.example.test", "?x=1").status == HTTPStatus.SEE_OTHER
    world.view.broken = True
    world.view.commits += 1
    answer("feed.example.test")
    assert key not in repr(world.log.lines)
    assert "dw_key" not in repr(world.log.lines) + repr(list(gate.decisions.collect()))


@pytest.mark.parametrize("query", ["?token={}", "?DW_KEY={}", "?a=b;dw_key={}", "?x=1&{}", "?token=%64w%5F{rest}"])
def test_a_key_under_another_name_is_a_wrong_one_and_is_told_to_nobody(world: World, query: str) -> None:
    """L05, C-29: neither beside a good cookie, which would show it to the app, nor in the address of the sign-in."""
    gate, key = world.make_gate(), world.make_key(ALICE, apps=("Feed", "App"), in_url=True)
    cookie, target = f"doorward={world.sign_in(ALICE)}", "/a.ics" + query.format(key, rest=key[3:])

    def answer(uri: str, host: str = "feed.example.test", **more: str) -> Answer:
        return gate.answer(TRAEFIK, b"GET", b"", ask(host, uri, **more), PROXY)

    for host in ("feed.example.test", "app.example.test"):
        for _ in range(2):
            assert answer("/a.ics?token=theirs", host, cookie=cookie).status == HTTPStatus.OK
    for host in ("feed.example.test", "app.example.test", "nothere.example.test"):
        for more in ({}, {"cookie": cookie}, {"x_api_key": key}, {"sec_fetch_mode": "navigate"}):
            world.clock.advance(timedelta(minutes=15))
            refused = answer(target, host, **more)
            assert refused.status == HTTPStatus.UNAUTHORIZED
            assert key[3:] not in repr(refused)
    assert key[3:] not in repr(world.log.lines) + repr(list(gate.decisions.collect()))


def test_whoever_follows_an_address_with_a_key_is_shown_a_page_and_a_program_a_problem(world: World) -> None:
    """C-06: both may ask for HTML; only a browser says that somebody opens a page."""
    gate, query = world.make_gate(), "?dw_key=dw_wrong"

    def answer(**more: str) -> Answer:
        return gate.answer(TRAEFIK, b"GET", b"", ask("feed.example.test", "/a.ics" + query, **more), PROXY)

    shown = answer(sec_fetch_mode="navigate")
    assert shown.status == HTTPStatus.UNAUTHORIZED
    assert fields_of(shown)["content-type"] == "text/html; charset=utf-8"
    assert "dw_wrong" not in shown.body.decode()
    assert reason_of(answer(sec_fetch_mode="cors")) == "key_invalid"
    assert reason_of(answer()) == "key_invalid"


@pytest.mark.parametrize(
    ("narrow", "uri", "reason"),
    [
        ({"paths": ("/cal",)}, "/cal/x?a=b", None),
        ({"paths": ("/cal",)}, "/calx", "key_path"),
        ({"paths": ("/cal",)}, "/cal//x", "key_path"),
        ({"paths": ("/cal",)}, "/cal/../x", "key_path"),
        ({"methods": frozenset({"GET"})}, "/", None),
        ({"methods": frozenset({"PUT"})}, "/", "key_method"),
        ({"networks": (ip_network("203.0.113.0/24"),)}, "/", None),
        ({"networks": (ip_network("198.51.100.0/24"),)}, "/", "key_network"),
        ({"read_only": True}, "/", None),
    ],
)
def test_what_a_key_narrows_is_narrowed_at_every_check(
    world: World, narrow: dict[str, object], uri: str, reason: str | None
) -> None:
    gate, key = world.make_gate(), world.make_key(ALICE, **narrow)

    def answer(
        gate: Gate, uri: str = uri, method: str = "GET", address: str = "203.0.113.7", proto: str = "https"
    ) -> Answer:
        asked = [each for each in ask("app.example.test", uri, method, proto, x_api_key=key) if each[0] not in _OWN]
        told = [(b"x-forwarded-for", address.encode())] if address != "-" else []
        return gate.answer(TRAEFIK, b"GET", b"", [*asked, *told], PROXY)

    found = answer(gate)
    assert (None if found.status == HTTPStatus.OK else reason_of(found)) == reason
    # A proxy that says nothing of the visitor, right after what is remembered.
    assert answer(gate, address="-").status == answer(world.make_gate(), address="-").status
    found = answer(gate)
    assert (None if found.status == HTTPStatus.OK else reason_of(found)) == reason
    for more in ({"method": "PUT"}, {"address": "198.51.100.1"}, {"proto": "wss"}, {"uri": "/other"}, {"address": ""}):
        assert answer(gate, **more).status == answer(world.make_gate(), **more).status


_OWN = {b"x-forwarded-for", b"accept"}


def test_a_key_that_is_older_than_policy_allows_opens_nothing(world: World) -> None:
    """A-20: also one that was made without an end, and one that is remembered."""
    key = world.make_key(ALICE)
    world.key_lifetime = timedelta(hours=1)
    gate = world.make_gate()
    headers = [each for each in ask("app.example.test", x_api_key=key) if each[0] not in _OWN]
    assert gate.answer(TRAEFIK, b"GET", b"", headers, PROXY).status == HTTPStatus.OK
    world.clock.advance(timedelta(hours=1))
    assert json.loads(gate.answer(TRAEFIK, b"GET", b"", headers, PROXY).body)["reason"] == "key_expired"
