"""Letting a device in: the code, whoever asks from home and from elsewhere, and what comes after."""

from dataclasses import replace
from ipaddress import ip_address

from playwright.async_api import Page

from doorward.flows.pairing import Begun
from doorward.rules.travel import Place
from tests.browser.shot import HOME, Shot, at
from tests.fakes.devices import PHONE
from tests.fakes.door import Door

HERE = replace(PHONE, address=ip_address("127.0.0.1"))


async def ask(door: Door, page: Page, client: str, scope: str = "", visitor=PHONE) -> None:
    """A device asks, and its code is typed."""
    begun = await door.flows.pairing.begin(client, scope, visitor, now=door.clock.now())
    assert isinstance(begun, Begun)
    await page.goto(f"{HOME}/device")
    await page.fill("#code", begun.user_code.lower())
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_selector("#who")


async def _followed(door: Door, page: Page) -> None:
    begun = await door.flows.pairing.begin("Jellyfin for TV", "", PHONE, now=door.clock.now())
    assert isinstance(begun, Begun)
    await page.goto(f"{HOME}/device?code={begun.user_code}")


async def _unknown(door: Door, page: Page) -> None:
    await page.goto(f"{HOME}/device")
    await page.fill("#code", "BCDF-GHJK")
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_selector("#code-wrong")


async def _elsewhere(door: Door, page: Page) -> None:
    door.town.places["198.51.100.9"] = Place("Reykjavík", "", "Iceland")
    scope = "app:Photos app:Wiki host:files.example.test app:Vault read write"
    await ask(door, page, "Wilhelmina-Constantias-Fernsehgerät-im-Wohnzimmer", scope)


async def _here(door: Door, page: Page) -> None:
    await ask(door, page, "Home Assistant Companion", visitor=HERE)


async def _wrong(door: Door, page: Page) -> None:
    await _here(door, page)
    await page.get_by_role("button", name="Let it in").click()
    await page.wait_for_selector("#apps-wrong")


async def _nothing(door: Door, page: Page) -> None:
    await ask(door, page, "Vault on my phone", "app:Vault")


PAIRING_SHOTS = (
    Shot("device", at("/device"), "alice"),
    Shot("device-followed", _followed, "alice"),
    Shot("device-unknown", _unknown, "alice"),
    Shot("device-elsewhere", _elsewhere, "alice"),
    Shot("device-here", _here, "alice"),
    Shot("device-wrong", _wrong, "alice"),
    Shot("device-nothing", _nothing, "alice"),
    Shot("device-approved", at("/device?done=approved"), "alice"),
    Shot("device-refused", at("/device?done=refused"), "alice"),
)
