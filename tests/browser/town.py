"""A town for journeys: the real Doorward behind a real Traefik, an app with three names, and people with browsers."""

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, async_playwright

from tests.browser.preview import CHROMIUM, FLAGS
from tests.integration.echo import Arrival, EchoApp
from tests.integration.gateway import Gateway, start_gateway
from tests.integration.processes import free_ports
from tests.integration.recipes import Ports, traefik
from tests.integration.tls import Certificates, make_certificates

AUTH, DIARY, CELLAR, SAFE = (f"https://{name}.example.com" for name in ("auth", "app", "api", "safe"))
PASSWORD = "Slow-rivers-run-7-deep"

COOKIE_FOR_ALL = "cookie: {domain: example.com}"
RULES = """\
    - {domain: [app.example.com, safe.example.com], who: any_user}
    - {domain: safe.example.com, require: [fresh: 15m]}
    - {domain: api.example.com, groups: [keepers]}"""
CONFIG = """\
server: {{addr: "127.0.0.1:{port}", public_url: "https://auth.example.com"}}
prometheus: {{addr: "off"}}
proxy: {{trusted: [127.0.0.1/32]}}
limits:
  login: [1000/1m]
  oidc: [1000/1m]
  mfa_manage: [1000/1m]
  key_create: [1000/1m]
  login_failures: {{first: 6s}}
{cookie}
authz:
  rules:
{rules}
apps:
  - {{name: Diary, hosts: [app.example.com], icon: book, description: What happened}}
  - {{name: Safe, hosts: [safe.example.com], icon: data}}
  - {{name: Cellar, hosts: [api.example.com], icon: key, contact: the butler}}
{more}
"""
TRAEFIK_KNOWS = "Host(`app.example.com`) || Host(`api.example.com`)"


@dataclass(frozen=True)
class Town:
    """Everything that runs, and one Chromium. Each visitor is a browser of their own: no cookies yet.

    `port` is the proxy's.
    """

    gateway: Gateway
    app: EchoApp
    port: int
    playwright: Playwright
    chromium: Browser
    arguments: tuple[str, ...]

    @asynccontextmanager
    async def visitor(self, **options: Any) -> AsyncIterator[Page]:
        """Somebody with a browser. At the end nothing of ours may have been blocked or have failed in it."""
        context = await self.chromium.new_context(ignore_https_errors=True, **options)
        complaints = listen(context)
        yield await context.new_page()
        await context.close()
        assert complaints == []

    @asynccontextmanager
    async def browser_of(self, profile: Path) -> AsyncIterator[Page]:
        """A browser that keeps on disk what a browser keeps; what is a matter of its run ends with it."""
        context = await self.playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(self.arguments), ignore_https_errors=True
        )
        yield await context.new_page()
        await context.close()

    def add(self, name: str, *options: str) -> None:
        """Make an account."""
        self.gateway.command(
            "user", "add", name, "--email", f"{name}@example.com", "--display-name", f"{name.title()} Lovelace",
            "--password-stdin", *options, typed=PASSWORD + "\n",
        )  # fmt: skip

    def sessions_of(self, name: str) -> list[dict[str, str]]:
        """What the command line says about an account's sessions."""
        found: list[dict[str, str]] = json.loads(self.gateway.command("session", "list", "--user", name, "--json"))
        return found

    def arrivals_at(self, target: str) -> list[Arrival]:
        """The requests for this target that reached the app."""
        return [arrival for arrival in self.app.arrivals if arrival.target == target]

    def let_pass(self, span: timedelta) -> None:
        """Make everything in the database so much older, as if we had waited; the gate learns it like any change."""
        passed = int(span.total_seconds()) * 1_000_000
        with closing(sqlite3.connect(self.gateway.folder / "data" / "doorward.db")) as database, database:
            for table, columns in _INSTANTS.items():
                moved = ", ".join(f"{column} = {column} - {passed}" for column in columns)
                database.execute(f"UPDATE {table} SET {moved}")
            database.execute("UPDATE revision SET value = value + 1")


_INSTANTS = {
    "sessions": ("created_at", "authenticated_at", "expires_at", "last_seen_at", "ends_at"),
    "tickets": ("created_at", "expires_at"),
}


