"""A device is let in through a real browser, from the address it shows to the app it opens."""

import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.town import AUTH, PASSWORD, Town, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada")
        yield town


async def ask(town: Town, path: str, **fields: str) -> dict[str, str]:
    """As a device behind the same proxy does, which has no browser."""
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 -- certificates of this very test
        answer = await client.post(
            f"https://127.0.0.1:{town.port}{path}",
            content=urlencode({"client_id": "Diary for TV", **fields}),
            headers={"host": "auth.example.com", "content-type": "application/x-www-form-urlencoded"},
            extensions={"sni_hostname": "auth.example.com"},
        )
    found: dict[str, str] = json.loads(answer.content)
    return found


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_device_is_let_in_by_the_address_that_it_shows(town: Town, scripts: bool) -> None:
    """Signed out, on a phone, in German: the code is kept over the sign-in, and nothing happens before it is pressed."""
    begun = await ask(town, "/api/device/code", scope="app:Diary")
    secret = {"grant_type": GRANT, "device_code": begun["device_code"]}
    phone = {"viewport": {"width": 360, "height": 740}, "locale": "de-DE", "java_script_enabled": scripts}
    async with town.visitor(**phone) as page:
        await page.goto(begun["verification_uri_complete"])
        await page.fill("#login", "ada")
        await page.fill("#password", PASSWORD)
        await page.locator("#password").press("Enter")
        await expect(page.locator("#code")).to_have_value(begun["user_code"])
        await expect(page.get_by_text("mit der Adresse, der Sie gefolgt sind")).to_be_visible()
        await page.get_by_role("button", name="Weiter").click()
        await expect(page.get_by_role("heading", name="Ein Gerät bittet um Einlass")).to_be_visible()
        await expect(page.get_by_text("Diary for TV")).to_be_visible()
        await expect(page.get_by_text("Ihr Netz", exact=True)).to_be_visible()
        assert (await ask(town, "/api/device/token", **secret))["error"] == "authorization_pending"
        await page.get_by_label("Wie nennen Sie es?").fill(f"Fernseher {scripts}")
        await page.get_by_role("button", name="Einlassen").click()
        await expect(page.get_by_role("heading", name="Sie können zu Ihrem Gerät zurückkehren")).to_be_visible()
        paired = await ask(town, "/api/device/token", **secret)
        assert paired["scope"] == "app:Diary"
        await page.get_by_role("link", name="Ihre Schlüssel").click()
        await expect(page.get_by_text(f"Fernseher {scripts}").first).to_be_visible()
    async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 -- as above
        opened = await client.get(
            f"https://127.0.0.1:{town.port}/pages/1",
            headers={"host": "app.example.com", "authorization": f"Bearer {paired['access_token']}"},
            extensions={"sni_hostname": "app.example.com"},
        )
    assert opened.status_code == 200
    assert not any("dw_" in str(arrival.headers) for arrival in town.arrivals_at("/pages/1"))


async def test_a_device_is_refused(town: Town) -> None:
    begun = await ask(town, "/api/device/code")
    async with town.visitor() as page:
        await page.goto(f"{AUTH}/device")
        await sign_in(page, "ada")
        await page.get_by_label("Code").fill(begun["user_code"].lower())
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_role("button", name="Refuse").click()
        await expect(page.get_by_role("heading", name="Refused")).to_be_visible()
    refused = await ask(town, "/api/device/token", grant_type=GRANT, device_code=begun["device_code"])
    assert refused["error"] == "access_denied"
