"""In a real Chromium: the sign-in leads to the app, scripts only add to what works without them, nothing is blocked."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from doorward.rules.policy import App, Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.rules.ticket import Purpose
from doorward.web.pages.routes import build_routes
from tests.browser.preview import CHROMIUM, FLAGS, connect, make_door, sign_in
from tests.browser.shot import HOME, to
from tests.fakes.door import PASSWORD, Door

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Street:
    """A door and an app beside it, listening on one loopback port under two names."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        port = self.socket.getsockname()[1]
        self.home = f"http://auth.doorward.localhost:{port}"
        self.app = f"http://app.doorward.localhost:{port}"
        pattern = parse_host_pattern("app.doorward.localhost")
        assert pattern is not None
        policy = Policy(
            [Rule("app", Effect.ALLOW, (pattern,), audience=Audience.ANY_USER)], apps=[App("Diary", (pattern,))]
        )
        self.door = Door(public_url=self.home, cookie_domain="doorward.localhost", policy=policy)
        # Another site altogether: no cookie of ours, no host that the policy knows.
        self.provider = f"http://provider.localhost:{port}/authorize?client=diary"
        self.cookies_at_app: list[str] = []
        self.targets_at_app: list[str] = []

    def login_at(self, path: str) -> str:
        return f"{self.home}/login?rd={quote(self.app + path, safe='')}"

    async def serve(self, scope, receive, send) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").partition(b".")[0]
        if host == b"auth":
            await self.door.server(scope, receive, send)
            return
        path = scope["raw_path"].decode()
        if host == b"app" and path != "/favicon.ico":
            self.cookies_at_app.append(headers.get(b"cookie", b"").decode())
            self.targets_at_app.append(f"{path}?{scope['query_string'].decode()}")
        elsewhere = {"/moved": "/there", "/abroad": self.provider}.get(path, "")
        fields = [(b"content-type", b"text/html"), *([(b"location", elsewhere.encode())] if elsewhere else [])]
        await send({"type": "http.response.start", "status": 302 if elsewhere else 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"<h1>The diary</h1>"})


@pytest_asyncio.fixture(loop_scope="module")
async def street() -> AsyncIterator[Street]:
    street = Street()
    await street.door.add_user("alice")
    config = uvicorn.Config(
        street.serve, interface="asgi3", lifespan="off", log_level="error", proxy_headers=False, ws="none"
    )
    server = uvicorn.Server(config)
    server.capture_signals = suppress  # type: ignore[method-assign] -- the test run keeps its own signals
    running = asyncio.create_task(server.serve(sockets=[street.socket]))
    yield street
    server.should_exit = True
    await running


async def try_to_sign_in(page: Page, street: Street, path: str) -> None:
    await page.goto(street.login_at(path))
    await page.fill("#login", "alice")
    await page.fill("#password", PASSWORD)
    await page.click("button.button-wide[type=submit]")


SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@SCRIPTS
@pytest.mark.parametrize("abroad", [False, True], ids=["itself", "a provider of its own"])
async def test_signing_in_leads_to_an_app_that_sends_on_to(
    chromium: Browser, street: Street, scripts: bool, abroad: bool
) -> None:
    """D-28: our form leads to us alone, and where the app sends the browser then is the app's affair."""
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    await try_to_sign_in(page, street, "/abroad" if abroad else "/moved")
    await page.wait_for_url(street.provider if abroad else f"{street.app}/there")
    assert "doorward=" in street.cookies_at_app[-1]
    assert "doorward-csrf" not in street.cookies_at_app[-1]
    # The empty page, the sign-in, and where it led: what came between is nothing to go back to.
    assert await page.evaluate("history.length") == 3


@SCRIPTS
async def test_the_address_that_was_asked_for_arrives_byte_by_byte(
    chromium: Browser, street: Street, scripts: bool
) -> None:
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    target = "/a%2Fb;c,d=1?x=%22%3C&amp;y=a+b&&url=https://a/;%20url=b&%C3%A9='"
    await try_to_sign_in(page, street, target)
    await page.wait_for_selector("h1:text('The diary')")
    # As a browser writes it that is sent there by a header; the apostrophe is the one thing it escapes.
    assert street.targets_at_app[-1] == target.replace("'", "%27")


async def test_with_a_redirect_after_the_form_chromium_would_stop_there(chromium: Browser, street: Street) -> None:
    desk = street.door.desk

    class Brief(type(desk)):  # type: ignore[misc]
        """Whoever sent a form is redirected."""

        __slots__ = ()

        def lead_on(self, visit, url, *, app=""):
            return self.redirect(visit, url)

    brief = Brief(**{name: getattr(desk, name) for name in desk.__dataclass_fields__})
    policy = street.door.policy
    routes = {**street.door.server.routes, "/login": build_routes(brief, street.door.flows, lambda: policy)["/login"]}
    street.door.server = replace(street.door.server, routes=routes)
    page = await (await chromium.new_context()).new_page()
    blocked = asyncio.get_running_loop().create_future()
    page.on("console", lambda line: "form-action" in line.text and not blocked.done() and blocked.set_result(line.text))
    await try_to_sign_in(page, street, "/")
    assert "violates" in await blocked
    assert street.cookies_at_app == []


