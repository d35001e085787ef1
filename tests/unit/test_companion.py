"""Our own pages ask for more than the cookie that every app is sent, and whoever has it gets there from anywhere."""

import pytest

from doorward.rules.mfa import MfaRequired, MfaTerms
from tests.fakes.door import Answer, Browser, Door, login_fields
from tests.fakes.second import give_totp
from tests.fakes.upstream import somebody

ELSEWHERE = {"sec_fetch_site": "cross-site", "sec_fetch_dest": "document"}
FROM_HERE = {"sec_fetch_site": "same-origin", "sec_fetch_dest": "document"}
WITHOUT = {"sec_fetch_site": ""}


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def alice(door: Door) -> Browser:
    await door.add_user("alice", admin=True)
    browser = Browser(door)
    assert (await browser.sign_in("alice")).status == 303
    return browser


def strict_door() -> Door:
    return Door(same_site="Strict")


async def come(browser: Browser, target: str, **headers: str) -> Answer:
    """Follow a link on another site, as a browser does: without the cookies that are strict."""
    strict = browser.keep_back(*browser.strict)
    answer = await browser.get(target, **{**ELSEWHERE, **headers})
    browser.jar = strict | browser.jar
    return answer


def with_stolen(door: Door, browser: Browser) -> Browser:
    """What an app does with the cookie it was sent."""
    thief = Browser(door)
    thief.jar[door.cookies.session] = browser.jar[door.cookies.session]
    return thief


@pytest.mark.parametrize("page", ["/", "/account", "/sessions", "/account/security", "/admin/users", "/admin/policy"])
async def test_the_session_cookie_alone_opens_no_page_of_ours(door: Door, alice: Browser, page: str) -> None:
    """J18: every app behind the gateway is sent it."""
    answer = await with_stolen(door, alice).get(page, **WITHOUT)
    assert answer.status == 303
    assert answer.location.startswith("https://auth.example.test/login?confirm=1&rd=")
    assert (await alice.get(page)).status == 200


async def test_it_does_nothing_there_either(door: Door, alice: Browser) -> None:
    """J18: not even with a form's token, which goes by the session."""
    thief = with_stolen(door, alice)
    page = await thief.get("/login?confirm=1")
    token = page.hidden("csrf_token")
    answer = await thief.post("/account/delete", {"csrf_token": token, "login": "alice"})
    assert (
        answer.location
        == "https://auth.example.test/login?confirm=1&rd=https%3A%2F%2Fauth.example.test%2Faccount%2Fprofile"
    )


async def test_who_has_lost_it_proves_who_they_are_and_goes_on(door: Door, alice: Browser) -> None:
    """Also right after a sign-in, when there would be nothing to confirm."""
    del alice.jar[door.cookies.companion]
    answer = await alice.get("/account", **FROM_HERE)
    page = await alice.get(answer.location.removeprefix(door.public_url), **FROM_HERE)
    assert page.status == 200
    assert "password" in page.text
    back = await alice.post("/login", login_fields(page, "alice"))
    assert back.location == "https://auth.example.test/account"
    assert (await alice.get("/account", **FROM_HERE)).status == 200


async def test_a_planted_session_is_nobodys_here(door: Door, alice: Browser) -> None:
    """J06: a sibling can plant the sign-in of its own account, and not the companion of it."""
    await door.add_user("mallory")
    mallory = Browser(door)
    await mallory.sign_in("mallory")
    alice.jar[door.cookies.session] = mallory.jar[door.cookies.session]
    assert "confirm=1" in (await alice.get("/account", **FROM_HERE)).location


NEEDED = "/login?need=two_factor&rd=https%3A%2F%2Fgrafana.example.test%2F"


