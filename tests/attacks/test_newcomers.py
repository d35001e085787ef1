"""Coming in as somebody new (attacks E, R): no more than an administrator said, and only while it is said."""

import json
import time
from collections import Counter
from urllib.parse import quote

import pytest

from tests.attacks.factors import local, own_form
from tests.attacks.household import CROWD, House, form_post, rush
from tests.attacks.stage import ROOT, Browser, Person, handed_out
from tests.attacks.wire import Answer

SECRET = "A canary, 1 of many newcomers"


def fill(browser: Browser, link: str, name: str, **more: str) -> dict[str, str]:
    """The form behind a link, filled in."""
    return {**browser.open_form(link).fields, "name": name, "password": SECRET, "password_again": SECRET, **more}


def register(house: House, link: str, name: str, **more: str) -> Answer:
    """Make an account with a link, one after another."""
    browser = house.stage.browser()
    answer = browser.post("/register", fill(browser, link, name, **more))
    return note(house, answer, name)


def note(house: House, answer: Answer, name: str) -> Answer:
    """Remember whose a session is that was begun."""
    email = house.stage.query("SELECT email FROM users WHERE name = ?", name)
    person = Person(name, email[0][0] if email else "", SECRET)
    if given := handed_out(answer):
        house.stage.people[name] = person
        house.stage.live |= dict.fromkeys(given, person)
    return answer


def queue(house: House, link: str, names: list[str]) -> list[bytes]:
    """What so many browsers are about to send. They have had the page, and so has the server had their one look."""
    fields = fill(house.stage.browser(), link, "")
    requests = []
    for name in names:
        browser = house.stage.browser()
        own = own_form(browser, "/login")
        requests.append(form_post(browser, "/register", {**fields, **own, "name": name}))
    return requests


def crowd(house: House) -> list[str]:
    """As many names as come at once."""
    return [house.fresh() for _ in range(CROWD)]


def made(house: House, names: list[str]) -> int:
    """How many of these have an account."""
    marks = ",".join("?" * len(names))
    return int(house.stage.query(f"SELECT count(*) FROM users WHERE name IN ({marks})", *names)[0][0])


def uses(house: House, link: str) -> int:
    """How often an invitation was used, by the note that names it."""
    return int(house.stage.query("SELECT uses FROM invites WHERE note = ?", link)[0][0])


@pytest.mark.parametrize("most", [1, 3])
def test_an_invitation_lets_in_as_many_as_it_says(house: House, most: int) -> None:
    """E27, R02, R04: of fifty who come at once; the others learn that it is used up, and nothing of theirs is kept."""
    link = house.invite(uses=str(most), note=f"for {most}")
    names = crowd(house)
    answers = rush(house.stage, queue(house, link, names))
    for name, answer in zip(names, answers, strict=True):
        note(house, answer, name)
    assert Counter(answer.status for answer in answers) == {303: most, 404: CROWD - most}
    assert (made(house, names), uses(house, f"for {most}")) == (most, most)
    assert house.stage.browser().get(link).status == 404
    stored = "SELECT count(*) FROM passwords WHERE user_id NOT IN (SELECT id FROM users)"
    assert house.stage.query(stored) == [(0,)]


