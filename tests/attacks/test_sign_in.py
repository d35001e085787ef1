"""Signing in (attacks D and E): where it leads, how often it may be tried, and what a try gives away."""

import base64
import re
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.attacks.invariants import REFRESH, attacked
from tests.attacks.stage import ALICE, AUTH, BOB, DORA, NAVIGATION, ROOT, Person, Stage, handed_out
from tests.attacks.test_return_urls import ATTACKS
from tests.attacks.wire import Answer, write

WRONG = "Not his passw0rd, no!"
HOME = b"https://auth.example.test/?return=refused"
ABROAD = [
    text for number in ("D01", "D02", "D03", "D04", "D06", "D07", "D09", "D10", "D13", "dots") for text in ATTACKS[number]
]  # fmt: skip


@pytest.mark.parametrize("text", ABROAD, ids=ascii)
def test_no_return_address_leads_away_from_our_hosts(stage: Stage, text: str) -> None:
    """D01, D02, D03, D04, D06, D07, D09, D10, D13, D16: at every address of ours that redirects."""
    stranger = stage.browser()
    visitor = stage.visitor(ALICE)
    value = quote(text, safe="")
    for target in (f"/login?rd={value}", f"/logout?rd={value}", f"/?rd={value}", f"/signed-out?rd={value}"):
        for browser in (stranger, visitor):
            answer = browser.get(target)
            location = answer.one("location")
            assert answer.status in {200, 303, 400}
            assert location.split(b"?")[0] in {
                b"", b"https://auth.example.test/", b"https://auth.example.test/login", b"https://auth.example.test/signed-out"
            }  # fmt: skip
            assert b"evil" not in location
            assert b'href="//' not in answer.body
            assert not re.search(rb'(href|action|content)="[^"]*evil', answer.body)
    # And unescaped, where a request line can carry it.
    if text.isascii() and text.isprintable() and " " not in text:
        assert b"evil" not in visitor.get(f"/login?rd={text}").one("location")


@pytest.mark.parametrize(
    "name",
    [
        "rd",
        "RD",
        "rd[]",
        "redirect",
        "next",
        "url",
        "continue",
        "return",
        "target_link_uri",
        "post_logout_redirect_uri",
        "iss",
    ],
)
def test_no_other_parameter_leads_anywhere(stage: Stage, name: str) -> None:
    """D12, D16: only `rd`, only spelt so."""
    text = "https://evil.test/" if name == "rd" else "https://app.example.test/x"
    visitor = stage.visitor(ALICE)
    for page in ("/login", "/", "/signed-out"):
        location = visitor.get(f"{page}?{quote(name)}={quote(text, safe='')}").one("location")
        assert not location or location.startswith(b"https://auth.example.test/")


@pytest.mark.parametrize(
    "query",
    ["rd=%2Fok&rd=%2F%2Fevil.test", "rd=%2F%2Fevil.test&rd=%2Fok", "rd=%2Fok&%72d=%2F%2Fevil.test", "rd=&rd=%2Fok",
     "rd=%2Fok&RD=%2Fx&rd=%2Fok"],
)  # fmt: skip
def test_a_return_address_given_twice_is_refused(stage: Stage, query: str) -> None:
    """D12: in the query, in the form, or once in each."""
    browser = stage.browser()
    assert browser.get(f"/login?{query}").status == 400
    assert browser.get(f"/logout?{query}").status == 400
    form = browser.open_form("/login?rd=%2Fsessions")
    body = urlencode({**form.fields, "login": "alice", "password": WRONG}).encode()
    for answer in (
        browser.post("/login", body + b"&rd=%2F%2Fevil.test"),
        browser.post("/login?rd=%2F%2Fevil.test", body),
        browser.post("/login?rd=%2Fsessions", body),
    ):
        assert answer.status == 400


def test_a_target_changed_between_start_and_end_is_not_followed(stage: Stage) -> None:
    """D15: it is kept by us; what the form says of it is not looked at."""
    browser = stage.browser()
    form = browser.open_form("/login?rd=%2Fsessions")
    answer = browser.post(
        "/login", {**form.fields, "rd": "https://evil.test/", "login": ROOT.name, "password": ROOT.password}
    )
    stage.live |= dict.fromkeys(handed_out(answer), ROOT)
    assert answer.one("location") == b"https://auth.example.test/sessions"
    # To another host a page leads, and it is kept alike.
    browser = stage.browser()
    form = browser.open_form("/login?rd=https%3A%2F%2Fapp.example.test%2Fx%3Fy")
    answer = browser.post(
        "/login", {**form.fields, "rd": "https://evil.test/", "login": ROOT.name, "password": ROOT.password}
    )
    stage.live |= dict.fromkeys(handed_out(answer), ROOT)
    assert REFRESH.findall(answer.body) == [b"https://app.example.test/x?y"]
    assert b"evil" not in answer.body


