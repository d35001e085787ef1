"""Setup, apps, sessions and signing out, as people meet them."""

import re
from datetime import timedelta

import pytest

from doorward.config.schema import App as AppSettings
from doorward.rules.policy import App, Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.web.pages.icons import NAMES, icon_of
from doorward.web.pages.sessions import PAGE_SIZE
from tests.fakes.door import PASSWORD, Answer, Browser, Door, sample_policy

ADMIN = {
    "name": "root",
    "display_name": "Ada Lovelace",
    "email": "ada@example.test",
    "password": PASSWORD,
    "password_again": PASSWORD,
}


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.add_user("root", admin=True)
    return door


async def enter(door: Door, name: str, **more) -> Browser:
    browser = Browser(door, **more)
    assert (await browser.sign_in(name)).status == 303
    return browser


async def set_up(browser: Browser, page: Answer, **changes: str) -> Answer:
    hidden = {"csrf_token": page.hidden("csrf_token"), "token": page.hidden("token")}
    return await browser.post("/setup", {**hidden, **ADMIN, **changes})


async def test_the_first_administrator_is_made_and_signed_in() -> None:
    """E-24, D-06."""
    door = Door()
    browser = Browser(door)
    page = await browser.get(f"/setup?token={await door.setup_token()}")
    answer = await set_up(browser, page)
    assert (answer.status, answer.location) == (303, "https://auth.example.test/")
    assert "Good to see you, Ada Lovelace" in (await browser.get("/")).text
    (user,) = door.store.state.users.values()
    assert user.is_admin


async def test_who_confirmed_in_a_tab_of_its_own_is_sent_back_to_the_other(door: Door) -> None:
    stranger = await Browser(door).get("/confirmed")
    assert (stranger.status, stranger.location.partition("?")[0]) == (303, "https://auth.example.test/login")
    answer = await (await enter(door, "alice")).get("/confirmed")
    assert answer.status == 200
    assert "reload it: it sends your form again" in answer.text


async def test_looking_at_the_setup_page_uses_nothing_up() -> None:
    """K15."""
    door = Door()
    token = await door.setup_token()
    for _ in range(3):
        assert (await Browser(door).get(f"/setup?token={token}", purpose="prefetch")).status == 200
    browser = Browser(door)
    assert (await set_up(browser, await browser.get(f"/setup?token={token}"))).status == 303


async def test_a_setup_link_works_once_and_not_for_ever() -> None:
    """E-25, E-26."""
    door = Door()
    token = await door.setup_token()
    first, second = Browser(door), Browser(door)
    pages = [await browser.get(f"/setup?token={token}") for browser in (first, second)]
    assert (await set_up(first, pages[0])).status == 303
    late = await set_up(second, pages[1], name="other", email="other@example.test")
    assert late.status == 404
    assert len(door.store.state.users) == 1
    assert (await second.get(f"/setup?token={token}")).status == 404
    fresh = Door()
    token = await fresh.setup_token()
    fresh.clock.advance(timedelta(minutes=16))
    assert (await Browser(fresh).get(f"/setup?token={token}")).status == 404


@pytest.mark.parametrize("query", ["", "?token=", "?token=x", "?token=" + "a" * 5000])
async def test_without_a_good_link_there_is_no_setup(query: str) -> None:
    door = Door()
    await door.setup_token()
    answer = await Browser(door).get("/setup" + query)
    assert answer.status == 404
    assert "does not open anything" in answer.text


async def test_what_does_not_fit_is_said_at_its_field() -> None:
    door = Door()
    browser = Browser(door)
    page = await browser.get(f"/setup?token={await door.setup_token()}")
    answer = await set_up(browser, page, name="a b", password="short", password_again="short")
    assert answer.status == 400
    assert 'id="name-wrong"' in answer.text
    assert 'aria-describedby="name-wrong name-hint"' in answer.text
    assert 'id="password-wrong"' in answer.text
    assert 'value="Ada Lovelace"' in answer.text
    assert 'value="short"' not in answer.text
    answer = await set_up(browser, answer, password_again="other")
    assert "not the same" in answer.text
    assert door.store.state.users == {}
    assert (await set_up(browser, answer)).status == 303