def test_fifty_who_want_one_name_are_one(house: House) -> None:
    """E16, R02: in every spelling of it, and only one use of the invitation is gone."""
    link = house.invite(uses="100", note="one name")
    name = house.fresh()
    spellings = [name, name.upper(), name.title(), f" {name}", f"{name} "]
    answers = rush(house.stage, queue(house, link, spellings * (CROWD // len(spellings))))
    for answer in answers:
        note(house, answer, name)
    assert Counter(answer.status for answer in answers) == {303: 1, 400: CROWD - 1}
    assert (made(house, [name]), uses(house, "one name")) == (1, 1)


def test_fifty_who_come_for_one_address_are_one(house: House) -> None:
    """R02: by two mailed links, and by an invitation that names the address."""
    address = f"{house.fresh()}@example.test"
    browser = house.stage.browser()
    for _ in range(2):
        browser.post("/register/mail", {**browser.open_form("/register").fields, "email": address})
    house.wait_for(address, 2)
    mailed = {house.own(url) for url in house.urls(address)}
    assert len(mailed) == 2
    links = [*mailed, house.invite(uses="100", email=address, note="one address")]
    names = crowd(house)
    share = -(-CROWD // len(links))
    requests = [
        each
        for number, link in enumerate(links)
        for each in queue(house, link, names[number * share : (number + 1) * share])
    ]
    answers = rush(house.stage, requests)
    for name, answer in zip(names, answers, strict=True):
        note(house, answer, name)
    assert Counter(answer.status for answer in answers) == {303: 1, 404: CROWD - 1}
    assert house.stage.query("SELECT count(*) FROM users WHERE email = ?", address) == [(1,)]
    assert made(house, names) == 1


ENDINGS = ("closed", "taken back", "maker disabled")


def end(house: House, how: str, maker: Person) -> bytes:
    """The request that ends an invitation."""
    root = house.stage.visitor(ROOT)
    form = own_form(root)
    match how:
        case "closed":
            return form_post(root, "/admin/policy/registration", {**form, "word": "closed"})
        case "taken back":
            (invite,) = house.stage.query("SELECT id FROM invites ORDER BY made_at DESC LIMIT 1")
            return form_post(root, "/admin/invites/revoke", {**form, "invite": invite[0]})
        case _:
            return form_post(root, "/admin/users/act", {**form, "login": maker.name, "act": "disable"})


@pytest.mark.parametrize("how", ENDINGS)
def test_an_invitation_ends_in_mid_flight(house: House, how: str) -> None:
    """E27, R02: fifty are on their way when it does; each account was made before that, and none afterwards."""
    maker = house.stage.newcomer(admin=True)
    link = house.invite(by=house.stage.signed_in(maker), uses="100", note=f"ended: {how}")
    names = crowd(house)
    requests = queue(house, link, names)
    before = house.stage.query("SELECT max(sequence) FROM audit")[0][0]
    requests.insert(CROWD // 3, end(house, how, maker))
    answers = rush(house.stage, requests)
    assert answers.pop(CROWD // 3).status == 303
    house.stage.bury(maker)
    for name, answer in zip(names, answers, strict=True):
        note(house, answer, name)
    tally = Counter(answer.status for answer in answers)
    assert tally.keys() <= {303, 404}
    assert made(house, names) == uses(house, f"ended: {how}") == tally[303]
    acts = [act for (act,) in house.stage.query("SELECT act FROM audit WHERE sequence > ? ORDER BY sequence", before)]
    assert acts.count("user.invite_use") == tally[303]
    ended = next(n for n, act in enumerate(acts) if act.startswith(("admin.", "policy.")))
    assert "user.invite_use" not in acts[ended:]
    assert house.stage.browser().get(link).status == 404
    late = house.stage.browser()
    fields = {**own_form(late, "/login"), "invite": link.partition("=")[2], "name": house.fresh()}
    assert late.post("/register", {**fields, "password": SECRET, "password_again": SECRET}).status == 404
    if how == "closed":
        root = house.stage.visitor(ROOT)
        # Where it was only closed, it counts again as soon as the house is open.
        assert root.post("/admin/policy/registration", {**own_form(root), "back": "1"}).status == 303
        assert house.stage.browser().get(link).status == 200


def test_an_invitation_that_is_over_opens_nothing(house: House) -> None:
    """E27: at its instant, or when its maker governs no more; for the page, and for a form that was opened in time."""
    maker = house.stage.newcomer(admin=True)
    late, orphan = house.invite(note="late"), house.invite(by=house.stage.signed_in(maker), note="orphan")
    browser, names = house.stage.browser(), [house.fresh(), house.fresh()]
    fields = [fill(browser, link, name) for link, name in zip((late, orphan), names, strict=True)]
    house.stage.change("UPDATE invites SET expires_at = ? WHERE note = 'late'", int(time.time() * 1_000_000))
    assert house.act(maker.name, "unmake_admin") == "unmake_admin"
    house.stage.bury(maker)
    for link, form in zip((late, orphan), fields, strict=True):
        assert browser.get(link).status == 404
        assert browser.post("/register", form).status == 404
    assert made(house, names) == 0


def test_a_guest_is_what_the_inviter_said(house: House) -> None:
    """E27: no field of the form gives a group, a right or another address."""
    address, name = f"{house.fresh()}@example.test", house.fresh()
    link = house.invite(groups="users, guests", email=address)
    wishes = {
        "groups": "admin", "group": "admin", "is_admin": "1", "admin": "yes", "role": "admin", "console_only": "0",
        "email": "root@example.test", "enabled": "1", "awaits_approval": "0", "generation": "9", "id": "1",
    }  # fmt: skip
    assert register(house, link, name, **wishes).status == 303
    row = "SELECT email, is_admin, generation FROM users WHERE name = ?"
    assert house.stage.query(row, name) == [(address, 0, 1)]
    groups = "SELECT group_name FROM memberships WHERE user_id = (SELECT id FROM users WHERE name = ?)"
    assert {group for (group,) in house.stage.query(groups, name)} == {"users", "guests"}


NAMES = ["admın", "ａｄｍｉｎ", "r\u043e\u043et", "\u212aate", "o\ufb00ice", "root\u200b", "\u202etoor", "root\u00a0"]
TAKEN = ["root", "ROOT", " Root ", "admin@example.test", "root@example.test", "-root", "root.", "a" * 65, "ro ot", ""]


def test_no_name_is_somebody_elses_in_disguise(house: House) -> None:
    """E16, E17: what looks or folds like another's name is none; nor is one that is taken, or would fill megabytes."""
    link = house.invite(note="disguise")
    before = house.stage.query("SELECT count(*) FROM users")
    for name in (*NAMES, *TAKEN, "a" + "\u0301\u0327" * 5000, "a" * 30_000):
        assert register(house, link, name).status in {400, 413}, name[:20]
    assert house.stage.query("SELECT count(*) FROM users") == before
    assert uses(house, "disguise") == 0


ADDRESSES = [
    "evil@evil.test@example.test",
    '"a@example.test"@evil.test',
    "a\uff20example.test@evil.test",
    "a\uff20example.test",
    "a@evil.test (x@example.test)",
    "a@example.test\n",
    "a@example.test\r\nBcc: b@evil.test",
    "a@example.test,b@evil.test",
    "a@example.test;b@evil.test",
    "<a@example.test>",
    "a@ex\u0430mple.test",
    "a@example..test",
    "a@[127.0.0.1]",
    "@example.test",
    "a@",
    "a@" + "b" * 250 + ".test",
]


def test_an_odd_address_is_none_at_every_door(house: House) -> None:
    """E19, L18: registering, inviting, one's own change, the console and the API: refused, and nothing is sent."""
    root, person = house.stage.visitor(ROOT), house.stage.newcomer()
    own = house.stage.signed_in(person)
    stranger = house.stage.browser()
    asked, form = stranger.open_form("/register").fields, own_form(root)
    key = (b"X-CSRF-Token", form["csrf_token"].encode())
    letters = house.stage.query("SELECT count(*) FROM letters")
    known = house.stage.query("SELECT name, email FROM users")
    mine = own_form(own)
    for address in ADDRESSES:
        new = {"name": house.fresh(), "display_name": "x", "password": SECRET, "email": address}
        statuses = {
            "register": stranger.post("/register/mail", {**asked, "email": address}).status,
            "invite": root.post("/admin/invites", {**form, "uses": "1", "days": "7", "email": address}).status,
            "own": own.post("/account/email/ask", {**mine, "email": address}).status,
            "console": root.post("/admin/users/new", {**form, **new}).status,
            "api": send_json(root, "POST", "/api/v1/users", new, key).status,
            "api invite": send_json(root, "POST", "/api/v1/invites", {"email": address}, key).status,
        }
        assert set(statuses.values()) <= {400, 422}, f"{address!r}: {statuses}"
    assert house.stage.query("SELECT name, email FROM users") == known
    assert house.stage.query("SELECT count(*) FROM letters") == letters
    # What is only written large is the same address.
    upper = f"{house.fresh()}@EXAMPLE.TEST"
    own.post("/account/email/ask", {**mine, "email": upper})
    assert house.link(upper.lower())


def send_json(browser: Browser, method: str, target: str, body: object, *more: tuple[bytes, bytes]) -> Answer:
    """Call the API as a script of our own page does."""
    text = json.dumps(body).encode()
    return browser.call(method, target, (b"Content-Type", b"application/json"), *more, body=text)


def test_registering_closed_is_closed_by_every_way(house: House) -> None:
    """E27, R02: the page, the form that was opened before, the mailed link, and the one asked for."""
    root = house.stage.visitor(ROOT)
    address, name = f"{house.fresh()}@example.test", house.fresh()
    browser = house.stage.browser()
    asked = browser.open_form("/register").fields
    browser.post("/register/mail", {**asked, "email": address})
    link = house.link(address)
    fields = fill(browser, link, name)
    for word in ("invite", "closed", "oidc_auto", "first_user_then_locked"):
        answer = root.post("/admin/policy/registration", {**own_form(root), "word": word})
        assert local(answer) == "/admin/policy?done=registration"
        assert browser.get("/register").status == 403
        assert browser.get(link).status == 403
        assert browser.post("/register", fields).status == 403
        assert browser.post("/register/mail", {**asked, "email": f"{house.fresh()}@example.test"}).status == 403
    root.post("/admin/policy/registration", {**own_form(root), "back": "1"})
    assert made(house, [name]) == 0
    assert note(house, browser.post("/register", fields), name).status == 303
    assert quote(address) not in house.stage.log