def test_a_forged_trail_leads_nowhere(stage: Stage) -> None:
    """D15: the cookie that notices circles is nobody's address."""
    for trail in ("https://evil.test", "9" * 4000, "evil.1.99999999999", "", "%2F%2Fevil.test", "\xe9"):
        browser = stage.browser()
        browser.jar["__Host-doorward-trail"] = trail
        for target in ("/login", "/login?rd=https%3A%2F%2Fapp.example.test%2F"):
            answer = browser.get(target)
            assert answer.status in {200, 409}
            assert b"evil" not in answer.body


def test_a_refused_address_costs_the_way_back_and_not_the_sign_in(stage: Stage) -> None:
    """D18: signed in, on a page of ours that says so, and noted in the audit."""
    before = len(stage.audit("user.login"))
    answer = stage.browser().sign_in(BOB, rd="//evil.test/x")
    assert answer.status == 303
    assert answer.one("location") == HOME
    assert '"return_refused":"yes"' in stage.audit("user.login")[before]["public"].replace(" ", "")


def test_time_does_not_tell_who_has_an_account(stage: Stage) -> None:
    """E01: the same work for names of nobody, for wrong passwords and for disabled accounts, compared in one run."""
    guests = [stage.newcomer() for _ in range(2)]
    who = {
        "nobody": ["nobody1", "nobody2"],
        "known": [guest.name for guest in guests],
        "disabled": [DORA.name, DORA.email],
    }
    spent: dict[str, list[float]] = {kind: [] for kind in who}
    for turn in range(6):
        for kind, names in who.items():
            browser = stage.browser()
            form = browser.open_form()
            fields = {**form.fields, "login": names[turn % 2], "password": WRONG}
            began = time.perf_counter()
            answer = browser.post("/login", fields)
            spent[kind].append(time.perf_counter() - began)
            assert answer.status == 403
    medians = {kind: statistics.median(times) for kind, times in spent.items()}
    assert max(medians.values()) < 2 * min(medians.values()), medians


def test_a_page_does_not_tell_who_has_an_account(stage: Stage) -> None:
    """E01, E03: the same bytes for an unknown name, a wrong password and a disabled account, but for what is random."""

    def refusal(name: str, password: str) -> bytes:
        answer = stage.browser().try_password(name, password)
        assert answer.status == 403
        body = re.sub(rb'(nonce|value|content)="[^"]*"', b"", answer.body)
        return re.sub(rb"[0-9a-f]{12}", b"", body).replace(name.encode(), b"")

    guest = stage.newcomer()
    pages = {
        refusal("nobody3", WRONG),
        refusal(guest.name, WRONG),
        refusal(DORA.name, DORA.password),
        refusal("\u00e9" * 3, WRONG),
    }
    assert len(pages) == 1


def test_names_of_nobody_are_locked_like_those_of_somebody(stage: Stage) -> None:
    """E03: the same number of tries, the same words, the same wait."""
    guest, told = stage.newcomer(), {}
    for name in (guest.name, "nobody4"):
        browser = stage.browser()
        told[name] = [browser.try_password(name, WRONG).status for _ in range(5)]
        last = browser.try_password(name, WRONG)
        told[name].append((last.status, last.all("retry-after") != []))
    assert told[guest.name] == told["nobody4"]
    assert told[guest.name][:3] == [403, 403, 429]


SPELLINGS = ["{0}", "{1}", "{2} ", " {0}", "{0}@example.test", "{1}@EXAMPLE.TEST", "{2}@example.test "]


def test_every_spelling_of_a_name_counts_against_one_account(stage: Stage) -> None:
    """E04: three tries in all, not three for each spelling."""
    guest = stage.newcomer()
    browser = stage.browser()
    logins = [text.format(guest.name, guest.name.upper(), guest.name.title()) for text in SPELLINGS]
    statuses = [browser.try_password(login, WRONG).status for login in logins[:4]]
    assert statuses == [403, 403, 429, 429]
    # Locked for this address, in every spelling, and with the right password.
    others = [browser.try_password(logins[4], guest.password).status]
    assert others == [429]
    keys = stage.query(
        "SELECT DISTINCT key FROM counters WHERE key LIKE 'login_failures:%' AND key LIKE ?", f"%{browser.address}"
    )
    assert len(keys) == 1


