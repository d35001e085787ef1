"""What we answer (attacks C): identity on an allow only, of one person only, as bytes that no name can break out of."""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import pytest
from markupsafe import escape

from tests.attacks.invariants import FORWARDED, IDENTITY, REMOTE, attacked
from tests.attacks.stage import ALICE, BOB, DORA, NAVIGATION, ROOT, STRANGER, Browser, Person, Stage
from tests.attacks.wire import DIALECTS, Connection, question, write

_ID = "(SELECT id FROM users WHERE name = ?)"

BREAKING = [
    "A\r\nRemote-User: root", "A\nRemote-User: root", "A\rRemote-User: root", "A\x00B", "A\u2028Remote-User: root",
    "A\u2029B", "A\u560d\u560aRemote-User: root", "A\n Remote-User: root", "A\n\tB", "A\r\n\r\nHTTP/1.1 200 OK",
    "\x85A", "A\x0bB", "A\x1bB", "A\x7fB", "%0d%0aRemote-User: root", "A\\r\\nB", "A\u0085B",
]  # fmt: skip
"""Text that would end a header line in some server on the way."""

DISPLAYED = [
    "Иван", "Łukasz", "名前", "é", "e\u0301", "\U0001f469\u200d\U0001f680", "İ", "ß", "Ω" * 128, "a%b", "%41", "100 %", "x" * 128,
    "a, b; c", 'say "hi"', "O'Neil", "a\u00a0b", "<img src=x onerror=alert(1)>", "{{7*7}} ${7*7} %(x)s {0.__class__}", "a=b&c",
]  # fmt: skip
"""Names people may have; every one must come out as it went in."""


@pytest.fixture(scope="module")
def changeling(theatre: Stage) -> Person:
    """Somebody whose row in the database tests write into."""
    return theatre.newcomer("users")


@pytest.fixture
def guest(theatre: Stage, changeling: Person) -> Iterator[Browser]:
    """Their browser; afterwards they are who they were."""
    yield theatre.visitor(changeling)
    theatre.change("UPDATE users SET display_name = ? WHERE name = ?", changeling.name, changeling.name)
    theatre.change(f"UPDATE memberships SET group_name = 'users' WHERE user_id = {_ID}", changeling.name)


@pytest.mark.parametrize("text", BREAKING, ids=ascii)
def test_no_stored_text_ends_a_header_line(stage: Stage, guest: Browser, changeling: Person, text: str) -> None:
    """C01: written past every check, by somebody with the database; the bytes on the wire hold all the same."""
    cookie = guest.cookie()
    stage.change("UPDATE users SET display_name = ? WHERE name = ?", text, changeling.name)
    for dialect in DIALECTS:
        answer = stage.ask(dialect, cookie=cookie)
        assert answer.status == 200
        for name in ("x-forwarded-user-name", "remote-name"):
            value = answer.one(name)
            assert value.isascii(), value
            assert unquote_to_bytes(value) == text.encode()
    stage.change(f"UPDATE memberships SET group_name = ? WHERE user_id = {_ID}", text, changeling.name)
    for dialect in DIALECTS:
        answer = stage.ask(dialect, cookie=cookie)
        assert answer.status == 200
        assert answer.one("x-forwarded-user-groups").isascii()


def test_text_in_the_store_that_is_none_lets_nobody_in(theatre: Stage, guest: Browser, changeling: Person) -> None:
    """C01, C02, P14: half a surrogate gets nobody in under a garbled name; the store was changed, so this is a fault."""
    with attacked(theatre, faults=True) as stage:
        stage.change("UPDATE users SET display_name = CAST(x'61eda08062' AS TEXT) WHERE name = ?", changeling.name)
        for dialect in DIALECTS:
            assert stage.ask(dialect, cookie=guest.cookie()).status in {403, 503}


@pytest.mark.parametrize("text", DISPLAYED, ids=ascii)
def test_any_name_comes_out_as_it_went_in(stage: Stage, guest: Browser, changeling: Person, text: str) -> None:
    """C02: visible ASCII as it is, everything else and `%` percent-encoded UTF-8; K12: shown as it is."""
    stage.change("UPDATE users SET display_name = ? WHERE name = ?", text, changeling.name)
    for dialect in DIALECTS:
        answer = stage.ask(dialect, cookie=guest.cookie())
        for name in ("x-forwarded-user-name", "remote-name"):
            value = answer.one(name)
            assert all(0x20 <= byte < 0x7F for byte in value), value
            assert unquote_to_bytes(value).decode() == text
    page = guest.get("/")
    assert page.status == 200
    assert str(escape(text)) in page.body.decode()
    assert b"<img src=x" not in page.body


FIELDS = ("--display-name", "--email", "--group")
HARMLESS = frozenset(text for text in BREAKING if text.strip().isprintable())
"""What is ordinary letters once the space around it is gone: a name that may be shown."""


