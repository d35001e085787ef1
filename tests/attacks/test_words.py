"""What people write, wherever it comes out again (attacks C, K, L): pages, mail, log, record, export, problems."""

import json
from email.message import EmailMessage
from html import escape
from urllib.parse import quote

import pytest

from tests.attacks.factors import add_passkey, local, own_form
from tests.attacks.household import House, body_of, form_post
from tests.attacks.stage import ROOT, Browser, Person, handed_out
from tests.attacks.test_forms import check_scripts
from tests.attacks.test_newcomers import send_json
from tests.attacks.wire import Answer
from tests.fakes.authenticator import Authenticator

HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}${7*7}%(x)s%n{0.__class__}</title><!--&lt;\\u003c=cmd|'/c'!A1"
"""Markup, templates, formats, escapes and formulas: all of it is allowed in a name, and all of it is only text."""
SEPARATORS = ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1b[2J", "\x00", "\u202e", "\u200b"]
INJECTED = "Bcc: evil@evil.test"
FORGED = '"}\n{"at":"2026-01-01","level":"info","event":"forged"}'
HEADERS = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}


class Talker:
    """Somebody who has written it into everything that there is to write into."""

    def __init__(self, house: House) -> None:
        self.house, stage = house, house.stage
        self.person = person = stage.newcomer("users")
        self.email = f"x&'{{{{7*7}}}}%s-{person.name}@example.test"
        stage.change("UPDATE users SET email = ? WHERE name = ?", self.email, person.name)
        self.browser = browser = stage.browser()
        form = browser.open_form().fields
        agent = (b"User-Agent", HOSTILE.encode())
        answer = post_as(browser, agent, "/login", {**form, "login": person.name, "password": person.password})
        stage.live |= dict.fromkeys(handed_out(answer), Person(person.name, self.email, person.password))
        assert answer.status == 303
        saved = browser.post("/account/profile", {**own_form(browser), "display_name": HOSTILE, "language": ""})
        assert local(saved) == "/account/profile?done=saved"
        add_passkey(browser, Authenticator())
        ((passkey,),) = stage.query(
            "SELECT p.id FROM passkeys p JOIN users u ON u.id = p.user_id WHERE u.name = ?", person.name
        )
        renamed = browser.post("/account/passkeys/rename", {**own_form(browser), "passkey": passkey, "name": HOSTILE})
        assert "done=" in local(renamed)
        self.guest = f"{house.fresh()}@example.test"
        house.invite(note=HOSTILE, email=self.guest, groups="users")


def post_as(browser: Browser, agent: tuple[bytes, bytes], target: str, fields: dict[str, str]) -> Answer:
    """Send a form with another name of the browser."""
    raw = form_post(browser, target, fields)
    plain = next(line for line in raw.split(b"\r\n") if line.startswith(b"User-Agent: "))
    answer = browser.stage.send(raw.replace(plain, b": ".join(agent)))
    for line in answer.all("set-cookie"):
        name, _, rest = line.decode("ascii").partition("=")
        browser.jar[name] = rest.partition(";")[0]
    return answer


@pytest.fixture(scope="module")
def talker(street: House) -> Talker:
    """One for all of these tests."""
    return Talker(street)


def test_it_is_text_on_every_page(house: House, talker: Talker) -> None:
    """K11, K12: one's own, and the console's; what is shown is what was written."""
    root, name = house.stage.visitor(ROOT), talker.person.name
    own = ["/", "/account", "/account/profile", "/account/security", "/sessions", "/logout"]
    ruled = ["/admin/users", f"/admin/users/person?login={name}", "/admin/sessions", "/admin/invites", "/admin/mail"]
    shown = 0
    for browser, target in [(talker.browser, each) for each in own] + [
        (root, each) for each in (*ruled, "/admin/policy")
    ]:
        page = browser.get(target)
        assert page.status == 200, target
        text = page.body.decode()
        check_scripts(page)
        assert "<img" not in text
        shown += HOSTILE[:20] not in text and _escaped(HOSTILE) in text
    assert shown >= 8