async def test_a_setup_tells_everything_that_does_not_fit_at_once() -> None:
    """Nobody types two passwords again only to learn of the next rule."""
    door = Door()
    browser = Browser(door)
    page = await browser.get(f"/setup?token={await door.setup_token()}")
    answer = await set_up(browser, page, name="a b", email="nowhere", password="short", password_again="shirt")
    assert answer.status == 400
    for field in ("name", "email", "password", "password_again"):
        assert f'id="{field}-wrong"' in answer.text
    for words in ("at least 8 characters", "a digit", "The two passwords are not the same."):
        assert words in answer.text
    assert door.store.state.users == {}


async def test_the_list_shows_what_may_be_opened_and_nothing_else(door: Door) -> None:
    alice, root = await enter(door, "alice"), await enter(door, "root")
    mine, theirs = (await alice.get("/")).text, (await root.get("/")).text
    assert 'href="https://grafana.example.test/"' in mine
    assert "vault.example.test" not in mine
    assert 'href="https://vault.example.test/"' in theirs
    for page in (mine, theirs):
        assert "wiki.example.test" in page
        assert "secret" not in page.lower()


async def test_the_list_follows_the_policy_at_once(door: Door) -> None:
    alice = await enter(door, "alice")
    door.policy = Policy([], apps=door.policy.apps)
    assert "Nothing here yet" in (await alice.get("/")).text


async def test_an_administrator_of_a_fresh_installation_reads_what_to_do_next() -> None:
    door = Door(policy=Policy([]))
    await door.add_user("root", admin=True)
    await door.add_user("alice")
    text = (await (await enter(door, "root")).get("/")).text
    assert "What to do next" in text
    for words in (
        "docs/guides",
        "doorward.yaml",
        "<code>authz.rules</code>",
        "docs/policy.md",
        "<code>apps</code>",
    ):
        assert words in text
    assert "No door" not in text
    # Who can change nothing about it is told whom to ask; and where there are doors, none may be this person's.
    assert "Ask your administrator" in (await (await enter(door, "alice")).get("/")).text
    other = Door()
    await other.add_user("root", admin=True)
    other.policy = Policy([Rule("x", Effect.ALLOW, sample_policy().rules[0].hosts, users=frozenset({"alice"}))])
    text = (await (await enter(other, "root")).get("/")).text
    assert "What to do next" not in text
    assert "No door is open to you." in text


async def test_an_app_that_will_ask_for_proof_is_marked(door: Door) -> None:
    root = await enter(door, "root")
    door.clock.advance(timedelta(minutes=20))
    page = (await root.get("/")).text
    assert 'href="https://vault.example.test/"' in page
    assert "asks to confirm it is you" in page


async def test_a_pattern_leads_nowhere_and_an_own_address_does() -> None:
    pattern, exact = parse_host_pattern("*.lab.example.test"), parse_host_pattern("lab.example.test")
    assert pattern is not None
    assert exact is not None
    rule = Rule("lab", Effect.ALLOW, (pattern, exact), audience=Audience.ANY_USER)
    apps = [
        App("Pattern only", (pattern,)),
        App("With address", (pattern,), url="https://one.lab.example.test/start?x=1"),
        App("Elsewhere", (exact,), url="https://not.ours.test/"),
    ]
    door = Door(policy=Policy([rule], apps=apps))
    await door.add_user("alice")
    page = (await (await enter(door, "alice")).get("/")).text
    assert "Pattern only" not in page
    assert "Elsewhere" not in page
    assert 'href="https://one.lab.example.test/start?x=1"' in page


@pytest.mark.parametrize("path", ["/", "/sessions", "/admin/sessions"])
async def test_pages_inside_ask_for_a_sign_in_and_come_back(path: str) -> None:
    door = Door()
    await door.add_user("root", admin=True)
    browser = Browser(door)
    answer = await browser.get(path)
    assert answer.status == 303
    page = await browser.get(answer.location.removeprefix("https://auth.example.test"))
    fields = {name: page.hidden(name) for name in ("csrf_token", "ticket", "rd")}
    answer = await browser.post("/login", {**fields, "login": "root", "password": PASSWORD})
    assert answer.location == f"https://auth.example.test{path}"


