"""Signing in with an account elsewhere, and out again: what people see in Chromium, between us and a real provider."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from tests.browser.abroad import CLUB, LAND, Abroad, come, leave, open_abroad, prove
from tests.browser.town import AUTH, CELLAR, DIARY, SAFE, check_theme, is_narrow, login_at
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import RealProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

LOGIN = re.compile(rf"{AUTH}/login\?")
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def abroad(
    tmp_path_factory: pytest.TempPathFactory, provider: RealProvider, certificates: Certificates
) -> AsyncIterator[Abroad]:
    """Two ways to the provider beside the password, and Ada, who has one."""
    async with open_abroad(tmp_path_factory.mktemp("abroad"), provider, certificates, LAND, CLUB) as abroad:
        abroad.town.add("ada", "--admin")
        yield abroad


@SCRIPTS
async def test_a_provider_leads_to_the_very_address_that_was_asked_for(abroad: Abroad, scripts: bool) -> None:
    """C-05: byte by byte, and the address of the sign-in is nothing to go back to."""
    name = "iona" if scripts else "jim"
    abroad.know(name)
    target = f"/today/%C3%A9?x=%2F&y=a+b&y=2&rd=https%3A%2F%2Fevil.example&for={name}"
    async with abroad.town.visitor(java_script_enabled=scripts) as page:
        await page.goto(DIARY + target)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to open Diary")
        await leave(page)
        await prove(page, name)
        await page.wait_for_url(DIARY + target)
        (arrival,) = abroad.town.arrivals_at(target)
        assert arrival.all("x-forwarded-user-name") == [f"{name.title()} Byron"]
        assert arrival.all("x-forwarded-user-email") == [f"{name}@provider.example"]
        assert not any("doorward" in value for value in arrival.all("cookie"))


async def test_the_provider_learns_no_address_of_ours_but_the_one_to_come_back_to(abroad: Abroad) -> None:
    """H17: no `Referer`, and what was going to be opened stands in no address on the way."""
    abroad.know("kate")
    asked: list[Request] = []
    async with abroad.town.visitor() as page:
        page.on("request", lambda each: asked.append(each) if each.url.startswith(abroad.provider.issuer) else None)
        await page.goto(f"{DIARY}/secret-chapter")
        await leave(page)
        assert asked
        for each in asked:
            assert "secret-chapter" not in each.url
            assert AUTH not in (await each.all_headers()).get("referer", "")


async def test_the_box_counts_for_providers_as_it_does_for_passwords(abroad: Abroad) -> None:
    """B-02: one box for all of the page."""
    abroad.know("lena")
    for ticked in (False, True):
        async with abroad.town.visitor() as page:
            await page.goto(f"{DIARY}/box")
            await page.get_by_label("Keep me signed in").set_checked(ticked)
            await leave(page)
            await prove(page, "lena")
            await page.wait_for_url(f"{DIARY}/box")
            (kept,) = [each for each in await page.context.cookies(AUTH) if each["name"] == "doorward"]
            assert (kept["expires"] > 0) is ticked


async def test_enter_in_the_password_field_is_no_providers(abroad: Abroad) -> None:
    """Its buttons come first on the page; a browser presses the first one."""
    async with abroad.town.visitor() as page:
        await page.goto(f"{DIARY}/by-key")
        await page.get_by_label("User name or e-mail").fill("ada")
        await page.get_by_label("Password", exact=True).fill("not this one")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("That user name or password is not right.")


async def test_several_tabs_may_be_finished_in_any_order(abroad: Abroad) -> None:
    """Each ends where it was going; who is signed in meanwhile is not asked twice by the provider's page."""
    abroad.know("mary")
    async with abroad.town.visitor() as first:
        tabs: list[tuple[Page, str]] = []
        for number, way in enumerate((LAND, CLUB, LAND)):
            page = first if number == 0 else await first.context.new_page()
            tabs.append((page, f"{DIARY}/tab?{number}"))
            await page.goto(tabs[-1][1])
            await leave(page, way)
        for page, url in reversed(tabs):
            await prove(page, "mary")
            await page.wait_for_url(url)
        assert [len(abroad.town.arrivals_at(f"/tab?{number}")) for number in range(3)] == [1, 1, 1]