LOOK_ALIKES = [
    "\uff41lice", "alice\u200b", "\u0430lice", "alice\u00ad", "ALI\u0421E", "\u212aate", "a\u0301lice", "alice\u202e", "al\u0131ce",
    "alice@example.test@evil.test", "alice%00", "a%ice", "a_ice", "alice' --", "alice@\uff45xample.test", "*", "", "   ", "alice\x00",
]  # fmt: skip


def test_a_name_that_looks_like_another_is_nobodys(stage: Stage) -> None:
    """E04, E16, E18, E19: with the right password of the account it resembles."""
    answers = try_at_once(stage, [(login, ALICE.password) for login in LOOK_ALIKES])
    for login, answer in zip(LOOK_ALIKES, answers, strict=True):
        assert answer.status in {400, 403}, ascii(login)
        assert handed_out(answer) == [], ascii(login)


def try_at_once(stage: Stage, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
    """Try names and passwords, each from a browser of its own. A refusal is never quick, but they can wait together."""
    browsers = [stage.browser() for _ in pairs]
    forms = [browser.open_form().fields for browser in browsers]

    def attempt(number: int) -> Answer:
        login, password = pairs[number]
        body = urlencode({**forms[number], "login": login, "password": password}).encode()
        kind = (b"Content-Type", b"application/x-www-form-urlencoded")
        return stage.send(write(b"POST", b"/login", browsers[number].headers(kind), body))

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(attempt, range(len(pairs))))


def test_every_place_that_takes_a_password_counts(stage: Stage) -> None:
    """E06: spent at the sign-in, spent at the confirmation; and no header is a password's place."""
    guest = stage.newcomer("users")
    inside = stage.signed_in(guest)
    form = inside.open_form("/login?rd=%2F&fresh=1")
    statuses = [inside.post("/login", {**form.fields, "password": WRONG}).status for _ in range(4)]
    assert statuses == [403] * 2 + [429] * 2
    basic = b"Basic " + base64.b64encode(f"{guest.name}:{guest.password}".encode())
    for header in ((b"Authorization", basic), (b"Proxy-Authorization", basic), (b"X-Api-Key", guest.password.encode())):
        assert stage.ask("traefik", more=[header]).status == 401
        raw = write(b"GET", b"/api/sessions/list", [*stage.browser().headers(), header])
        assert stage.send(raw).status == 401


def test_changing_a_password_is_no_door_beside_the_sign_in(stage: Stage) -> None:
    """E06: wrong tries at the one are wrong tries at the other."""
    inside = stage.signed_in(stage.newcomer("users"))
    token = inside.open_form("/account/profile").fields["csrf_token"]
    form = {"csrf_token": token, "current": WRONG, "password": "Another 1, long enough", "password_again": "x"}
    statuses = [inside.post("/account/password", form).status for _ in range(4)]
    assert statuses == [403] * 2 + [429] * 2
    again = inside.open_form("/login?rd=%2F&fresh=1")
    assert inside.post("/login", {**again.fields, "password": WRONG}).status == 429


def test_every_form_with_a_password_in_it_is_known() -> None:
    """E06: the sign-in and one's own profile check one, and count; the others set one, or an app's. A new one shows here."""
    folder = Path(__file__).parents[2] / "src" / "doorward" / "web" / "pages" / "templates"
    pages = {path.stem for path in folder.glob("*.html") if "type='password'" in path.read_text("utf-8")}
    assert pages == {"login", "profile"} | {"new_password", "person_new", "register", "setup", "app_secrets"}


def test_made_up_names_by_the_thousand_shut_nobody_out(stage: Stage) -> None:
    """E07: one address with endless names is refused, and somebody at another signs in; what is kept is bounded."""
    attacker = stage.browser()
    form = attacker.open_form()
    before = stage.query("SELECT count(*) FROM counters")[0][0]
    refused = 0
    for number in range(300):
        body = urlencode({**form.fields, "login": f"bogus{number}", "password": "x"}).encode()
        refused += attacker.post("/login", body).status == 429
    assert refused >= 290
    assert stage.query("SELECT count(*) FROM counters")[0][0] - before < 50
    assert stage.browser().sign_in(ROOT).status == 303


