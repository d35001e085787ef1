"""In a real Chromium: the sign-in leads to the app, scripts only add to what works without them, nothing is blocked."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from doorward.rules.policy import App, Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.web.pages.login import LoginPage
from doorward.web.route import Route
from tests.browser.preview import CHROMIUM, FLAGS, HOME, SHOTS, SIZES, Shot, connect, make_door, sign_in, to
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
        self.cookies_at_app: list[str] = []

    async def serve(self, scope, receive, send) -> None:
        headers = dict(scope["headers"])
        if not headers.get(b"host", b"").startswith(b"app."):
            await self.door.server(scope, receive, send)
            return
        self.cookies_at_app.append(headers.get(b"cookie", b"").decode())
        moved = scope["path"] == "/moved"
        start = {"type": "http.response.start", "status": 302 if moved else 200, "headers": []}
        start["headers"] = [(b"content-type", b"text/html"), *([(b"location", b"/there")] if moved else [])]
        await send(start)
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
    rd = f"{street.app}{path}".replace(":", "%3A").replace("/", "%2F")
    await page.goto(f"{street.home}/login?rd={rd}")
    await page.fill("#login", "alice")
    await page.fill("#password", PASSWORD)
    await page.click("button[type=submit]")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_signing_in_leads_to_an_app_on_another_host(chromium: Browser, street: Street, scripts: bool) -> None:
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    await try_to_sign_in(page, street, "/moved")
    await page.wait_for_url(f"{street.app}/there")
    assert "doorward=" in street.cookies_at_app[-1]
    assert "doorward-csrf" not in street.cookies_at_app[-1]


async def test_without_the_app_among_the_forms_targets_chromium_would_stop_there(
    chromium: Browser, street: Street
) -> None:
    desk = street.door.desk

    class Narrow(type(desk)):  # type: ignore[misc]
        """Every form may lead to ourselves only."""

        __slots__ = ()

        def form_targets(self, url):
            return ()

    narrow = Narrow(**{name: getattr(desk, name) for name in desk.__dataclass_fields__})
    login = LoginPage(narrow, street.door.flows.sign_in, street.door.flows.setup, lambda: street.door.policy)
    routes = {**street.door.server.routes, "/login": Route(get=login.get, post=login.post)}
    street.door.server = replace(street.door.server, routes=routes)
    page = await (await chromium.new_context()).new_page()
    blocked = asyncio.get_running_loop().create_future()
    page.on("console", lambda line: "form-action" in line.text and not blocked.done() and blocked.set_result(line.text))
    await try_to_sign_in(page, street, "/")
    assert "violates" in await blocked
    assert street.cookies_at_app == []


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
async def test_no_page_is_wider_than_a_phone_or_blocks_itself(chromium: Browser, shot: Shot) -> None:
    door = await make_door(empty=shot.name == "apps-empty")
    width, height = SIZES["320"]
    page = await (await chromium.new_context(viewport={"width": width, "height": height})).new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await connect(page, door)
    if shot.user:
        await sign_in(page, shot.user)
    await shot.go(door, page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    small = await page.evaluate(
        """() => [...document.querySelectorAll("a.button, button, input:not([type=hidden], [type=checkbox]), .nav a")]
            .filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
    )
    assert small == []


async def test_the_keyboard_finds_everything_and_shows_where_it_is(chromium: Browser) -> None:
    page = await (await chromium.new_context(java_script_enabled=True)).new_page()
    await connect(page, await make_door())
    await sign_in(page, "root")
    await page.goto(f"{HOME}/sessions")
    found = []
    for _ in range(7):
        await page.keyboard.press("Tab")
        found.append(
            await page.evaluate(
                "() => [document.activeElement.innerText.trim(), getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    assert [text for text, _ in found][:5] == ["Skip to the content", "Doorward", "Apps", "Sessions", "Everybody"]
    assert {outline for _, outline in found} == {"solid"}


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
        await page.click("button[type=submit]")
        await page.wait_for_selector("#problem")
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
    await page.click("button[type=submit]")
    await page.wait_for_selector("ul.nav")
    await page.goto(f"{HOME}/sessions")
    assert re.search(r"Last seen\s+\d{4}-\d\d-\d\d \d\d:\d\d UTC", await page.inner_text(".sessions"))
