"""A gateway with a real provider on one side and a real Traefik on the other, and people without scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote as quote_url

from tests.integration.echo import EchoApp
from tests.integration.gateway import AUTH, COOKIE, Gateway, Person, start_gateway
from tests.integration.processes import free_ports
from tests.integration.recipes import Ports, traefik
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import SECRET, RealProvider
from tests.integration.upstream.registered import PUBLIC_URL, SCOPES, OwnKey, quote, settings_of
from tests.integration.upstream.walker import Page, Walker, find_onward
from tests.integration.wire import Visitor

APP = "https://app.example.com"
ROOT = Person("root", "Root", "root@example.com", "Quiet-lamps 4 the harbour!", (), {})

CONFIG = """\
server: {{addr: "127.0.0.1:{port}", public_url: "{public_url}"}}
prometheus: {{addr: "off"}}
proxy: {{trusted: [127.0.0.1/32]}}
cookie: {{domain: example.com}}
limits: {{login: [1000/1m], oidc: [1000/1m]}}
outbound:
  allow: [{allowed}]
  ca_file: {authority}
authz:
  rules:
    - {{domain: app.example.com, who: any_user}}
    - {{domain: app.example.com, path: /fresh, require: [fresh: 15m]}}
    - {{domain: api.example.com, groups: [engine]}}
authn:
  providers:
{providers}
"""


@dataclass(slots=True)
class Town:
    """Everything that runs. `late` is a provider the gateway knows from the start, though it was down then."""

    gateway: Gateway
    app: EchoApp
    provider: RealProvider
    late: RealProvider
    port: int
    certificates: Certificates
    walkers: list[Walker] = field(default_factory=list)
    _addresses: int = 0

    def walker(self) -> Walker:
        """Somebody with a browser of their own, at an address of their own."""
        self._addresses += 1
        source = f"127.8.{self._addresses // 250}.{self._addresses % 250 + 1}"
        ours = Visitor(self.port, self.certificates.authority, source)
        providers = {each.port: Visitor(each.port, each.authority, source) for each in (self.provider, self.late)}
        walker = Walker(lambda _host, port: ours if port is None else providers[port])
        self.walkers.append(walker)
        return walker

    def sign_in(self, walker: Walker, way: str, person: str = "ada", *, to: str = f"{APP}/", **fields: str) -> Page:
        """From an app to the provider and back; where that ends."""
        return self.prove(walker, self.leave(walker, way, to=to, **fields), person)

    def enter(self, walker: Walker, person: Person) -> Page:
        """Sign in with a password."""
        page = walker.open(f"{PUBLIC_URL}/login?choose=1")
        return walker.submit(page, {"login": person.name, "password": person.password}, action="/login")

    def is_in(self, walker: Walker, url: str = f"{APP}/") -> bool:
        """Whether the very next check lets this browser through to the app."""
        page = walker.open(url, following=False)
        assert page.reply.status == 200 or (find_onward(page) or "").startswith(f"{PUBLIC_URL}/login?"), page.text
        return page.reply.status == 200

    def sign_out(self, walker: Walker) -> Page:
        """Press the button, and go wherever that leads."""
        return walker.submit(walker.open(f"{PUBLIC_URL}/logout"), {})

    def header(self, name: str) -> str:
        """The value of a header with which the latest request reached the app."""
        (value,) = self.app.arrivals[-1].all(name)
        return value

    def leave(self, walker: Walker, way: str, *, to: str = f"{APP}/", **fields: str) -> Page:
        """From an app to the provider's page, or to wherever it ends without one."""
        page = walker.open(f"{PUBLIC_URL}/login?choose=1&rd={quote_url(to, safe='')}")
        assert page.reply.status == 200, page.text
        return walker.submit(page, {"provider": way, **fields}, action="/login/with")

    def prove(self, walker: Walker, page: Page, person: str = "ada") -> Page:
        """Say who one is on the provider's page, if that is where one is."""
        if "Test provider" not in page.text:
            return page
        return walker.submit(page, {"name": person, "answer": "go"})


@contextmanager
def open_town(
    make_folder: Callable[[str], Path], app: EchoApp, provider: RealProvider, key: OwnKey, certificates: Certificates
) -> Iterator[Town]:
    """Start it. What must hold of the log is asserted at the end."""
    folder = make_folder("gateway")
    (port,) = free_ports(1)
    late = RealProvider(make_folder("late"), trusting=certificates.authority, authority=provider.signer)
    text = CONFIG.format(
        port=port,
        public_url=PUBLIC_URL,
        allowed=", ".join(quote(f"127.0.0.1:{each.port}") for each in (provider, late)),
        authority=quote(str(provider.authority)),
        providers="\n".join(list_providers(provider, late, key)),
    )
    gateway = start_gateway(folder, text, port)
    try:
        gateway.command(
            "user", "add", ROOT.name, "--email", ROOT.email, "--admin", "--password-stdin", typed=ROOT.password
        )
        with traefik(make_folder("traefik"), Ports(port, app.port), certificates) as proxy:
            provider.reach({AUTH: proxy.port})
            town = Town(gateway, app, provider, late, proxy.port, certificates)
            try:
                yield town
            finally:
                late.stop()
            check_log(town)
    finally:
        gateway.process.stop()


def list_providers(provider: RealProvider, late: RealProvider, key: OwnKey) -> Iterator[str]:
    """Entries of `authn.providers`: every client of the provider's, and the one that is late."""
    settings = settings_of(key)
    for name, special in {**settings, "late": settings["basic"]}.items():
        given = {
            "id": name,
            "name": f"Test {name}",
            "client_id": name,
            "issuer_url": (late if name == "late" else provider).issuer,
            "scopes": list(SCOPES),
            "groups_claim": "groups",
            "auto_provision": True,
            **special,
        }
        yield "    - {" + ", ".join(f"{option}: {quote(value)}" for option, value in given.items()) + "}"


def check_log(town: Town) -> None:
    """No secret was written down, and nothing failed inside."""
    log = town.gateway.process.log
    assert "Traceback" not in log, log
    assert SECRET not in log
    for walker in town.walkers:
        for step in walker.steps:
            for part in ("code=", "state=", "logout_token=", "id_token_hint="):
                _, found, rest = step.partition(part)
                if found:
                    assert rest.partition("&")[0] not in log, log
        for cookie in walker.cookies.values():
            if cookie.name.endswith(COOKIE):
                assert cookie.value not in log
