"""Sessions and their cookies (attacks J): one strict reading of the Cookie header, and what has ended stays ended."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.attacks.stage import (
    ALICE,
    BOB,
    BROWSER_COOKIE,
    COOKIE,
    CSRF_COOKIE,
    DEVICE_COOKIE,
    DORA,
    NAVIGATION,
    ROOT,
    Stage,
    handed_out,
)
from tests.attacks.wire import DIALECTS, write

NOBODY = {303, 401}


def test_a_session_is_never_one_the_browser_brought(stage: Stage) -> None:
    """J01: made up, ended, somebody else's, another visitor's anonymous cookies: always a new id, the old one dead."""
    former = stage.signed_in(ALICE)
    ended = former.cookie()
    former.sign_out()
    planted = [b"A" * 43 + b"." + b"A" * 43, ended.partition(b"=")[2], b"x"]
    for value in planted:
        browser = stage.browser()
        browser.jar |= {"doorward": value.decode(), DEVICE_COOKIE: former.jar[DEVICE_COOKIE]}
        answer = browser.sign_in(ALICE)
        assert answer.status == 303
        given = handed_out(answer)
        assert len(given) == 1
        assert given[0] not in planted
    for value in planted:
        assert stage.ask("traefik", cookie=COOKIE + b"=" + value).status == 401


def test_somebody_elses_session_cannot_be_taken_over_by_a_sign_in(stage: Stage) -> None:
    """J01: where a live session lies in the browser, a proof is about its account, whatever the form says."""
    browser = stage.signed_in(stage.newcomer("users"))
    form = browser.open_form("/login?rd=%2F&fresh=1")
    answer = browser.post("/login", {**form.fields, "login": ALICE.name, "password": ALICE.password})
    assert answer.status == 403
    assert handed_out(answer) == []


def test_signing_in_again_ends_the_session_before(stage: Stage) -> None:
    """J01: at every sign-in and at every step-up."""
    browser = stage.signed_in(ALICE)
    first = browser.cookie()
    form = browser.open_form("/login?rd=https%3A%2F%2Fapp.example.test%2F&fresh=1")
    answer = browser.post("/login", {**form.fields, "password": ALICE.password})
    assert answer.status in {200, 303}  # a page that leads on to the app, or the way itself
    given = handed_out(answer)
    assert len(given) == 1
    stage.live.pop(first.partition(b"=")[2])
    stage.live |= dict.fromkeys(given, ALICE)
    assert stage.ask("traefik", cookie=first).status == 401
    assert stage.ask("traefik", cookie=COOKIE + b"=" + given[0]).status == 200


def test_an_anonymous_browser_that_was_planted_opens_nothing(stage: Stage) -> None:
    """J01, K02: a sign-in begun by the attacker cannot be finished in the victim's browser, nor the other way."""
    attacker, victim = stage.browser(), stage.browser()
    form = attacker.open_form()
    own = victim.open_form()
    fields = {**own.fields, "ticket": form.fields["ticket"], "login": "alice", "password": ALICE.password}
    answer = victim.post("/login", fields)
    assert answer.status == 409
    assert handed_out(answer) == []
    crossed = victim.post("/login", {**form.fields, "login": "alice", "password": ALICE.password})
    assert crossed.status == 403
    assert handed_out(crossed) == []


def test_signing_out_elsewhere_is_everywhere_at_the_next_request(stage: Stage) -> None:
    """J03: all but this browser; then this one."""
    person = stage.newcomer("users")
    browsers = [stage.signed_in(person) for _ in range(3)]
    here = browsers[0]
    form = next(form for form in _forms(here) if form.get("which") == "others")
    assert here.post("/sessions/end", form).status == 303
    for browser in browsers[1:]:
        stage.live.pop(browser.jar["doorward"].encode())
        for dialect in DIALECTS:
            assert stage.ask(dialect, cookie=browser.cookie()).status == 401
        assert browser.get("/sessions").status == 303
        assert browser.call("GET", "/api/sessions/list").status == 401
    assert stage.ask("traefik", cookie=here.cookie()).status == 200
    gone = here.cookie()
    here.sign_out()
    assert stage.ask("traefik", cookie=gone).status == 401


