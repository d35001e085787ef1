"""Strict cookies in Chromium: a link on another site, and the way back from a provider, lose nobody their sign-in."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.abroad import LAND, Abroad, come, open_abroad
from tests.browser.town import AUTH, DIARY, enter
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import RealProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

ELSEWHERE = "https://elsewhere.test/"
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["lax", "strict"])
async def abroad(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider: RealProvider,
    certificates: Certificates,
) -> AsyncIterator[Abroad]:
    """A town whose session cookie is strict, and one where only its companion is."""
    cookie = f"cookie: {{domain: example.com, samesite: {request.param}}}"
    folder = tmp_path_factory.mktemp(request.param)
    async with open_abroad(folder, provider, certificates, LAND, cookie=cookie) as abroad:
        abroad.town.add("ada", "--admin")
        yield abroad


async def follow_link(page: Page, url: str) -> None:
    """Come upon a page of another site, and press the link there."""

    async def show(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=f'<a href="{url}">there</a>')

    await page.context.route(f"{ELSEWHERE}**", show)
    await page.goto(ELSEWHERE)
    await page.get_by_role("link", name="there").click()
    await page.wait_for_url(url)


@SCRIPTS
async def test_a_link_on_another_site_leads_in_without_signing_in_again(abroad: Abroad, scripts: bool) -> None:
    """D-04, J18: to an app, and to what is ours."""
    async with abroad.town.visitor(java_script_enabled=scripts) as page:
        await enter(page)
        target = f"/linked?x=%2F&scripts={scripts}"
        await follow_link(page, DIARY + target)
        assert len(abroad.town.arrivals_at(target)) == 1
        for url, heading in ((f"{AUTH}/account", "Your account"), (f"{AUTH}/admin/users", "People")):
            await follow_link(page, url)
            await expect(page.get_by_role("heading", level=1)).to_have_text(heading)


@SCRIPTS
async def test_the_way_back_from_a_provider_ends_where_it_should(abroad: Abroad, scripts: bool) -> None:
    """D-04, D-07: at an app, and at our own pages, which ask for the companion."""
    abroad.know("mona")
    async with abroad.town.visitor(java_script_enabled=scripts) as page:
        await come(page, "mona", f"{DIARY}/from-abroad?scripts={scripts}")
        assert len(abroad.town.arrivals_at(f"/from-abroad?scripts={scripts}")) == 1
    async with abroad.town.visitor(java_script_enabled=scripts) as page:
        await come(page, "mona", f"{AUTH}/account")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your account")


async def test_what_an_app_is_sent_opens_nothing_of_ours(abroad: Abroad) -> None:
    """J18: the session cookie in a browser that never got its companion."""
    async with abroad.town.visitor() as page:
        await enter(page)
        (session,) = [each for each in await page.context.cookies(AUTH) if each["name"] == "doorward"]
        await page.context.clear_cookies()
        await page.context.add_cookies(
            [{name: session[name] for name in ("name", "value", "domain", "path", "secure")}]
        )
        await page.goto(f"{DIARY}/stolen")
        assert len(abroad.town.arrivals_at("/stolen")) == 1
        await page.goto(f"{AUTH}/account")
        assert page.url.startswith(f"{AUTH}/login?confirm=1")
        await expect(page.get_by_label("Password", exact=True)).to_be_visible()
