"""A key from the page to the app: made without scripts, used as the page says, seen in use, revoked, refused."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page, expect

from doorward.rules.app_key import parse_key
from tests.browser.town import AUTH, DIARY, SAFE, Town, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Ada administers; Otto reads his diary."""
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada", "--admin")
        town.add("otto")
        yield town


async def go(page: Page, name: str, path: str) -> None:
    """Sign in on the way to a page."""
    await page.goto(AUTH + path)
    await sign_in(page, name)
    await page.wait_for_url(AUTH + path)


async def make_key(page: Page, name: str, *apps: str) -> str:
    """Fill the form in; the key."""
    await page.get_by_label("What is it for?").fill(name)
    for app in apps:
        await page.get_by_role("checkbox", name=re.compile(f"^{app}")).check()
    await page.get_by_role("button", name="Make the key").click()
    key = (await page.locator(".secret").inner_text()).split()[0]
    assert parse_key(key) is not None
    return key


async def run(town: Town, line: str) -> int:
    """Run a line of the page through the proxy; the status of the answer."""
    program, *arguments = shlex.split(line)
    assert program == "curl"
    town_only = ("--insecure", "--connect-to", f"::127.0.0.1:{town.port}")
    quiet = ("--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20")
    process = await asyncio.create_subprocess_exec(
        program, *town_only, *quiet, *arguments, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    assert process.returncode == 0
    return int(answer)


async def ready_lines(page: Page) -> list[str]:
    """What there is to paste; where scripts run, a button stands behind each."""
    return [text.removesuffix("Copy").strip() for text in await page.locator(".ready code").all_inner_texts()]


async def test_a_key_is_made_used_as_the_page_says_seen_and_revoked_without_scripts(town: Town) -> None:
    """A-18..A-23: what was revoked is refused at the very next request."""
    async with town.visitor(java_script_enabled=False) as page:
        await go(page, "otto", "/keys")
        await page.get_by_role("link", name="Make a key").click()
        key = await make_key(page, "Phone", "Diary")
        lines = [line for line in await ready_lines(page) if line.startswith("curl")]
        assert len(lines) == 3
        for line in lines:
            assert await run(town, line) == 200
        arrival = town.arrivals_at("/")[-1]
        assert key not in repr(arrival)
        for elsewhere in (f"{SAFE}/", f"{AUTH}/keys"):
            assert await run(town, lines[0].replace(f"{DIARY}/", elsewhere)) in {303, 401, 403}
        assert await run(town, lines[0].replace(key, f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}")) == 401
        await page.get_by_role("link", name="I have it, go on").click()
        phone = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Phone"))
        async with asyncio.timeout(30):
            while "Used" not in await phone.inner_text():
                await page.reload()
        assert "127.0.0.1" in await phone.inner_text()
        await phone.get_by_role("button", name="Revoke Phone").click()
        await expect(page.get_by_role("status")).to_contain_text("Revoked.")
        for line in lines:
            assert await run(town, line) == 401
        assert key not in town.gateway.process.log


async def test_a_page_that_showed_a_key_shows_it_never_again(town: Town) -> None:
    """A-20: neither reloading nor going back brings it back, and nothing keeps it in the browser."""
    async with town.visitor() as page:
        await go(page, "otto", "/keys/new")
        key = await make_key(page, "Tablet", "Diary")
        assert key not in page.url
        await page.reload()
        await expect(page.locator("#name-wrong")).to_contain_text("it was shown once")
        assert key not in await page.content()
        await page.goto(f"{AUTH}/keys")
        await expect(page.get_by_role("heading", name="Tablet")).to_be_visible()
        assert await page.get_by_role("heading", name="Tablet").count() == 1
        # The browser keeps nothing that it could show; it would have to send the form again.
        with pytest.raises(Error, match="ERR_CACHE_MISS"):
            await page.go_back()


async def test_the_copy_button_copies_the_whole_key(town: Town) -> None:
    async with town.visitor(permissions=["clipboard-read", "clipboard-write"]) as page:
        await go(page, "otto", "/keys/new")
        key = await make_key(page, "Watch", "Diary")
        await page.get_by_role("button", name="Copy").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == key


async def test_the_form_can_be_filled_in_with_the_keyboard_alone(town: Town) -> None:
    async with town.visitor() as page:
        await go(page, "otto", "/keys/new")
        await page.get_by_label("What is it for?").focus()
        await page.keyboard.type("Keyboard")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Your new key")).to_be_visible()


async def test_a_service_is_given_a_key_and_loses_all_of_them_at_once(town: Town) -> None:
    """B-28: by user; and the page says how many before it is done."""
    async with town.visitor() as page:
        await go(page, "ada", "/admin/services")
        await page.get_by_label("User name").fill("backup")
        await page.get_by_role("button", name="Add", exact=True).click()
        lines = []
        for name in ("Nightly", "Weekly"):
            await page.goto(f"{AUTH}/admin/services")
            await page.get_by_role("link", name="Make a key").click()
            await make_key(page, name, "Diary")
            lines.append((await ready_lines(page))[0])
        assert [await run(town, line) for line in lines] == [200, 200]
        assert town.arrivals_at("/")[-1].all("x-forwarded-user-name") == ["backup"]
        await page.goto(f"{AUTH}/admin/app-keys?user=backup")
        await page.get_by_role("link", name="Revoke all 2").click()
        await expect(page.get_by_role("heading", name="Revoke 2 keys?")).to_be_visible()
        await page.get_by_label("I am sure").check()
        await page.get_by_role("button", name="Revoke all 2").click()
        await expect(page.get_by_role("status")).to_contain_text("All of these are revoked.")
        assert [await run(town, line) for line in lines] == [401, 401]