async def test_my_sessions_name_device_address_and_which_is_this(door: Door) -> None:
    """D-48, C-36."""
    here = await enter(door, "alice")
    await enter(door, "alice", agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Safari/604.1")
    await enter(door, "root")
    page = (await here.get("/sessions")).text
    assert page.count('<li class="session') == 2
    assert page.index("Firefox on Linux") < page.index("this browser") < page.index("Safari on iPhone")
    assert "127.0.0.1" in page
    assert here.jar["doorward"] not in page
    for session in door.store.state.sessions.values():
        assert session.fingerprint.hex() not in page


async def test_this_browser_is_seen_now_however_long_ago_it_was_seen_before(door: Door) -> None:
    here = await enter(door, "alice")
    await enter(door, "alice")
    began = door.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    door.clock.advance(timedelta(hours=1))
    now = door.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    page = (await here.get("/sessions")).text
    assert re.findall(r'datetime="([^"]+)"', page) == [now, began, began, began]


async def test_an_ended_session_is_locked_out_at_its_next_request(door: Door) -> None:
    here, other = await enter(door, "alice"), await enter(door, "alice")
    (handle,) = [
        session.handle for session in door.store.state.sessions.values() if session.handle != await handle_of(here)
    ]
    answer = await end(here, handle)
    assert answer.location == "https://auth.example.test/sessions?done=ended"
    assert "has ended" in (await here.get("/sessions?done=ended")).text
    assert (await other.get("/")).status == 303
    assert (await here.get("/")).status == 200
    assert (await end(here, handle)).location.endswith("done=gone")


async def test_all_others_end_together(door: Door) -> None:
    """J03."""
    here, others = await enter(door, "alice"), [await enter(door, "alice") for _ in range(2)]
    bystander = await enter(door, "root")
    await end(here, "others")
    assert [(await browser.get("/")).status for browser in others] == [303, 303]
    assert (await here.get("/")).status == (await bystander.get("/")).status == 200


async def test_ending_ones_own_session_is_signing_out(door: Door) -> None:
    here = await enter(door, "alice")
    cookie = here.jar["doorward"]
    answer = await end(here, await handle_of(here))
    assert answer.location == "https://auth.example.test/signed-out"
    assert "doorward" not in here.jar
    here.jar["doorward"] = cookie
    assert (await here.get("/")).status == 303


async def test_somebody_elses_session_cannot_be_ended(door: Door) -> None:
    alice, root = await enter(door, "alice"), await enter(door, "root")
    handle = await handle_of(root)
    assert (await end(alice, handle)).location.endswith("done=gone")
    assert (await end(alice, handle, **{"from": "admin"})).status == 403
    assert (await root.get("/")).status == 200


async def test_administrators_see_and_end_everybodys(door: Door) -> None:
    alice, root = await enter(door, "alice"), await enter(door, "root")
    page = (await root.get("/admin/sessions")).text
    assert "Alice (alice)" in page
    answer = await end(root, await handle_of(alice), **{"from": "admin"})
    assert answer.location == "https://auth.example.test/admin/sessions?done=ended"
    assert (await alice.get("/")).status == 303
    assert (await enter(door, "alice")).jar
    assert (await (await enter(door, "alice")).get("/admin/sessions")).status == 403


async def test_everybodys_sessions_come_a_page_at_a_time(door: Door) -> None:
    root = await enter(door, "root")
    for number in range(PAGE_SIZE // 5 + 1):
        door.clock.advance(timedelta(minutes=16))
        for _ in range(5):
            await enter(door, "alice", agent=f"agent {number}")
    door.clock.advance(-timedelta(hours=2))
    first = await root.get("/admin/sessions")
    assert first.text.count('<li class="session') == PAGE_SIZE
    assert f'href="/admin/sessions?offset={PAGE_SIZE}"' in first.text
    second = await root.get(f"/admin/sessions?offset={PAGE_SIZE}")
    assert 'href="/admin/sessions?offset=0"' in second.text
    assert "Older" not in second.text


@pytest.mark.parametrize("offset", ["-1", "x", "1e3", "²", "9" * 40, ""])
async def test_an_offset_is_a_number(door: Door, offset: str) -> None:
    root = await enter(door, "root")
    assert (await root.get(f"/admin/sessions?offset={offset}".replace("²", "%C2%B2"))).status == 400


async def test_signing_out_ends_the_session_everywhere(door: Door) -> None:
    """A-13, T-01, J03."""
    browser = await enter(door, "alice")
    cookie = browser.jar["doorward"]
    page = await browser.get("/logout")
    assert "You are signed in as Alice" in page.text
    answer = await browser.post("/logout", {"csrf_token": page.hidden("csrf_token")})
    assert answer.location == "https://auth.example.test/signed-out"
    assert "You are signed out" in (await browser.get("/signed-out")).text
    browser.jar["doorward"] = cookie
    assert (await browser.get("/")).status == 303
    assert door.store.state.sessions == {}


@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_request_without_our_cookie_makes_the_browser_drop_none(door: Door, method: str) -> None:
    """K05: a form on another site comes without the cookie, and what its answer deletes is deleted."""
    browser = await enter(door, "alice")
    held, browser.jar = browser.jar, {}
    told = {"origin": "https://evil.test", "sec_fetch_site": "cross-site"}
    answer = await (browser.get("/logout", **told) if method == "get" else browser.post("/logout", {}, **told))
    assert answer.all("set-cookie") == []
    browser.jar = held
    assert (await browser.get("/")).status == 200


async def test_a_cookie_whose_session_is_over_is_dropped(door: Door) -> None:
    browser = await enter(door, "alice")
    held = browser.jar["doorward"]
    page = await browser.get("/logout")
    await browser.post("/logout", {"csrf_token": page.hidden("csrf_token")})
    browser.jar["doorward"] = held
    await browser.get("/logout")
    assert "doorward" not in browser.jar


async def test_signing_out_may_lead_to_signing_in_as_somebody_else(door: Door) -> None:
    browser = await enter(door, "alice")
    page = await browser.get("/logout?rd=https%3A%2F%2Fvault.example.test%2F")
    fields = {"csrf_token": page.hidden("csrf_token"), "rd": page.hidden("rd")}
    answer = await browser.post("/logout", fields)
    assert answer.location == "https://auth.example.test/login?choose=1&rd=https%3A%2F%2Fvault.example.test%2F"


@pytest.mark.parametrize("rd", ["//evil.test", "https://evil.test/", "/\\evil.test"])
async def test_signing_out_leads_nowhere_strange(door: Door, rd: str) -> None:
    """D16."""
    browser = await enter(door, "alice")
    page = await browser.get("/logout")
    answer = await browser.post("/logout", {"csrf_token": page.hidden("csrf_token"), "rd": rd})
    assert answer.location == "https://auth.example.test/signed-out"
    assert (await browser.get("/logout?rd=" + rd.replace("\\", "%5C"))).location.endswith("/signed-out")


async def test_nothing_is_claimed_that_was_not_done(door: Door) -> None:
    """R12."""
    browser = await enter(door, "alice")
    page = await browser.get("/logout")
    door.store.broken = True
    answer = await browser.post("/logout", {"csrf_token": page.hidden("csrf_token")})
    assert answer.status == 503
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_drawing_is_a_drawing(name: str) -> None:
    pattern = parse_host_pattern("a.test")
    assert pattern is not None
    assert str(icon_of(App("x", (pattern,), icon=name))).startswith("<svg")


def test_the_reference_names_every_drawing() -> None:
    text = AppSettings.model_fields["icon"].description
    assert text is not None
    assert tuple(re.findall(r"`([a-z]+)`", text)) == NAMES
    for name in NAMES:
        assert AppSettings(name="x", hosts=("a.test",), icon=name).icon == name


def test_without_an_icon_the_initial_stands_in() -> None:
    grafana = sample_policy().apps[0]
    assert icon_of(App("grafana", grafana.hosts)) == "G"
    assert icon_of(None, name="host.test") == "H"
    assert icon_of(None) == "?"


async def handle_of(browser: Browser) -> str:
    page = await browser.get("/sessions")
    here = page.text.partition("session-here")[2]
    return here.partition('name="which" value="')[2].partition('"')[0]


async def end(browser: Browser, which: str, **more: str) -> Answer:
    page = await browser.get("/sessions")
    return await browser.post("/sessions/end", {"csrf_token": page.hidden("csrf_token"), "which": which, **more})
