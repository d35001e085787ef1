"""What people do, in a real Chromium through a real Traefik: what they see, and what reached the app."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.town import (
    AUTH,
    CELLAR,
    DIARY,
    PASSWORD,
    SAFE,
    Town,
    check_denial,
    check_theme,
    enter,
    is_narrow,
    login_at,
    open_town,
    sign_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

LOGIN = re.compile(rf"{AUTH}/login\?rd=")
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """An administrator, Ada, and Ben, who is none."""
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada", "--admin")
        town.add("ben")
        yield town


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_the_first_hour(tmp_path: Path, scripts: bool) -> None:
    """E-24, C-36, C-40, A-13: set up, open an app, be denied, see and end a session, sign out."""
    async with open_town(tmp_path) as town, town.visitor(java_script_enabled=scripts) as page:
        found = re.search(rf"{AUTH}/setup\?token=\S+", town.gateway.process.log)
        assert found, town.gateway.process.log
        await page.goto(found[0])
        for label, value in (
            ("Your name", "Ada Lovelace"), ("User name", "ada"), ("E-mail address", "ada@example.com"),
            ("Password", PASSWORD), ("Password, once more", PASSWORD),
        ):  # fmt: skip
            await page.get_by_label(label, exact=True).fill(value)
        await page.get_by_role("button", name="Create and sign in").click()
        await page.wait_for_url(f"{AUTH}/")
        await expect(page.locator(".app-name")).to_have_text(["Diary", "Safe"])

        await page.get_by_role("link", name="Diary").click()
        await page.wait_for_url(f"{DIARY}/")
        assert "Ada Lovelace" in await page.inner_text("body")
        (arrival,) = town.arrivals_at("/")
        assert arrival.all("x-forwarded-user-name") == ["Ada Lovelace"]
        assert arrival.all("x-forwarded-user-email") == ["ada@example.com"]
        assert not any("doorward" in value for value in arrival.all("cookie"))

        await check_denial(town, page)
        async with town.visitor(java_script_enabled=scripts) as other:
            await other.goto(found[0])
            await expect(other.get_by_role("heading", level=1)).to_have_text("This link does not open anything")
            await enter(other)
            await page.goto(f"{AUTH}/sessions")
            await expect(page.locator(".session")).to_have_count(2)
            await page.locator(".session:not(.session-here)").get_by_role("button", name="End").click()
            await expect(page.get_by_role("status")).to_have_text(re.compile("has ended"))
            await other.goto(f"{DIARY}/ended")
            await expect(other).to_have_url(LOGIN)
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
        await page.goto(f"{DIARY}/ended")
        await expect(page).to_have_url(LOGIN)
        assert town.arrivals_at("/ended") == []


async def test_a_wrong_password_is_told_and_too_many_lock_for_a_while(town: Town) -> None:
    """A-05: the countdown runs, the right password does not open meanwhile, and does afterwards."""
    town.add("cleo")
    async with town.visitor() as page:
        await page.goto(f"{DIARY}/")
        for _ in range(2):
            await sign_in(page, "cleo", "not this one")
            await expect(page.get_by_role("alert")).to_have_text("That user name or password is not right.")
            await expect(page.get_by_label("User name or e-mail")).to_have_value("cleo")
            await expect(page.get_by_label("Password", exact=True)).to_be_empty()
        await sign_in(page, "cleo", "not this one")
        await expect(page.locator("#problem")).to_have_text(re.compile(r"Too many tries.* in [1-6] seconds?\."))
        await sign_in(page, "cleo")
        await expect(page.locator("#problem")).to_have_text(re.compile(r"Too many tries.* in [1-6] seconds?\."))
        await expect(page.locator("#problem")).to_have_text("You can try again now.")
        await sign_in(page, "cleo")
        await page.wait_for_url(f"{DIARY}/")


async def test_signing_in_leads_to_the_very_address_that_was_asked_for(town: Town) -> None:
    target = "/today/%C3%A9?x=%2F&y=a+b&y=2&rd=https%3A%2F%2Fevil.example"
    async with town.visitor() as page:
        await page.goto(DIARY + target)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to open Diary")
        await sign_in(page, "ben@example.com")
        await page.wait_for_url(DIARY + target)
        (arrival,) = town.arrivals_at(target)
        assert arrival.all("x-forwarded-user-email") == ["ben@example.com"]


async def test_keeping_signed_in_outlives_the_browser_and_only_then(town: Town, tmp_path: Path) -> None:
    """B-02: the box decides whether the sign-in is the browser's or the profile's."""
    async with town.browser_of(tmp_path) as page:
        await enter(page)
    async with town.browser_of(tmp_path) as page:
        await page.goto(f"{DIARY}/")
        await expect(page).to_have_url(LOGIN)
        await sign_in(page, remember=True)
        await page.wait_for_url(f"{DIARY}/")
    async with town.browser_of(tmp_path) as page:
        await page.goto(f"{DIARY}/kept")
        assert page.url == f"{DIARY}/kept"
        (arrival,) = town.arrivals_at("/kept")
        assert arrival.all("x-forwarded-user-name") == ["Ada Lovelace"]


async def test_my_sessions_tell_browsers_apart_and_end_the_others(town: Town) -> None:
    town.add("dora")
    async with town.visitor() as here, town.visitor(user_agent=IPHONE) as phone, town.visitor() as third:
        for page in (third, phone, here):
            await enter(page, "dora")
        town.let_pass(timedelta(hours=1))
        await here.goto(f"{AUTH}/sessions")
        rows = here.locator(".session")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(0)).to_contain_text("this browser")
        await expect(here.get_by_text("this browser")).to_have_count(1)
        mobile = rows.filter(has_text="iPhone")
        for part in ("Safari on iPhone", "From 127.0.0.1", "Last seen 1 hour ago", "Started 1 hour ago"):
            await expect(mobile).to_contain_text(re.compile(part.replace(" ", r"\s*")))
        await expect(rows.nth(0)).to_contain_text(re.compile(r"Last seen\s*just now"))

        await mobile.get_by_role("button", name="End").click()
        await expect(rows).to_have_count(2)
        await phone.goto(f"{DIARY}/dora")
        await expect(phone).to_have_url(LOGIN)
        await third.goto(f"{DIARY}/dora")
        assert third.url == f"{DIARY}/dora"

        await here.get_by_role("button", name="End all others").click()
        await expect(rows).to_have_count(1)
        await expect(here.get_by_role("button", name="End all others")).to_have_count(0)
        await third.goto(f"{DIARY}/dora?again")
        await expect(third).to_have_url(LOGIN)
        assert town.arrivals_at("/dora?again") == []
        await here.goto(f"{DIARY}/dora?here")
        assert len(town.arrivals_at("/dora?here")) == 1


async def test_an_administrator_sees_everybody_and_ends_a_session_of_theirs(town: Town) -> None:
    town.add("finn")
    async with town.visitor() as admin, town.visitor() as finn:
        await enter(finn, "finn")
        await enter(admin)
        await admin.goto(f"{AUTH}/")
        await admin.get_by_role("link", name="All sessions").click()
        row = admin.locator(".session").filter(has_text="Finn Lovelace (finn)")
        await row.get_by_role("button").click()
        await expect(row).to_have_count(0)
        await expect(admin).to_have_url(f"{AUTH}/admin/sessions?done=ended")
        await finn.goto(f"{DIARY}/finn")
        await expect(finn).to_have_url(LOGIN)
        assert town.arrivals_at("/finn") == []


async def test_who_is_no_administrator_sees_only_their_own(town: Town) -> None:
    async with town.visitor() as admin, town.visitor() as page:
        await enter(admin)
        await enter(page, "ben")
        await page.goto(f"{AUTH}/sessions")
        await expect(page.get_by_role("link", name="All sessions")).to_have_count(0)
        assert "Ada" not in await page.inner_text("body")
        answer = await page.goto(f"{AUTH}/admin/sessions")
        assert answer is not None
        assert answer.status == 403
        text = await page.inner_text("main")
        assert "That is not allowed" in text
        assert "Ada" not in text


async def test_signing_out_ends_it_at_once_also_for_a_stolen_cookie(town: Town) -> None:
    async with town.visitor() as page, town.visitor() as thief:
        await enter(page)
        (stolen,) = [cookie for cookie in await page.context.cookies(AUTH) if cookie["name"] == "doorward"]
        await thief.context.add_cookies([{**stolen}])
        await thief.goto(f"{DIARY}/while-it-lasts")
        assert thief.url == f"{DIARY}/while-it-lasts"
        await page.goto(f"{AUTH}/")
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(f"{AUTH}/signed-out")
        assert [cookie for cookie in await page.context.cookies(AUTH) if cookie["name"] == "doorward"] == []
        await thief.goto(f"{DIARY}/afterwards")
        await expect(thief).to_have_url(LOGIN)
        assert town.arrivals_at("/afterwards") == []


async def test_a_session_ended_on_the_command_line_asks_at_the_next_click_and_leads_back(town: Town) -> None:
    town.add("gwen")
    async with town.visitor() as page:
        await enter(page, "gwen")
        (session,) = town.sessions_of("gwen")
        town.gateway.command("session", "end", session["handle"])
        await page.goto(f"{DIARY}/chapter?two")
        assert town.arrivals_at("/chapter?two") == []
        await sign_in(page, "gwen")
        await page.wait_for_url(f"{DIARY}/chapter?two")
        assert len(town.arrivals_at("/chapter?two")) == 1


async def test_what_asks_for_a_recent_sign_in_asks_in_place_and_goes_on(town: Town) -> None:
    async with town.visitor() as page:
        await enter(page)
        await page.goto(f"{SAFE}/gold?bars=3")
        assert page.url == f"{SAFE}/gold?bars=3"
        town.let_pass(timedelta(minutes=30))
        await page.goto(f"{SAFE}/gold?bars=4")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
        await expect(page.get_by_label("User name or e-mail")).to_have_count(0)
        assert "You are signed in as ada" in await page.inner_text("main")
        await page.get_by_label("Password", exact=True).fill("not this one")
        await page.get_by_role("button", name="Confirm", exact=True).click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.goto(f"{DIARY}/meanwhile")
        assert page.url == f"{DIARY}/meanwhile", "what does not ask for it is open as before"
        await page.goto(f"{SAFE}/gold?bars=4")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Confirm", exact=True).click()
        await page.wait_for_url(f"{SAFE}/gold?bars=4")
        assert len(town.arrivals_at("/gold?bars=4")) == 1


async def test_a_form_from_before_another_sign_in_explains_itself_and_recovers(town: Town) -> None:
    """A-25: nothing is changed by it."""
    town.add("hugo")
    async with town.visitor() as page, town.visitor() as other:
        await enter(other, "hugo")
        await enter(page, "hugo")
        await page.goto(f"{AUTH}/sessions")
        second = await page.context.new_page()
        await second.goto(f"{AUTH}/")
        await second.get_by_role("button", name="Sign out").click()
        await second.get_by_role("link", name="Sign in again").click()
        await sign_in(second, "hugo")
        await second.wait_for_url(f"{AUTH}/")

        await page.get_by_role("button", name="End all others").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This page is out of date")
        await other.goto(f"{DIARY}/hugo")
        assert other.url == f"{DIARY}/hugo"
        await page.get_by_role("link", name="Load it again").click()
        await page.get_by_role("button", name="End all others").click()
        await expect(page.locator(".session")).to_have_count(1)
        await other.goto(f"{DIARY}/hugo")
        await expect(other).to_have_url(LOGIN)


async def test_a_sign_in_page_left_open_too_long_asks_again_and_still_leads_on(town: Town) -> None:
    async with town.visitor() as page:
        await page.goto(f"{DIARY}/late?x=1")
        town.let_pass(timedelta(minutes=30))
        await sign_in(page)
        await expect(page.get_by_role("alert")).to_have_text(
            "This page was open for too long or was already used. Please try again."
        )
        assert town.arrivals_at("/late?x=1") == []
        await sign_in(page)
        await page.wait_for_url(f"{DIARY}/late?x=1")


async def test_who_is_signed_in_already_goes_straight_on(town: Town) -> None:
    async with town.visitor() as page:
        first = await page.context.new_page()
        for each in (first, page):
            await each.goto(f"{DIARY}/tab")
        await sign_in(first)
        await first.wait_for_url(f"{DIARY}/tab")
        # The second tab's form is from before; nothing is left for it to prove.
        await sign_in(page)
        await page.wait_for_url(f"{DIARY}/tab")
        await page.goto(login_at(f"{DIARY}/straight?on"))
        assert page.url == f"{DIARY}/straight?on"
        await page.goto(login_at("https://evil.example/"))
        assert page.url.startswith(f"{AUTH}/")
        await expect(page.get_by_role("status")).to_have_text(re.compile("not one we lead back to"))


async def test_signing_in_as_somebody_else_leads_back_to_the_closed_door(town: Town) -> None:
    town.add("iris", "--group", "keepers")
    async with town.visitor() as page:
        await page.goto(f"{CELLAR}/wine")
        await sign_in(page)
        await page.wait_for_url(f"{CELLAR}/wine")
        await page.get_by_role("link", name="Sign in as someone else").click()
        await page.get_by_role("main").get_by_role("button").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to open Cellar")
        await sign_in(page, "iris")
        await page.wait_for_url(f"{CELLAR}/wine")
        (arrival,) = town.arrivals_at("/wine")
        assert arrival.all("x-forwarded-user-groups") == ["keepers"]


async def test_a_page_that_lost_its_session_tells_its_scripts_where_to_sign_in(town: Town) -> None:
    """C-13: no redirect to another origin, which a script could neither follow nor read."""
    town.add("joan")
    async with town.visitor() as page:
        await enter(page, "joan", f"{DIARY}/page")
        town.gateway.command("session", "end", "--user", "joan")
        told = await page.evaluate(
            """async () => {
              const answer = await fetch("/data", {method: "POST", body: "{}"});
              return {status: answer.status, redirected: answer.redirected, document: await answer.json()};
            }"""
        )
        assert (told["status"], told["redirected"]) == (401, False)
        assert told["document"]["login_url"] == login_at(f"{DIARY}/data")
        assert town.arrivals_at("/data") == []
        await page.reload()
        await sign_in(page, "joan")
        await page.wait_for_url(f"{DIARY}/page")
        assert json.loads(await page.inner_text("pre"))["target"] == "/page"


async def test_a_cookie_that_cannot_reach_the_app_is_explained_and_not_circled(tmp_path: Path) -> None:
    """C-15: the sign-in is for Doorward's own name, the apps have others."""
    everywhere = '    - {domain: "*.example.com", who: any_user}'
    async with open_town(tmp_path, cookie="", rules=everywhere) as town, town.visitor() as page:
        town.add("ada")
        await page.set_viewport_size({"width": 320, "height": 640})
        await page.goto(f"{DIARY}/round")
        await sign_in(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Going round in circles")
        await expect(page.locator(".seen")).to_contain_text("The cookie's domain does not reach the app")
        await expect(page.locator(".seen")).to_contain_text("Set cookie.domain")
        await expect(page.get_by_role("link", name="Try again")).to_have_attribute(
            "href", login_at(f"{DIARY}/round").removeprefix(AUTH)
        )
        assert await is_narrow(page, 320)
        assert town.arrivals_at("/round") == []
        assert "login_loop" in town.gateway.process.log


async def test_the_keyboard_is_enough(town: Town) -> None:
    async with town.visitor() as page:
        await page.goto(f"{DIARY}/keys")
        await expect(page.get_by_label("User name or e-mail")).to_be_focused()
        await page.keyboard.type("ada")
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{DIARY}/keys")
        await page.goto(f"{AUTH}/")
        sign_out = page.get_by_role("button", name="Sign out")
        for _ in range(12):
            await page.keyboard.press("Tab")
            if await sign_out.evaluate("e => e === document.activeElement"):
                break
        await expect(sign_out).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{AUTH}/signed-out")


async def test_on_a_small_phone_nothing_is_cut_off(town: Town) -> None:
    async with town.visitor(viewport={"width": 320, "height": 640}) as page:
        await page.goto(f"{DIARY}/a-long-address-that-does-not-end?{'x' * 300}")
        assert await is_narrow(page, 320)
        await sign_in(page)
        await page.wait_for_url(f"{DIARY}/a-long*")
        for url in (f"{AUTH}/", f"{AUTH}/sessions", f"{AUTH}/admin/sessions", f"{CELLAR}/{'y' * 300}"):
            await page.goto(url)
            assert await is_narrow(page, 320), url


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_follow_the_theme_and_stay_readable(town: Town, theme: str) -> None:
    """E-87: ours, and the one that is shown under an app's address."""
    async with town.visitor(color_scheme=theme) as page:
        await page.goto(f"{CELLAR}/")
        await check_theme(page, theme)
        await sign_in(page, "ben")
        await page.wait_for_url(f"{CELLAR}/")
        await check_theme(page, theme)