def _escaped(text: str) -> str:
    return escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;")


def test_it_is_text_in_what_programs_read(house: House, talker: Talker) -> None:
    """K11, L11: the API and one's own copy say it exactly, as JSON that no browser takes for a page."""
    root = house.stage.visitor(ROOT)
    ((user,),) = house.stage.query("SELECT id FROM users WHERE name = ?", talker.person.name)
    copy = talker.browser.post("/account/export", own_form(talker.browser))
    for answer in (
        talker.browser.call("GET", "/api/v1/account"),
        talker.browser.call("GET", "/api/v1/account/factors"),
        talker.browser.call("GET", "/api/v1/account/sessions"),
        talker.browser.call("GET", "/api/v1/account/sign-ins"),
        root.call("GET", f"/api/v1/users/{user}"),
        root.call("GET", "/api/v1/users?limit=500"),
        root.call("GET", "/api/v1/sessions?limit=200"),
        root.call("GET", "/api/v1/invites"),
        copy,
    ):
        assert answer.status == 200
        assert answer.one("content-type").partition(b";")[0] == b"application/json"
        assert HOSTILE in list(strings(json.loads(answer.body)))
    assert copy.one("content-disposition").startswith(b"attachment")


def strings(value: object) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        return [each for part in value.values() for each in strings(part)]
    if isinstance(value, list):
        return [each for part in value for each in strings(part)]
    return [value] if isinstance(value, str) else []


def test_it_is_text_in_every_mail(house: House, talker: Talker) -> None:
    """K11, K12, L18: in both forms of it; names, notes and devices write no header and no link."""
    stage, root = house.stage, house.stage.visitor(ROOT)
    before = len(house.letters(talker.email))
    assert house.act(talker.person.name, "reset_factors") == "reset_factors"
    stage.bury(talker.person)
    stage.gateway.process.wait_until(lambda: len(house.letters(talker.email)) > before)
    for letter in (*house.letters(talker.email), house.wait_for(talker.guest, 1)):
        html = "".join(part.get_content() for part in letter.walk() if part.get_content_type() == "text/html")
        plain = "".join(part.get_content() for part in letter.walk() if part.get_content_type() == "text/plain")
        # Names and notes as they are; what a browser calls itself only without what makes links of words.
        assert HOSTILE in plain or ("(img src=x onerror=alert(1))" in plain and "<img" not in plain)
        assert "<img" not in html
        assert "{{7*7}}" in html or "{{7 7}}" in html
    assert root.get("/admin/mail").status == 200
    for letter in every_letter(house):
        check_letter(letter)


def every_letter(house: House) -> list[EmailMessage]:
    """All that was ever sent from here."""
    return [letter for to in {to[0] for _, to, _ in list(house.box.taken)} for letter in house.letters(to)]


def check_letter(letter: EmailMessage) -> None:
    """Our headers, once each, and one recipient."""
    names = [name.lower() for name in letter]
    assert sorted(names) == sorted(HEADERS)
    assert "evil" not in letter["to"]
    assert "evil.test" not in letter["subject"]
    lines = body_of(letter).splitlines()
    assert not [line for line in lines if line.lower().startswith(("bcc:", "evil"))]


