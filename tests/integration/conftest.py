"""One Doorward, one app and five proxies for the whole run; ended by the fixtures that started them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.background import Background
from tests.integration.echo import Arrival, EchoApp
from tests.integration.gateway import ALICE, BOB, COOKIE, Gateway, Person, start_gateway
from tests.integration.line import Line
from tests.integration.processes import free_ports
from tests.integration.recipes import FILES, PROXIES, Ports, Proxy, fill
from tests.integration.tls import Certificates, make_certificates
from tests.integration.upstream.provider import RealProvider
from tests.integration.upstream.registered import OwnKey, all_clients
from tests.integration.upstream.town import Town, open_town
from tests.integration.wire import Visitor

OUR_HOSTS = frozenset({"auth.example.com", "app.example.com", "api.example.com"})
IDENTITY = (*ALICE.headers, "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups")

MORE_RULES = """\
    - domain: api.example.com
      groups: [staff]
    - domain: api.example.com
      path: /public
      who: anyone
    - domain: app.example.com
      path: /private
      effect: deny

"""
MORE_APPS = """
  - name: Interface
    hosts: [api.example.com]
    preflight: pass
    url_keys: true
    headers: {X-Webauth-User: "{user}"}
    basic: {user: "{user}", secret: interface}
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one scenario has to do with."""

    proxy: Proxy
    visitor: Visitor
    app: EchoApp
    line: Line
    gateway: Gateway

    @property
    def arrivals(self) -> list[Arrival]:
        """What reached the app in this test."""
        return self.app.arrivals

    def only_arrival(self) -> Arrival:
        """The one request that reached the app."""
        assert len(self.app.arrivals) == 1, f"{len(self.app.arrivals)} requests reached the app"
        return self.app.arrivals[0]

    def cookie_of(self, person: Person) -> str:
        """A cookie header with a live session of this person."""
        return self.gateway.session_of(person, self.visitor)


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """The loop of the app and the line."""
    with Background() as background:
        yield background


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for *.example.com."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def own_key() -> OwnKey:
    """The key by which the gateway proves to the provider who it is, where it does so with a key."""
    return OwnKey()


@pytest.fixture(scope="session")
def real_provider(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, own_key: OwnKey
) -> Iterator[RealProvider]:
    """The certified provider."""
    provider = RealProvider(tmp_path_factory.mktemp("provider"), trusting=certificates.authority)
    provider.register(all_clients(own_key))
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def town(
    tmp_path_factory: pytest.TempPathFactory,
    app: EchoApp,
    real_provider: RealProvider,
    own_key: OwnKey,
    certificates: Certificates,
) -> Iterator[Town]:
    """A gateway of its own between that provider and Traefik."""
    with open_town(tmp_path_factory.mktemp, app, real_provider, own_key, certificates) as town:
        yield town


@pytest.fixture(scope="session")
def app(background: Background) -> Iterator[EchoApp]:
    """The protected app."""
    app = EchoApp()
    background.run(app.start())
    yield app
    background.run(app.stop())


@pytest.fixture(scope="session")
def line(background: Background) -> Iterator[Line]:
    """The line from the proxies to the gate."""
    line = Line(background)
    line.start()
    yield line
    line.stop()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, line: Line) -> Iterator[Gateway]:
    """Doorward with the guides' configuration, and what the scenarios need besides."""
    port, metrics = free_ports(2)
    text = fill(
        (FILES / "doorward.yaml").read_text("utf-8"),
        {"127.0.0.1:8080": f"127.0.0.1:{port}", "\napps:\n": f"{MORE_RULES}apps:\n"},
    )
    text += f"{MORE_APPS}\nprometheus:\n  addr: 127.0.0.1:{metrics}\n"
    gateway = start_gateway(tmp_path_factory.mktemp("doorward"), text, port)
    try:
        for person in (ALICE, BOB):
            gateway.add(person)
        gateway.command("app-secret", "set", "interface", "--stdin", typed="sesame\n")
        line.behind = port
        yield gateway
        check_log(gateway)
    finally:
        gateway.process.stop()


@pytest.fixture(scope="session", params=list(PROXIES))
def proxy(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    app: EchoApp,
    line: Line,
    gateway: Gateway,
) -> Iterator[Proxy]:
    """One of the proxies, with its guide's files, when there is a gate for it to ask."""
    folder = tmp_path_factory.mktemp(request.param)
    with PROXIES[request.param](folder, Ports(line.port, app.port), certificates) as proxy:
        yield proxy


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    proxy: Proxy,
    gateway: Gateway,
    app: EchoApp,
    line: Line,
    certificates: Certificates,
) -> Iterator[Scene]:
    """A proxy between a visitor and the app. What must hold after every scenario is asserted at its end."""
    app.arrivals.clear()
    marks = {process: len(process.log) for process in (proxy.process, gateway.process)}
    visitor = Visitor(proxy.port, certificates.authority)
    yield Scene(proxy, visitor, app, line, gateway)
    check_invariants(app, visitor)
    for process, mark in marks.items():
        request.node.add_report_section("call", process.name, process.log[mark:])


def check_invariants(app: EchoApp, visitor: Visitor) -> None:
    """What no scenario may break, whatever it was about (the invariants on top of the attack catalogue).

    1 and 3: whoever reached the app has at most one value for each identity header, in any spelling. 4: redirects
    lead to hosts of ours, by https. Besides: Doorward's cookie never reaches the app, and no client is told an
    identity.
    """
    for arrival in app.arrivals:
        for name in IDENTITY:
            assert len(arrival.like(name)) <= 1, f"{name}: {arrival.headers}"
        assert not any(f"{COOKIE}=" in value for value in arrival.all("Cookie")), arrival.headers
        assert len(arrival.all("Cookie")) <= 1, arrival.headers
    for reply in visitor.journal:
        location = urlsplit(reply.one("Location"))
        assert not location.netloc or (location.scheme == "https" and location.hostname in OUR_HOSTS), location
        assert not any(reply.all(name) for name in IDENTITY), reply.headers


def check_log(gateway: Gateway) -> None:
    """After everything: no secret was written to the log (invariant 5), and nothing failed inside (invariant 2)."""
    log = gateway.process.log
    for person in (ALICE, BOB):
        assert person.password not in log
    for cookie in gateway.cookies:
        assert cookie not in log
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return FILES.parents[2]