def _forms(browser) -> list[dict[str, str]]:
    page = browser.get("/sessions").body.decode()
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    return [{"csrf_token": token, "which": "others"}] if 'value="others"' in page else []


@pytest.mark.parametrize(
    "loss",
    [
        ("user", "set-password"),
        ("user", "disable"),
        ("user", "groups", "--none"),
        ("user", "delete", "--yes"),
        ("session", "end", "--user"),
    ],
    ids=" ".join,
)
def test_whoever_loses_something_loses_every_session_at_the_next_check(stage: Stage, loss: tuple[str, ...]) -> None:
    """J04, E25: other browsers, "remember me" and all; nothing is remembered longer."""
    person = stage.newcomer("users", "staff")
    browsers = [stage.signed_in(person), stage.signed_in(person, remember="on")]
    for browser in browsers:
        for dialect in DIALECTS:
            assert stage.ask(dialect, cookie=browser.cookie()).status == 200
    command, verb, *options = loss
    typed = ""
    if verb == "set-password":
        options, typed = ["--password-stdin"], "An0ther long one, please\n"
    line = [command, verb, *options, person.name] if "--user" in options else [command, verb, person.name, *options]
    stage.command(*line, typed=typed)
    stage.bury(person)
    for browser in browsers:
        for dialect in DIALECTS:
            answer = stage.ask(dialect, cookie=browser.cookie())
            assert answer.status in {401, 403}
        assert browser.get("/sessions").status == 303
        assert browser.get("/").status == 303


def test_rights_are_those_of_now(stage: Stage) -> None:
    """J04: a right given counts at the next check, and so does its loss; nothing is kept in the session."""
    person = stage.newcomer("users")
    browser = stage.signed_in(person)

    def ask() -> int:
        return stage.ask("traefik", host=b"admin.example.test", cookie=browser.cookie()).status

    assert ask() == 403
    stage.command("user", "groups", person.name, "users", "admin")
    assert ask() == 200
    stage.command("user", "groups", person.name, "users")
    stage.bury(person)
    assert ask() in {401, 403}


@pytest.mark.parametrize(
    "pattern",
    ["{0}; {1}", "{1}; {0}", "{0}; {0}", "{0}; a=1; {1}", "{0};{1}", "{0}; doorward=", "doorward=; {0}", "doorward=x; {0}",
     "{0}; doorward=deleted", '{0}; doorward="{1}"', "a=1; {0}; b=2; {1}; c=3", " \t{0} ;\tdoorward=1"],
)  # fmt: skip
def test_two_cookies_of_our_name_are_none(stage: Stage, pattern: str) -> None:
    """J06: one of them was planted by a neighbour; both are taken back, so that the next sign-in holds."""
    cookie = pattern.format(stage.cookie_of(ALICE).decode(), stage.cookie_of(BOB).decode()).encode()
    for dialect in DIALECTS:
        answer = stage.ask(dialect, cookie=cookie, more=NAVIGATION)
        assert answer.status in NOBODY
        assert [line.split(b";")[0] for line in answer.all("set-cookie")] == [b"doorward=", b"doorward="]
    browser = stage.browser()
    raw = write(b"GET", b"/sessions", [*browser.headers(*NAVIGATION), (b"Cookie", cookie)])
    assert stage.send(raw).status == 303


def test_two_lines_with_our_cookie_are_none(stage: Stage, dialect: str) -> None:
    """J06: on two header lines as well, in any order."""
    for first, second in ((ALICE, BOB), (BOB, ALICE), (ALICE, ALICE)):
        more = [(b"Cookie", stage.cookie_of(second))]
        assert stage.ask(dialect, cookie=stage.cookie_of(first), more=more).status == 401


