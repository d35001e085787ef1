"""Second factors and passkeys, as people come by them: a real Chromium with an authenticator, and a real Traefik."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.devices import SECURITY, Authenticator, add_passkey, keep_codes, sign_out, turn_totp_on
from tests.browser.town import AUTH, DIARY, Town, enter, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

NEW_PASSWORD = "Another-horse-7-battery"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada", "--admin")
        yield town


async def test_from_a_password_to_a_second_factor_to_a_passkey_alone(town: Town) -> None:
    """A-14, B-11, D-08: nothing opens between password and code, and a passkey opens by itself."""
    async with town.visitor() as page:
        await enter(page)
        app = await turn_totp_on(page)
        codes = await keep_codes(page)
        await sign_out(page)

        await page.goto(f"{DIARY}/with-a-code")
        await sign_in(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
        assert [cookie for cookie in await page.context.cookies(AUTH) if cookie["name"] == "doorward"] == []
        await page.get_by_label("Code from your authenticator app").fill(app.next_code())
        await page.get_by_role("button", name="Go on").click()
        await page.wait_for_url(f"{DIARY}/with-a-code")

        authenticator = Authenticator(page)
        await authenticator.plug_in()
        await add_passkey(page, authenticator, "This laptop")
        await sign_out(page)

        await page.goto(f"{DIARY}/with-a-passkey")
        await expect(page.get_by_label("User name or e-mail")).to_be_empty()
        await authenticator.answer("Sign in with a passkey")
        await page.wait_for_url(f"{DIARY}/with-a-passkey")
        (arrival,) = town.arrivals_at("/with-a-passkey")
        assert arrival.all("x-forwarded-user-name") == ["Ada Lovelace"]

    async with town.visitor() as elsewhere:
        await elsewhere.goto(f"{DIARY}/with-a-recovery-code")
        await sign_in(elsewhere)
        await elsewhere.get_by_text("Use a recovery code").click()
        await elsewhere.get_by_label("Recovery code", exact=True).fill(codes[0].lower())
        await elsewhere.get_by_role("button", name="Use this code").click()
        await elsewhere.wait_for_url(f"{DIARY}/with-a-recovery-code")
        await elsewhere.goto(SECURITY)
        await expect(elsewhere.get_by_text("9 of 10 left")).to_be_visible()


async def test_where_there_is_no_mail_an_administrator_hands_out_a_link_that_skips_no_factor(town: Town) -> None:
    """A-17: whoever runs the place can let somebody in again, and not past their second factor."""
    town.add("root", "--admin")
    town.add("ben")
    async with town.visitor() as page, town.visitor() as desk:
        await enter(page, "ben")
        app = await turn_totp_on(page)
        await sign_out(page)
        await page.goto(f"{AUTH}/recover")
        await expect(page.get_by_text("Ask your administrator for a link")).to_be_visible()

        await enter(desk, "root")
        await desk.goto(f"{AUTH}/admin/users/person?login=ben")
        await desk.get_by_role("button", name="Make a link to set a new password").click()
        shown = desk.get_by_role("status").locator("[data-copy]")
        link = re.findall(rf"{AUTH}/reset\?token=[\w-]+", await shown.inner_text())[0]
        await page.goto(link)
        await page.get_by_role("button", name="Go on").click()
        await page.get_by_label("Code from your authenticator app").fill(app.next_code())
        await page.get_by_role("button", name="Go on").click()
        await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_label("New password, once more").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Save and go on").click()
        await page.wait_for_url(f"{AUTH}/")


async def test_a_sign_in_that_was_not_me_is_ended_and_the_password_with_it(town: Town) -> None:
    """A-13: one button, without being asked first, beside what is not this browser."""
    town.add("cleo")
    async with town.visitor() as page, town.visitor() as stranger:
        await enter(stranger, "cleo")
        await enter(page, "cleo")
        await page.goto(f"{AUTH}/sessions")
        (other,) = await page.locator(".session").filter(has_not_text="this browser").all()
        await expect(page.locator(".session-here").get_by_role("button", name="Not me")).to_have_count(0)
        await other.get_by_role("button", name="Not me").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out everywhere")
        await stranger.goto(f"{DIARY}/no-more")
        await expect(stranger).to_have_url(re.compile(rf"{AUTH}/login\?rd="))
        assert town.arrivals_at("/no-more") == []
        assert town.sessions_of("cleo") == []

        await page.get_by_role("link", name="Sign in again").click()
        await sign_in(page, "cleo")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
        await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await page.get_by_label("New password, once more").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Save and go on").click()
        await page.wait_for_url(f"{AUTH}/")