async def test_who_cancels_reads_that_and_tries_again(abroad: Abroad) -> None:
    """Where they were going is not forgotten on the way."""
    abroad.know("nora")
    async with abroad.town.visitor() as page:
        await page.goto(f"{DIARY}/after-all?x=1")
        await leave(page)
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was changed")
        text = await page.inner_text("main")
        assert "The sign-in was cancelled." in text
        assert "pressed" not in text, "the provider's own words are not repeated"
        await page.get_by_role("link", name="Try again").click()
        await leave(page)
        await prove(page, "nora")
        await page.wait_for_url(f"{DIARY}/after-all?x=1")


async def test_a_callback_that_was_used_explains_itself(abroad: Abroad) -> None:
    """Reloaded, opened from the history, or in another browser: never an error, and always a way on."""
    abroad.know("olga")
    callbacks: list[str] = []
    async with abroad.town.visitor() as page, abroad.town.visitor() as elsewhere:
        page.on("request", lambda each: callbacks.append(each.url) if "/login/callback/" in each.url else None)
        await come(page, "olga", f"{DIARY}/once")
        answer = await page.goto(callbacks[0])
        assert answer is not None
        assert answer.status == 400
        assert "finished already" in await page.inner_text("main")
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed in already")
        assert "finished already" in await page.inner_text("main")
        assert "Reference" not in await page.inner_text("main"), "the log says nothing about it"
        await page.get_by_role("link", name="Your apps").click()
        await expect(page).to_have_url(f"{AUTH}/")

        await elsewhere.goto(callbacks[0])
        await elsewhere.get_by_role("link", name="Try again").click()
        await expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_going_back_after_signing_in_breaks_nothing(abroad: Abroad) -> None:
    """The pages in between are left out of the history; whatever it shows, the sign-in stands."""
    abroad.know("pia")
    async with abroad.town.visitor() as page:
        await come(page, "pia", f"{DIARY}/forth")
        await page.go_back()
        assert page.url.startswith(abroad.provider.issuer), page.url
        await page.go_back()
        await expect(page).to_have_url(f"{DIARY}/forth")


async def test_a_sign_in_that_took_too_long_begins_anew(abroad: Abroad) -> None:
    abroad.know("quinn")
    async with abroad.town.visitor() as page:
        await page.goto(f"{DIARY}/slow")
        await leave(page)
        abroad.town.let_pass(timedelta(hours=1))
        await prove(page, "quinn")
        await expect(page.get_by_role("link", name="Try again")).to_be_visible()
        assert "took too long" in await page.inner_text("main")
        assert abroad.town.arrivals_at("/slow") == []


async def test_signing_out_is_for_real(abroad: Abroad) -> None:
    """C-41: here and there; nobody is signed in again by the next page, and the provider asks who it is."""
    abroad.know("rosa")
    async with abroad.town.visitor() as page:
        await come(page, "rosa", f"{DIARY}/out")
        await page.goto(f"{AUTH}/")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign out of the test provider?")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
        await page.goto(f"{DIARY}/out?again")
        await expect(page).to_have_url(LOGIN)
        await leave(page)
        await expect(page.get_by_label("Name")).to_be_visible()
        assert abroad.town.arrivals_at("/out?again") == []


async def test_who_signs_out_and_stays_at_the_provider_is_signed_out_here(abroad: Abroad) -> None:
    abroad.know("sara")
    async with abroad.town.visitor() as page:
        await come(page, "sara", f"{DIARY}/half")
        await page.goto(f"{AUTH}/")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("button", name="Stay").click()
        await page.goto(f"{DIARY}/half?again")
        await expect(page).to_have_url(LOGIN)
        assert abroad.town.arrivals_at("/half?again") == []


async def test_the_next_click_after_a_sign_out_elsewhere_leads_to_the_sign_in_page(abroad: Abroad) -> None:
    """Back-channel logout: by an administrator of the provider's, while the page is open."""
    abroad.know("tess")
    async with abroad.town.visitor() as page:
        await come(page, "tess", f"{DIARY}/open")
        told = abroad.provider.order("end", name="tess")["told"]
        assert [(each["client"], each["status"]) for each in told] == [(LAND, 200)]
        await page.evaluate("location.href = '/open?next'")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to open Diary")
        assert abroad.town.arrivals_at("/open?next") == []


