"""Signing in leads to the app that was asked for, and to nowhere else."""

from datetime import timedelta
from html import escape
from ipaddress import ip_network
from urllib.parse import quote

import pytest

from doorward.rules.policy import Policy
from doorward.web.client import Trust
from doorward.web.pages.desk import DEMO_BANNER, Site
from doorward.web.pages.loop import MAX_BOUNCES
from tests.fakes.door import PASSWORD, Browser, Door, login_fields

GRAFANA = "https://grafana.example.test/d/house?from=now-6h&to=now&q=%2Fa%20b&q=2"
VAULT = "https://vault.example.test/"


def login_at(url: str, more: str = "") -> str:
    return f"/login?rd={quote(url, safe='')}{more}"


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.add_user("root", admin=True)
    return door


async def test_signing_in_leads_back_with_the_query_intact(door: Door) -> None:
    answer = await Browser(door).sign_in("alice", rd=GRAFANA)
    assert (answer.status, answer.onward) == (200, GRAFANA)
    assert answer.all("location") == []
    assert f'href="{escape(GRAFANA)}">Go on to Grafana</a>' in answer.text
    assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    "rd",
    ["https://wiki.example.test/?", "https://wiki.example.test/?a=%2f%2F&b=%22'<>;,\"&amp;=&lt;", "https://wiki.example.test/a;b,c=1?x=1;2,3",
     "https://wiki.example.test:8443/?url=https://a/&0;%20url=b"],
)  # fmt: skip
async def test_no_way_back_is_changed_by_how_it_stands_in_the_page(door: Door, rd: str) -> None:
    """D13: query and escapes byte by byte."""
    assert (await Browser(door).sign_in("alice", rd=rd)).onward == rd


async def test_a_way_back_among_our_own_pages_is_a_plain_redirect(door: Door) -> None:
    answer = await Browser(door).sign_in("alice", rd="/sessions?a=b")
    assert (answer.status, answer.location) == (303, "https://auth.example.test/sessions?a=b")
    # But for the page that sends on by itself: its redirect would still be the form's.
    answer = await Browser(door).sign_in("alice", rd=login_at(GRAFANA))
    assert answer.onward == f"https://auth.example.test{login_at(GRAFANA)}"


async def test_without_a_way_back_one_lands_on_the_apps(door: Door) -> None:
    browser = Browser(door)
    answer = await browser.sign_in("alice")
    assert (answer.status, answer.location) == (303, "https://auth.example.test/")
    assert "Good to see you, Alice" in (await browser.get("/")).text


async def test_the_page_names_the_app_that_is_being_opened(door: Door) -> None:
    page = await Browser(door).get(login_at(GRAFANA))
    assert "Sign in to open Grafana" in page.text
    assert "grafana.example.test" in page.text
    assert 'd="M4 4v16h16' in page.text  # its drawing


async def test_a_form_leads_to_nobody_else(door: Door) -> None:
    """D-28: whatever somebody puts into a page, the password goes to us."""
    for target in (login_at(GRAFANA), "/login"):
        assert (await Browser(door).get(target)).header("content-security-policy").endswith("form-action 'self'")


@pytest.mark.parametrize(
    "rd",
    ["//evil.test", "/\\evil.test", "https://evil.test/", "https:evil.test", "javascript:alert(1)",
     "https://evil.test\\@grafana.example.test/", "https://grafana.example.test.evil.test/", "http://grafana.example.test/"],
)  # fmt: skip
async def test_a_way_back_that_may_not_be_followed_is_said_and_not_taken(door: Door, rd: str) -> None:
    """D18."""
    browser = Browser(door)
    page = await browser.get(login_at(rd))
    assert "not one we lead back to" in page.text
    answer = await browser.post("/login", login_fields(page, "alice"))
    assert answer.location == "https://auth.example.test/?return=refused"
    assert "not one we lead back to" in (await browser.get("/?return=refused")).text
    # Signed in already, it is no different.
    assert (await browser.get(login_at(rd))).location == "https://auth.example.test/?return=refused"


