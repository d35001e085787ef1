"""The day when something went wrong, in real browsers: backups, keys, a lockdown, a kit, the record, alerts."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.town import AUTH, DIARY, Town, enter, open_town, sign_in
from tests.fakes.peer import Peer, listening
from tests.integration.processes import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

LOGIN = re.compile(rf"{AUTH}/login\?")
MORE = """\
backup: {{recipients: ["{recipient}"], identity: "{identity}"}}
outbound: {{allow: ["127.0.0.1:{taken}", "127.0.0.1:{nobody}"]}}
alerts:
  targets:
    - {{name: office, url: "json://127.0.0.1:{taken}/hook"}}
    - {{name: attic, url: "json://127.0.0.1:{nobody}/hook"}}"""


@dataclass(frozen=True)
class Place:
    """The town, and where its alerts arrive."""

    town: Town
    office: Peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Ada administers; Otto reads his diary."""
    (nobody,) = free_ports(1)
    async with listening() as office:
        pair = pyrage.x25519.Identity.generate()  # a passphrase would be stretched at every look, for seconds
        more = MORE.format(taken=office.port, nobody=nobody, recipient=pair.to_public(), identity=pair)
        async with open_town(tmp_path_factory.mktemp("town"), more=more) as town:
            town.add("ada", "--admin")
            town.add("otto")
            yield Place(town, office)


async def administer(page: Page, path: str) -> None:
    """Sign in on the way to a page of the console."""
    await page.goto(AUTH + path)
    await sign_in(page)
    await page.wait_for_url(AUTH + path)


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def test_every_page_is_reached_from_every_other(place: Place) -> None:
    async with place.town.visitor() as page:
        await administer(page, "/admin/safekeeping")
        tabs = page.get_by_role("navigation", name="Safekeeping")
        for title in await tabs.get_by_role("link").all_inner_texts():
            await tabs.get_by_role("link", name=title, exact=True).click()
            await expect(tabs.locator("[aria-current=page]")).to_have_text(title)
            await expect(page.get_by_role("navigation", name="Main").locator("[aria-current]")).to_have_text(
                "Safekeeping"
            )


async def test_a_backup_is_made_looked_into_and_restored_without_scripts(place: Place) -> None:
    """B-36, B-37, E-53."""
    town = place.town
    async with town.visitor(java_script_enabled=False) as page, town.visitor() as otto:
        await enter(otto, "otto")
        await administer(page, "/admin/backups")
        await press(page, "Make a backup now")
        await expect(page.get_by_text("The backup is made.")).to_be_visible()
        town.add("eve")
        await page.get_by_role("button", name=re.compile("See what restoring would do")).first.click()
        plan = page.get_by_role("region", name="What restoring would do")
        await expect(plan.get_by_role("listitem").filter(has_text="made since are deleted")).to_contain_text("eve")
        # The preview changed nothing, and what it said no longer holds when something changes after it.
        town.add("mallory")
        await press(page, "Restore exactly this")
        await expect(page.get_by_role("alert")).to_have_text(
            "Something was changed since the preview. Look at it again."
        )
        asked_for = page.get_by_role("listitem").filter(has=page.get_by_text("asked for", exact=True))
        await asked_for.get_by_role("button", name=re.compile("See what restoring would do")).click()
        await expect(plan.get_by_role("listitem").filter(has_text="made since are deleted")).to_contain_text(
            "eve, mallory"
        )
        await press(page, "Restore exactly this")
        await expect(page).to_have_url(LOGIN)
        await sign_in(page)
        await expect(page.get_by_role("status")).to_contain_text("The backup is restored.")
        await expect(page.get_by_text("before a restore", exact=True).first).to_be_visible()
        await page.goto(f"{AUTH}/admin/users")
        await expect(page.get_by_text("Otto Lovelace")).to_be_visible()
        await expect(page.get_by_text("Eve Lovelace")).to_have_count(0)
        await otto.goto(f"{DIARY}/after")
        await expect(otto).to_have_url(LOGIN)


async def test_who_replaces_the_signing_key_signs_in_anew_like_everybody(place: Place) -> None:
    """A-44, E-06."""
    async with place.town.visitor() as page, place.town.visitor() as otto:
        await enter(otto, "otto")
        await administer(page, "/admin/keys")
        await page.get_by_label("I am sure: everybody is signed out now.").check()
        await press(page, "Replace the key")
        await expect(page).to_have_url(LOGIN)
        await otto.goto(f"{DIARY}/later")
        await expect(otto).to_have_url(LOGIN)
        await sign_in(page)
        await page.wait_for_url(f"{AUTH}/admin/keys")
        await sign_in(otto, "otto")
        await otto.wait_for_url(f"{DIARY}/later")