@pytest.mark.parametrize(
    ("field", "text"),
    [(field, text) for field in FIELDS for text in BREAKING if field != "--display-name" or text not in HARMLESS],
    ids=ascii,
)
def test_such_text_is_refused_when_it_is_to_be_stored(stage: Stage, field: str, text: str) -> None:
    """C01: the first line of defence."""
    with pytest.raises(Exception, match=r"name|address|character"):
        stage.command("user", "add", "mallory", field, text, "--password-stdin", typed="Long enough, is 1t?\n")
    assert stage.query("SELECT count(*) FROM users WHERE name = 'mallory'") == [(0,)]


@pytest.mark.parametrize(
    "group",
    ["users,admin", "a;b", "a b", "admin ", " admin", "admin\t", "", ",", "admin\x00", "\u0430dmin", "admin\n", "a" * 65, "a\u0301",
     "admin,", "a|b", 'a"b', "a'b", "a%2cb", "a=b", "a\\b"],
    ids=ascii,
)  # fmt: skip
def test_a_separator_in_a_group_name_is_refused(stage: Stage, group: str) -> None:
    """C04: one group can never be read as two."""
    for command in (("user", "groups", "bob", group), ("user", "add", "mallory", "--group", group, "--password-stdin")):
        with pytest.raises(Exception, match=r"group"):
            stage.command(*command, typed="Long enough, is 1t?\n")
    assert stage.query("SELECT group_name FROM memberships m JOIN users u ON u.id = m.user_id WHERE name = 'bob'") == []


def test_no_answer_repeats_our_secrets(stage: Stage, dialect: str) -> None:
    """C06: the fixture looks for every password and session in everything; here they are sent where they might echo."""
    cookie = stage.cookie_of(ALICE)
    value = cookie.partition(b"=")[2]
    half = value.partition(b".")[0]
    for more in (
        [],
        NAVIGATION,
        [(b"Authorization", b"Bearer " + value)],
        [(b"X-Echo", value), (b"Referer", b"https://" + half)],
    ):
        for host in (b"app.example.test", b"admin.example.test", b"pub.example.test"):
            stage.ask(dialect, host=host, cookie=cookie + b"; theme=dark", more=more)
            stage.ask(dialect, host=host, cookie=b"doorward=" + half + b"." + half, more=more)
    kept = stage.ask(dialect, cookie=b"a=1; " + cookie + b"; b=2; __Host-doorward-csrf=x; __Host-doorward-device=y")
    assert kept.one("cookie") == b"a=1; b=2"


def test_an_open_address_names_nobody_whose_session_is_over(stage: Stage, dialect: str) -> None:
    """C07: ended, of a disabled account, forged, doubled: an allow, and every identity header empty."""
    person = stage.newcomer("users")
    browser, other = stage.signed_in(person), stage.signed_in(person)
    ended, disabled = browser.cookie(), other.cookie()
    browser.sign_out()
    stage.command("user", "disable", person.name)
    stage.bury(person)
    live = stage.cookie_of(ALICE)
    forged = live[:-1] + (b"A" if live[-1:] != b"A" else b"B")
    for cookie in (ended, disabled, forged, live + b"; " + live, b"doorward=", b"doorward=x"):
        answer = stage.ask(dialect, host=b"pub.example.test", target=b"/public/x", cookie=cookie)
        assert answer.status == 200
        assert not any(answer.one(name) for name in IDENTITY), cookie
        removed = set(answer.one("x-envoy-auth-headers-to-remove").decode().split(","))
        assert all(answer.all(name) == [b""] or name in removed for name in IDENTITY)


def test_nothing_but_an_allow_carries_an_identity(stage: Stage, dialect: str) -> None:
    """C09, D-09, invariant 3: of all answers, with somebody signed in; the fixture looks, here each kind is made once."""
    cookie = stage.cookie_of(BOB)
    seen = {
        stage.ask(dialect, host=b"admin.example.test", cookie=cookie).status,
        stage.ask(dialect, host=b"admin.example.test", cookie=cookie, more=NAVIGATION).status,
        stage.ask(dialect, host=b"two.example.test", cookie=cookie).status,
        stage.ask(dialect, host=b"a b", cookie=cookie).status,
        stage.ask(dialect, cookie=cookie + b"; " + cookie, more=NAVIGATION).status,
        stage.ask(dialect, cookie=cookie + b"; " + cookie).status,
        stage.ask(dialect, cookie=cookie, source=STRANGER).status,
        stage.ask(dialect, cookie=cookie, forwarded_for=b"?").status,
        stage.ask(dialect, cookie=cookie, proto=b"gopher").status,
    }
    assert 200 not in seen
    assert seen >= ({401, 403} if dialect == "nginx" else {303, 400, 401, 403})
    allowed = stage.ask(dialect, cookie=cookie)
    assert [allowed.one(name) for name in (*FORWARDED[:1], REMOTE[0])] == [b"bob@example.test", b"bob"]