async def test_a_second_factor_is_not_added_to_the_session_cookie_alone(door: Door, alice: Browser) -> None:
    """J18: the session that comes of it has a companion. What was proven before counts only for whoever has that."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    thief = with_stolen(door, alice)
    page = await thief.get(NEEDED, **FROM_HERE)
    assert 'name="password"' in page.text
    again = await thief.press("/login", page, ticket="gone", demand="second_factor", rd="https://grafana.example.test/")
    assert (again.status, 'name="password"' in again.text) == (409, True)
    answer = await alice.get(NEEDED, **FROM_HERE)
    assert answer.location.startswith("https://auth.example.test/login/factor?ticket=")


async def test_who_is_sent_for_a_second_factor_from_elsewhere_is_led_round_to_it(door: Door, alice: Browser) -> None:
    """A link in a mail leads to an app, and the gate here: it is still the navigation of another site."""
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    await give_totp(door.town)
    answer = await come(alice, NEEDED)
    assert answer.onward == door.public_url + NEEDED
    answer = await alice.get(NEEDED, **FROM_HERE)
    assert answer.location.startswith("https://auth.example.test/login/factor?ticket=")


async def test_a_link_in_a_mail_leads_there_by_a_page(door: Door, alice: Browser) -> None:
    answer = await come(alice, "/account/security?done=a%20%22b%3Cc&x=1")
    assert answer.status == 200
    assert answer.onward == "https://auth.example.test/account/security?done=a+%22b%3Cc&x=1"
    assert "https://auth.example.test" in answer.text
    assert not [line for line in answer.all("set-cookie") if door.cookies.csrf in line]
    assert (await alice.get(answer.onward.removeprefix(door.public_url), **FROM_HERE)).status == 200


async def test_a_browser_that_says_nothing_is_led_once(door: Door, alice: Browser) -> None:
    """One that sends no Fetch metadata is asked to confirm at its second try, and never goes round."""
    del alice.jar[door.cookies.companion]
    assert (await alice.get("/account")).onward == "https://auth.example.test/account"
    assert "confirm=1" in (await alice.get("/account")).location


async def test_a_browser_that_always_says_elsewhere_is_led_no_more_than_a_few_times(door: Door, alice: Browser) -> None:
    del alice.jar[door.cookies.companion]
    answers = [await alice.get("/account", **ELSEWHERE) for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 303, 303]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_dest": "iframe"},
        {"sec_fetch_dest": "image", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_mode": "cors"},
    ],
)
async def test_only_a_page_of_its_own_is_led_round(door: Door, alice: Browser, headers: dict[str, str]) -> None:
    assert (await come(alice, "/account", **headers)).status == 303


async def test_no_form_is_led_round(door: Door, alice: Browser) -> None:
    """It would be lost on the way, and whoever sends one from elsewhere has none of ours."""
    del alice.jar[door.cookies.companion]
    answer = await alice.post("/account/delete", {}, **ELSEWHERE)
    assert (answer.status, "confirm=1" in answer.location) == (303, True)


async def test_signing_out_takes_it_back(door: Door, alice: Browser) -> None:
    page = await alice.get("/logout")
    await alice.press("/logout", page)
    assert door.cookies.companion not in alice.jar


async def test_strict_sessions_are_found_again_at_every_address() -> None:
    """D-04: the gate sends whoever comes by a link to the sign-in page, which sees no session either."""
    door = strict_door()
    await door.add_user("alice")
    alice = Browser(door)
    await alice.sign_in("alice")
    login = "/login?rd=https%3A%2F%2Fgrafana.example.test%2Fd%2F1"
    answer = await come(alice, login)
    assert answer.onward == door.public_url + login
    assert (await alice.get(login, **FROM_HERE)).location == "https://grafana.example.test/d/1"


async def test_strict_sessions_come_back_from_a_provider() -> None:
    """D-04, D-07: also right after signing in elsewhere a second time."""
    door = strict_door()
    door.add_provider()
    await door.add_user("alice")
    alice = Browser(door)
    await alice.sign_in("alice")
    departing = await alice.press("/account/link", await alice.get("/account", **FROM_HERE), provider="idp")
    strict = alice.keep_back(*alice.strict)
    state, code = door.town.upstream.grant(departing.onward, somebody("sub-alice"))
    waiting = await alice.get(f"/login/callback/idp?state={state}&code={code}", **ELSEWHERE)
    alice.jar = strict | alice.jar
    assert waiting.status == 200
    assert waiting.header("referrer-policy") == "no-referrer"
    linked = await alice.get(waiting.onward.removeprefix(door.public_url), **FROM_HERE)
    assert linked.location == "https://auth.example.test/account?done=connected"


async def test_strangers_are_led_nowhere() -> None:
    """Where nobody ever signed in there is no cookie to wait for; nor where cookies are refused."""
    door = strict_door()
    for headers in (ELSEWHERE, WITHOUT):
        answer = await Browser(door).get("/login", **headers)
        assert 'name="password"' in answer.text


async def test_a_frame_of_a_providers_is_answered_at_once() -> None:
    """The way round could not be shown in it."""
    door = strict_door()
    browser = Browser(door)
    await browser.get("/login?choose=1")
    answer = await browser.get("/logout/frontchannel/idp", **WITHOUT)
    assert 'http-equiv="refresh"' not in answer.text
