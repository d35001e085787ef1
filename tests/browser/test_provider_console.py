"""What people and administrators do with providers in Chromium: connect, look, add, test, switch, go straight."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.abroad import ADDED, CLUB, LAND, NOWHERE, Abroad, come, leave, open_abroad, prove
from tests.browser.town import AUTH, DIARY, PASSWORD, enter, is_narrow
from tests.integration.tls import Certificates
from tests.integration.upstream.provider import SECRET, RealProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

LOGIN = re.compile(rf"{AUTH}/login\?")
ACCOUNT, PEOPLE, PROVIDERS = f"{AUTH}/account", f"{AUTH}/admin/users", f"{AUTH}/admin/providers"
LONG = timedelta(minutes=30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def abroad(
    tmp_path_factory: pytest.TempPathFactory, provider: RealProvider, certificates: Certificates
) -> AsyncIterator[Abroad]:
    """One provider in the file, and Ada, an administrator with a password."""
    async with open_abroad(tmp_path_factory.mktemp("console"), provider, certificates, LAND) as abroad:
        abroad.town.add("ada", "--admin")
        yield abroad


async def confirm(page: Page) -> None:
    """Answer the question whether it is still you, with the password."""
    await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Confirm", exact=True).click()


async def test_an_account_is_connected_and_disconnected_after_confirming_who_it_is(abroad: Abroad) -> None:
    """C-10: either way leads to the same account; disconnecting ends what was signed in by it, and nothing else."""
    abroad.know("hugo-there")
    abroad.town.add("hugo")
    async with abroad.town.visitor() as page, abroad.town.visitor() as other:
        await enter(page, "hugo")
        abroad.town.let_pass(LONG)
        await page.goto(ACCOUNT)
        await page.get_by_role("button", name="Connect Landing").click()
        await confirm(page)
        await expect(page).to_have_url(ACCOUNT)
        await page.get_by_role("button", name="Connect Landing").click()
        await prove(page, "hugo-there")
        await expect(page.get_by_role("status")).to_contain_text("Connected.")
        await expect(page.get_by_text("hugo-there@provider.example", exact=True)).to_be_visible()

        await come(other, "hugo-there", f"{DIARY}/as-hugo")
        (arrival,) = abroad.town.arrivals_at("/as-hugo")
        assert arrival.all("x-forwarded-user-name") == ["Hugo Lovelace"]
        assert arrival.all("x-forwarded-user-email") == ["hugo@example.com"]

        abroad.town.let_pass(LONG)
        await page.goto(ACCOUNT)
        await page.get_by_role("button", name="Disconnect Landing").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
        await leave(page)  # any way of one's own confirms, and the provider is one now
        await prove(page, "hugo-there")
        await expect(page).to_have_url(ACCOUNT)
        await page.get_by_role("button", name="Disconnect Landing").click()
        await expect(page.get_by_role("status")).to_contain_text("Disconnected.")
        await expect(page.get_by_role("button", name="Connect Landing")).to_be_visible()
        await other.goto(f"{DIARY}/as-hugo?again")
        await expect(other).to_have_url(LOGIN)
        await page.goto(f"{DIARY}/still-hugo")
        assert page.url == f"{DIARY}/still-hugo"


async def test_the_last_way_to_sign_in_stays_and_the_page_says_why(abroad: Abroad) -> None:
    abroad.know("ivo")
    async with abroad.town.visitor() as page:
        await come(page, "ivo", f"{DIARY}/ivo")
        await page.goto(ACCOUNT)
        await page.get_by_role("button", name="Disconnect Landing").click()
        await expect(page.get_by_role("status")).to_contain_text("That is the only way you can sign in, so it stays.")
        await page.goto(f"{DIARY}/ivo?again")
        assert len(abroad.town.arrivals_at("/ivo?again")) == 1


async def test_an_address_that_is_somebodys_here_connects_nothing_and_says_what_to_do(abroad: Abroad) -> None:
    """C-10: by way of their password they come to the page where it can be connected."""
    abroad.know("jan")
    abroad.town.add("jan")
    abroad.provider.order("person", name="jan", claims={"email": "jan@example.com"})
    async with abroad.town.visitor() as page:
        await page.goto(f"{AUTH}/login")
        await leave(page)
        await prove(page, "jan")
        await expect(page.get_by_role("heading", level=1)).to_have_text("You have an account here already")
        await page.get_by_role("link", name="Sign in another way").click()
        await page.get_by_label("User name or e-mail").fill("jan")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page).to_have_url(ACCOUNT)
        await page.get_by_role("button", name="Connect Landing").click()
        await prove(page, "jan")  # who is known there is asked all the same: it is to be theirs
        await expect(page.get_by_role("status")).to_contain_text("Connected.")


async def test_administrators_see_who_is_connected_to_what_and_may_end_that(abroad: Abroad) -> None:
    abroad.know("kim-there")
    abroad.town.add("kim")
    async with abroad.town.visitor() as admin, abroad.town.visitor() as kim:
        await enter(kim, "kim")
        await kim.goto(ACCOUNT)
        await kim.get_by_role("button", name="Connect Landing").click()
        await prove(kim, "kim-there")
        await expect(kim.get_by_role("status")).to_contain_text("Connected.")
        await enter(admin)
        await admin.goto(f"{AUTH}/")
        await admin.get_by_role("link", name="People").click()
        person = admin.locator(".person").filter(has_text="Kim Lovelace")
        await expect(person).to_contain_text("kim-there@provider.example")
        await person.get_by_role("button", name="Disconnect").click()
        await expect(admin.get_by_role("status")).to_contain_text("Disconnected.")
        await expect(person).not_to_contain_text("kim-there@provider.example")


async def test_a_provider_is_added_tested_used_and_switched_off_in_the_console(abroad: Abroad) -> None:
    abroad.know("lou")
    async with abroad.town.visitor() as page, abroad.town.visitor() as lou:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await begin_form(page)
        await page.get_by_label("Short name").fill(ADDED)
        await expect(page.locator("[data-copy] span").first).to_have_text(f"{AUTH}/login/callback/{ADDED}")
        await page.get_by_role("button", name="Copy").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == f"{AUTH}/login/callback/{ADDED}"
        await fill(page, issuer=abroad.provider.issuer)
        await expect(page.get_by_role("status")).to_contain_text("Added, and switched off for now.")

        await lou.goto(f"{DIARY}/lou")
        await expect(lou.get_by_role("button", name="Continue with Added here")).to_have_count(0)
        await page.get_by_role("button", name="Test Added here").click()
        findings = page.locator(".finding")
        await expect(findings.filter(has_text="Discovery")).to_contain_text("good")
        await expect(findings.filter(has_text="wrong")).to_have_count(0)
        assert SECRET not in await page.content()

        await page.get_by_role("button", name="Enable Added here").click()
        await expect(page.get_by_role("status")).to_contain_text("Enabled.")
        await lou.reload()
        await lou.get_by_role("button", name="Continue with Added here").click()
        await prove(lou, "lou")
        await lou.wait_for_url(f"{DIARY}/lou")

        await page.get_by_role("button", name="Disable Added here").click()
        await expect(page.get_by_role("status")).to_contain_text("Disabled.")
        await lou.goto(f"{DIARY}/lou?again")
        await expect(lou).to_have_url(LOGIN)
        await expect(lou.get_by_role("button", name="Continue with Added here")).to_have_count(0)

        await page.get_by_role("link", name="Change Added here").click()
        await page.get_by_text("Remove this provider").click()
        await page.get_by_role("button", name="Remove Added here").click()
        await expect(page.get_by_role("status")).to_contain_text("Removed.")
        await expect(page.get_by_text("Added here")).to_have_count(0)


@pytest.mark.parametrize("wrong", ["secret", "slash", "nobody there"])
async def test_a_test_says_in_plain_words_what_is_wrong(abroad: Abroad, wrong: str) -> None:
    """And never shows what was entered as the secret."""
    issuer = {"slash": f"{abroad.provider.issuer}/", "nobody there": NOWHERE}.get(wrong, abroad.provider.issuer)
    secret = "not the secret of this client" if wrong == "secret" else SECRET
    name = f"bad-{wrong.replace(' ', '-')}"
    async with abroad.town.visitor(viewport={"width": 320, "height": 640}) as page:
        await begin_form(page)
        assert await is_narrow(page, 320)
        await page.get_by_label("Short name").fill(name)
        # The client is one that is known there: only one thing is to be wrong.
        await fill(page, issuer=issuer, secret=secret)
        await page.get_by_role("button", name="Test Added here").click()
        bad = page.locator(".finding").filter(has_text="wrong")
        await expect(bad.first).to_be_visible()
        text = await page.inner_text("main")
        told = {"secret": "invalid_client", "slash": "differs by a slash at the end", "nobody there": "refused"}[wrong]
        assert told in text
        assert secret not in text
        assert await is_narrow(page, 320)
        await page.goto(f"{PROVIDERS}/edit/{name}")
        await page.get_by_text("Remove this provider").click()
        await page.get_by_role("button", name="Remove Added here").click()
        await expect(page.get_by_role("status")).to_contain_text("Removed.")


async def test_a_mistake_in_the_form_is_shown_where_it_is_and_loses_nothing(abroad: Abroad) -> None:
    async with abroad.town.visitor() as page:
        await begin_form(page)
        await page.get_by_label("Short name").fill("Not A Name")
        await fill(page, issuer="id.example")
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
        await expect(page.locator(".wrong")).to_have_count(2)
        await expect(page.get_by_label("Short name")).to_be_focused()
        await expect(page.get_by_label("Short name")).to_have_value("Not A Name")
        await expect(page.get_by_label("Client secret")).to_be_empty()


async def test_passwords_close_when_an_administrator_came_another_way_and_not_before(abroad: Abroad) -> None:
    """D-12, A-28: until then the page says why they are open; then the sign-in page holds buttons and nothing else."""
    abroad.know("ada-there")
    try:
        async with abroad.town.visitor() as page, abroad.town.visitor() as somebody:
            await enter(page)
            await page.goto(PROVIDERS)
            await page.get_by_role("button", name="Switch passwords off").click()
            passwords = page.locator("section", has=page.get_by_role("heading", name="Local passwords"))
            await expect(passwords).to_contain_text("Switched off, but open: it closes as soon as an administrator")
            await somebody.goto(f"{DIARY}/closed")
            await expect(somebody.get_by_label("Password", exact=True)).to_be_visible()

            await page.goto(ACCOUNT)
            await page.get_by_role("button", name="Connect Landing").click()
            await prove(page, "ada-there")
            await expect(page.get_by_role("status")).to_contain_text("Connected.")
            async with abroad.town.visitor() as again:
                await come(again, "ada-there", f"{DIARY}/by-provider")
            await page.goto(PROVIDERS)
            await expect(passwords).to_contain_text("closed")
            # `choose`: with one way alone the page is passed over (`authn.straight`).
            await somebody.goto(f"{AUTH}/login?choose=1")
            ways = [re.compile("Continue with Landing"), re.compile("Sign in with a passkey")]
            await expect(somebody.get_by_role("button")).to_have_text(ways)
            await expect(somebody.get_by_role("textbox")).to_have_count(0)

            await somebody.goto(f"{DIARY}/straight?1")
            await expect(somebody.get_by_role("heading", level=1)).to_have_text("Test provider")
            await prove(somebody, "ada-there")
            await somebody.wait_for_url(f"{DIARY}/straight?1")
            await leave_and_stay(somebody)
            await somebody.goto(f"{DIARY}/straight?2")
            await expect(somebody.get_by_role("heading", level=1)).to_have_text("Sign in to open Diary")
    finally:
        abroad.town.gateway.command("sign-in", "passwords", "on")
    async with abroad.town.visitor() as page:
        await enter(page)


async def test_who_wants_it_is_sent_where_they_signed_in_last(
    tmp_path: Path, provider: RealProvider, certificates: Certificates
) -> None:
    """`authn.straight: last`: not at first, not after a sign-out, and again after the next sign-in."""
    async with (
        open_abroad(tmp_path, provider, certificates, LAND, CLUB, settings="straight: last") as abroad,
        abroad.town.visitor() as page,
    ):
        abroad.town.add("ada", "--admin")
        abroad.know("mona")
        await come(page, "mona", f"{DIARY}/last?1", CLUB)
        await forget_the_session(page)
        await page.goto(f"{DIARY}/last?2")
        await page.wait_for_url(f"{DIARY}/last?2")
        await leave_and_stay(page)
        await page.goto(f"{DIARY}/last?3")
        await expect(page).to_have_url(LOGIN)
        await expect(page.get_by_role("button", name="last used")).to_have_text(re.compile("The Club"))
        await page.get_by_role("button", name="Continue with The Club").click()
        await page.wait_for_url(f"{DIARY}/last?3")
        await forget_the_session(page)
        await page.goto(f"{DIARY}/last?4")
        await page.wait_for_url(f"{DIARY}/last?4")


async def begin_form(page: Page) -> None:
    """As Ada, to the form for another provider."""
    await enter(page)
    await page.goto(PROVIDERS)
    await page.get_by_role("link", name="Add OpenID Connect").click()


async def fill(page: Page, *, issuer: str, secret: str = SECRET) -> None:
    """The rest of the form."""
    await page.get_by_label("Name", exact=True).fill("Added here")
    await page.get_by_label("Address of the provider").fill(issuer)
    await page.get_by_label("Client ID").fill(ADDED)
    await page.get_by_label("Client secret").fill(secret)
    await page.get_by_label("Make an account for whoever is new").check()
    await page.get_by_role("button", name="Add", exact=True).click()


async def leave_and_stay(page: Page) -> None:
    """Sign out here, and not at the provider."""
    await page.goto(f"{AUTH}/")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Stay").click()
    await page.wait_for_url(f"{AUTH}/signed-out*")


async def forget_the_session(page: Page) -> None:
    """As if it had run out in this browser, which keeps everything else."""
    await page.context.clear_cookies(name="doorward")