def test_nginx_hears_only_what_it_understands(stage: Stage) -> None:
    """C10: 200, 401 or 403; anything else would be a 500 for the visitor."""
    cookies = [b"", stage.cookie_of(ALICE), stage.cookie_of(BOB), b"doorward=x", b"doorward=x; doorward=y"]
    for cookie in cookies:
        for host in (
            b"app.example.test",
            b"admin.example.test",
            b"two.example.test",
            b"pub.example.test",
            b"nothere",
            b"a b",
            b"",
        ):
            for target in (b"/", b"/public/x", b"/x#y", b"/" + b"a" * 9000, b"", b"/%zz"):
                for proto in (b"https", b"http", b"gopher"):
                    answer = stage.ask("nginx", host=host, target=target, proto=proto, cookie=cookie, more=NAVIGATION)
                    assert answer.status in {200, 401, 403}


NEAR = [
    "/api/authz", "/api/authz/", "/api/authz/traefik/", "/api/authz/traefik/x", "/api/authz/Traefik", "/api/authz/TRAEFIK",
    "/api/authz//traefik", "/api/authz/./traefik", "/api/authz/../authz/traefik", "/api/authz/traefik.", "/api/authz/traefik%2f",
    "/api/authz/traefi%6b", "/api/authz/traefik%00", "/api/authz/traefik;x", "/api/authz/traefik#x", "/api/authz/nginx/x",
    "/api/authz/envoy", "/api/authz/envoyx", "/api/authz/apache", "/api/authz/traefik/..%2fcaddy", "/api/auth/forwardauth/",
    "/api/auth/forwardauthx", "/api/auth/forwardauth/x", "/api/auth/forwardauth.", "/api/auth/Forwardauth", "/api/verify",
    "/api/verif", "/API/AUTHZ/TRAEFIK", "/api/%61uthz/traefik", "//api/authz/traefik", "/api//authz/traefik",
    "/./api/authz/traefik", "/api/authz%2ftraefik", "/api/authz/static/", "/api/authz/login", "/api/authz/healthz",
    "/api/authz/traefik?x=/login", "/api/auth/forwardauth?rd=https://pub.example.test/public", "/api/authz/?/static/",
]  # fmt: skip
"""Addresses on, beside and below those of the check."""


@pytest.mark.parametrize("target", NEAR)
def test_nothing_near_the_check_says_yes_to_a_stranger(stage: Stage, target: str) -> None:
    """C12: any 2xx opens the door, so there is none by accident, by whatever method."""
    _, _, headers = question("traefik")
    _, _, others = question("nginx")
    asked = [*headers, *(pair for pair in others if pair[0] != b"Host")]
    for method in (b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"PROPFIND"):
        for cookie in ((), ((b"Cookie", stage.cookie_of(ALICE)),)):
            answer = stage.send(write(method, target.encode(), [*asked, *cookie], b"" if method == b"POST" else None))
            is_question = target.partition("?")[0] in {"/api/authz/traefik", "/api/auth/forwardauth"}
            assert not 200 <= answer.status < 300 or (cookie and is_question), f"{method!r} {target}"
            assert b"<form" not in answer.body


def test_a_check_has_no_body_whatever_the_method(stage: Stage, dialect: str) -> None:
    """C12, P03: nothing follows the head of an answer to HEAD, or of an allow."""
    for method in (b"HEAD", b"GET", b"POST"):
        for cookie in (b"", stage.cookie_of(ALICE)):
            with stage.connect() as line:
                raw = _check(dialect, cookie, method=method)
                answer = stage.note(raw, line.exchange(raw, method=method))
                again = stage.note(raw, line.exchange(raw, method=method))
                assert (again.status, len(again.body)) == (answer.status, len(answer.body))


def _check(dialect: str, cookie: bytes, *, method: bytes = b"GET") -> bytes:
    _, path, headers = question(dialect)
    lines = [*headers, (b"X-Forwarded-For", b"203.0.113.7"), *((b"Cookie", cookie) for _ in range(bool(cookie)))]
    return write(method, path, lines)


def test_a_line_kept_open_belongs_to_nobody(stage: Stage, dialect: str) -> None:
    """C06, R07: the same connection, one visitor after another: each answer is about its own request."""
    people = {stage.cookie_of(person): person for person in (ALICE, BOB, ROOT)}
    with stage.connect() as line:
        _take_turns(stage, line, dialect, {**people, b"doorward=x": DORA})


def _take_turns(stage: Stage, line: Connection, dialect: str, people: dict) -> None:
    for cookie, person in [*people.items(), *reversed(people.items())]:
        raw = _check(dialect, cookie)
        answer = stage.note(raw, line.exchange(raw))
        wanted = person.email.encode() if person is not DORA else b""
        assert answer.one("x-forwarded-user-email") == wanted
