"""My account and everybody's: what is shown, what can be connected, and what asks who it is first."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.errors import ForbiddenError
from doorward.flows.admin import CLI
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.rules.session import Subject
from doorward.web.pages import users
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.flows import a_visitor
from tests.fakes.second import find_user, give_totp
from tests.fakes.upstream import somebody

HOME = "https://auth.example.test"
LATER = timedelta(minutes=20)


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice", display_name="Alice Liddell")
    await door.add_user("root", admin=True)
    door.add_provider("idp", groups_claim="groups", groups_prefix="idp-", admin_claim="groups", admin_value="bosses")
    door.add_provider("google")
    return door


@pytest.fixture
async def alice(door: Door) -> Browser:
    return await enter(door, "alice")


async def enter(door: Door, name: str) -> Browser:
    browser = Browser(door)
    assert (await browser.sign_in(name)).status == 303
    return browser


def text_of(page: Answer) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text))


async def test_the_account_says_who_one_is_and_how_one_can_sign_in(alice: Browser) -> None:
    page = await alice.get("/account")
    text = text_of(page)
    for words in ("Alice Liddell", "alice@example.test", "Groups none", "Password You can sign in with it."):
        assert words in text
    assert text.count("Not connected.") == 2
    assert "Administrator" not in text
    assert 'href="/account" aria-current="page"' in page.text


async def test_a_provider_is_connected_and_used(door: Door, alice: Browser) -> None:
    departing = await alice.press("/account/link", await alice.get("/account"), provider="google")
    assert "Connecting Google" in departing.text
    assert departing.onward.startswith("https://accounts.google.com/")
    known = somebody("g-1", email="alice@gmail.com")
    assert (await alice.return_from(departing.onward, answer=known)).location == f"{HOME}/account?done=connected"
    page = await alice.get("/account?done=connected")
    text = text_of(page)
    assert "Connected. From now on" in text
    assert "alice@gmail.com" in text
    assert "Last used never" in text
    assert text.count("Not connected.") == 1
    assert (await Browser(door).enter_with("google", answer=known)).location == f"{HOME}/"
    assert "Last used never" not in text_of(await alice.get("/account"))


async def test_what_a_provider_gives_is_told_apart_from_ones_own(door: Door, alice: Browser) -> None:
    claims = {"claims": {"groups": ["bosses", "staff"]}}
    await alice.connect("idp", answer=somebody("i-1", **claims))
    await Browser(door).enter_with("idp", answer=somebody("i-1", **claims))
    alice = await enter(door, "alice")
    text = text_of(await alice.get("/account"))
    assert "Groups idp-bosses, idp-staff (by a provider)" in text
    assert "Administrator (by a provider)" in text
    assert "Gives idp-bosses, idp-staff, administration" in text
    people = text_of(await (await enter(door, "root")).get("/admin/users"))
    assert "administrator by a provider" in people
    assert "Groups admins" in people


async def test_what_is_disconnected_opens_nothing_any_more(door: Door, alice: Browser) -> None:
    await alice.connect("google", "g-1")
    page = await alice.get("/account")
    answer = await alice.press("/account/unlink", page, identity=page.hidden("identity"))
    assert answer.location == f"{HOME}/account?done=disconnected"
    assert "Disconnected." in (await alice.get("/account?done=disconnected")).text
    again = await alice.press("/account/unlink", page, identity=page.hidden("identity"))
    assert again.location == f"{HOME}/account?done=gone"
    door.add_provider("google", auto_provision=False)
    assert (await Browser(door).enter_with("google", "g-1")).status == 403


async def test_the_last_way_in_stays(door: Door) -> None:
    browser = Browser(door)
    await browser.enter_with("google", answer=somebody("new", email="new@gmail.com"))
    page = await browser.get("/account")
    assert "Your account has none." in page.text
    answer = await browser.press("/account/unlink", page, identity=page.hidden("identity"))
    assert answer.location == f"{HOME}/account?done=last"
    assert "the only way you can sign in" in (await browser.get("/account?done=last")).text
    await door.close_passwords()
    assert "switched off here" in (await browser.get("/account")).text


async def test_what_changes_an_account_asks_who_it_is_first(door: Door, alice: Browser) -> None:
    await alice.connect("google", "g-1")
    door.clock.advance(LATER)
    page = await alice.get("/account")
    assert "you will be asked to confirm that it is you" in page.text
    for path, field in (("/account/link", "idp"), ("/account/unlink", page.hidden("identity"))):
        answer = await alice.press(path, page, provider=field, identity=field)
        assert answer.location == f"{HOME}/login?confirm=1&rd=https%3A%2F%2Fauth.example.test%2Faccount"
    assert len(door.store.state.identities) == 1
    confirm = await alice.get(answer.location.removeprefix(HOME))
    assert "Confirm it is you" in confirm.text


@pytest.mark.parametrize("path", ["/account/link", "/account/unlink", "/admin/users/unlink"])
async def test_nobody_else_can_change_it(door: Door, alice: Browser, path: str) -> None:
    stranger = await Browser(door).post(path, {"provider": "idp"})
    assert stranger.status == 303
    assert "/login?rd=" in stranger.location
    page = await alice.get("/account")
    assert (await alice.post(path, {"provider": "idp"})).status == 403
    fields = {"csrf_token": page.hidden("csrf_token"), "provider": "idp"}
    assert (await alice.post(path, fields, origin="https://evil.test")).status == 403
    assert (await alice.get(path)).status == 405
    assert door.town.upstream.departures == {}


@pytest.mark.parametrize("provider", ["nobody", "", "off"])
async def test_a_provider_that_is_none_cannot_be_connected(door: Door, alice: Browser, provider: str) -> None:
    door.add_provider("off", enabled=False)
    page = await alice.get("/account")
    assert page.text.count('action="/account/link"') == 2
    answer = await alice.press("/account/link", page, provider=provider)
    assert answer.status == 403
    assert 'href="/account">Back to your account' in answer.text


async def test_a_browser_whose_cookies_went_can_still_connect(door: Door, alice: Browser) -> None:
    page = await alice.get("/account")
    del alice.jar[door.cookies.browser]
    departing = await alice.press("/account/link", page, provider="idp")
    assert (await alice.return_from(departing.onward, "i-1")).location == f"{HOME}/account?done=connected"


async def test_a_provider_that_is_gone_still_has_a_name(door: Door, alice: Browser) -> None:
    await alice.connect("google", "g-1")
    door.town.providers["google"] = replace(door.town.providers["google"], enabled=False)
    assert "not offered now" in (await alice.get("/account")).text
    del door.town.providers["google"]
    text = text_of(await alice.get("/account"))
    assert "https://accounts.google.com not offered now" in text


async def test_administrators_see_everybody_with_what_they_are_connected_to(door: Door, alice: Browser) -> None:
    await alice.connect("google", answer=somebody("g-1", email="alice@gmail.com"))
    await door.flows.administration.set_enabled(CLI, "alice", False, now=door.clock.now())
    root = await enter(door, "root")
    page = await root.get("/admin/users")
    text = text_of(page)
    assert "2 accounts" in text
    for words in ("Alice Liddell disabled", "Root administrator", "alice@gmail.com", "Google"):
        assert words in text
    answer = await root.press("/admin/users/unlink", page, login="alice", identity=page.hidden("identity"))
    assert answer.location == f"{HOME}/admin/users?done=disconnected"
    assert "Disconnected." in (await root.get("/admin/users?done=disconnected")).text
    for login in ("alice", "nobody"):
        answer = await root.press("/admin/users/unlink", page, login=login, identity=page.hidden("identity"))
        assert answer.location == f"{HOME}/admin/users?done=gone"
    assert door.store.state.identities == {}


async def test_administrators_take_nobodys_last_way(door: Door) -> None:
    await Browser(door).enter_with("google", answer=somebody("new", email="new@gmail.com"))
    root = await enter(door, "root")
    page = await root.get("/admin/users")
    (login,) = re.findall(r'name="login" value="([^"]*)"', page.text)
    answer = await root.press("/admin/users/unlink", page, login=login, identity=page.hidden("identity"))
    assert answer.location == f"{HOME}/admin/users?done=last"
    assert "the only way this account can sign in" in (await root.get("/admin/users?done=last")).text


async def test_administrators_confirm_too(door: Door, alice: Browser) -> None:
    await alice.connect("google", "g-1")
    root = await enter(door, "root")
    page = await root.get("/admin/users")
    door.clock.advance(LATER)
    answer = await root.press("/admin/users/unlink", page, login="alice", identity=page.hidden("identity"))
    assert "/login?confirm=1&rd=" in answer.location
    assert len(door.store.state.identities) == 1


async def test_everybodys_accounts_are_for_administrators(door: Door, alice: Browser) -> None:
    assert (await alice.get("/admin/users")).status == 403
    page = await alice.get("/account")
    assert (await alice.press("/admin/users/unlink", page, login="root", identity="x")).status == 403
    assert "/login?rd=" in (await Browser(door).get("/admin/users")).location
    assert "/login?rd=" in (await Browser(door).get("/account")).location
    assert "/admin/users" not in page.text


async def test_many_accounts_are_shown_a_page_at_a_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "PAGE_SIZE", 2)
    for name in ("bob", "carol", "dave"):
        await door.add_user(name)
    root = await enter(door, "root")
    first, second, last = [await root.get(f"/admin/users?offset={offset}") for offset in (0, 2, 4)]
    assert ("Alice" in first.text, "Carol" in first.text) == (True, False)
    assert 'href="/admin/users?offset=2">More</a>' in first.text
    assert ">Back</a>" not in first.text
    assert 'href="/admin/users?offset=0">Back</a>' in second.text
    assert 'href="/admin/users?offset=4">More</a>' in second.text
    assert ">More</a>" not in last.text
    assert "nobody on this page" in (await root.get("/admin/users?offset=900")).text
    for offset in ("-1", "x", "1" * 20, "%F0%9F%98%80"):
        assert (await root.get(f"/admin/users?offset={offset}")).status == 400


async def test_nothing_is_connected_that_may_stand_in_for_the_second_factor_before_that_was_shown(door: Door) -> None:
    """B-12: what a provider says may count as one, so the password alone connects none."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    door.clock.advance(timedelta(minutes=1))
    alice = await enter(door, "alice")
    answer = await alice.press("/account/link", await alice.get("/account"), provider="idp")
    assert answer.location == f"{HOME}/login?need=two_factor&rd=https%3A%2F%2Fauth.example.test%2Faccount"
    session = next(iter(door.town.store.state.sessions.values()))
    subject = Subject(await find_user(door.town), session)
    with pytest.raises(ForbiddenError):
        await door.town.upstream_sign_in.depart_to_link(subject, a_visitor(), provider="idp", now=door.town.now)