async def test_a_wrong_password_is_said_without_saying_more(door: Door) -> None:
    browser = Browser(door)
    texts = set()
    for name in ("alice", "nobody-at-all"):
        page = await browser.get(login_at(GRAFANA))
        answer = await browser.post("/login", login_fields(page, name, "wrong"))
        assert answer.status == 403
        assert 'role="alert"' in answer.text
        assert "<title>Problem: Sign in to open Grafana" in answer.text
        assert 'aria-describedby="problem"' in answer.text
        assert f'value="{name}"' in answer.text
        assert "wrong" not in answer.text.replace("notice", "")
        texts.add(answer.text.partition('role="alert">')[2].partition("<")[0])
    assert texts == {"That user name or password is not right."}
    assert "doorward" not in browser.jar


async def test_the_page_of_a_failed_try_can_be_used_for_the_next(door: Door) -> None:
    browser = Browser(door)
    page = await browser.get(login_at(GRAFANA))
    again = await browser.post("/login", login_fields(page, "alice", "wrong"))
    assert (await browser.post("/login", login_fields(again, "alice"))).onward == GRAFANA


async def test_opening_the_page_without_end_is_slowed_down(door: Door) -> None:
    browser = Browser(door)
    answers = [await browser.get("/login") for _ in range(121)]
    assert answers[-1].status == 429
    assert int(answers[-1].header("retry-after")) > 0


async def test_a_form_that_lay_too_long_gets_a_new_one(door: Door) -> None:
    browser = Browser(door)
    page = await browser.get(login_at(GRAFANA))
    door.clock.advance(timedelta(minutes=11))
    stale = await browser.post("/login", login_fields(page, "alice"))
    assert stale.status == 409
    assert "open for too long" in stale.text
    assert (await browser.post("/login", login_fields(stale, "alice"))).onward == GRAFANA


async def test_a_form_works_once(door: Door) -> None:
    browser = Browser(door)
    page = await browser.get("/login")
    fields = login_fields(page, "alice")
    await browser.post("/login", fields)
    again = await browser.post("/login", fields)
    assert again.location == "https://auth.example.test/login"  # signed in already: nothing left to prove
    assert len(door.store.state.sessions) == 1


async def test_a_second_tab_goes_on_where_the_first_signed_in(door: Door) -> None:
    browser = Browser(door)
    first, second = await browser.get("/login"), await browser.get(login_at(GRAFANA))
    await browser.post("/login", login_fields(first, "alice"))
    answer = await browser.post("/login", login_fields(second, "alice", "whatever"))
    assert answer.onward == f"https://auth.example.test{login_at(GRAFANA)}"
    assert (await browser.get(login_at(GRAFANA))).location == GRAFANA
    assert len(door.store.state.sessions) == 1
    # Made elsewhere, it is refused for whoever is signed in, too (K02).
    assert (await browser.post("/login", login_fields(second, "alice"), origin="https://evil.test")).status == 403


async def test_another_browsers_form_is_of_no_use(door: Door) -> None:
    mine, theirs = Browser(door), Browser(door)
    page = await mine.get("/login")
    own = await theirs.get("/login")
    fields = login_fields(own, "alice") | {"ticket": page.hidden("ticket")}
    answer = await theirs.post("/login", fields)
    assert answer.status == 409
    assert door.store.state.sessions == {}


