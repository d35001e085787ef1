"""A town whose people may come from a certified provider, and what they do there."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.town import AUTH, COOKIE_FOR_ALL, Town, open_town
from tests.integration.gateway import AUTH as AUTH_HOST
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import SECRET, RealProvider, client

LAND, CLUB, ADDED = "land", "club", "added"
"""What the gateway calls the provider, by the client it is to it. The last is for the console to add."""
NAMES = {LAND: "Landing", CLUB: "The Club"}

CLIENTS = [
    client(
        name,
        f"{AUTH}/login/callback/{name}",
        post_logout_redirect_uris=[f"{AUTH}/signed-out"],
        backchannel_logout_uri=f"{AUTH}/logout/backchannel/{name}",
        backchannel_logout_session_required=True,
    )
    for name in (LAND, CLUB, ADDED)
]

AUTHN = """\
outbound:
  allow: ["127.0.0.1:{port}", "127.0.0.1:1"]
  ca_file: {authority}
authn:
  {settings}
  providers: [{providers}]
"""
NOWHERE = "https://127.0.0.1:1"
"""An issuer at which nobody listens."""


@dataclass(frozen=True)
class Abroad:
    """The town and the provider. Whoever types a name at the provider is that person."""

    town: Town
    provider: RealProvider

    def know(self, *names: str) -> None:
        """Let the provider know these people."""
        for name in names:
            claims = {
                "email": f"{name}@provider.example", "email_verified": True, "name": f"{name.title()} Byron",
                "preferred_username": name, "groups": [],
            }  # fmt: skip
            self.provider.order("person", name=name, claims=claims)

    def names_at_the_provider(self) -> list[str]:
        """What the provider calls the sign-ins that sessions here were made with."""
        with closing(sqlite3.connect(self.town.gateway.folder / "data" / "doorward.db")) as database:
            return [name for (name,) in database.execute("SELECT sid FROM upstream_sessions WHERE sid != ''")]


@asynccontextmanager
async def open_abroad(
    folder: Path,
    provider: RealProvider,
    certificates: Certificates,
    *ways: str,
    settings: str = "",
    cookie: str = COOKIE_FOR_ALL,
) -> AsyncIterator[Abroad]:
    """Start a town that knows the provider in these ways; the provider calls that town from now on."""
    entries = [
        json.dumps({
            "id": way, "name": NAMES[way], "client_id": way, "client_secret": SECRET, "issuer_url": provider.issuer,
            "auto_provision": True,
        })
        for way in ways
    ]  # fmt: skip
    more = AUTHN.format(
        port=provider.port,
        authority=json.dumps(str(provider.authority)),
        settings=settings,
        providers=", ".join(entries),
    )
    async with open_town(folder, cookie=cookie, more=more, certificates=certificates) as town:
        provider.reach({AUTH_HOST: town.port})
        yield Abroad(town, provider)
        log = town.gateway.process.log
        assert "Traceback" not in log, log
        assert SECRET not in log


async def leave(page: Page, way: str = LAND) -> None:
    """Press the provider's button, as far as its own page."""
    await page.get_by_role("button", name=f"Continue with {NAMES[way]}").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Test provider")


async def prove(page: Page, name: str) -> None:
    """Say who one is on the provider's page."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Continue").click()


async def come(page: Page, name: str, url: str, way: str = LAND) -> None:
    """From an address through the sign-in page and the provider back to it."""
    await page.goto(url)
    await leave(page, way)
    await prove(page, name)
    await page.wait_for_url(url)
