"""The secret between a proxy and the gate: once one is set, nobody asks without one, at whichever address."""

from dataclasses import replace

import pytest

from doorward.rules.policy import Audience, Effect, HostPattern, Policy, Rule
from doorward.web.gate.dialect import Dialect
from doorward.web.gate.endpoint import PATHS
from doorward.web.gate.glance import Glance
from doorward.web.gate.proxies import DIALECTS
from tests.fakes.gate import PROXY, World, ask, make_user

APP = HostPattern("app.example.test")
TRAEFIK = next(dialect for dialect in DIALECTS if dialect.name == "traefik")
CADDY = next(dialect for dialect in DIALECTS if dialect.name == "caddy")
SECRET = "between-the-two"


@pytest.fixture
def world() -> World:
    world = World(Policy([Rule("all", Effect.ALLOW, (APP,), audience=Audience.ANY_USER)]))
    world.settings = replace(world.settings, secrets={"traefik": SECRET.encode()})
    return world


def headers(world: World, secret: str | None) -> list[tuple[bytes, bytes]]:
    cookie = world.sign_in(make_user("alice"))
    more = {} if secret is None else {"x_doorward_proxy_secret": secret}
    return ask(APP.name, cookie=f"doorward={cookie}", **more)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("shown", [None, "", "wrong", SECRET])
def test_a_secret_for_one_kind_of_proxy_shuts_the_addresses_of_all_others(
    world: World, dialect: Dialect, shown: str | None
) -> None:
    """A08: whoever shares the proxy's address would otherwise ask where no secret is wanted."""
    gate = world.make_gate()
    for _ in range(2):
        answer = gate.answer(dialect, b"GET", b"/", headers(world, shown), PROXY)
        right = dialect is TRAEFIK and shown == SECRET
        assert answer.status == (200 if right else 403)
        assert right or b"proxy_secret" in answer.body


def test_what_was_allowed_where_no_secret_was_shown_is_not_repeated(world: World) -> None:
    gate = world.make_gate()
    asked = headers(world, SECRET)
    assert gate.answer(TRAEFIK, b"GET", b"", asked, PROXY).status == 200
    assert gate.answer(CADDY, b"GET", b"", asked, PROXY).status == 403


def test_no_glance_is_cast_at_an_address_that_is_shut(world: World) -> None:
    open_to_all = World(world.policy)
    paths = {line.split(b" ")[1] for line in Glance(world.make_gate())._lines}
    assert paths == {path for path, dialect in PATHS.items() if dialect is TRAEFIK}
    assert len({line.split(b" ")[1] for line in Glance(open_to_all.make_gate())._lines}) > len(paths)


@pytest.mark.parametrize(
    ("dialect", "hint"),
    [
        (TRAEFIK, "have the proxy send x-doorward-proxy-secret with the value of proxy.secrets.traefik"),
        (CADDY, "set proxy.secrets.caddy, too, and have the proxy send x-doorward-proxy-secret"),
    ],
)
def test_the_log_says_what_to_set(world: World, dialect: Dialect, hint: str) -> None:
    world.make_gate().answer(dialect, b"GET", b"", headers(world, None), PROXY)
    (line,) = [fields for _, event, fields in world.log.lines if event == "check_refused"]
    assert str(line["hint"]).startswith(hint)