@pytest.mark.parametrize("name", [BROWSER_COOKIE, CSRF_COOKIE])
def test_a_second_cookie_of_the_sign_in_is_none_either(stage: Stage, name: str) -> None:
    """J06: neither the browser's name nor the token can be tossed in."""
    browser = stage.browser()
    form = browser.open_form()
    body = urlencode({**form.fields, "login": "alice", "password": ALICE.password}).encode()
    for order in (f"{name}=planted", f"{name}={browser.jar[name]}"):
        headers = browser.headers((b"Content-Type", b"application/x-www-form-urlencoded"), (b"Cookie", order.encode()))
        answer = stage.send(write(b"POST", b"/login", headers, body))
        assert answer.status == 403
        assert handed_out(answer) == []


SMUGGLED = [
    b"\x85doorward=%b", b"\xa0doorward=%b", b"\x1cdoorward=%b", b"\x0bdoorward=%b", b"\x0cdoorward=%b", b"\xe2\x80\x80doorward=%b",
    b"doorward\x85=%b", b"doorward\xa0=%b", b"Doorward=%b", b"DOORWARD=%b", b"__Host-doorward=%b", b"__Secure-doorward=%b",
    b"$Version=1, doorward=%b", b"$doorward=%b", b'"doorward"=%b', b"doorward%%20=%b", b"%%64oorward=%b", b"xdoorward=%b",
    b"doorwardx=%b", b"doorward[]=%b", b"doorward.x=%b", b"a,doorward=%b", b"a=1, doorward=%b", b"doorward==%b", b"=doorward=%b",
    b"doorward", b"doorward:%b",
]  # fmt: skip
"""Cookies that some parser would take for ours."""


@pytest.mark.parametrize("shape", SMUGGLED, ids=repr)
def test_a_cookie_of_another_name_is_another_cookie(stage: Stage, shape: bytes) -> None:
    """J07: the name exactly, with nothing but space and tab around it."""
    value = stage.cookie_of(ALICE).partition(b"=")[2]
    cookie = shape % value if b"%b" in shape else shape
    for dialect in DIALECTS:
        assert stage.ask(dialect, cookie=cookie).status in {0, 400, 401}
    # And it does not spoil ours, which is still found (J09).
    harmless = shape % b"x" if b"%b" in shape else shape
    answer = stage.ask("traefik", cookie=harmless + b"; " + stage.cookie_of(ALICE))
    assert answer.status in ({401} if shape.startswith(b"doorward==") else {200, 400})  # ours, with another value


@pytest.mark.parametrize(
    "shape", [b'doorward="%b"', b"doorward=%b,", b"doorward=%b%%20", b"doorward= %b x", b"doorward=%b="], ids=repr
)
def test_a_value_in_other_clothes_is_another_value(stage: Stage, shape: bytes) -> None:
    """J07, J15: nothing is unquoted, unescaped or trimmed away."""
    value = stage.cookie_of(ALICE).partition(b"=")[2]
    assert stage.ask("traefik", cookie=shape % value).status == 401


@pytest.mark.parametrize(
    "rest",
    [b"[x]=1", b"a b=2", b"x=\xff", b"x=\xc3\xa9", b"=", b";", b"x", b'x="a;b', b"x=\\073", b"$Path=/", b"a=b=c", b",", b"@:?=1",
     b"x=(1)", b"expires=Thu, 01 Jan 1970 00:00:00 GMT", b"doorward-x=1", b"x=" + b"y" * 3000],
    ids=lambda rest: repr(rest[:24]),
)  # fmt: skip
def test_a_bad_neighbour_does_not_hide_our_cookie(stage: Stage, dialect: str, rest: bytes) -> None:
    """J09: and so no check that hangs on a cookie is ever silently off."""
    cookie = stage.cookie_of(ALICE)
    for line in (rest + b"; " + cookie, cookie + b"; " + rest, rest + b";" + cookie + b";" + rest):
        assert stage.ask(dialect, cookie=line).status == 200, line
    ours = "; ".join(f"{name}={value}" for name, value in stage.visitor(ALICE).jar.items()).encode()
    page = stage.send(write(b"GET", b"/sessions", [*stage.browser().headers(), (b"Cookie", rest + b"; " + ours)]))
    assert page.status == 200


