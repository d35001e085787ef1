"""Where no script may run, everything but passkeys works: it is plain forms."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from doorward.rules.registration import Mode
from doorward.rules.totp import make_code, step_of
from tests.browser.preview import CHROMIUM, FLAGS, connect, sign_in
from tests.browser.shot import HOME
from tests.fakes.door import PASSWORD, Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW_PASSWORD = "Another-horse-7-battery"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def visit(chromium: Browser, door: Door) -> AsyncGenerator[Page]:
    """A browser that runs no scripts, before the door."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await connect(page, door)
    yield page
    await context.close()


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def test_a_second_factor_and_its_codes_are_set_up_and_used(chromium: Browser) -> None:
    """B-11."""
    door = Door()
    await door.add_user("alice")
    async with visit(chromium, door) as page:
        await sign_in(page, "alice")
        await page.goto(f"{HOME}/account/security")
        await expect(page.get_by_role("button", name="Add a passkey or security key")).to_be_hidden()
        await press(page, "Set up an authenticator app")
        await page.get_by_text("I cannot scan it").click()
        await expect(page.locator(".secret")).to_be_visible()
        secret = base64.b32decode((await page.locator(".secret").inner_text()).replace(" ", ""))
        await page.get_by_label("Enter the code that the app shows now").fill(
            make_code(secret, step_of(door.clock.now()))
        )
        await press(page, "Turn it on")
        await press(page, "Make recovery codes")
        await expect(page.locator(".codes li")).to_have_count(10)
        codes = await page.locator(".codes li").all_inner_texts()
        await press(page, "Done")
        # Nobody gets past them who has not said that they are kept.
        await expect(page.locator(".codes li")).to_have_count(10)
        await page.get_by_label("I have put these codes in a safe place").check()
        await press(page, "Done")
        await expect(page.get_by_text("10 of 10 left")).to_be_visible()

    async with visit(chromium, door) as page:
        await page.goto(f"{HOME}/login")
        await page.get_by_label("User name or e-mail").fill("alice")
        await page.get_by_label("Password").fill(PASSWORD)
        await press(page, "Sign in")
        await page.get_by_text("Use a recovery code").click()
        await page.get_by_label("Recovery code", exact=True).fill(codes[0])
        await press(page, "Use this code")
        await expect(page.get_by_role("navigation", name="Main")).to_be_visible()


async def test_a_password_is_changed(chromium: Browser) -> None:
    door = Door()
    await door.add_user("alice")
    async with visit(chromium, door) as page:
        await sign_in(page, "alice")
        await page.goto(f"{HOME}/account/profile")
        await page.get_by_label("Present password").fill(PASSWORD)
        await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_label("New password, once more").fill(NEW_PASSWORD)
        await press(page, "Change the password")
        await expect(page.get_by_role("status")).to_have_text(
            "Your password is changed. Everywhere else you are signed out."
        )


async def test_a_guest_is_invited_and_makes_an_account(chromium: Browser) -> None:
    """B-13."""
    door = Door()
    door.town.mode = Mode.INVITE
    await door.add_user("root", admin=True)
    async with visit(chromium, door) as page:
        await sign_in(page, "root")
        await page.goto(f"{HOME}/admin/invites")
        await page.get_by_label("Note").fill("Aunt Mary")
        await press(page, "Make the link")
        await expect(page.locator("[data-copy]")).to_be_visible()
        link = await page.locator("[data-copy]").inner_text()
    async with visit(chromium, door) as page:
        await page.goto(link)
        await page.get_by_label("Your name").fill("Mary")
        await page.get_by_label("User name").fill("mary")
        await page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_label("Password, once more").fill(NEW_PASSWORD)
        await press(page, "Make my account")
        await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