def test_no_name_ends_a_line(house: House) -> None:
    """C01, L18: in a display name, a passkey's, a note, an address or a group; by a form and by the API."""
    stage, root = house.stage, house.stage.visitor(ROOT)
    person = stage.newcomer()
    own = stage.signed_in(person)
    form, ruling = own_form(own), own_form(root)
    mine, ruler = ((b"X-CSRF-Token", each["csrf_token"].encode()) for each in (form, ruling))
    users = stage.query("SELECT name, display_name, email FROM users")
    invited = []
    for separator in SEPARATORS:
        text = f"Harmless{separator}{INJECTED}"
        guest = f"{house.fresh()}@example.test"
        new = {"name": house.fresh(), "password": "A good 1, for a guest", "display_name": text}
        refused = {
            "profile": own.post("/account/profile", {**form, "display_name": text, "language": ""}).status,
            "profile by API": send_json(own, "PATCH", "/api/v1/account", {"display_name": text}, mine).status,
            "console": root.post("/admin/users/new", {**ruling, **new, "email": "", "groups": ""}).status,
            "console by API": send_json(root, "POST", "/api/v1/users", new, ruler).status,
            "group": send_json(root, "POST", "/api/v1/invites", {"groups": [text]}, ruler).status,
            "language": send_json(own, "PATCH", "/api/v1/account", {"language": text[:16]}, mine).status,
        }
        assert set(refused.values()) <= {400, 422}, f"{separator!r}: {refused}"
        answer = send_json(root, "POST", "/api/v1/invites", {"note": text, "email": guest}, ruler)
        assert answer.status == 201
        house.own(json.loads(answer.body)["url"])
        (note,) = stage.query("SELECT note FROM invites WHERE email = ?", guest)
        assert note[0].isprintable()
        invited.append(guest)
    for guest in invited:
        check_letter(house.wait_for(guest, 1))
    assert stage.query("SELECT name, display_name, email FROM users") == users


def test_no_line_of_the_log_is_forged(house: House) -> None:
    """L18, P14: by a name that is tried, the name of a browser, an address, a field or a method."""
    stage, root = house.stage, house.stage.visitor(ROOT)
    size = stage.log_size()
    browser = stage.browser()
    form = browser.open_form().fields
    typed = FORGED.replace("\n", " ")
    browser.post("/login", {**form, "login": FORGED, "password": "x"})
    agent = (b"User-Agent", typed.encode() + b"\x1b[2J")
    post_as(browser, agent, "/login", {**form, "login": typed, "password": "x"})
    browser.get(f"/{quote(FORGED)}?{quote(FORGED)}={quote(FORGED)}", (b"Referer", typed.encode()))
    browser.call("GET", f"/api/v1/users/{quote(FORGED)}")
    key = (b"X-CSRF-Token", own_form(root)["csrf_token"].encode())
    send_json(root, "POST", "/api/v1/users", {FORGED: FORGED, "name": FORGED, "password": "x"}, key)
    for line in stage.log_since(size).splitlines():
        record = json.loads(line)
        assert record["event"] != "forged"
        assert "\x1b" not in line
    for row in stage.audit():
        assert row["act"] != "forged"


FIELDS = [
    "<script>alert(1)</script>",
    FORGED,
    "x" * 10_000,
    "a\r\nSet-Cookie: x=1",
    "\u202egnp.exe",
    "__proto__",
    "{{7*7}}",
]


def test_a_problem_is_a_document_and_no_page(house: House) -> None:
    """K11, L14: names of fields, values, queries and paths; short, JSON, and without our inside."""
    root = house.stage.visitor(ROOT)
    key = (b"X-CSRF-Token", own_form(root)["csrf_token"].encode())
    answers = []
    for field in FIELDS:
        short = field[:200]
        answers += [
            send_json(root, "POST", "/api/v1/users", {field: field, "password": field}, key),
            send_json(root, "POST", "/api/v1/invites", {"groups": [field], "email": short}, key),
            root.call("GET", f"/api/v1/users/{quote(short, safe='')}"),
            root.call("GET", f"/api/v1/users?limit={quote(short)}"),
            root.call("GET", f"/api/v1/users?{quote(short)}=1&limit=-1"),
        ]
    for answer in answers:
        assert answer.status in {400, 404, 422}
        assert answer.one("content-type").partition(b";")[0] == b"application/problem+json"
        assert answer.all("set-cookie") == []
        assert len(answer.body) < 4096
        document = json.loads(answer.body)
        assert document["status"] == answer.status
        for inner in ("Traceback", "pydantic", "sqlalchemy", "site-packages", "doorward/"):
            assert inner not in answer.body.decode()