def test_cookies_by_the_hundred_are_refused_or_read_once(stage: Stage, dialect: str) -> None:
    """J10: no chunks are put together, and nothing grows (invariant 9)."""
    bombs = [
        b"doorward_chunks=99999999", b"doorward-0=x; doorward-1=y", b"; ".join(b"c%d=1" % n for n in range(300)),
        b"; ".join([b"doorward=x"] * 300), b"x=" + b"y" * 65_000, b";" * 30_000, b"=" * 30_000, b"doorward=" + b"A" * 60_000,
    ]  # fmt: skip
    for bomb in bombs:
        assert stage.ask(dialect, cookie=bomb).status in {0, 303, 400, 401, 431}
    lines = [(b"Cookie", b"c=1")] * 400
    assert stage.ask(dialect, more=lines).status in {0, 400, 431}


def test_every_cookie_we_set_has_its_attributes(stage: Stage) -> None:
    """J12: on every answer of a whole life: pages, refusals, sign-in, errors, sign-out."""
    browser = stage.signed_in(ALICE)
    browser.get("/sessions")
    browser.get("/login?rd=https%3A%2F%2Fapp.example.test%2F&fresh=1")
    browser.call("GET", "/api/auth/csrf-token")
    browser.post("/login", {"login": "x"})
    other = stage.browser()
    other.call("GET", "/api/auth/csrf-token")
    other.jar["doorward"] = "x"
    other.get("/logout")
    browser.sign_out()
    stage.ask("traefik", cookie=b"doorward=1; doorward=2", more=NAVIGATION)
    seen = set()
    for note in stage.journal:
        for line in note.answer.all("set-cookie"):
            pair, *attributes = (part.strip() for part in line.decode("ascii").split(";"))
            name, found = pair.partition("=")[0], {part.partition("=")[0].lower(): part for part in attributes}
            seen.add((name, "max-age" in found and found["max-age"] == "Max-Age=0"))
            assert {"secure", "httponly", "samesite", "path"} <= found.keys(), line
            assert found["path"] == "Path=/", line
            assert found["samesite"] in {"SameSite=Lax", "SameSite=Strict"}, line
            assert "domain" not in found or (name == "doorward" and found["domain"] == "Domain=example.test"), line
            assert name == "doorward" or name.startswith("__Host-doorward-"), line
    assert {("doorward", False), ("doorward", True), (BROWSER_COOKIE, False), (CSRF_COOKIE, False)} <= seen


def test_a_lifetime_is_kept_by_us_and_not_by_the_browser(stage: Stage) -> None:
    """J13: the cookie is still sent, and what it stands for is over: by age, and by silence."""
    for column, statement in {
        "expires_at": "UPDATE sessions SET expires_at = created_at, ends_at = created_at WHERE fingerprint = ?",
        "last_seen_at": "UPDATE sessions SET last_seen_at = last_seen_at - idle_micros WHERE fingerprint = ?",
    }.items():
        browser = stage.signed_in(ALICE)
        assert stage.ask("traefik", cookie=browser.cookie()).status == 200
        rows = stage.query("SELECT fingerprint FROM sessions ORDER BY created_at DESC LIMIT 1")
        stage.change(statement, rows[0][0])
        stage.live.pop(browser.jar["doorward"].encode())
        for dialect in DIALECTS:
            assert stage.ask(dialect, cookie=browser.cookie()).status == 401, column
        assert browser.get("/sessions").status == 303


@pytest.mark.parametrize(
    "value",
    [b"%", b"_", b"../../x", b"", b"null", b"0", b"A" * 87, b"A" * 43 + b"." + b"A" * 43, b"a_min", b"' OR 1=1 --", b"*",
     b"A" * 43 + b"." + b"A" * 42 + b"%00", b"\xff" * 87, b"{}", b"true", b"undefined", b".", b"A" * 60_000,
     "é".encode() * 40, b"A" * 43 + b"/" + b"A" * 43, b"A" * 43 + b".." + b"A" * 42],
    ids=lambda value: repr(value[:24]),
)  # fmt: skip
def test_a_value_of_another_shape_opens_nothing(stage: Stage, value: bytes) -> None:
    """J15: refused by shape, then by its MAC; the store is never asked."""
    for dialect in DIALECTS:
        assert stage.ask(dialect, cookie=b"doorward=" + value).status in {0, 401, 431}


