"""Coming in by a link, and coming back: invitations, second factors that are demanded, forgotten passwords."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.devices import Authenticator, CodeApp, put_away
from tests.browser.letterbox import Letterbox, open_letterbox
from tests.browser.town import AUTH, DIARY, PASSWORD, Town, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

NEW_PASSWORD = "Another-horse-7-battery"
LOGIN = re.compile(rf"{AUTH}/login\?rd=")
MORE = """\
mail: {{host: 127.0.0.1, port: {port}, security: none, sender: door@example.com}}
mfa: {{required: all, grace: "off"}}
registration: {{mode: invite}}"""


@dataclass(frozen=True)
class Place:
    """The town, and where its mail arrives."""

    town: Town
    box: Letterbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Everybody here has to have a second factor, from the first day on."""
    async with (
        open_letterbox() as box,
        open_town(tmp_path_factory.mktemp("town"), more=MORE.format(port=box.port)) as town,
    ):
        town.add("ada", "--admin")
        yield Place(town, box)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_guest_is_invited_by_mail_and_sets_everything_up_at_the_first_sign_in(
    place: Place, scripts: bool
) -> None:
    """B-11, B-13: nothing opens before there is a second factor, and codes for the day it is lost."""
    guest = "ina" if scripts else "otto"
    town = place.town
    town.gateway.command("invite", "create", "--email", f"{guest}@example.com")
    text = await place.box.wait_for(f"{guest}@example.com", "invited")
    async with town.visitor(java_script_enabled=scripts) as page:
        await page.goto(link_in(text))
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are invited")
        await expect(page.get_by_text(f"{guest}@example.com")).to_be_visible()
        for label, value in (
            ("Your name", guest.title()), ("User name", guest),
            ("Password", NEW_PASSWORD), ("Password, once more", NEW_PASSWORD),
        ):  # fmt: skip
            await page.get_by_label(label, exact=True).fill(value)
        if scripts:
            authenticator = Authenticator(page)
            await authenticator.plug_in()
            await authenticator.touch()
        await page.get_by_role("button", name="Make my account").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Set up a second factor")
        await expect(page.get_by_role("button", name="Not now")).to_have_count(0)
        tab = await page.context.new_page()
        await tab.goto(f"{DIARY}/too-early")
        await expect(tab).to_have_url(LOGIN)
        await tab.close()
        if scripts:
            await page.get_by_role("button", name="Make a passkey on this device").click()
        else:
            await expect(page.get_by_role("button", name="Make a passkey on this device")).to_be_hidden()
            await set_up_app(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
        await put_away(page, "Go on")
        await page.wait_for_url(f"{AUTH}/")
        await page.goto(f"{DIARY}/welcome-{guest}")
        (arrival,) = town.arrivals_at(f"/welcome-{guest}")
        assert arrival.all("x-forwarded-user-email") == [f"{guest}@example.com"]


async def test_a_forgotten_password_by_mail(place: Place) -> None:
    """A-17: the link asks for the second factor, too, ends every older session, and works once."""
    town = place.town
    town.add("uma")
    async with town.visitor() as page, town.visitor() as old:
        await old.goto(f"{DIARY}/before")
        await sign_in(old, "uma")
        app = await set_up_app(old)
        await put_away(old, "Go on")
        await old.wait_for_url(f"{DIARY}/before")

        await page.goto(f"{DIARY}/after")
        await page.get_by_role("link", name="Forgotten your password?").click()
        await page.get_by_label("User name or e-mail").fill("uma")
        await page.get_by_role("button", name="Send me a link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Look at your mail")
        link = link_in(await place.box.wait_for("uma@example.com", "Set a new password"))
        await page.goto(link)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password?")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
        await page.get_by_label("Code from your authenticator app").fill("000000")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("alert")).to_have_text("That code is not right, or was used before.")
        await page.get_by_label("Code from your authenticator app").fill(app.next_code())
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
        await old.goto(f"{DIARY}/still")
        assert old.url == f"{DIARY}/still", "a link that was only followed changes nothing yet"
        await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_label("New password, once more").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Save and go on").click()
        await page.wait_for_url(f"{AUTH}/")
        await page.goto(f"{DIARY}/after")
        assert page.url == f"{DIARY}/after"

        await old.goto(f"{DIARY}/no-more")
        await expect(old).to_have_url(LOGIN)
        await sign_in(old, "uma", PASSWORD)
        await expect(old.get_by_role("alert")).to_have_text("That user name or password is not right.")
        await old.goto(link)
        await expect(old.get_by_role("heading", level=1)).to_have_text("This link does not open anything")
        await place.box.wait_for("uma@example.com", "Your password was changed")


async def set_up_app(page: Page) -> CodeApp:
    """Set up an authenticator app where a second factor is demanded."""
    await page.get_by_role("button", name="Use an authenticator app").click()
    app = await CodeApp.read_from(page)
    await page.get_by_label("Enter the code that the app shows now").fill(app.next_code())
    await page.get_by_role("button", name="Turn it on").click()
    return app


def link_in(text: str) -> str:
    """The one link of ours in a letter."""
    (link,) = re.findall(rf"{AUTH}/\S+=\S+", text)
    return str(link)