async def test_the_keyboard_finds_everything_and_shows_where_it_is(chromium: Browser) -> None:
    page = await (await chromium.new_context(java_script_enabled=True)).new_page()
    await connect(page, await make_door())
    await sign_in(page, "root")
    await page.goto(f"{HOME}/sessions")
    found = []
    for _ in range(10):
        await page.keyboard.press("Tab")
        found.append(
            await page.evaluate(
                "() => [document.activeElement.innerText.trim(), getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    sections = ["Apps", "Account", "Sessions", "People", "Providers", "All sessions"]
    assert [text for text, _ in found][:8] == ["Skip to the content", "Doorward", *sections]
    assert {outline for _, outline in found} == {"solid"}


@SCRIPTS
async def test_enter_in_the_password_field_sends_the_password(chromium: Browser, scripts: bool) -> None:
    door = await make_door()
    door.add_provider("google")
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    await connect(page, door)
    await page.goto(f"{HOME}/login")
    await page.fill("#login", "alice")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_selector("ul.nav")
    assert door.town.upstream.departures == {}


@SCRIPTS
async def test_a_providers_button_leads_out_and_leaves_nothing_to_go_back_to(chromium: Browser, scripts: bool) -> None:
    """D-28: without a redirect, which the form's policy would stop, and with the choice that was made beside it."""
    door = await make_door()
    door.add_provider("google")
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    await connect(page, door)
    await page.goto(HOME + to("grafana"))
    await page.check("input[name=remember]")
    await page.click("button[name=provider]")
    await page.wait_for_url("https://accounts.google.com/authorize?**")
    assert await page.evaluate("history.length") == 3
    (ticket,) = [each for each in door.store.state.tickets.values() if each.purpose is Purpose.UPSTREAM]
    assert ticket.state["remember"] == "yes"


async def test_scripts_keep_the_address_to_register_as_one_types(chromium: Browser) -> None:
    context = await chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await connect(page, await make_door())
    await sign_in(page, "root")
    await page.goto(f"{HOME}/admin/providers/new?type=oidc")
    await page.fill("#id", "home")
    addresses = page.locator("[data-copy] span")
    assert await addresses.nth(0).inner_text() == f"{HOME}/login/callback/home"
    assert await addresses.nth(1).inner_text() == f"{HOME}/signed-out"
    assert await addresses.nth(3).inner_text() == f"{HOME}/logout/frontchannel/home"
    await page.fill("#id", "")
    assert await addresses.nth(0).inner_text() == f"{HOME}/login/callback/…"
    await page.fill("#id", "work")
    await page.click("[data-copy] button >> nth=0")
    await page.wait_for_selector("button:text('Copied')")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{HOME}/login/callback/work"


async def test_scripts_add_a_countdown_a_reveal_and_times_people_read(chromium: Browser) -> None:
    door = await make_door()
    page = await (await chromium.new_context()).new_page()
    await page.clock.install(time=datetime.now(UTC))
    await connect(page, door)
    await page.goto(HOME + to("grafana"))
    await page.fill("#password", "wrong")
    await page.click("text=Show")
    assert await page.get_attribute("#password", "type") == "text"
    await page.click("text=Hide")
    assert await page.get_attribute("#password", "type") == "password"
    await page.fill("#login", "alice")
    for _ in range(4):
        await page.fill("#password", "wrong")
        # The page before has a problem to tell, too; and a new one is read to its end, scripts included.
        async with page.expect_navigation():
            await page.click("button.button-wide[type=submit]")
    words = page.locator("[data-countdown]")
    before = int(re.findall(r"\d+", await words.inner_text())[0])
    await page.clock.run_for(5000)
    assert int(re.findall(r"\d+", await words.inner_text())[0]) <= before - 4
    await page.clock.run_for(30_000)
    assert await page.inner_text("#problem") == "You can try again now."
    door.clock.advance(timedelta(minutes=20))
    await sign_in(page, "root")
    await page.goto(f"{HOME}/sessions")
    assert "hours ago" in await page.inner_text(".sessions")


async def test_without_scripts_the_page_says_the_same_in_utc(chromium: Browser) -> None:
    page = await (await chromium.new_context(java_script_enabled=False)).new_page()
    await connect(page, await make_door())
    await page.goto(f"{HOME}/login")
    await page.fill("#login", "root")
    await page.fill("#password", PASSWORD)
    await page.click("button.button-wide[type=submit]")
    await page.wait_for_selector("ul.nav")
    await page.goto(f"{HOME}/sessions")
    assert re.search(r"Last seen\s+\d{4}-\d\d-\d\d \d\d:\d\d UTC", await page.inner_text(".sessions"))