def test_no_bit_of_a_session_may_change(stage: Stage) -> None:
    """J15: every character of the value, exchanged for a neighbour in the alphabet."""
    name, _, value = stage.cookie_of(ALICE).partition(b"=")
    for place in range(len(value)):
        swapped = value[:place] + (b"A" if value[place : place + 1] != b"A" else b"B") + value[place + 1 :]
        assert stage.ask("traefik", cookie=name + b"=" + swapped).status == 401
    assert stage.ask("traefik", cookie=name + b"=" + value).status == 200


def test_a_use_does_not_bring_an_ended_session_back(stage: Stage) -> None:
    """J16: checks under way while it ends; once the end is answered, nothing is let in and no row is there."""
    browser = stage.signed_in(ALICE)
    cookie, form = browser.cookie(), browser.open_form("/logout")
    handle = [row[0] for row in stage.query("SELECT handle FROM sessions ORDER BY created_at DESC LIMIT 1")]

    def check(_: int) -> int:
        return stage.ask("traefik", cookie=cookie, kept=False).status

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(check, number) for number in range(200)]
        assert browser.post("/logout", form.fields).status == 303
        after = [pool.submit(check, number) for number in range(50)]
        assert {future.result() for future in running} <= {200, 401}
        assert {future.result() for future in after} == {401}
    stage.gateway.process.wait_until(
        lambda: stage.query("SELECT count(*) FROM sessions WHERE handle = ?", *handle) == [(0,)]
    )
    assert stage.ask("traefik", cookie=cookie).status == 401
    stage.live.pop(cookie.partition(b"=")[2])


def test_a_user_agent_of_kilobytes_is_cut_and_escaped(stage: Stage) -> None:
    """J19, K11: stored short, shown as text, listed by the command without steering the terminal."""
    agent = b"<script>alert(1)</script>\x1b[31m" + b"\xe2\x80\xae" + b"A" * 10_000
    browser = stage.browser()
    form = browser.open_form()
    headers = [pair if pair[0] != b"User-Agent" else (pair[0], agent) for pair in browser.headers()]
    body = urlencode({**form.fields, "login": "root", "password": ROOT.password}).encode()
    own = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Origin", b"https://auth.example.test")]
    answer = stage.send(write(b"POST", b"/login", [*headers, *own], body))
    assert answer.status in {303, 400}
    if answer.status == 303:
        value = handed_out(answer)[0]
        stage.live[value] = ROOT
        browser.jar["doorward"] = value.decode()
        stored = stage.query("SELECT user_agent FROM sessions ORDER BY created_at DESC LIMIT 1")[0][0]
        assert len(stored) <= 256
        assert stored.isprintable()
        assert b"<script>alert" not in browser.get("/sessions").body
        assert b"<script>alert" not in browser.get("/admin/sessions").body
        assert "\x1b" not in stage.command("session", "list")


def test_a_disabled_account_gets_no_session(stage: Stage) -> None:
    """E25: with the right password."""
    answer = stage.browser().try_password(DORA.name, DORA.password)
    assert answer.status == 403
    assert handed_out(answer) == []


def test_the_list_of_sessions_names_none_of_their_secrets(stage: Stage) -> None:
    """C06, J01: handles are public names; they open nothing."""
    browser = stage.signed_in(ALICE)
    listed = json.loads(browser.call("GET", "/api/sessions/list").body)
    assert listed
    for handle in listed:
        for cookie in (handle, handle.ljust(43, "A") + "." + "A" * 43):
            assert stage.ask("traefik", cookie=b"doorward=" + cookie.encode()).status == 401
