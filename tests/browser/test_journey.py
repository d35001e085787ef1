"""A person's first hour in a real Chromium, through a real Traefik: set up, open an app, be denied, end a session."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.preview import CHROMIUM, FLAGS
from tests.integration.echo import EchoApp
from tests.integration.gateway import Gateway, start_gateway
from tests.integration.processes import free_ports
from tests.integration.recipes import Ports, traefik
from tests.integration.tls import make_certificates

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTH, APP, DENIED = "https://auth.example.com", "https://app.example.com", "https://api.example.com"
PASSWORD = "Slow-rivers-run-7-deep"
CONFIG = """\
server:
  addr: 127.0.0.1:{port}
  public_url: https://auth.example.com
prometheus: {{addr: "127.0.0.1:{metrics}"}}
cookie: {{domain: example.com}}
proxy: {{trusted: [127.0.0.1/32]}}
authz:
  rules:
    - {{domain: app.example.com, who: any_user}}
    - {{domain: api.example.com, groups: [keepers]}}
apps:
  - {{name: Diary, hosts: [app.example.com], icon: book, description: What happened}}
  - {{name: Cellar, hosts: [api.example.com], icon: key, contact: the butler}}
"""


@dataclass(frozen=True)
class Town:
    """Everything that runs: a Doorward nobody has set up, an app, Traefik before both, and a browser."""

    gateway: Gateway
    app: EchoApp
    chromium: Browser

    async def visit(self) -> BrowserContext:
        """A browser of its own: no cookies yet."""
        return await self.chromium.new_context(ignore_https_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    port, metrics = free_ports(2)
    app = EchoApp()
    await app.start()
    gateway = start_gateway(tmp_path_factory.mktemp("doorward"), CONFIG.format(port=port, metrics=metrics), port)
    certificates = make_certificates(tmp_path_factory.mktemp("tls"))
    try:
        with traefik(tmp_path_factory.mktemp("traefik"), Ports(port, app.port), certificates) as proxy:
            async with async_playwright() as playwright:
                rules = f"--host-resolver-rules=MAP *.example.com:443 127.0.0.1:{proxy.port}"
                chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, rules])
                yield Town(gateway, app, chromium)
                await chromium.close()
    finally:
        gateway.process.stop()
        await app.stop()


async def sign_in(page: Page) -> None:
    await page.fill("#login", "ada")
    await page.fill("#password", PASSWORD)
    await page.click("main button[type=submit]")


async def test_the_first_hour(town: Town) -> None:
    """E-24, C-36, C-40, A-13."""
    found = re.search(r"https://auth\.example\.com/setup\?token=\S+", town.gateway.process.log)
    assert found, town.gateway.process.log
    home = await town.visit()
    page = await home.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)

    await page.goto(found[0])
    for field, value in (("display_name", "Ada Lovelace"), ("name", "ada"), ("email", "ada@example.com")):
        await page.fill(f"#{field}", value)
    await page.fill("#password", PASSWORD)
    await page.fill("#password_again", PASSWORD)
    await page.click("text=Create and sign in")
    await page.wait_for_url(f"{AUTH}/")
    assert await page.locator(".app").count() == 1

    await page.click("text=Diary")
    await page.wait_for_url(f"{APP}/")
    arrival = town.app.arrivals[-1] if town.app.arrivals[-1].target == "/" else town.app.arrivals[0]
    assert arrival.all("x-forwarded-user-name") == ["Ada Lovelace"]
    assert not any("doorward" in value for value in arrival.all("cookie"))

    answer = await page.goto(f"{DENIED}/q3?a=1&b=2")
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

    away = await town.visit()
    other = await away.new_page()
    await other.goto(f"{APP}/today?x=%2F&y=a+b&y=2")
    assert "Sign in to open Diary" in await other.inner_text("h1")
    await sign_in(other)
    await other.wait_for_url(f"{APP}/today?x=%2F&y=a+b&y=2")

    await page.goto(f"{AUTH}/sessions")
    assert await page.locator(".session").count() == 2
    assert await page.locator(".session-here").count() == 1
    await page.locator(".session:not(.session-here) button").click()
    await page.wait_for_url(f"{AUTH}/sessions?done=ended")
    await other.goto(f"{APP}/today")
    assert other.url.startswith(f"{AUTH}/login?rd=")
    await page.goto(f"{APP}/today")
    assert page.url == f"{APP}/today"

    await page.goto(f"{AUTH}/")
    await page.click("text=Sign out")
    await page.wait_for_url(f"{AUTH}/signed-out")
    await page.goto(f"{APP}/")
    assert page.url.startswith(f"{AUTH}/login?rd=")
    assert complaints == []
    await home.close()
    await away.close()


async def test_signing_in_as_somebody_else_leads_back_to_the_closed_door(town: Town) -> None:
    context = await town.visit()
    page = await context.new_page()
    await page.goto(f"{DENIED}/")
    await sign_in(page)
    await page.wait_for_url(f"{DENIED}/")
    await page.click("text=Sign in as someone else")
    await page.click("main button[type=submit]")
    await page.wait_for_url(f"{AUTH}/login?rd=*")
    assert "Sign in to open Cellar" in await page.inner_text("h1")
    await context.close()


async def test_a_page_that_lost_its_session_tells_its_scripts_so(town: Town) -> None:
    context = await town.visit()
    page = await context.new_page()
    await page.goto(f"{APP}/")
    await sign_in(page)
    await page.wait_for_url(f"{APP}/")
    await context.clear_cookies()
    status, kind = await page.evaluate(
        "async () => { const r = await fetch('/data'); return [r.status, r.headers.get('content-type')]; }"
    )
    assert (status, kind) == (401, "application/problem+json")
    await context.close()


async def test_a_circle_ends_with_an_explanation(town: Town) -> None:
    context = await town.visit()
    page = await context.new_page()
    await page.goto(f"{APP}/")
    # A browser that keeps the cookie for our own host only, as with a wrong cookie.domain.
    await sign_in(page)
    await page.wait_for_url(f"{APP}/")
    cookies = await context.cookies(AUTH)
    session = next(cookie for cookie in cookies if cookie["name"] == "doorward")
    await context.clear_cookies(name="doorward")
    await context.add_cookies(
        [{"name": "doorward", "value": session["value"], "url": AUTH, "secure": True, "httpOnly": True}]
    )
    await page.goto(f"{APP}/")
    assert "Going round in circles" in await page.inner_text("h1")
    assert page.url.startswith(f"{AUTH}/login?rd=")
    await context.close()