async def test_a_page_of_the_providers_that_frames_our_address_ends_the_sign_in(abroad: Abroad) -> None:
    """Front-channel logout; and no page of anybody else's may frame it."""
    abroad.know("uma")
    before = set(abroad.names_at_the_provider())
    async with abroad.town.visitor() as page:
        await come(page, "uma", f"{DIARY}/framed")
        (name,) = set(abroad.names_at_the_provider()) - before
        query = urlencode({"iss": abroad.provider.issuer, "sid": name})
        await page.goto(f"{abroad.provider.issuer}/.well-known/openid-configuration")
        async with page.expect_event("requestfinished", lambda each: "frontchannel" in each.url) as finished:
            await page.evaluate(
                "url => document.body.appendChild(document.createElement('iframe')).src = url",
                f"{AUTH}/logout/frontchannel/{LAND}?{query}",
            )
        answer = await (await finished.value).response()
        assert answer is not None
        assert answer.status == 200
        assert await page.frames[1].title() == "Signed out"
        await page.goto(f"{DIARY}/framed?again")
        await expect(page).to_have_url(LOGIN)


async def test_what_asks_for_a_recent_sign_in_has_the_provider_ask_again(abroad: Abroad) -> None:
    """`prompt=login`: though the provider still knows who it is."""
    abroad.know("vera")
    async with abroad.town.visitor() as page:
        await come(page, "vera", f"{SAFE}/gold?bars=3")
        abroad.town.let_pass(timedelta(minutes=30))
        await page.goto(f"{SAFE}/gold?bars=4")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
        await expect(page.get_by_label("Password")).to_have_count(0)
        await leave(page)
        assert "login" in await page.inner_text("p")
        await prove(page, "vera")
        await page.wait_for_url(f"{SAFE}/gold?bars=4")


async def test_somebody_else_cannot_confirm_for_me(abroad: Abroad) -> None:
    abroad.know("wilma", "xenia")
    async with abroad.town.visitor() as page:
        await come(page, "wilma", f"{SAFE}/silver")
        abroad.town.let_pass(timedelta(minutes=30))
        await page.goto(f"{SAFE}/silver?2")
        await leave(page)
        await prove(page, "xenia")
        # The provider signs the first one out before it signs the second one in.
        await page.get_by_role("button", name="Continue").or_(page.get_by_role("link", name="Try again")).wait_for()
        await expect(page.get_by_role("heading", level=1)).to_have_text("That was somebody else")
        assert abroad.town.arrivals_at("/silver?2") == []


async def test_a_provider_that_fails_is_named_and_the_others_are_a_click_away(abroad: Abroad) -> None:
    abroad.know("yann")
    async with abroad.town.visitor() as page:
        await page.goto(f"{DIARY}/broken")
        await leave(page)
        abroad.provider.order("fault", path="/token", status=503)
        try:
            await prove(page, "yann")
            await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Landing"))
        finally:
            abroad.provider.order("fault", path="/token", status=0)
        text = await page.inner_text("main")
        assert "out of order" not in text
        (reference,) = re.findall(r"\b[0-9a-f]{12}\b", text)
        assert reference in abroad.town.gateway.process.log
        await page.get_by_role("link", name="Try again").click()
        await page.get_by_role("button", name="Continue with The Club").click()
        await page.wait_for_url(f"{DIARY}/broken")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_on_a_phone_in_either_theme_nothing_is_cut_off(abroad: Abroad, theme: str) -> None:
    """E-87: the pages on the way to a provider and back, and those for who came that way."""
    abroad.know("zoe")
    async with abroad.town.visitor(color_scheme=theme, viewport={"width": 320, "height": 640}) as page:

        async def look() -> None:
            await check_theme(page, theme)
            assert await is_narrow(page, 320), page.url

        await page.goto(login_at(f"{CELLAR}/{'y' * 200}"))
        await look()
        await leave(page)
        await page.get_by_role("button", name="Cancel").click()
        await look()
        await page.get_by_role("link", name="Try again").click()
        await leave(page)
        await prove(page, "zoe")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Cellar stays shut")
        await look()
        await page.goto(f"{AUTH}/account")
        assert await is_narrow(page, 320)
        abroad.town.let_pass(timedelta(minutes=30))
        await page.goto(f"{AUTH}/login?confirm=1")
        await look()
