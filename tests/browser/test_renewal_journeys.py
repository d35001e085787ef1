"""Pages of apps that outlive a session: the script an app includes signs in again, and repeats what was asked."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.town import AUTH, DIARY, Town, open_town, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=15_000)

NEAR = ["local-network-access"]
"""The page is given by the test, from nowhere; Chromium would ask whether such a page may load from this machine."""

PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Diary</title>
<label>Today <textarea id="text"></textarea></label><output></output>
<script src="{AUTH}/static/renew.js" crossorigin="anonymous"></script>
<script>
  const output = document.querySelector("output")
  const show = async (name, asked) => {{
    try {{ const reply = await asked; output.append(name + " " + reply.status + "; ") }}
    catch (error) {{ output.append(name + " " + error.name + "; ") }}
  }}
  const text = () => document.querySelector("textarea").value
  const save = to => fetch(to, {{method: "POST", headers: {{"Content-Type": "application/json"}},
    body: JSON.stringify({{text: text()}})}})
</script></html>"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town")) as town:
        town.add("ada")
        yield town


async def open_page(town: Town, page: Page, html: str = PAGE) -> None:
    """A page of the app, with something written on it, whose session is then taken away."""

    async def give(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html; charset=utf-8")

    town.app.arrivals.clear()
    await page.route(f"{DIARY}/notebook", give)
    await page.goto(f"{AUTH}/login")
    await sign_in(page)
    await page.wait_for_url(f"{AUTH}/")
    await page.goto(f"{DIARY}/notebook")
    await page.get_by_label("Today").fill("It rained.")
    await page.evaluate("show('before', save('/before'))")
    await expect(page.locator("output")).to_have_text("before 200; ")
    town.gateway.command("session", "end", "--user", "ada")


async def come_back(page: Page) -> None:
    """Sign in where the notice leads; the pop-up closes itself."""
    notice = page.get_by_role("alert")
    await expect(notice).to_have_count(1)
    async with page.expect_popup() as opening:
        await notice.get_by_role("button", name="Sign in").click()
    popup = await opening.value
    assert popup.url.startswith(f"{AUTH}/login")
    async with popup.expect_event("close"):
        await sign_in(popup)
    await expect(notice).to_have_count(0)


def bodies(town: Town, target: str) -> list[object]:
    return [json.loads(arrival.body) for arrival in town.arrivals_at(target) if arrival.method == "POST"]


async def test_what_was_asked_is_repeated_once_and_nothing_on_the_page_is_lost(town: Town) -> None:
    async with town.visitor(permissions=NEAR) as page:
        await open_page(town, page)
        await page.evaluate("show('save', save('/save')); show('list', fetch('/list')); 0")
        await page.evaluate("show('asked', fetch(new Request('/asked', {method: 'PUT', body: text()}))); 0")
        await come_back(page)
        for word in ("save 200", "list 200", "asked 200"):
            await expect(page.locator("output")).to_contain_text(word)
        assert bodies(town, "/save") == [{"text": "It rained."}]
        assert [each.method for each in town.arrivals_at("/list")].count("GET") == 1
        puts = [each.body for each in town.arrivals_at("/asked") if each.method == "PUT"]
        assert puts == [b"It rained."]
        await expect(page.get_by_label("Today")).to_have_value("It rained.")


async def test_older_requests_are_repeated_too(town: Town) -> None:
    """XMLHttpRequest: its handlers hear of the answer that counts, and of no other."""
    async with town.visitor(permissions=NEAR) as page:
        await open_page(town, page)
        await page.evaluate(
            """() => {
                const asked = new XMLHttpRequest()
                asked.onreadystatechange = () => asked.readyState == 4 && output.append("ready ")
                asked.open("POST", "/older")
                asked.setRequestHeader("Content-Type", "application/json")
                asked.responseType = "json"
                asked.onload = () => output.append("load " + asked.status + " " + asked.response.method + "; ")
                asked.send(JSON.stringify({text: text()}))
            }"""
        )
        await come_back(page)
        await expect(page.locator("output")).to_have_text("before 200; ready load 200 POST; ")
        assert bodies(town, "/older") == [{"text": "It rained."}]


async def test_who_does_not_want_to_is_left_alone_and_the_app_is_told(town: Town) -> None:
    async with town.visitor(permissions=NEAR) as page:
        await open_page(town, page)
        await page.evaluate("show('save', save('/save')); 0")
        await page.evaluate(
            """() => {
                const asked = new XMLHttpRequest()
                asked.open("GET", "/older")
                asked.onloadend = () => output.append("older " + asked.status + "; ")
                asked.send()
            }"""
        )
        await page.get_by_role("alert").get_by_role("button", name="Later").click()
        await expect(page.get_by_role("alert")).to_have_count(0)
        for word in ("save 401", "older 401"):
            await expect(page.locator("output")).to_contain_text(word)
        assert town.arrivals_at("/save") == []


async def test_what_cannot_be_repeated_or_is_not_ours_goes_to_the_app_as_it_is(town: Town) -> None:
    """A body that streams is gone; a 401 of the app's own, or one that names another place, opens nothing."""
    async with town.visitor(permissions=NEAR) as page:
        await open_page(town, page)

        async def refuse(route: Route) -> None:
            login = f"https://evil.example/login?rd={AUTH}/login?rd=x"
            headers = {"x-doorward-login": login} if route.request.url.endswith("/evil") else {}
            await route.fulfill(status=401, headers=headers, body="no")

        await page.route(f"{DIARY}/own", refuse)
        await page.route(f"{DIARY}/evil", refuse)
        await page.evaluate("show('own', fetch('/own')); show('evil', fetch('/evil')); 0")
        await page.evaluate(
            "show('flow', fetch('/flow', {method: 'POST', duplex: 'half', body: new Blob(['a']).stream()})); 0"
        )
        for word in ("own 401", "evil 401", "flow 401"):
            await expect(page.locator("output")).to_contain_text(word)
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_an_app_says_it_in_its_own_words_under_a_policy_of_its_own(town: Town) -> None:
    words = 'data-words="Bitte neu anmelden.|Zur Anmeldung|Nein" crossorigin'
    policy = f"default-src 'none'; script-src 'nonce-x' {AUTH}; connect-src 'self'"
    html = PAGE.replace("crossorigin", words, 1).replace("<script>", '<script nonce="x">')
    html = html.replace("<title>", f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>')
    async with town.visitor(permissions=NEAR) as page:
        await open_page(town, page, html)
        await page.evaluate("show('save', save('/save')); 0")
        notice = page.get_by_role("alert")
        await expect(notice).to_contain_text("Bitte neu anmelden.")
        async with page.expect_popup() as opening:
            await notice.get_by_role("button", name="Zur Anmeldung").click()
        await sign_in(await opening.value)
        await expect(page.locator("output")).to_contain_text("save 200")
        assert bodies(town, "/save") == [{"text": "It rained."}]