@asynccontextmanager
async def open_town(
    folder: Path,
    *,
    cookie: str = COOKIE_FOR_ALL,
    rules: str = RULES,
    more: str = "",
    certificates: Certificates | None = None,
) -> AsyncIterator[Town]:
    """Start all of it; nobody has set it up yet. `more` is put to the configuration."""
    places = {name: folder / name for name in ("doorward", "traefik", "tls")}
    for place in places.values():
        place.mkdir()
    async with AsyncExitStack() as started:
        app = EchoApp()
        await app.start()
        started.push_async_callback(app.stop)
        (port,) = free_ports(1)
        config = CONFIG.format(port=port, cookie=cookie, rules=rules, more=more)
        gateway = start_gateway(places["doorward"], config, port)
        started.callback(gateway.process.stop)
        certificates = certificates or make_certificates(places["tls"])
        routes = {TRAEFIK_KNOWS: f"{TRAEFIK_KNOWS} || Host(`safe.example.com`)"}
        proxy = started.enter_context(traefik(places["traefik"], Ports(port, app.port), certificates, routes))
        playwright = await started.enter_async_context(async_playwright())
        arguments = (*FLAGS, f"--host-resolver-rules=MAP *.example.com:443 127.0.0.1:{proxy.port}")
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(arguments))
        started.push_async_callback(chromium.close)
        yield Town(gateway, app, proxy.port, playwright, chromium, arguments)


def listen(context: BrowserContext) -> list[str]:
    """What goes wrong in a browser without anybody seeing it: things our own policy blocks, scripts that fail."""
    complaints: list[str] = []
    context.on("console", lambda line: complaints.append(line.text) if _is_complaint(line) else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    return complaints


def _is_complaint(line: ConsoleMessage) -> bool:
    # A page that says no has a status that says so, too, and Chromium writes that down as an error.
    return line.type == "error" and not line.text.startswith("Failed to load resource: the server responded with")


async def sign_in(page: Page, name: str = "ada", password: str = PASSWORD, *, remember: bool = False) -> None:
    """Fill in the form that is there, as a person would."""
    await page.get_by_label("User name or e-mail").fill(name)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_label("Keep me signed in").set_checked(remember)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def enter(page: Page, name: str = "ada", url: str = f"{DIARY}/") -> None:
    """Sign in on the way to an app, and arrive there."""
    await page.goto(url)
    await sign_in(page, name)
    await page.wait_for_url(url)


def login_at(url: str) -> str:
    """The sign-in page that leads to an address."""
    return f"{AUTH}/login?rd={quote(url, safe='')}"


async def is_narrow(page: Page, width: int) -> bool:
    """Whether nobody has to scroll sideways."""
    await page.wait_for_load_state("load")  # a form's answer is seen before its style sheets are
    found: int = await page.evaluate("document.documentElement.scrollWidth")
    return found <= width


async def check_theme(page: Page, theme: str) -> None:
    """A light leaf or a dark one, and a heading that stands out from it."""
    await page.wait_for_load_state("load")
    colours = await page.evaluate(
        """() => [getComputedStyle(document.querySelector(".leaf")).backgroundColor,
                  getComputedStyle(document.querySelector("h1")).color].map(c => c.match(/[\\d.]+/g).map(Number))"""
    )
    leaf, heading = (sum(colour[:3]) / 3 for colour in colours)
    assert leaf < 64 if theme == "dark" else leaf > 192
    assert abs(leaf - heading) > 128


async def check_denial(town: Town, page: Page) -> None:
    """A door that stays shut says why, for whom, whom to ask, and what to quote."""
    answer = await page.goto(f"{CELLAR}/q3?a=1")
    assert answer is not None
    assert answer.status == 403
    text = await page.inner_text("main")
    for part in ("Cellar stays shut", "No rule lets your account open this.", "Ada Lovelace", "the butler", "no_rule"):
        assert part in text
    reference = re.search(r"\b[0-9a-f]{10}\b", text)
    assert reference
    assert reference[0] in town.gateway.process.log
    # The style sheet inside the page is allowed by its hash, under the app's own address.
    assert await page.evaluate("getComputedStyle(document.querySelector('.leaf')).borderTopWidth") == "4px"
    assert town.arrivals_at("/q3?a=1") == []
