"""Getting in again (attacks E, K): a link is worth one new password, for its account, as that stands now."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.attacks.factors import guard, local, own_form
from tests.attacks.household import CROWD, House, body_of
from tests.attacks.stage import AUTH, NAVIGATION, Browser, Person, Stage, handed_out
from tests.attacks.wire import Answer, write

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
NEW = "Another 1, of Canary size!"


def ask_for_link(browser: Browser, login: str, *more: tuple[bytes, bytes]) -> Answer:
    """Say that the password is forgotten."""
    return browser.post("/recover", {**browser.open_form("/recover").fields, "login": login}, *more)


def follow(browser: Browser, link: str) -> Answer:
    """Open a link and say yes."""
    page = browser.get(link)
    if page.status != 200:
        return page
    form = browser.open_form(link)
    return browser.post(form.action, form.fields)


def set_password(stage: Stage, browser: Browser, person: Person, step: str, password: str = NEW) -> Answer:
    """Choose a new one at the step that asks for it."""
    form = browser.open_form(step)
    assert form.action == "/login/new-password"
    answer = browser.post(form.action, {**form.fields, "password": password, "password_again": password})
    stage.live |= dict.fromkeys(handed_out(answer), person)
    return answer


def naked(answer: Answer, typed: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """An answer without what is drawn anew for each, and without what was typed."""
    headers = [
        (name, re.sub(rb"nonce-[^']+|=[A-Za-z0-9_.-]{20,}", b"", value))
        for name, value in answer.headers
        if name not in {b"date", b"content-length"}
    ]
    body = answer.body.replace(f'value="{typed}"'.encode(), b"")
    return answer.status, headers, re.sub(rb'nonce="[^"]*"|[A-Za-z0-9_.=-]{20,}"', b"", body)


def people(house: House) -> dict[str, str]:
    """Somebody of each kind that an answer must not tell apart."""
    known, off, waits, bare = (house.stage.newcomer() for _ in range(4))
    house.stage.command("user", "disable", off.name)
    house.stage.change("UPDATE users SET enabled = 0, awaits_approval = 1 WHERE name = ?", waits.name)
    house.stage.change("UPDATE users SET email = '' WHERE name = ?", bare.name)
    return {"known": known.name, "by address": known.email, "disabled": off.name, "waiting": waits.name,
            "without address": bare.name, "unknown": "nobody.at-all", "unknown address": "nobody@example.test",
            "impossible": "no such name!"}  # fmt: skip


def test_who_forgot_learns_nothing_about_others(house: House) -> None:
    """E01, E03: the same answer, headers included, whoever it is about; and a mail for whom it is only."""
    asked = people(house)
    before = len(house.box.taken)
    answers = {kind: ask_for_link(house.stage.browser(), login) for kind, login in asked.items()}
    told = {kind: naked(answer, asked[kind]) for kind, answer in answers.items()}
    assert told == dict.fromkeys(asked, told["unknown"])
    house.wait_for(asked["by address"], 2)
    assert {tuple(to) for _, to, _ in house.box.taken[before:]} == {(asked["by address"],)}
    rows = house.stage.audit("user.password_reset_request")[-len(asked) :]
    assert [row["actor"] for row in rows] == ["anonymous"] * len(asked)


def test_a_wrong_password_tells_nothing_about_its_account(house: House) -> None:
    """E01, E03: unknown, known, disabled, waiting, without a password: one answer."""
    asked = people(house)
    answers = {
        kind: naked(house.stage.browser().try_password(login, "wrong, anyhow"), login) for kind, login in asked.items()
    }
    assert answers == dict.fromkeys(asked, answers["unknown"])


POISON = [
    [(b"X-Forwarded-Host", b"evil.test")],
    [(b"Forwarded", b"host=evil.test;proto=http")],
    [(b"X-Original-Host", b"evil.test"), (b"X-Host", b"evil.test"), (b"X-Forwarded-Server", b"evil.test")],
    [(b"X-Forwarded-Port", b"8443"), (b"X-Forwarded-Prefix", b"/evil"), (b"X-Original-URL", b"https://evil.test/")],
    [(b"Referer", b"https://evil.test/")],
]


def test_no_header_chooses_where_a_mailed_link_leads(house: House) -> None:
    """A12: `server.public_url` does, whatever the request says; under another Host, nothing is answered at all."""
    guests = [house.stage.newcomer() for _ in POISON]
    for guest, headers in zip(guests, POISON, strict=True):
        ask_for_link(house.stage.browser(), guest.email, *headers)
        browser = house.stage.browser()
        body = urlencode({**browser.open_form("/recover").fields, "login": guest.email}).encode()
        raw = write(b"POST", b"/recover", browser.headers(FORM, host=b"evil.test"), body)
        assert house.stage.send(raw).status in {400, 421}
    for guest in guests:
        # The only mail there is; `link` looks at where it leads.
        assert house.link(guest.email).startswith("/reset?token=")
        assert "evil" not in house.letters(guest.email)[0].as_string()


def test_a_link_that_is_used_by_fifty_at_once_is_used_once(house: House) -> None:
    """E27, R04: one of them gets on, and one password is set."""
    guest = house.stage.newcomer()
    link = house.hand_out(guest.name)
    browsers = [house.stage.browser() for _ in range(CROWD)]
    bodies = [urlencode(browser.open_form(link).fields).encode() for browser in browsers]

    def use(number: int) -> Answer:
        raw = write(b"POST", b"/reset", browsers[number].headers(FORM, *NAVIGATION), bodies[number])
        return house.stage.send(raw)

    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(use, range(CROWD)))
    assert Counter(answer.status for answer in answers) == {303: 1, 404: CROWD - 1}
    (won,) = (number for number, answer in enumerate(answers) if answer.status == 303)
    step = local(answers[won])
    assert set_password(house.stage, browsers[won], guest, step).status == 303
    assert browsers[won].get(step).status == 409


def test_looking_at_a_link_uses_nothing_and_tells_nobody(house: House) -> None:
    """K15: mail is opened by machines. The address of the page is kept from wherever one goes from it."""
    guest = house.stage.newcomer()
    link = house.hand_out(guest.name)
    for method in (b"GET", b"HEAD", b"GET"):
        raw = write(method, link.encode(), house.stage.browser().headers(*NAVIGATION, (b"Sec-Purpose", b"prefetch")))
        answer = house.stage.send(raw, method=method)
        assert answer.status == 200
        assert answer.one("referrer-policy") == b"strict-origin"
        assert answer.one("cache-control") == b"no-store"
        assert not [host for host in re.findall(rb'(?:src|href)="(?:https?:)?//([^/"]+)', answer.body) if host != AUTH]
    browser = house.stage.browser()
    assert set_password(house.stage, browser, guest, local(follow(browser, link))).status == 303


def test_a_second_factor_is_asked_for_here_too(house: House) -> None:
    """E21, E28: a link stands for the mail that was read, and nothing else; before the code, nothing is changed."""
    guarded = guard(house.stage)
    browser = house.stage.browser()
    step = local(follow(browser, house.hand_out(guarded.person.name)))
    assert step.startswith("/login/factor?ticket=")
    ticket = step.partition("=")[2]
    before = house.stage.query("SELECT * FROM passwords")
    form = browser.open_form(step)
    ahead = browser.post("/login/new-password", {**form.fields, "password": NEW, "password_again": NEW})
    assert local(ahead) == step
    assert local(browser.get(f"/login/new-password?ticket={ticket}")) == step
    assert browser.post("/login/factor", {**form.fields, "code": "000000"}).status == 403
    assert house.stage.query("SELECT * FROM passwords") == before
    onward = browser.post("/login/factor", {**browser.open_form(step).fields, "code": guarded.code()})
    assert set_password(house.stage, browser, guarded.person, local(onward)).status == 303
    assert house.stage.query("SELECT * FROM passwords") != before


CHANGES = ("password by its owner", "password by another link", "password by command", "sign-ins ended", "disabled",
           "disabled and enabled", "factors taken away", "deleted", "made to choose anew")  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_link_from_before_a_change_opens_nothing(house: House, what: str) -> None:
    """E25, E27, J04: nor does what it had led to before, a step further."""
    stage, guest = house.stage, house.stage.newcomer()
    link, other, begun = (house.hand_out(guest.name) for _ in range(3))
    waiting = stage.browser()
    step = local(follow(waiting, begun))
    owner = stage.signed_in(guest)
    match what:
        case "password by its owner":
            form = {**own_form(owner), "current": guest.password, "password": NEW, "password_again": NEW}
            answer = owner.post("/account/password", form)
            stage.live |= dict.fromkeys(handed_out(answer), guest)
            assert answer.status == 303
        case "password by another link":
            browser = stage.browser()
            assert set_password(stage, browser, guest, local(follow(browser, other))).status == 303
        case "password by command":
            stage.command("reset-password", guest.name)
        case "sign-ins ended":
            assert house.act(guest.name, "end_sessions") == "end_sessions"
        case "disabled" | "disabled and enabled":
            assert house.act(guest.name, "disable") == "disable"
            if what != "disabled":
                assert house.act(guest.name, "enable") == "enable"
        case "factors taken away":
            assert house.act(guest.name, "reset_factors") == "reset_factors"
        case "deleted":
            stage.command("user", "delete", guest.name, "--yes")
        case _:
            assert house.act(guest.name, "force_password") == "force_password"
    stage.bury(guest)
    before = stage.query("SELECT * FROM passwords")
    assert follow(stage.browser(), link).status == 404
    form = waiting.open_form("/login").fields
    ticket = step.partition("=")[2]
    fields = {"csrf_token": form["csrf_token"], "ticket": ticket, "password": NEW, "password_again": NEW}
    assert waiting.post("/login/new-password", fields).status == 409
    assert stage.query("SELECT * FROM passwords") == before


TOKENS = [
    "",
    "x",
    "A" * 43,
    "A" * 42,
    "A" * 44,
    "%00",
    "../x",
    "null",
    "0",
    "A" * 5000,
    "é" * 43,
    "A" * 43 + "%0d%0aX: y",
    "' OR 1=1--",
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: repr(token[:20]))
def test_a_link_of_odd_shape_is_none(house: House, token: str) -> None:
    """E27, L14: the same for every one, wherever links lead; and for one that was made for something else (I14)."""
    browser = house.stage.browser()
    own = browser.open_form("/recover").fields
    for target, field in (
        ("/reset", "token"),
        ("/account/email", "token"),
        ("/register", "invite"),
        ("/register", "link"),
    ):
        wire = token.encode().decode("latin-1") if "%" in token else urlencode({"": token})[1:]
        page = browser.get(f"{target}?{field}={wire}")
        assert page.status in {400, 404} or (token == "" and target == "/register" and page.status == 200)
        answer = browser.post(
            target, {**own, field: token, "name": "someone.new", "password": NEW, "password_again": NEW}
        )
        assert answer.status in {400, 404}
        assert handed_out(answer) == []
    assert house.stage.query("SELECT count(*) FROM users WHERE name = 'someone.new'") == [(0,)]


def test_a_link_is_good_for_one_thing(house: House) -> None:
    """I14: one of each kind, tried at every other place, is none there, and still good where it belongs."""
    guest = house.stage.newcomer()
    browser = house.stage.signed_in(guest)
    address = f"{house.fresh()}@example.test"
    browser.post("/account/email/ask", {**own_form(browser), "email": address})
    stranger, unknown = house.stage.browser(), f"{house.fresh()}@example.test"
    stranger.post("/register/mail", {**stranger.open_form("/register").fields, "email": unknown})
    links = {
        "/reset?token=": house.hand_out(guest.name),
        "/account/email?token=": house.link(address),
        "/register?link=": house.link(unknown),
        "/register?invite=": house.invite(),
    }
    for at, link in links.items():
        for other in links:
            visitor = house.stage.browser()
            page = visitor.get(other + link.partition("=")[2])
            assert (page.status == 200) == (other == at)
            if other != at:
                target, _, field = other.partition("?")
                fields = {**stranger.open_form("/recover").fields, field[:-1]: link.partition("=")[2]}
                fields |= {"name": house.fresh(), "password": NEW, "password_again": NEW}
                assert stranger.post(target, fields).status == 404
    assert all(house.stage.browser().get(link).status == 200 for link in links.values())


def test_what_a_mail_says_is_what_it_is_for(house: House) -> None:
    """L18, A12: one address of ours in it, nobody's password, nothing from elsewhere."""
    guest = house.stage.newcomer()
    ask_for_link(house.stage.browser(), guest.name)
    letter = house.wait_for(guest.email, 1)
    link = house.link(guest.email)
    said = body_of(letter)
    assert {found.rstrip(".") for found in re.findall(r"https?://[^/\s\"<]+", said)} == {"https://auth.example.test"}
    assert "<img" not in said
    assert house.stage.find_secrets(said.encode(), one_time=False) == set()
    assert house.stage.browser().get(link).status == 200
