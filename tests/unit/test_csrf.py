"""An unsafe request changes something only when a page of ours, shown to this browser and sign-in, made it."""

import pytest

from doorward.web.csrf import CsrfError, CsrfGuard
from tests.fakes.door import PASSWORD, Browser, Door, login_fields
from tests.fakes.system import FakeRandom

ORIGIN = "https://auth.example.test"
MINE, THEIRS = b"browser:" + b"\x01" * 32, b"browser:" + b"\x02" * 32


@pytest.fixture
def guard() -> CsrfGuard:
    return CsrfGuard(bytes(32), ORIGIN, "__Host-doorward-csrf", FakeRandom())


def with_cookie(token: str, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", f"a=1; __Host-doorward-csrf={token}".encode()), *more]


def test_a_token_that_was_issued_is_good(guard: CsrfGuard) -> None:
    """D-13, C-07."""
    token, is_new = guard.issue([], MINE)
    assert is_new
    guard.check(with_cookie(token, (b"origin", ORIGIN.encode()), (b"sec-fetch-site", b"same-origin")), MINE, token)


def test_the_token_may_come_in_a_header(guard: CsrfGuard) -> None:
    """A-25."""
    token, _ = guard.issue([], MINE)
    guard.check(with_cookie(token, (b"x-csrf-token", token.encode())), MINE, None)


def test_a_second_tab_gets_the_same_token(guard: CsrfGuard) -> None:
    token, _ = guard.issue([], MINE)
    assert guard.issue(with_cookie(token), MINE) == (token, False)


def test_the_token_changes_with_the_sign_in(guard: CsrfGuard) -> None:
    """A-26."""
    token, _ = guard.issue([], MINE)
    other, is_new = guard.issue(with_cookie(token), THEIRS)
    assert is_new
    assert other != token


@pytest.mark.parametrize(
    "sent",
    ["", "x", "A" * 22 + "." + "A" * 43, "A" * 22 + "." + "A" * 42 + "\x00", "é" * 66],
    ids=["empty", "short", "forged", "control", "foreign"],
)
def test_anything_else_is_no_token(guard: CsrfGuard, sent: str) -> None:
    token, _ = guard.issue([], MINE)
    with pytest.raises(CsrfError):
        guard.check(with_cookie(token), MINE, sent)


def test_the_token_of_another_browser_is_refused(guard: CsrfGuard) -> None:
    token, _ = guard.issue([], THEIRS)
    mine, _ = guard.issue([], MINE)
    for cookie, sent in ((token, token), (mine, token), (token, mine)):
        with pytest.raises(CsrfError):
            guard.check(with_cookie(cookie), MINE, sent)


def test_without_its_cookie_a_token_is_refused(guard: CsrfGuard) -> None:
    token, _ = guard.issue([], MINE)
    with pytest.raises(CsrfError):
        guard.check([], MINE, token)


def test_two_cookies_of_the_name_are_none(guard: CsrfGuard) -> None:
    """J06."""
    token, _ = guard.issue([], MINE)
    with pytest.raises(CsrfError):
        guard.check([*with_cookie(token), *with_cookie(token)], MINE, token)


def test_nobody_can_share_the_empty_binding(guard: CsrfGuard) -> None:
    token, _ = guard.issue([], b"")
    with pytest.raises(CsrfError):
        guard.check(with_cookie(token), b"", token)


@pytest.mark.parametrize(
    "header",
    [
        (b"origin", b"null"),
        (b"origin", b"https://evil.test"),
        (b"origin", b"http://auth.example.test"),
        (b"origin", b"https://auth.example.test.evil.test"),
        (b"origin", b"https://auth.example.test:444"),
        (b"origin", b"https://app.example.test"),
        (b"origin", b""),
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-site", b"same-site"),
        (b"sec-fetch-site", b"none"),
    ],
    ids=lambda header: f"{header[0].decode()} {header[1].decode()}",
)
def test_what_was_made_elsewhere_is_refused_with_a_good_token(guard: CsrfGuard, header: tuple[bytes, bytes]) -> None:
    """K03."""
    token, _ = guard.issue([], MINE)
    with pytest.raises(CsrfError) as caught:
        guard.check(with_cookie(token, header), MINE, token)
    assert caught.value.elsewhere


def test_without_any_word_on_the_origin_the_token_decides(guard: CsrfGuard) -> None:
    """K03."""
    token, _ = guard.issue([], MINE)
    guard.check(with_cookie(token), MINE, token)
    with pytest.raises(CsrfError):
        guard.check([(b"referer", b"https://auth.example.test/login")], MINE, None)


async def test_a_sign_in_form_sent_from_elsewhere_signs_nobody_in() -> None:
    """K02."""
    door = Door()
    await door.add_user("mallory")
    attacker, victim = Browser(door), Browser(door)
    page = await attacker.get("/login")
    fields = login_fields(page, "mallory")
    for headers in (
        {"sec_fetch_site": "cross-site", "origin": "https://evil.test"},
        {"sec_fetch_site": "", "origin": ""},
    ):
        answer = await victim.post("/login", fields, **headers)
        assert answer.status == 403
        assert "doorward" not in victim.jar
    await victim.get("/login")
    # Even with cookies of its own the victim's browser cannot use the attacker's form.
    assert (await victim.post("/login", fields)).status == 403
    assert door.store.state.sessions == {}


@pytest.mark.parametrize("path", ["/login", "/setup", "/logout", "/sessions/end"])
async def test_every_form_wants_its_token(path: str) -> None:
    """A-25."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    if path in {"/logout", "/sessions/end"}:
        await browser.sign_in("alice")
    else:
        await browser.get("/login")
    before = dict(door.store.state.sessions)
    answer = await browser.post(path, {"login": "alice", "password": PASSWORD, "which": "others"})
    assert answer.status == 403
    assert "out of date" in answer.text
    assert door.store.state.sessions == before


async def test_a_refused_form_says_what_to_do() -> None:
    door = Door()
    browser = Browser(door)
    page = await browser.post("/login", {"login": "alice"})
    assert 'href="/login"' in page.text
    told = await browser.post("/login", {}, sec_fetch_mode="cors", accept="*/*")
    assert told.header("content-type") == "application/problem+json"
    assert '"code": "CSRF_FAILED"' in told.text


@pytest.mark.parametrize(
    ("path", "fields", "anew"),
    [
        ("/login", {"rd": "https://grafana.example.test/d?x=1"},
         "/login?rd=https%3A%2F%2Fgrafana.example.test%2Fd%3Fx%3D1"),
        ("/login", {"rd": "https://evil.test/"}, "/login"),
        ("/setup", {"token": "a&b"}, "/setup?token=a%26b"),
        ("/logout", {}, "/logout"),
        ("/sessions/end", {"which": "others"}, "/sessions"),
        ("/sessions/end", {"which": "x", "from": "admin"}, "/admin/sessions"),
    ],
)  # fmt: skip
async def test_the_page_of_a_refused_form_can_be_loaded_again(path: str, fields: dict[str, str], anew: str) -> None:
    """With what it was about, and never an address that only takes forms."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    if path in {"/logout", "/sessions/end"}:
        await browser.sign_in("alice")
    answer = await browser.post(path, fields)
    assert answer.status == 403
    assert f'href="{anew}">Load it again' in answer.text


async def test_a_list_that_was_open_when_the_sign_in_ended_asks_to_sign_in_and_leads_back() -> None:
    answer = await Browser(Door()).post("/sessions/end", {"which": "others"})
    assert answer.location == "https://auth.example.test/login?rd=https%3A%2F%2Fauth.example.test%2Fsessions"


async def test_a_page_of_ours_may_send_its_token_in_a_header() -> None:
    """A-25: field or header; what stands in the field counts where there is one."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    token = (await browser.get("/logout")).hidden("csrf_token")
    assert (await browser.post("/logout", {"csrf_token": ""}, x_csrf_token=token)).status == 403
    assert (await browser.post("/logout", {"a": "1"}, x_csrf_token="x", x_api_key="x")).status == 403
    assert (await browser.post("/logout", {"a": "1"}, x_csrf_token=token)).status == 303


@pytest.mark.parametrize("junk", ["[x]=1; {}", "{}; a b=2", 'x="; {}', "=; {}", "{}; ;;", "$Version=1; {}"])
async def test_a_bad_cookie_beside_ours_switches_nothing_off(junk: str) -> None:
    """J09."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    page = await browser.get("/logout")
    cookies = junk.format("; ".join(f"{name}={value}" for name, value in browser.jar.items()))
    assert (await browser.get("/", cookie=cookies)).status == 200
    assert (await browser.post("/logout", {}, cookie=cookies)).status == 403
    fields = {"csrf_token": page.hidden("csrf_token")}
    assert (await browser.post("/logout", fields, cookie=cookies)).status == 303


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(method: str) -> None:
    """K05, K15."""
    door = Door()
    await door.add_user("alice", admin=True)
    browser = Browser(door)
    await browser.sign_in("alice")
    before = door.store.state.copy()
    for path in door.server.routes:
        await browser._send(method, path, {"purpose": "prefetch"})
    now = door.store.state
    assert (now.users, now.sessions, now.audit) == (before.users, before.sessions, before.audit)
    answer = await browser._send(method, "/sessions/end", {})
    assert (answer.status, answer.header("allow")) == (405, "POST, OPTIONS")


async def test_a_key_in_a_header_does_not_make_the_cookie_safe() -> None:
    """K06."""
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    await browser.sign_in("alice")
    answer = await browser.post("/logout", {}, authorization="Bearer x", x_api_key="y")
    assert answer.status == 403
    assert (await browser.get("/")).status == 200
