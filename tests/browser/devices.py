"""What people prove themselves with in a browser: Chromium's own authenticators, apps with codes, and printed codes."""

import base64
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Page, expect

from doorward.rules.totp import make_code, step_of
from tests.browser.town import AUTH

SECURITY = f"{AUTH}/account/security"
LAPTOP = {"transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
"""An authenticator that knows its owner and lists what it holds."""
STICK = {"transport": "usb", "hasResidentKey": False, "hasUserVerification": False}
"""A key that can only be touched."""
_OFFER_NONE = "if (globalThis.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = undefined;"

Credential = dict[str, Any]


class Authenticator:
    """One in the browser of one page: by default the device's own, which knows its owner.

    `offered`: the browser lists by itself what it holds, where a page lets it. Touched, it is taken up at once; so it is
    not where somebody is to press a button.
    """

    def __init__(self, page: Page, kind: dict[str, Any] = LAPTOP, *, offered: bool = False) -> None:
        self._page = page
        self._kind = kind
        self._offered = offered

    async def plug_in(self, *held: Credential) -> None:
        """Give it to the browser, with the credentials it holds already. Nobody touches it yet."""
        if not self._offered:
            await self._page.add_init_script(_OFFER_NONE)
        self._devices = await self._page.context.new_cdp_session(self._page)
        await self._devices.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "automaticPresenceSimulation": False, **self._kind}
        added = await self._devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = added["authenticatorId"]
        for each in held:
            await self._devices.send("WebAuthn.addCredential", {"authenticatorId": self._id, "credential": each})

    async def touch(self, *, touched: bool = True) -> None:
        """From now on somebody touches it when it asks, or does not."""
        await self._tell("WebAuthn.setAutomaticPresenceSimulation", enabled=touched)

    async def answer(self, button: str) -> None:
        """Press a button that asks for it, and touch it."""
        await self.touch()
        await self._page.get_by_role("button", name=button).click()

    async def copy(self) -> Credential:
        """The one credential it holds, private key and counter and all: what no real one gives away."""
        (held,) = (await self._tell("WebAuthn.getCredentials"))["credentials"]
        copied: Credential = held
        return copied

    async def _tell(self, command: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._devices.send(command, {"authenticatorId": self._id, **more})
        return answer


class CodeApp:
    """An authenticator app. Each of its codes is used once, so it shows the first that was not."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # One back is taken still: so many codes are at hand without waiting for the next half minute.
        self._step = step_of(datetime.now(UTC)) - 1

    @classmethod
    async def read_from(cls, page: Page) -> "CodeApp":
        """The app, with what somebody types into it who cannot scan."""
        await expect(page.get_by_role("img", name="QR code for your authenticator app").locator("svg")).to_be_visible()
        await page.get_by_text("I cannot scan it").click()
        # Beside the key a script puts a button that copies it.
        shown = page.locator(".secret span").or_(page.locator(".secret:not(:has(span))"))
        return cls(base64.b32decode((await shown.inner_text()).replace(" ", "")))

    def next_code(self) -> str:
        """A code that was not used yet."""
        code = make_code(self._secret, self._step)
        self._step += 1
        return code


async def turn_totp_on(page: Page) -> CodeApp:
    """Set up an authenticator app."""
    await page.goto(SECURITY)
    await page.get_by_role("button", name="Set up an authenticator app").click()
    app = await CodeApp.read_from(page)
    await page.get_by_label("Enter the code that the app shows now").fill(app.next_code())
    await page.get_by_role("button", name="Turn it on").click()
    await page.wait_for_url(f"{SECURITY}?done=totp-codes")
    return app


async def add_passkey(page: Page, authenticator: Authenticator, name: str) -> None:
    """Add what is plugged in, by this name. It is touched for that, and not afterwards."""
    await authenticator.touch()
    await page.goto(SECURITY)
    await page.get_by_label("Name of the new one").fill(name)
    await page.get_by_role("button", name="Add a passkey or security key").click()
    await page.wait_for_url(f"{SECURITY}?done=passkey")
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await authenticator.touch(touched=False)


async def keep_codes(page: Page) -> list[str]:
    """Have recovery codes made, and put them away."""
    await page.get_by_role("button", name="Make recovery codes").click()
    codes = await put_away(page, "Done")
    await page.wait_for_url(f"{SECURITY}?done=codes")
    await expect(page.get_by_text("10 of 10 left")).to_be_visible()
    return codes


async def put_away(page: Page, button: str) -> list[str]:
    """Say of the codes on the page that they are kept."""
    await expect(page.locator(".codes li")).to_have_count(10)
    codes = await page.locator(".codes li").all_inner_texts()
    await page.get_by_label("I have put these codes in a safe place").check()
    await page.get_by_role("button", name=button, exact=True).click()
    return codes


async def sign_out(page: Page) -> None:
    """End this browser's session."""
    await page.goto(f"{AUTH}/")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url(f"{AUTH}/signed-out")
