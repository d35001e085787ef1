"""The special modes at the running gateway: what a proxy asks, and what it is told."""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from tests.integration.gateway import AUTH, Form, Gateway, start_gateway
from tests.integration.processes import free_ports

PROXY, OTHER = "127.0.0.2", "127.0.0.3"
HOME, AWAY = "192.168.1.20", "203.0.113.7"
SECRET = "Correct-horse 7 battery staple!"
CONFIG = f"""
server: {{addr: '127.0.0.1:%(port)s', public_url: 'https://{AUTH}'}}
prometheus: {{addr: '127.0.0.1:%(metrics)s'}}
cookie: {{domain: example.com}}
proxy: {{trusted: [{PROXY}/32, {OTHER}/32]}}
single_user: {{user: family, networks: [192.168.1.0/24, {PROXY}/32]}}
registration: {{first_user: console_only}}
authn: {{trusted_header: {{name: X-Signed-In, networks: [{PROXY}]}}}}
limits: {{login: [100/1m], oidc: [100/1m]}}
authz:
  rules:
    - {{domain: '*.example.com', who: any_user}}
    - {{domain: bank.example.com, require: [two_factor]}}
apps:
  - {{name: Notes, hosts: notes.example.com, guard_cross_site: true}}
"""


@dataclass(frozen=True)
class Told:
    """An answer of the gateway."""

    status: int
    headers: http.client.HTTPMessage
    body: str


@dataclass(frozen=True)
class House:
    """The gateway, and the two proxies in front of it."""

    gateway: Gateway

    def ask(self, method: str, path: str, headers: dict[str, str], *, peer: str = PROXY, body: str = "") -> Told:
        """One request of a proxy to the gateway."""
        line = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20, source_address=(peer, 0))
        line.request(method, path, body or None, {"Accept": "text/html", "X-Forwarded-Proto": "https", **headers})
        answer = line.getresponse()
        told = Told(answer.status, answer.headers, answer.read().decode())
        line.close()
        return told

    def check(self, host: str, client: str, *, method: str = "GET", dialect: str = "forwardauth", **more: str) -> Told:
        """The check of a visitor's request, as Traefik asks it."""
        asked = {"X-Forwarded-Host": host, "X-Forwarded-Uri": "/", "X-Forwarded-Method": method}
        asked |= {"X-Forwarded-For": client} if client else {}
        return self.ask("GET", f"/api/auth/{dialect}", asked | {_spell(name): value for name, value in more.items()})

    def page(self, path: str, client: str = AWAY, *, peer: str = PROXY, **more: str) -> Told:
        """A page of the gateway's own, passed on by a proxy."""
        asked = {"Host": AUTH, "X-Forwarded-For": client}
        return self.ask("GET", path, asked | {_spell(name): value for name, value in more.items()}, peer=peer)


def _spell(name: str) -> str:
    return name.replace("_", "-")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with every mode on."""
    port, metrics = free_ports(2)
    gateway = start_gateway(tmp_path_factory.mktemp("modes"), CONFIG % {"port": port, "metrics": metrics}, port)
    try:
        gateway.command("user", "add", "family", "--email", "family@example.com", "--password-stdin", typed=SECRET)
        gateway.command("user", "add", "keeper", "--console-only", "--password-stdin", typed=SECRET)
        yield House(gateway)
    finally:
        gateway.process.stop()


def session_in(told: Told) -> str:
    """The cookie header of the session that an answer begins."""
    for line in told.headers.get_all("Set-Cookie") or []:
        if found := re.match(r"doorward=[^;]+", line):
            return found[0]
    raise AssertionError(f"{told.status}: no session in {told.headers}")


def test_a_network_stands_for_its_account_and_for_nothing_more(house: House) -> None:
    """D-11: inside, outside, claimed, unknown; and where a proof is asked for."""
    home = house.check("app.example.com", HOME)
    assert (home.status, home.headers["X-Forwarded-User-Email"]) == (200, "family@example.com")
    for client in (AWAY, f"{HOME}, {AWAY}", "", PROXY):
        assert house.check("app.example.com", client).status == 303, client
    assert house.check("app.example.com", f"{HOME}, nonsense").status == 400
    bank = house.check("bank.example.com", HOME)
    assert (bank.status, "need=two_factor" in bank.headers["Location"]) == (303, True)


def test_our_own_pages_and_the_api_know_of_sessions_alone(house: House) -> None:
    for path in ("/", "/account", "/admin/users", "/sessions"):
        told = house.page(path, HOME)
        assert (told.status, "/login" in told.headers["Location"]) == (303, True)
    assert house.page("/api/v1/sessions", HOME, Accept="application/json").status == 401


def test_what_is_done_to_the_account_by_another_process_counts_at_once(house: House) -> None:
    house.gateway.command("user", "disable", "family")
    assert house.check("app.example.com", HOME).status == 303
    house.gateway.command("user", "enable", "family")
    assert house.check("app.example.com", HOME).status == 200
    log = house.gateway.process.log
    assert log.count("single_user_unusable") >= 1


def test_a_page_elsewhere_has_nothing_done_at_a_guarded_app(house: House) -> None:
    assert house.check("notes.example.com", HOME, method="POST", Origin="https://notes.example.com").status == 200
    assert house.check("notes.example.com", HOME, method="POST").status == 200
    for told in ({"Origin": "https://evil.test"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "null"}):
        assert house.check("notes.example.com", HOME, method="POST", **told).status == 403, told
        assert house.check("app.example.com", HOME, method="POST", **told).status == 200, told


def test_a_proxys_word_signs_in_and_a_strangers_does_not(house: House) -> None:
    """A-28: only from the peer that may say so, once, and only for who has an account."""
    told = house.page("/login", X_Signed_In="family")
    cookie = session_in(told)
    assert house.check("app.example.com", AWAY, Cookie=cookie).headers["X-Forwarded-User-Name"] == "family"
    past = house.page("/login", peer=OTHER, X_Signed_In="family")
    assert (past.status, "password" in past.body) == (200, True)
    assert house.page("/login", X_Signed_In="nobody").status == 403
    assert house.page("/login", X_Signed_In="family, keeper").status == 400
    assert house.check("app.example.com", AWAY, X_Signed_In="family").status == 303
    assert house.check("app.example.com", HOME, X_Signed_In="root").headers["X-Signed-In"] == ""


def test_an_account_for_the_console_opens_no_app(house: House) -> None:
    """D-06: signed in like anybody, at home in the console, and denied at every app in words of its own."""
    page = house.page("/login?choose=1")
    form = Form(page.body.encode())
    jar = "; ".join(line.partition(";")[0] for line in page.headers.get_all("Set-Cookie") or [])
    fields = urlencode({**form.fields, "login": "keeper", "password": SECRET})
    asked = {
        "Host": AUTH, "X-Forwarded-For": AWAY, "Cookie": jar, "Origin": f"https://{AUTH}",
        "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin",
    }  # fmt: skip
    cookie = session_in(house.ask("POST", "/login", asked, body=fields))
    for host in ("app.example.com", "bank.example.com", "notes.example.com"):
        denied = house.check(host, HOME, Cookie=cookie)
        assert denied.status == 403
        assert "for running this gateway, and opens no app" in denied.body
    program = house.check("app.example.com", HOME, Cookie=cookie, Accept="application/json")
    assert json.loads(program.body)["reason"] == "console_only"


def test_the_setup_page_says_that_the_account_opens_no_app(house: House) -> None:
    """D-06."""
    link = re.search(r"/setup\?token=\S+", house.gateway.process.log)
    assert link is not None
    assert "opens no app" in house.page(link[0]).body