async def test_who_is_signed_in_goes_straight_on(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    answer = await browser.get(login_at(GRAFANA))
    assert (answer.status, answer.location) == (303, GRAFANA)
    assert (await browser.get("/login")).location == "https://auth.example.test/"


async def test_an_app_that_wants_a_recent_sign_in_gets_one(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("root", rd=VAULT)
    assert (await browser.get(login_at(VAULT))).location == VAULT
    door.clock.advance(timedelta(minutes=20))
    page = await browser.get(login_at(VAULT))
    assert page.status == 200
    assert "Confirm it is you" in page.text
    assert "Vault" in page.text
    before = browser.jar["doorward"]
    answer = await browser.post("/login", {**login_fields(page, "alice"), "rd": VAULT})
    # The name in the form means nothing: the password is asked of who is signed in, and everybody's is the same here.
    assert answer.onward == VAULT
    assert browser.jar["doorward"] != before
    (session,) = door.store.state.sessions.values()
    assert door.store.state.users[session.user_id].name == "root"
    assert (await browser.get(login_at(VAULT))).location == VAULT


async def test_the_gates_word_that_proof_is_needed_is_enough(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    assert "Confirm it is you" in (await browser.get(login_at(GRAFANA, "&fresh=1"))).text


async def test_signing_in_gives_a_new_session_and_ends_the_old(door: Door) -> None:
    """J01."""
    browser = Browser(door)
    await browser.sign_in("alice")
    old = browser.jar["doorward"]
    page = await browser.get(login_at(GRAFANA, "&fresh=1"))
    await browser.post("/login", login_fields(page, "alice"))
    assert browser.jar["doorward"] != old
    browser.jar["doorward"] = old
    assert (await browser.get("/")).status == 303


async def test_remember_me_outlives_the_browser(door: Door) -> None:
    """A-08, A-12."""
    browser = Browser(door)
    line = (await browser.sign_in("alice", remember=True)).all("set-cookie")[0]
    assert "Max-Age=604800" in line
    line = (await Browser(door).sign_in("alice")).all("set-cookie")[0]
    assert "Max-Age" not in line


async def test_before_the_setup_the_page_says_where_to_begin() -> None:
    door = Door()
    await door.add_user("alice")
    assert "not set up yet" in (await Browser(door).get(login_at(GRAFANA))).text
    await door.add_user("root", admin=True)
    assert "not set up yet" not in (await Browser(door).get(login_at(GRAFANA))).text


async def test_where_nothing_is_remembered_nothing_is_offered() -> None:
    door = Door(site=Site("https://auth.example.test", remember_for=""))
    assert "Keep me signed in" not in (await Browser(door).get("/login")).text


async def test_a_circle_with_a_live_session_is_explained(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    for _ in range(MAX_BOUNCES):
        assert (await browser.get(login_at(GRAFANA))).status == 303
    page = await browser.get(login_at(GRAFANA))
    assert page.status == 409
    assert "Going round in circles" in page.text
    assert "Grafana keeps sending you back" in page.text
    event, fields = door.log.events[-1]
    assert (event, fields["host"]) == ("login_loop", "grafana.example.test")
    assert fields["correlation_id"] in page.text
    assert "from=now-6h" not in str(fields)
    # Trying again is another try.
    assert (await browser.get(login_at(GRAFANA))).status == 303


async def test_coming_back_at_leisure_is_no_circle(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    for _ in range(MAX_BOUNCES * 3):
        assert (await browser.get(login_at(GRAFANA))).status == 303
        door.clock.advance(timedelta(seconds=10))


async def test_a_sign_in_that_does_not_stick_is_explained(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice", rd=GRAFANA)
    del browser.jar["doorward"]
    page = await browser.get(login_at(GRAFANA))
    assert page.status == 409
    assert "your browser did not bring the sign-in back" in page.text
    assert (await browser.get(login_at(GRAFANA))).status == 200


async def test_signing_out_at_once_is_no_circle(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice", rd=GRAFANA)
    page = await browser.get("/logout")
    await browser.post("/logout", {"csrf_token": page.hidden("csrf_token")})
    assert (await browser.get(login_at(GRAFANA))).status == 200


async def test_a_sign_in_that_was_ended_at_once_is_no_circle(door: Door) -> None:
    browser, other = Browser(door), Browser(door)
    await browser.sign_in("alice", rd=GRAFANA)
    await other.sign_in("alice")
    page = await other.get("/sessions")
    await other.post("/sessions/end", {"csrf_token": page.hidden("csrf_token"), "which": "others"})
    assert (await browser.get(login_at(GRAFANA))).status == 200


async def test_closing_the_browser_at_once_is_no_circle(door: Door) -> None:
    browser = Browser(door)
    answer = await browser.sign_in("alice", rd=GRAFANA)
    closing = [line.partition("=")[0] for line in answer.all("set-cookie") if "Max-Age" not in line]
    assert closing == ["doorward", "__Host-doorward-console", "__Host-doorward-trail"]


async def test_two_session_cookies_are_none_and_are_cleared(door: Door) -> None:
    """J06."""
    browser = Browser(door)
    await browser.sign_in("alice")
    value = browser.jar["doorward"]
    answer = await browser.get("/login", cookie=f"doorward={value}; doorward={value}")
    assert answer.status == 200
    gone = [line for line in answer.all("set-cookie") if line.startswith("doorward=;")]
    assert len(gone) == 2


async def test_a_cookie_nobody_signed_is_not_looked_up(door: Door) -> None:
    """J01, J15."""
    door.store.broken = True
    for value in ("x", "A" * 43 + "." + "A" * 43, "%", "", "../../x"):
        answer = await Browser(door).get("/", cookie=f"doorward={value}")
        assert answer.location == "https://auth.example.test/login?rd=https%3A%2F%2Fauth.example.test%2F"


async def test_http_where_https_is_needed_is_said_and_not_tried() -> None:
    """A-11, A-37."""
    door = Door(trust=Trust(networks=(ip_network("127.0.0.0/8"),)))
    await door.add_user("alice")
    browser = Browser(door)
    page = await browser.get(login_at(GRAFANA), x_forwarded_proto="http")
    assert page.status == 400
    assert "Please use https" in page.text
    assert f'href="https://auth.example.test{login_at(GRAFANA)}"' in page.text
    page = await browser.get("/login")
    answer = await browser.post("/login", login_fields(page, "alice"), x_forwarded_proto="http")
    assert (answer.status, door.store.state.sessions) == (400, {})
    assert (await browser.get("/login", x_forwarded_proto="https")).status == 200


async def test_a_strangers_word_on_the_scheme_counts_for_nothing(door: Door) -> None:
    """A01."""
    assert (await Browser(door).get("/login", x_forwarded_proto="http")).status == 200


async def test_a_demo_says_so_on_every_page() -> None:
    site = Site("http://auth.localhost:8080", banner=DEMO_BANNER)
    door = Door(public_url="http://auth.localhost:8080", cookie_domain="localhost", site=site)
    await door.add_user("alice")
    browser = Browser(door)
    assert DEMO_BANNER in (await browser.get("/login")).text
    await browser.sign_in("alice")
    for path in ("/", "/sessions", "/logout", "/nowhere"):
        assert DEMO_BANNER in (await browser.get(path)).text


async def test_a_host_nobody_serves_is_nowhere_to_go(door: Door) -> None:
    browser = Browser(door)
    await browser.sign_in("alice")
    door.policy = Policy([])
    assert (await browser.get(login_at(GRAFANA))).location == "https://auth.example.test/?return=refused"


async def test_a_password_never_comes_back(door: Door) -> None:
    browser = Browser(door)
    page = await browser.get("/login")
    answer = await browser.post("/login", login_fields(page, "alicia", PASSWORD))
    assert PASSWORD not in answer.text
    assert PASSWORD not in str(door.log.events)


async def test_using_the_pages_is_using_the_session(door: Door) -> None:
    """A-09."""
    browser = Browser(door)
    await browser.sign_in("alice")
    await browser.get("/")
    assert door.touched == []
    door.clock.advance(timedelta(seconds=60))
    await browser.get("/")
    (session,) = door.store.state.sessions.values()
    assert door.touched == [session.fingerprint]