def test_a_new_address_of_the_same_network_is_the_same_address(stage: Stage) -> None:
    """E09: a /64 is one visitor."""
    statuses = []
    for number in range(1, 9):
        browser = stage.browser(f"2001:db8:77:1::{number:x}")
        statuses.append(browser.try_password(f"nobody{number}", WRONG).status)
    assert statuses == [403] * 5 + [429] * 3
    assert stage.browser("2001:db8:77:2::1").try_password("nobody", WRONG).status == 403


def test_a_success_of_ones_own_clears_nobody_elses_failures(stage: Stage) -> None:
    """E10: three wrong for one, one right for another, from one address: the first stays locked."""
    victim, own = stage.newcomer(), stage.newcomer()
    address = stage.address()
    statuses = [stage.browser(address).try_password(victim.name, WRONG).status for _ in range(3)]
    assert statuses == [403] * 2 + [429]
    browser = stage.browser(address)
    assert browser.sign_in(own).status == 303
    assert stage.browser(address).try_password(victim.name, victim.password).status == 429
    assert stage.browser(address).try_password(victim.name, victim.password).status == 429  # by then for the address


def test_another_password_is_another_password(stage: Stage) -> None:
    """E12: NUL ends nothing, no length wraps, nothing is trimmed."""
    right = BOB.password
    others = [
        right + "\x00x", right + "\x00", right[:-1], right + " ", " " + right, right.swapcase(), right * 2, right * 10,
        right + "\u0301", right + "x" * 256, "", right[:8],
    ]  # fmt: skip
    for other, answer in zip(others, try_at_once(stage, [(BOB.name, other) for other in others]), strict=True):
        assert answer.status in {400, 403, 413}, ascii(other)
        assert handed_out(answer) == [], ascii(other)


def test_long_passwords_that_begin_alike_are_different(stage: Stage) -> None:
    """E12: beyond the 72 bytes that bcrypt reads, and beyond 255."""
    secret = "A-l0ng beginning, " + "x" * 240
    long = stage.add(Person(f"long{len(stage.people)}", "", secret + "1"))
    for other in (secret, secret + "2", secret[:72], secret[:255], secret[:256]):
        assert handed_out(stage.browser().try_password(long.name, other)) == []
    assert stage.browser().sign_in(long).status == 303


@pytest.mark.parametrize("field", ["password", "login", "ticket", "csrf_token", "rd", "remember", "other"])
@pytest.mark.parametrize("size", [1_100, 15_000, 100_000, 1_000_000])
def test_a_field_of_megabytes_is_refused_before_any_work(stage: Stage, field: str, size: int) -> None:
    """E13: by its length, before it is read; no try is counted and nothing hashed."""
    browser = stage.browser()
    form = browser.open_form()
    counted = stage.query("SELECT count(*) FROM counters WHERE key LIKE 'login%'")
    answer = browser.post("/login", {**form.fields, "login": "alice", "password": WRONG, field: "a" * size})
    assert answer.status in {400, 403, 409, 413}
    if size > 16_384:
        assert answer.status == 413
    if field in {"password", "login"}:
        assert answer.status in {400, 413}
        assert stage.query("SELECT count(*) FROM counters WHERE key LIKE 'login%'") == counted


def test_text_that_takes_long_to_normalise_is_not_normalised(stage: Stage) -> None:
    """E17: the cap in bytes comes first, at every entrance."""
    bomb = "a" + "\u0315\u0300" * 50_000
    browser = stage.browser()
    form = browser.open_form()
    for field in ("login", "password"):
        fields = {**form.fields, "login": "alice", "password": WRONG, field: bomb[:5_000]}
        assert browser.post("/login", fields).status in {400, 413}
    for option in ("--display-name", "--group", "--email"):
        with pytest.raises(Exception, match="too long"):
            stage.command("user", "add", "bomber", option, bomb, "--password-stdin", typed="Long enough, is 1t?\n")
    for dialect in ("traefik", "nginx"):
        assert stage.ask(dialect, host=bomb[:20_000].encode()).status in {0, 400, 403, 431}


