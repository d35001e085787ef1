"""Second factors and passkeys, as people come by them: a real Chromium with an authenticator, and a real Traefik."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from doorward.rules.totp import make_code, step_of
from tests.browser.town import AUTH, DIARY, Town, enter, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECURITY = f"{AUTH}/account/security"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada", "--admin")
        yield town


class Authenticator:
    """A device's own authenticator that knows its owner, in the browser of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def plug_in(self) -> None:
        """Give it to the browser. Nobody touches it yet: passkeys that a page offers by itself are not chosen."""
        self._devices = await self._page.context.new_cdp_session(self._page)
        await self._devices.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": False,
        }  # fmt: skip
        added = await self._devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = added["authenticatorId"]

    async def touch(self, *, touched: bool = True) -> None:
        """From now on somebody touches it when it asks, or does not."""
        told = {"authenticatorId": self._id, "enabled": touched}
        await self._devices.send("WebAuthn.setAutomaticPresenceSimulation", told)


async def sign_out(page: Page) -> None:
    await page.goto(f"{AUTH}/")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url(f"{AUTH}/signed-out")


async def turn_totp_on(page: Page) -> bytes:
    """Set up an authenticator app, with what somebody types who cannot scan."""
    await page.goto(SECURITY)
    await page.get_by_role("button", name="Set up an authenticator app").click()
    await expect(page.get_by_role("img", name="QR code for your authenticator app").locator("svg")).to_be_visible()
    await page.get_by_text("I cannot scan it").click()
    secret = base64.b32decode((await page.locator(".secret span").inner_text()).replace(" ", ""))
    await page.get_by_label("Enter the code that the app shows now").fill(make_code(secret, present_step()))
    await page.get_by_role("button", name="Turn it on").click()
    await page.wait_for_url(f"{SECURITY}?done=totp-codes")
    return secret


async def keep_codes(page: Page) -> list[str]:
    """Have recovery codes made, and put them away."""
    await page.get_by_role("button", name="Make recovery codes").click()
    await expect(page.locator(".codes li")).to_have_count(10)
    codes = await page.locator(".codes li").all_inner_texts()
    await page.get_by_label("I have put these codes in a safe place").check()
    await page.get_by_role("button", name="Done").click()
    await page.wait_for_url(f"{SECURITY}?done=codes")
    await expect(page.get_by_text("10 of 10 left")).to_be_visible()
    return codes


def present_step() -> int:
    return step_of(datetime.now(UTC))


async def test_from_a_password_to_a_second_factor_to_a_passkey_alone(town: Town) -> None:
    """A-14, B-11, D-08: nothing opens between password and code, and a passkey opens by itself."""
    async with town.visitor() as page:
        await enter(page)
        secret = await turn_totp_on(page)
        codes = await keep_codes(page)
        await sign_out(page)

        await page.goto(f"{DIARY}/with-a-code")
        await sign_in(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
        assert [cookie for cookie in await page.context.cookies(AUTH) if cookie["name"] == "doorward"] == []
        # The code of the step that was used to set it up is used up.
        await page.get_by_label("Code from your authenticator app").fill(make_code(secret, present_step() + 1))
        await page.get_by_role("button", name="Go on").click()
        await page.wait_for_url(f"{DIARY}/with-a-code")

        authenticator = Authenticator(page)
        await authenticator.plug_in()
        await authenticator.touch()
        await page.goto(SECURITY)
        await page.get_by_label("Name of the new one").fill("This laptop")
        await page.get_by_role("button", name="Add a passkey or security key").click()
        await page.wait_for_url(f"{SECURITY}?done=passkey")
        await expect(page.get_by_role("heading", name="This laptop")).to_be_visible()
        await authenticator.touch(touched=False)
        await sign_out(page)

        await page.goto(f"{DIARY}/with-a-passkey")
        await expect(page.get_by_label("User name or e-mail")).to_be_empty()
        await authenticator.touch()
        await page.get_by_role("button", name="Sign in with a passkey").click()
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
