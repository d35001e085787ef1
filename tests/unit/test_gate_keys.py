"""Keys at the check: who they stand for, what they open, and every way of showing one badly."""

import json
from base64 import b64encode
from http import HTTPStatus

import pytest

from doorward.rules.policy import App, Effect, HostPattern, Policy, Rule
from doorward.web.gate.answer import Answer, split_block
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
