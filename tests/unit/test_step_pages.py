"""What a sign-in asks for after the first proof, through the pages."""

from urllib.parse import parse_qs, urlsplit

import pytest

from doorward.flows.acting import CLI
from tests.fakes.api import give_key
from tests.fakes.door import PASSWORD, Answer, Browser, Door

NEW = "Other-horse-battery-42!"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.flows.administration.force_password_change(CLI, "alice", now=door.clock.now())
    return door


async def new_password_page(browser: Browser, rd: str = "") -> Answer:
    answer = await browser.sign_in("alice", rd=rd)
    path = urlsplit(answer.location)
    assert (answer.status, path.path) == (303, "/login/new-password")
    return await browser.get(f"{path.path}?{path.query}")


async def test_a_new_password_is_asked_for_before_anything_opens(door: Door) -> None:
    """A-17: the next sign-in asks for another password; until then there is no session."""
    browser = Browser(door)
    page = await new_password_page(browser)
    assert page.status == 200
    assert page.header("referrer-policy") == "strict-origin"
    assert "/login" in (await browser.get("/account")).location
    fields = {"ticket": page.hidden("ticket"), "password": NEW, "password_again": NEW}
    answer = await browser.press("/login/new-password", page, **fields)
    assert (answer.status, answer.location) == (303, "https://auth.example.test/")
    assert (await browser.get("/account")).status == 200
    assert (await Browser(door).sign_in("alice", password=PASSWORD)).status == 403


@pytest.mark.parametrize(("rd", "way"), [("", "/"), ("https://wiki.example.test/x", "https://wiki.example.test/x")])
async def test_whoever_has_keys_is_told_that_they_go_on(door: Door, rd: str, way: str) -> None:
    """A-17: a new password takes none of them away; they are signed in, and the way on is there."""
    await give_key(door, "alice")
    browser = Browser(door)
    page = await new_password_page(browser, rd)
    fields = {"ticket": page.hidden("ticket"), "password": NEW, "password_again": NEW}
    answer = await browser.press("/login/new-password", page, **fields)
    assert answer.status == 200
    assert "Your keys for apps go on as they are" in answer.text
    assert f'href="{way}">Go on' in answer.text
    assert 'href="/keys">Your keys' in answer.text
    assert (await browser.get("/keys")).status == 200


async def test_an_unusable_password_is_marked_and_never_sent_back(door: Door) -> None:
    browser = Browser(door)
    page = await new_password_page(browser)
    fields = {"ticket": page.hidden("ticket"), "password": "short", "password_again": "other"}
    answer = await browser.press("/login/new-password", page, **fields)
    assert answer.status == 400
    assert 'id="password-wrong"' in answer.text
    assert 'id="password_again-wrong"' in answer.text
    assert 'value="short"' not in answer.text


async def test_a_page_for_another_step_leads_to_where_the_sign_in_is(door: Door) -> None:
    browser = Browser(door)
    page = await new_password_page(browser)
    ticket = page.hidden("ticket")
    answer = await browser.get(f"/login/factor?ticket={ticket}")
    assert urlsplit(answer.location).path == "/login/new-password"
    for path in ("/login/factor", "/login/recovery-code"):
        answer = await browser.press(path, page, ticket=ticket, code="123456", recovery_code="")
        assert urlsplit(answer.location).path == "/login/new-password"
        assert parse_qs(urlsplit(answer.location).query) == {"ticket": [ticket]}


async def test_another_browser_gets_nothing_of_it(door: Door) -> None:
    """A pending step is bound to the browser that began it."""
    page = await new_password_page(Browser(door))
    other = Browser(door)
    await other.get("/login")
    for path in ("/login/new-password", "/login/factor"):
        answer = await other.get(f"{path}?ticket={page.hidden('ticket')}")
        assert (answer.status, "That sign-in is over" in answer.text) == (409, True)


async def test_a_ticket_that_is_gone_leads_back_to_the_beginning(door: Door) -> None:
    browser = Browser(door)
    page = await new_password_page(browser)
    for path in ("/login/new-password", "/login/factor", "/login/recovery-code"):
        answer = await browser.press(path, page, ticket="none")
        assert (answer.status, 'href="/login?choose=1"' in answer.text) == (409, True)
    # Where the page itself can be had anew, it is: the sign-in page.
    answer = await browser.press("/login/passkey", page, ticket="none", answer="{}")
    assert (answer.status, 'name="login"' in answer.text) == (409, True)


async def test_a_passkey_is_asked_for_by_script_alone(door: Door) -> None:
    """The options are JSON for our own page: with its token, and for its ticket."""
    browser = Browser(door)
    page = await browser.get("/login")
    assert 'data-passkey="get"' in page.text
    assert 'autocomplete="username webauthn"' in page.text
    answer = await browser.press("/login/passkey/options", page, ticket=page.hidden("ticket"))
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert '"challenge"' in answer.text
    assert (await browser.press("/login/passkey/options", page, ticket="none")).status == 409
    assert (await browser.post("/login/passkey/options", {"ticket": page.hidden("ticket")})).status == 403
    answer = await browser.press("/login/passkey", page, ticket=page.hidden("ticket"), answer="{}")
    assert (answer.status, "That passkey was not accepted" in answer.text) == (403, True)