async def test_who_locks_down_and_stays_lifts_it_again_without_scripts(place: Place) -> None:
    """E-90."""
    async with place.town.visitor(java_script_enabled=False) as page, place.town.visitor() as otto:
        await enter(otto, "otto")
        await administer(page, "/admin/incident")
        await page.get_by_label("Why").fill("a stolen laptop")
        await expect(page.get_by_label("Keep me signed in, in this browser, for an hour.")).to_be_checked()
        await page.get_by_label("I am sure: everybody is signed out now.").check()
        await press(page, "Lock down")
        await expect(page.get_by_role("status")).to_contain_text("Everybody else is signed out.")
        await expect(page.get_by_role("region", name="There is a lockdown")).to_contain_text("a stolen laptop")
        await otto.goto(f"{DIARY}/gone")
        await expect(otto).to_have_url(LOGIN)
        # What comes next is a link away, and the banner leads back.
        await page.get_by_role("region", name="There is a lockdown").get_by_role("link", name="Audit record").click()
        await expect(page.get_by_role("heading", name="incident.lockdown")).to_be_visible()
        await page.get_by_role("link", name="Look at it").click()
        await press(page, "Lift the lockdown")
        await expect(page.get_by_role("status")).to_contain_text("The lockdown is lifted.")
        await expect(page.get_by_role("link", name="Look at it")).to_have_count(0)


async def test_a_kit_is_printed_and_opens_another_browser_once(place: Place) -> None:
    """E-90."""
    async with place.town.visitor() as page, place.town.visitor() as other:
        answer = await other.goto(f"{AUTH}/break-glass")
        assert answer is not None
        assert answer.status == 404
        await administer(page, "/admin/incident")
        await press(page, "Make a kit Ada Lovelace")
        await expect(page.locator(".kit-code svg")).to_be_visible()
        await expect(page.get_by_role("button", name="Print")).to_be_visible()
        code = await page.locator(".kit-code code").inner_text()
        await page.emulate_media(media="print")
        for hidden in (page.get_by_role("button", name="Print"), page.get_by_role("navigation", name="Main")):
            await expect(hidden).to_be_hidden()
        await expect(page.locator(".kit-code svg")).to_be_visible()
        await expect(page.get_by_text(f"{AUTH}/break-glass", exact=True)).to_be_visible()
        await page.emulate_media(media="screen")

        await other.goto(f"{AUTH}/break-glass")
        await other.get_by_label("Break-glass code").fill("AAAA-AAAA")
        await press(other, "Come in")
        await expect(other.get_by_role("alert")).to_contain_text("That code opens nothing")
        await other.get_by_label("Break-glass code").fill(code.lower().replace("-", " "))
        await press(other, "Come in")
        await other.wait_for_url(f"{AUTH}/")
        await other.goto(f"{AUTH}/admin/incident")
        await expect(other.get_by_text("Nobody has a kit.")).to_be_visible()
        await page.goto(f"{AUTH}/admin/incident")
        await expect(page.get_by_role("button", name="Make a kit Ada Lovelace")).to_be_visible()


async def test_the_record_is_searched_verified_and_taken_out_without_scripts(place: Place, tmp_path: Path) -> None:
    """B-38, B-39."""
    async with place.town.visitor(java_script_enabled=False, accept_downloads=True) as page:
        await administer(page, "/admin/audit")
        await page.get_by_label("Whom or what").fill("otto")
        await page.get_by_label("Act", exact=True).select_option("admin.user_create")
        await press(page, "Show")
        await expect(page.locator(".session h2")).to_have_text([re.compile(r"^\d+ admin\.user_create$")])
        await page.get_by_label("From").fill((datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d"))
        await press(page, "Show")
        await expect(page.get_by_text("There are no such records.")).to_be_visible()
        await page.goto(f"{AUTH}/admin/audit")
        await press(page, "Verify now")
        await expect(page.get_by_role("status")).to_have_text("Every record is what was recorded.")
        async with page.expect_download() as downloading:
            await press(page, "Export")
        taken = tmp_path / "audit.jsonl"
        await (await downloading.value).save_as(taken)
    lines = [json.loads(line) for line in taken.read_text("ascii").splitlines()]
    assert len(lines) > 10
    assert "Firefox" not in taken.read_text("ascii")


async def test_each_target_of_alerts_says_whether_it_took_a_test(place: Place) -> None:
    """E-78."""
    async with place.town.visitor() as page:
        await administer(page, "/admin/alerts")
        await press(page, "Send a test to each")
        answers = page.get_by_role("status")
        await expect(answers.locator("div").filter(has_text="office")).to_contain_text("taken")
        await expect(answers.locator("div").filter(has_text="attic")).to_contain_text("nobody answers there")
        assert len([request for request in place.office.requests if b"test" in request.partition(b"\r\n\r\n")[2]]) == 1
