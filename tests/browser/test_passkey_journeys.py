"""Passkeys and security keys in a real Chromium through a real Traefik: where they open, and where they must not."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.devices import STICK, Authenticator, add_passkey, sign_out
from tests.browser.town import AUTH, DIARY, SAFE, Town, enter, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

RULES = """\
    - {domain: [app.example.com, safe.example.com], who: any_user}
    - {domain: app.example.com, path: /open, who: anyone}
    - {domain: safe.example.com, path: /admin, require: [passkey, fresh: 5m]}
    - {domain: app.example.com, path: /admin, methods: [DELETE], require: [passkey, fresh: 5m]}"""
# Passkeys for all of the domain: so a sibling's page can ask the browser for them, and only we say no.
SHARED = "webauthn: {rp_id: example.com}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town"), rules=RULES, more=SHARED) as town:
        yield town


async def enrol(town: Town, page: Page, name: str, *, offered: bool = False) -> Authenticator:
    """An account with a passkey, signed in by its password."""
    town.add(name)
    await enter(page, name)
    authenticator = Authenticator(page, offered=offered)
    await authenticator.plug_in()
    await add_passkey(page, authenticator, "This laptop")
    return authenticator


async def test_a_passkey_signs_in_by_autofill_alone(town: Town) -> None:
    """A-14, D-08: the browser lists it with the user names; nothing is typed and no button is pressed."""
    async with town.visitor() as page:
        authenticator = await enrol(town, page, "ada", offered=True)
        await sign_out(page)
        await page.goto(f"{DIARY}/by-autofill")
        await expect(page.get_by_label("User name or e-mail")).to_have_attribute("autocomplete", "username webauthn")
        assert await page.evaluate("PublicKeyCredential.isConditionalMediationAvailable()")
        await authenticator.touch()
        await page.reload()
        await page.wait_for_url(f"{DIARY}/by-autofill")
        (arrival,) = town.arrivals_at("/by-autofill")
        assert arrival.all("x-forwarded-user-name") == ["Ada Lovelace"]


async def test_a_key_that_knows_nobody_is_only_a_second_proof(town: Town) -> None:
    """G06: a touch alone opens nothing, and does beside the password."""
    town.add("ben")
    async with town.visitor() as page:
        await enter(page, "ben")
        stick = Authenticator(page, STICK)
        await stick.plug_in()
        await add_passkey(page, stick, "Blue key")
        await expect(page.get_by_text("second factor only")).to_be_visible()
        await sign_out(page)

        await page.goto(f"{DIARY}/with-a-touch")
        await stick.answer("Sign in with a passkey")
        await expect(page.get_by_role("alert")).to_have_text(
            "The browser did not give us a passkey. Nothing was changed; try again, or take another way."
        )
        await sign_in(page, "ben")
        await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
        assert [cookie for cookie in await page.context.cookies(AUTH) if cookie["name"] == "doorward"] == []
        await page.get_by_role("button", name="Use a passkey or security key").click()
        await page.wait_for_url(f"{DIARY}/with-a-touch")


async def test_what_asks_for_a_passkey_asks_in_place_and_leads_back(town: Town) -> None:
    """Once it is too long ago, again; a password does not do."""
    async with town.visitor() as page:
        cleo = await enrol(town, page, "cleo")
        await page.goto(f"{SAFE}/admin/people?page=2")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
        await expect(page.get_by_label("Password", exact=True)).to_have_count(0)
        assert town.arrivals_at("/admin/people?page=2") == []
        await cleo.answer("Confirm with a passkey")
        await page.wait_for_url(f"{SAFE}/admin/people?page=2")
        await page.goto(f"{SAFE}/admin/people?page=3")
        assert page.url == f"{SAFE}/admin/people?page=3"
        town.let_pass(timedelta(minutes=6))
        await page.goto(f"{SAFE}/admin/people?page=4")
        await cleo.answer("Confirm with a passkey")
        await page.wait_for_url(f"{SAFE}/admin/people?page=4")


async def test_a_form_that_was_held_back_is_kept_and_sent_after_the_passkey(town: Town) -> None:
    """The page says that nothing was sent; after the other tab it is, with every field."""
    async with town.visitor() as page:
        dora = await enrol(town, page, "dora")
        await page.goto(f"{SAFE}/form")
        await page.evaluate(
            """() => {
                document.body.innerHTML = '<form method="post" action="/admin/people"><textarea name="note"></textarea>'
                    + '<button>Save</button></form>';
                document.querySelector("textarea").value = "an hour's work, äöü";
            }"""
        )
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your form was not sent")
        await expect(page.locator("main")).to_contain_text("Safe has received nothing yet, and nothing was changed.")
        assert town.arrivals_at("/admin/people") == []
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Confirm that it is you, in another tab").click()
        tab = await opened.value
        there = Authenticator(tab)
        await there.plug_in(await dora.copy())
        await there.answer("Confirm with a passkey")
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Thank you, it is you")
        await page.reload()
        await expect(page.get_by_text('"target": "/admin/people"')).to_be_visible()
        (arrival,) = town.arrivals_at("/admin/people")
        assert arrival.method == "POST"
        assert arrival.body == b"note=an+hour%27s+work%2C+%C3%A4%C3%B6%C3%BC"


async def test_a_script_that_deletes_learns_where_to_show_a_passkey(town: Town) -> None:
    """The rule speaks of one method only; reading stays open. It comes back to the page, not to what it had called."""
    async with town.visitor() as page:
        emil = await enrol(town, page, "emil")
        await page.goto(f"{DIARY}/admin/list")
        assert page.url == f"{DIARY}/admin/list"
        delete = """async () => {
            const answer = await fetch("/admin/7", {method: "DELETE"});
            if (answer.status !== 401) return [answer.status, ""];
            const login = new URL((await answer.json()).login_url);
            login.searchParams.set("rd", location.href);
            return [answer.status, login.href];
        }"""
        status, login = await page.evaluate(delete)
        assert status == 401
        assert town.arrivals_at("/admin/7") == []
        await page.goto(login)
        await emil.answer("Confirm with a passkey")
        await page.wait_for_url(f"{DIARY}/admin/list")
        assert (await page.evaluate(delete))[0] == 200
        assert [each.method for each in town.arrivals_at("/admin/7")] == ["DELETE"]


async def test_a_passkey_that_looks_copied_is_refused_and_written_down(town: Town) -> None:
    """G08: its counter goes back. The one that counted on still opens."""
    async with town.visitor() as page, town.visitor() as thief:
        fern = await enrol(town, page, "fern")
        early = await fern.copy()
        await sign_out(page)
        await page.goto(f"{DIARY}/counted")
        await fern.answer("Sign in with a passkey")
        await page.wait_for_url(f"{DIARY}/counted")

        copy = Authenticator(thief)
        await copy.plug_in({**early, "signCount": 0})
        await thief.goto(f"{DIARY}/stolen")
        await copy.answer("Sign in with a passkey")
        await expect(thief.locator("#problem")).to_have_text(
            "This passkey was refused because it looks like a copy. Please use another way."
        )
        assert town.arrivals_at("/stolen") == []
        (told,) = refusals(town)
        assert told["flaw"] == "counter"


async def test_what_a_siblings_page_was_given_does_not_open_ours(town: Town) -> None:
    """G02: the browser lets it have the passkey; the answer names the page, and that is not ours."""
    async with town.visitor() as page:
        gwen = await enrol(town, page, "gwen")
        await sign_out(page)
        sibling = await page.context.new_page()
        await sibling.goto(f"{DIARY}/open")
        there = Authenticator(sibling)
        await there.plug_in(await gwen.copy())
        await there.touch()

        await page.goto(f"{AUTH}/login")
        await hand_in(page, await sign(sibling, await ask(page)))
        await expect(page.locator("#problem")).to_have_text("That passkey was not accepted.")
        await expect(page.get_by_label("Password", exact=True)).to_be_visible()
        # The same on our own page does open it: nothing else was wrong with the answer.
        await gwen.touch()
        await hand_in(page, await sign(page, await ask(page)))
        await page.wait_for_url(f"{AUTH}/")


async def ask(page: Page) -> str:
    """The challenge that our sign-in page is given."""
    challenge: str = await page.evaluate(
        """async (options) => {
            const form = document.querySelector("form:has([data-passkey])");
            const body = new URLSearchParams(new FormData(form));
            return (await (await fetch(options, {method: "POST", body})).json()).publicKey.challenge;
        }""",
        f"{AUTH}/login/passkey/options",
    )
    return challenge


async def sign(page: Page, challenge: str) -> str:
    """What the browser answers to this page that asks for a passkey of the whole domain."""
    answer: str = await page.evaluate(
        """async (challenge) => {
            const raw = Uint8Array.from(atob(challenge.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
            const asked = {challenge: raw, rpId: "example.com", userVerification: "required"};
            return JSON.stringify((await navigator.credentials.get({publicKey: asked})).toJSON());
        }""",
        challenge,
    )
    return answer


async def hand_in(page: Page, answer: str) -> None:
    """Send it with our own form."""
    await page.evaluate(
        """(answer) => {
            const place = document.querySelector("[data-passkey]");
            place.querySelector("[name=answer]").value = answer;
            place.closest("form").requestSubmit(place.querySelector("[data-passkey-send]"));
        }""",
        answer,
    )


def refusals(town: Town) -> list[dict[str, Any]]:
    """What the audit says of passkeys that look copied."""
    with closing(sqlite3.connect(town.gateway.folder / "data" / "doorward.db")) as database:
        rows = database.execute("SELECT public FROM audit WHERE act = 'user.passkey_refuse'").fetchall()
    return [json.loads(public) for (public,) in rows]