def test_hashing_holds_up_no_check(stage: Stage) -> None:
    """E15, P12: while sign-ins are hashed, checks are answered; each of the former takes longer than many of the latter."""
    cookie = stage.cookie_of(ALICE)
    browsers = [stage.browser() for _ in range(6)]
    forms = [browser.open_form() for browser in browsers]
    bodies = [
        urlencode({**form.fields, "login": f"nobody{n}", "password": WRONG}).encode() for n, form in enumerate(forms)
    ]
    own = ((b"Content-Type", b"application/x-www-form-urlencoded"), (b"Origin", b"https://auth.example.test"))
    posts = [
        write(b"POST", b"/login", browser.headers(*own), body) for browser, body in zip(browsers, bodies, strict=True)
    ]
    with ThreadPoolExecutor(len(posts)) as pool:
        waiting = [pool.submit(stage.send, raw) for raw in posts]
        answered = 0
        while not all(each.done() for each in waiting):
            assert stage.ask("traefik", cookie=cookie).status == 200
            answered += 1
        assert {each.result().status for each in waiting} == {403}
    assert answered > len(posts)


@pytest.mark.parametrize("step", ["empty", "no ticket", "made-up ticket", "ticket twice", "ticket of setup"])
def test_no_step_of_a_sign_in_can_be_skipped(stage: Stage, step: str) -> None:
    """E21: the ticket moves forward on proof only, and is taken once."""
    browser = stage.browser()
    form = browser.open_form()
    full = {**form.fields, "login": BOB.name, "password": BOB.password}
    if step == "empty":
        answer = browser.post("/login", b"")
    elif step == "no ticket":
        answer = browser.post("/login", {name: value for name, value in full.items() if name != "ticket"})
    elif step == "ticket twice":
        first = browser.post("/login", full)
        stage.live |= dict.fromkeys(handed_out(first), BOB)
        assert first.status == 303
        fresh = stage.browser()
        fresh.jar["__Host-doorward-browser"] = browser.jar["__Host-doorward-browser"]
        token = fresh.open_form().fields["csrf_token"]
        answer = fresh.post("/login", {**full, "csrf_token": token})
    else:
        answer = browser.post("/login", {**full, "ticket": "A" * 43 if step == "made-up ticket" else ""})
    assert answer.status in {400, 403, 409}
    assert handed_out(answer) == []


def test_a_broken_hash_is_never_right(theatre: Stage) -> None:
    """E22, M04: an empty or truncated hash in the store matches nothing, the empty password and itself included."""
    with attacked(theatre, faults=True) as stage:
        guest = stage.newcomer("users")
        for sealed in ("", "!", "gcm1:", "$2b$12$"):
            row = "WHERE user_id = (SELECT id FROM users WHERE name = ?)"
            stage.change(f"UPDATE passwords SET sealed = ? {row}", sealed, guest.name)
            for answer in try_at_once(stage, [(guest.name, password) for password in ("", sealed, guest.password)]):
                assert answer.status in {400, 403, 500}
                assert handed_out(answer) == []


def test_a_new_account_inherits_nothing_from_an_old_one_of_its_name(stage: Stage) -> None:
    """E30: no session, no device, no group."""
    old = stage.newcomer("admin")
    browser = stage.signed_in(old)
    stage.command("user", "delete", old.name, "--yes")
    stage.bury(old)
    renewed = stage.add(Person(old.name, old.email, "An0ther one altogether."))
    assert stage.ask("traefik", cookie=browser.cookie()).status == 401
    assert stage.browser().try_password(old.name, old.password).status == 403
    answer = browser.try_password(renewed.name, renewed.password)
    stage.live |= dict.fromkeys(handed_out(answer), renewed)
    fresh = b"doorward=" + handed_out(answer)[0]
    assert stage.ask("traefik", host=b"admin.example.test", cookie=fresh).status == 403


def test_a_password_typed_as_a_name_stands_nowhere(stage: Stage) -> None:
    """L18: neither in the log nor in the audit; the fixture looks for it."""
    answer = stage.browser().try_password(BOB.password, "x")
    assert answer.status == 403
    again = stage.browser().try_password(ROOT.password, ROOT.password)
    assert again.status == 403
    stage.ask(
        "traefik",
        target=b"/x?password=" + quote(ALICE.password).encode(),
        host=b"admin.example.test",
        cookie=stage.cookie_of(BOB),
    )


def test_a_sign_in_over_plain_http_is_not_begun(stage: Stage) -> None:
    """A11, J12: its cookie would be lost, and its password seen."""
    browser = stage.browser()
    headers = [pair if pair[0] != b"X-Forwarded-Proto" else (pair[0], b"http") for pair in browser.headers(*NAVIGATION)]
    page = stage.send(write(b"GET", b"/login", headers))
    assert page.status == 400
    assert b'type="password"' not in page.body
    assert AUTH in page.body
