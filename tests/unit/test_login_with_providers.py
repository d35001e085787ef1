"""The sign-in page beside providers: what it offers, where it leads by itself, and when it does not."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from ipaddress import ip_network
from urllib.parse import quote

import pytest

from doorward.rules.oidc import Failure, UpstreamError
from doorward.web.client import Trust
from tests.fakes.door import Browser, Door, login_fields

GRAFANA = "https://grafana.example.test/d/house?from=now-6h&q=%2Fa"
VAULT = "https://vault.example.test/"


def at(url: str, more: str = "") -> str:
    return f"/login?rd={quote(url, safe='')}{more}"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.add_user("root", admin=True)
    return door


@pytest.fixture
async def home(door: Door) -> Door:
    """With two providers, of which Alice has connected one."""
    door.add_provider("idp")
    door.add_provider("github")
    browser = Browser(door)
    await browser.sign_in("alice")
    assert (await browser.connect("idp")).status == 303
    return door


async def test_without_providers_nothing_is_said_of_them(door: Door) -> None:
    page = await Browser(door).get("/login")
    assert 'name="provider"' not in page.text
    assert "or with a password" not in page.text
    assert "data-focus" in page.text


async def test_providers_have_buttons_beside_the_password(home: Door) -> None:
    page = await Browser(home).get("/login")
    for name, words in (("idp", "Continue with Idp"), ("github", "Continue with GitHub")):
        assert f'formaction="/login/with" formnovalidate name="provider" value="{name}"' in page.text
        assert words in page.text
    assert "or with a password" in page.text
    assert page.text.count("button button-provider") == 2
    assert "last used" not in page.text


async def test_enter_in_the_password_field_presses_no_providers_button(home: Door) -> None:
    page = await Browser(home).get("/login")
    form = page.text.partition("<form")[2]
    first = form[form.index('type="submit"') - 80 : form.index('type="submit"') + 80]
    assert "formaction" not in first.partition("</button>")[0]


async def test_with_passwords_closed_there_are_only_buttons(home: Door) -> None:
    await home.close_passwords()
    page = await Browser(home).get("/login")
    assert "Continue with Idp" in page.text
    assert 'name="password"' not in page.text
    assert "or with a password" not in page.text
    assert "Keep me signed in" in page.text
    assert page.text.count("button button-provider") == 2


async def test_a_password_that_comes_all_the_same_is_refused(home: Door) -> None:
    browser = Browser(home)
    page = await browser.get("/login")
    await home.close_passwords()
    answer = await browser.post("/login", login_fields(page, "alice"))
    assert answer.status == 403
    assert 'role="alert"' in answer.text
    assert "doorward" not in browser.jar


@pytest.mark.parametrize("rd", ["", GRAFANA])
async def test_a_button_leads_to_the_provider_and_back_to_where_one_was_going(home: Door, rd: str) -> None:
    browser = Browser(home)
    departing = await browser.leave_with("idp", at=at(rd) if rd else "/login")
    assert departing.status == 200
    assert departing.onward.startswith("https://idp.test/authorize?")
    assert "Signing in with Idp" in departing.text
    assert unescape(departing.text).count(departing.onward) == 2
    assert departing.header("referrer-policy") == "no-referrer"
    assert departing.header("cache-control") == "no-store"
    assert departing.all("location") == []
    answer = await browser.return_from(departing.onward)
    if rd:
        assert (answer.status, answer.onward) == (200, GRAFANA)
    else:
        assert (answer.status, answer.location) == (303, "https://auth.example.test/")
    assert "Good to see you, Alice" in (await browser.get("/")).text


@pytest.mark.parametrize("remember", [True, False])
async def test_being_remembered_is_the_same_choice_for_providers(home: Door, remember: bool) -> None:
    browser = Browser(home)
    answer = await browser.enter_with("idp", remember=remember)
    (line,) = [line for line in answer.all("set-cookie") if line.startswith("doorward=")]
    assert ("Max-Age=604800" in line) == remember


async def test_a_provider_in_trouble_says_so_and_can_be_tried(home: Door) -> None:
    home.town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "refused: 10.0.0.7:443")
    browser = Browser(home)
    page = await browser.get("/login")
    assert page.text.count("did not answer a moment ago") == 1
    assert 'aria-describedby="trouble-idp"' in page.text
    assert "10.0.0.7" not in page.text
    answer = await browser.leave_with("idp", at=at(GRAFANA))
    assert answer.status == 502
    assert "The provider does not answer at the moment." in answer.text
    assert answer.hidden("rd") == GRAFANA
    del home.town.upstream.failing["idp"]
    fields = {name: answer.hidden(name) for name in ("ticket", "rd")}
    assert (await browser.press("/login/with", answer, provider="idp", **fields)).onward.startswith("https://idp.test/")


async def test_the_one_that_was_used_last_is_marked(home: Door) -> None:
    browser = Browser(home)
    await browser.enter_with("idp")
    assert browser.jar[home.cookies.way] == "idp"
    await browser.press("/logout", await browser.get("/logout"))
    page = await browser.get("/login")
    assert page.text.count("last used") == 1
    del home.town.providers["github"]
    assert "last used" not in (await browser.get("/login")).text


@pytest.mark.parametrize("provider", ["nobody", "", "IDP", "../x", "off", "x" * 5000])
async def test_a_provider_that_is_none_is_refused_on_the_page(home: Door, provider: str) -> None:
    home.add_provider("off", enabled=False)
    answer = await Browser(home).leave_with(provider)
    assert answer.status == 403
    assert "This way of signing in is not offered (any more)." in answer.text
    assert provider == "" or f">{provider}<" not in answer.text


async def test_a_form_that_is_not_ours_sets_out_for_nowhere(home: Door) -> None:
    browser = Browser(home)
    page = await browser.get("/login")
    before = len(home.town.upstream.departures)
    fields = {"ticket": page.hidden("ticket"), "provider": "idp"}
    assert (await browser.post("/login/with", fields)).status == 403
    elsewhere = {"csrf_token": page.hidden("csrf_token"), **fields}
    assert (await browser.post("/login/with", elsewhere, origin="https://evil.test")).status == 403
    assert (await browser.post("/login/with?rd=%2F", elsewhere)).status == 400
    assert len(home.town.upstream.departures) == before


async def test_a_page_that_was_open_too_long_is_shown_anew(home: Door) -> None:
    browser = Browser(home)
    page = await browser.get(at(GRAFANA))
    home.clock.advance(timedelta(minutes=11))
    fields = {name: page.hidden(name) for name in ("ticket", "rd")}
    answer = await browser.press("/login/with", page, provider="idp", **fields)
    assert answer.status == 409
    assert "open for too long" in answer.text
    assert answer.hidden("rd") == GRAFANA


async def test_somebody_who_signed_in_meanwhile_is_sent_on(home: Door) -> None:
    browser = Browser(home)
    page = await browser.get(at(GRAFANA))
    await browser.sign_in("alice")
    fields = {name: page.hidden(name) for name in ("csrf_token", "ticket", "rd")}
    answer = await browser.post("/login/with", {**fields, "provider": "idp"})
    assert answer.onward == f"https://auth.example.test{at(GRAFANA)}"


async def test_where_cookies_would_be_lost_nobody_sets_out() -> None:
    door = Door(trust=Trust((ip_network("127.0.0.1"),)))
    door.add_provider("idp")
    browser = Browser(door)
    page = await browser.get("/login")
    fields = {"ticket": page.hidden("ticket"), "provider": "idp", "csrf_token": page.hidden("csrf_token")}
    answer = await browser.post("/login/with", fields, x_forwarded_proto="http")
    assert (answer.status, "Please use https" in answer.text) == (400, True)


async def test_too_many_departures_wait(home: Door) -> None:
    browser = Browser(home)
    home.clock.advance(timedelta(minutes=16))
    for _ in range(10):
        assert (await browser.leave_with("idp")).status == 200
    answer = await browser.leave_with("idp")
    assert answer.status == 429
    assert int(answer.header("retry-after")) > 0
    assert "data-countdown" in answer.text


# Straight on


@pytest.fixture
async def straight(home: Door) -> Door:
    del home.town.providers["github"]
    await home.close_passwords()
    home.town.straight = "only"
    return home


async def test_the_only_way_is_gone_without_asking(straight: Door) -> None:
    browser = Browser(straight)
    page = await browser.get(at(GRAFANA))
    assert (page.status, page.all("location")) == (200, [])
    assert page.onward.startswith("https://idp.test/authorize?")
    assert (await browser.return_from(page.onward)).onward == GRAFANA


async def test_another_page_cannot_use_up_the_departures_of_a_network(straight: Door) -> None:
    for _ in range(30):
        answer = await Browser(straight).get("/login", sec_fetch_dest="image")
        assert (answer.status, "Continue with Idp" in answer.text) == (200, True)
    assert (await Browser(straight).get("/login", sec_fetch_dest="document")).onward


async def test_nobody_is_sent_who_wants_to_choose_or_has_left(straight: Door) -> None:
    assert "Continue with Idp" in (await Browser(straight).get("/login?choose=1")).text
    browser = Browser(straight)
    await browser.enter_with("idp")
    answer = await browser.press("/logout", await browser.get("/logout"))
    assert answer.location.endswith("/signed-out")
    assert browser.jar[straight.cookies.way] == "-idp"
    assert 'href="/login?choose=1"' in (await browser.get("/signed-out")).text
    assert "Continue with Idp" in (await browser.get(at(GRAFANA))).text
    assert "Continue with Idp" in (await browser.get(at(GRAFANA))).text
    await browser.enter_with("idp")
    assert browser.jar[straight.cookies.way] == "idp"


async def test_ending_ones_own_session_in_the_list_is_leaving_too(straight: Door) -> None:
    browser = Browser(straight)
    await browser.enter_with("idp")
    page = await browser.get("/sessions")
    here = re.findall(r'name="which" value="([0-9a-f]{32})"', page.text)[0]
    assert (await browser.press("/sessions/end", page, which=here)).location.endswith("/signed-out")
    assert browser.jar[straight.cookies.way] == "-idp"


async def test_a_provider_that_cannot_be_reached_is_said_and_not_tried_again(straight: Door) -> None:
    straight.town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "down")
    page = await Browser(straight).get(at(GRAFANA))
    assert page.status == 502
    assert "does not answer at the moment" in page.text
    assert "Continue with Idp" in page.text
    assert page.hidden("rd") == GRAFANA


async def test_the_last_one_is_gone_to_where_that_is_wanted(home: Door) -> None:
    home.town.straight = "last"
    browser = Browser(home)
    assert (await browser.get("/login")).text.count("Continue with") == 2
    await browser.enter_with("idp")
    home.clock.advance(timedelta(days=2))
    assert (await browser.get("/login")).onward.startswith("https://idp.test/")
    # Who signs in with a password then is asked the next time.
    await browser.sign_in("alice")
    assert home.cookies.way not in browser.jar
    home.clock.advance(timedelta(days=2))
    assert (await browser.get("/login")).text.count("Continue with") == 2


async def test_before_there_is_an_administrator_nobody_is_sent_anywhere() -> None:
    door = Door()
    door.add_provider("idp")
    door.town.straight = "idp"
    assert "not set up yet" in (await Browser(door).get("/login")).text


async def test_a_circle_is_noticed_before_anybody_is_sent_round_again(straight: Door) -> None:
    browser = Browser(straight)
    await browser.enter_with("idp", at=at(GRAFANA, "&choose=1"))
    del browser.jar["doorward"]
    assert "Going round in circles" in (await browser.get(at(GRAFANA))).text


# Confirming


async def test_any_way_of_the_account_confirms_before_it_is_changed(home: Door) -> None:
    home.add_provider("google")
    browser = Browser(home)
    await browser.sign_in("alice")
    await browser.connect("google", "g-alice")
    home.clock.advance(timedelta(minutes=20))
    page = await browser.get("/login?confirm=1&rd=%2Faccount")
    assert "Confirm it is you" in page.text
    assert "What comes next concerns accounts" in page.text
    assert page.text.count("Continue with") == 2
    assert "GitHub" not in page.text
    assert 'name="password"' in page.text
    assert "Keep me signed in" not in page.text
    answer = await browser.enter_with("google", "g-alice", at="/login?confirm=1&rd=%2Faccount")
    assert answer.location == "https://auth.example.test/account"
    # It is not asked again: whoever goes back lands where they wanted to be.
    assert (await browser.get("/login?confirm=1&rd=%2Faccount")).location == "https://auth.example.test/account"


async def test_a_confirmation_that_failed_is_still_one(home: Door) -> None:
    browser = Browser(home)
    await browser.sign_in("alice")
    home.clock.advance(timedelta(minutes=20))
    page = await browser.get("/login?confirm=1&rd=%2Faccount")
    home.clock.advance(timedelta(minutes=11))
    fields = {name: page.hidden(name) for name in ("ticket", "rd", "demand")}
    again = await browser.press("/login", page, password="x", login="alice", **fields)
    assert again.status == 409
    assert again.hidden("demand") == "confirm"
    assert "What comes next concerns accounts" in again.text


async def test_an_app_that_wants_a_fresh_proof_gets_one(home: Door) -> None:
    home.add_provider("google")
    browser = Browser(home)
    await browser.sign_in("root")
    await browser.connect("google", "g-root")
    await browser.connect("idp", "idp-root")
    home.clock.advance(timedelta(minutes=20))
    page = await browser.get(at(VAULT))
    assert "Vault asks for a recent sign-in" in page.text
    assert "Continue with Idp" in page.text
    assert "Google" not in page.text


async def test_who_has_nothing_that_can_confirm_is_told_what_to_do(home: Door) -> None:
    home.add_provider("google")
    browser = Browser(home)
    await browser.sign_in("root")
    await browser.connect("google", "g-root")
    await Browser(home).enter_with("google", "g-root")
    home.town.passwords_open = False
    home.clock.advance(timedelta(minutes=20))
    page = await browser.get(at(VAULT))
    assert page.status == 200
    assert "has no way of signing in that can confirm it" in page.text
    assert "Google and GitHub among them" in page.text
    assert 'href="/account"' in page.text
    assert "I am someone else" in page.text
    home.town.providers["google"] = replace(home.town.providers["google"], enabled=False)
    home.store.state.passwords.clear()
    confirm = await browser.get("/login?confirm=1&rd=%2Faccount")
    assert "has no way of signing in that can confirm it" in confirm.text
    assert "among them" not in confirm.text


async def test_nobody_signed_in_is_asked_to_sign_in_and_not_to_confirm(home: Door) -> None:
    page = await Browser(home).get("/login?confirm=1&rd=%2Faccount")
    assert "<h1>Sign in</h1>" in page.text
