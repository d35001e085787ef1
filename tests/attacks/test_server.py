"""The server (attacks P): requests that are none, bodies where none belong, and more of everything than anybody sends."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.attacks.invariants import count_memory
from tests.attacks.stage import ALICE, AUTH, BOB, NAVIGATION, STRANGER, Stage
from tests.attacks.wire import Answer, Connection, question, write

OWN = [(b"Host", AUTH), (b"X-Forwarded-For", b"203.0.113.7"), (b"X-Forwarded-Proto", b"https")]


def talk(stage: Stage, raw: bytes) -> tuple[Answer, bool]:
    """Send these bytes; the first answer, and whether the connection ended after it."""
    with stage.connect() as line:
        answer = stage.note(raw, line.exchange(raw, method=b"GET"))
        return answer, answer.status == 0 or answer.one("connection").lower() == b"close"


LINES = [
    b"GET /login", b"GET /login HTTP/0.9", b"GET /login HTTP/1.2", b"GET /login HTTP/2.0", b"GET /login HTTP/3", b"GET /login http/1.1",
    b"GET /login HTTP/1.1 ", b"GET /login HTTP/1.1x", b"GET /lo gin HTTP/1.1", b"get /login HTTP/1.1", b"G\x00T /login HTTP/1.1",
    b" GET /login HTTP/1.1", b"GET\t/login\tHTTP/1.1", b"/login HTTP/1.1", b"GET HTTP/1.1", b"HTTP/1.1", b"\x16\x03\x01\x02\x00\x01",
    b"PRI * HTTP/2.0\r\n\r\nSM", b"GET http://evil.test/login HTTP/1.1", b"GET //evil.test/login HTTP/1.1", b"GET \\login HTTP/1.1",
    b"GET login HTTP/1.1", b"GET ?login HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT evil.test:443 HTTP/1.1",
    b"GET /" + b"a" * 65_536 + b" HTTP/1.1", b"A" * 70_000, b"GET /\x80 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"GET /%00 HTTP/1.1",
    b"GET /login#x HTTP/1.1", b"GET ftp://auth.example.test/login HTTP/1.1", b"BREW /login HTTP/1.1", b"GET /login HTTP/1.1\r\n\tfolded: x",
]  # fmt: skip


@pytest.mark.parametrize("first", LINES, ids=lambda line: repr(line[:30]))
def test_a_request_line_that_is_none_is_refused(stage: Stage, first: bytes) -> None:
    """P02: nothing of ours is served for it, and no other request is read into it."""
    rest = b"\r\nHost: auth.example.test\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
    answer, _ = talk(stage, first + rest)
    assert answer.status in {0, 400, 404, 405, 431}, answer


def test_absolute_form_is_served_under_the_host_it_claims_or_not_at_all(stage: Stage) -> None:
    """P02, B19: the request line and Host cannot be played against each other."""
    for target in (b"http://auth.example.test/login", b"https://auth.example.test/login", b"http://evil.test/login"):
        for host in (b"auth.example.test", b"evil.test"):
            answer = stage.send(write(b"GET", target, [(b"Host", host), *OWN[1:]]))
            assert answer.status in {0, 400, 404, 421}


SMUGGLED = b"GET /api/authz/traefik HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_body_behind_a_check_is_never_the_next_request(stage: Stage, dialect: str) -> None:
    """P03: it is read over, or the connection ends; the next visitor on that line gets an answer of their own."""
    verb, path, headers = question(dialect)
    asked = [*headers, (b"X-Forwarded-For", b"203.0.113.7")]
    other = write(verb, path, [*asked, (b"Cookie", stage.cookie_of(BOB))])
    for method in (verb, b"HEAD", b"POST", b"DELETE"):
        raw = write(method, path, [*asked, (b"Cookie", stage.cookie_of(ALICE))], SMUGGLED)
        with stage.connect() as line:
            first = stage.note(raw, line.exchange(raw, method=method))
            assert first.one("x-forwarded-user-email") == ALICE.email.encode()
            second = stage.note(other, line.exchange(other, method=verb))
            assert second.status in {0, 200}
            assert second.one("x-forwarded-user-email") in {b"", BOB.email.encode()}


AMBIGUOUS = [
    [(b"Content-Length", b"4"), (b"Transfer-Encoding", b"chunked")],
    [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"4")],
    [(b"Content-Length", b"4"), (b"Content-Length", b"5")],
    [(b"Content-Length", b"+4")],
    [(b"Content-Length", b"-1")],
    [(b"Content-Length", b"4, 4")],
    [(b"Content-Length", b"0x4")],
    [(b"Content-Length", b"4 4")],
    [(b"Content-Length", b"99999999999999999999")],
    [(b"Transfer-Encoding", b"xchunked")],
    [(b"Transfer-Encoding", b"chunked, identity")],
    [(b"Transfer-Encoding ", b"chunked")],
    [(b"Transfer-Encoding", b"\x0bchunked")],
    [(b"Content-Length ", b"4")],
    [(b"Content\x00Length", b"4")],
    [(b"X y", b"1")],
    [(b"", b"1")],
    [(b"X\r\n y", b"1")],
]


@pytest.mark.parametrize("headers", AMBIGUOUS, ids=repr)
@pytest.mark.parametrize("target", [b"/login", b"/api/authz/traefik", b"/api/authz/envoy/"])
def test_a_length_that_two_readers_read_differently_is_refused(stage: Stage, target: bytes, headers) -> None:
    """P03: and the connection ends, so that nothing behind it is a request."""
    base = question("traefik")[2] if b"authz" in target else OWN
    raw = write(b"POST", target, [*base, *headers]) + b"abcd" + SMUGGLED
    with stage.connect() as line:
        answer = stage.note(raw, line.exchange(raw, method=b"POST"))
        assert answer.status in {0, 400, 401, 403, 413, 415}
        if answer.status not in {0, 413}:
            following = line.read()
            assert following.status in {0, 400}, following


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE", b"TRACK", b"PRI", b"DEBUG"])
def test_methods_of_proxies_are_not_ours(stage: Stage, method: bytes) -> None:
    """P02, P03."""
    for target in (b"/", b"/login", b"/api/authz/traefik", b"/api/authz/envoy/x", b"auth.example.test:443"):
        raw = write(method, target, [*OWN, (b"Cookie", stage.cookie_of(ALICE))])
        answer, _ = talk(stage, raw)
        assert answer.status not in range(200, 300) or target == b"/api/authz/envoy/x"
        assert b"Cookie" not in answer.body


GIANTS = [
    [(b"X", b"y" * 65_536)], [(b"X" * 65_536, b"y")], [(b"X%d" % n, b"y") for n in range(2_000)], [(b"X", b"y" * 1_000)] * 100,
    [(b"Accept", b"text/html;q=" + b"0" * 40_000)], [(b"X-Forwarded-For", b"1.1.1.1," * 8_000)], [(b"X", b"")] * 5_000,
    [(b"User-Agent", b"\xff" * 40_000)], [(b"Referer", b"https://x/" + b"y" * 60_000)],
]  # fmt: skip


@pytest.mark.parametrize(
    "headers", GIANTS, ids=lambda headers: f"{len(headers)} of {len(headers[0][0]) + len(headers[0][1])}"
)
@pytest.mark.parametrize("target", [b"/login", b"/api/authz/traefik", b"/static/x", b"/healthz"])
def test_a_head_of_kilobytes_is_refused(stage: Stage, target: bytes, headers) -> None:
    """P05: 431 or 400, whoever is asked."""
    base = question("traefik")[2] if b"authz" in target else OWN
    answer = stage.send(write(b"GET", target, [*base, *headers]))
    assert answer.status in {0, 303, 400, 401, 431}
    if answer.status in {303, 401}:  # a check whose head is below the limits is answered; nothing of it is kept
        assert sum(len(name) + len(value) for name, value in headers) < 65_536


def test_a_head_that_never_ends_is_given_up(stage: Stage) -> None:
    """P05: by its size, however slowly it comes."""
    with stage.connect() as line:
        line.send(b"GET /login HTTP/1.1\r\n")
        for number in range(200):
            line.send(b"X-%d: " % number + b"y" * 1_000 + b"\r\n")
        answer = stage.note(b"GET /login HTTP/1.1", line.read())
        assert answer.status in {0, 431}


MULTIPART = b"multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "kind",
    [MULTIPART, b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 10_000, b"application/json", b"text/plain", b"",
     b"application/x-www-form-urlencoded; charset=utf-7", b"application/x-www-form-urlencoded, text/plain", b"*/*",
     b"application/x-www-form-urlencoded;" + b";" * 20_000, b"multipart/form-data; boundary=" + b'"' + b"\\" * 20_000],
    ids=lambda kind: repr(kind[:50]),
)  # fmt: skip
def test_forms_come_as_forms_only(stage: Stage, kind: bytes) -> None:
    """P06: 415, before anything of the body is looked at."""
    part = b'--x\r\nContent-Disposition: form-data; name="login"; filename="../../x"\r\n\r\nalice\r\n'
    bodies = [part + b"--x--\r\n", b"\r\n" * 5_000, b'{"login": "alice"}', part * 100, b"--x\r\n" + b"A: b\r\n" * 1_500]
    for target in (b"/login", b"/logout", b"/setup", b"/sessions/end"):
        for body in bodies:
            browser = stage.visitor(ALICE)
            answer = stage.send(write(b"POST", target, browser.headers((b"Content-Type", kind)), body))
            assert answer.status in {400, 415, 431}


def test_a_body_without_end_is_not_read_to_its_end(stage: Stage) -> None:
    """P06, E13: chunk after chunk, on forms and on the API; it is refused at its limit, and memory stays flat."""
    before = count_memory(stage.gateway.process.pid)
    for target in (b"/login", b"/api/sessions/session/current"):
        with stage.connect() as line:
            form = (b"Content-Type", b"application/x-www-form-urlencoded")
            raw = write(b"POST", target, [*OWN, form, (b"Transfer-Encoding", b"chunked")])
            line.send(raw)
            for _ in range(300):
                line.send(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
            answer = stage.note(raw, line.read())
            assert answer.status in {0, 400, 405, 413}
    assert count_memory(stage.gateway.process.pid) - before < 32 * 1024 * 1024


def test_ranges_by_the_thousand_are_not_read(stage: Stage) -> None:
    """P08: the whole file or nothing."""
    page = stage.browser().get("/login").body
    for path in {match.decode() for match in re.findall(rb'"(/static/[^"]+)"', page)}:
        whole = stage.browser().get(path)
        assert whole.status == 200
        for ranges in (
            "0-0",
            "0-,1-,2-",
            ",".join(f"{n}-{n}" for n in range(5_000)),
            "-1",
            "99999999-",
            "0-" + "9" * 4000,
        ):
            answer = stage.browser().get(path, (b"Range", b"bytes=" + ranges.encode()))
            assert answer.status in {200, 400, 431}
            assert answer.body in {whole.body, b""} or answer.status != 200


TRAVERSALS = [
    "/static/../app.db", "/static//etc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/static/..%2f..%2fapp.py", "/static/..\\app.py",
    "/static/%2e%2e%5capp.py", "/static/.env", "/static/x\x00.css", "/static/%00", "/static", "/static/", "/static/.", "/static/..",
    "/static/../static/../login", "/static/....//....//etc/passwd", "/static/%252e%252e/app.py", "/static/file:///etc/passwd",
    "/static/C:/Windows", "/static/~root", "/static/{0}/../main.js", "/static/{0}/./main.js", "/static/{0}//main.js",
    "/static/{0}/%6dain.js", "/static/{0}/main.js/", "/static/{0}/MAIN.JS", "/static/{0}/main.js%00", "/static/{0}/main.js;x",
    "/static/0000000000000000/main.js", "/static/{0}/", "/static/{0}", "/static/{0}/main.js~", "/static/{0}/.main.js.swp",
    "/static/{0}/__init__.py", "/static/main.js", "/data/doorward.db", "/encryption_key", "/doorward.yaml", "/.git/config",
]  # fmt: skip


@pytest.mark.parametrize("target", TRAVERSALS, ids=repr)
def test_no_address_leads_out_of_the_folder_of_static_files(stage: Stage, target: str) -> None:
    """P09: what is not in the table does not exist."""
    page = stage.visitor(ALICE).get("/").body
    version = re.search(rb"/static/([0-9a-f]{16})/", page)
    assert version is not None
    path = target.replace("{0}", version[1].decode()).encode("latin-1")
    answer = stage.send(write(b"GET", path, OWN))
    assert answer.status in {0, 400, 404}
    plain = stage.send(write(b"GET", b"/static/%b/main.js" % version[1], OWN))
    assert plain.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Upgrade", b"h2c"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"HTTP2-Settings", b"AAMAAABkAAQAAP__")],
        [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"Sec-WebSocket-Version", b"13"),
        ],
        [(b"Upgrade", b"TLS/1.2"), (b"Connection", b"Upgrade")],
        [(b"Connection", b"close, Host, Cookie, X-Forwarded-For")],
    ],
    ids=lambda headers: repr(headers[0]),
)
def test_an_upgrade_to_anything_is_ignored(stage: Stage, headers) -> None:
    """P11: no page, no check and no file answers 101."""
    for target in (b"/login", b"/", b"/static/x", b"/api/auth/mode", b"/healthz"):
        answer = stage.send(write(b"GET", target, [*OWN, *headers]))
        assert answer.status in {200, 303, 400, 404}
    smuggled = write(b"GET", b"/api/authz/traefik", [*question("traefik")[2], *headers]) + SMUGGLED
    with stage.connect() as line:
        first = stage.note(smuggled, line.exchange(smuggled))
        assert first.status in {401, 303}
        if headers[0][0] == b"Upgrade":
            assert line.read().status == 0


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"200-ok", b""])
def test_an_expectation_holds_nobody_up(stage: Stage, value: bytes) -> None:
    """P11: a check is answered, and so is a form whose body never comes once the visitor gives up."""
    answer = stage.ask("traefik", cookie=stage.cookie_of(ALICE), more=[(b"Expect", value)], kept=False)
    assert answer.status == 200
    form = write(
        b"POST",
        b"/login",
        [*OWN, (b"Expect", value), (b"Content-Type", b"application/x-www-form-urlencoded"), (b"Content-Length", b"40")],
    )
    with stage.connect() as line:
        line.send(form)
        assert stage.ask("traefik", cookie=stage.cookie_of(ALICE)).status == 200


def test_lines_that_say_nothing_hold_nobody_up(stage: Stage) -> None:
    """P12: connections that are opened and kept silent, in all stages of a request."""
    begun: list[Connection] = []
    try:
        for number in range(150):
            line = stage.connect(STRANGER)
            line.send(
                (
                    b"",
                    b"GET",
                    b"POST /login HTTP/1.1\r\nHost: x\r\n",
                    b"POST /login HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
                )[number % 4]
            )
            begun.append(line)
        assert stage.ask("traefik", cookie=stage.cookie_of(ALICE), kept=False).status == 200
        assert stage.browser().get("/login").status == 200
    finally:
        for line in begun:
            line.socket.close()


def test_sign_ins_by_the_dozen_leave_checks_alone(stage: Stage) -> None:
    """P12: what cannot be hashed soon is refused at once, and every check meanwhile is answered with 200."""
    browsers = [stage.browser() for _ in range(20)]
    forms = [browser.open_form().fields for browser in browsers]

    def attempt(number: int) -> int:
        body = urlencode({**forms[number], "login": f"nobody{number}", "password": "x"}).encode()
        own = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
        return stage.send(write(b"POST", b"/login", browsers[number].headers(*own, *NAVIGATION), body)).status

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(attempt, number) for number in range(20)]
        while not all(each.done() for each in waiting):
            assert stage.ask("traefik", cookie=stage.cookie_of(ALICE)).status == 200
        assert {each.result() for each in waiting} <= {403, 429, 503}


@pytest.mark.parametrize(
    "text",
    [
        b"%ED%A0%80",
        b"%00",
        b"\xed\xa0\x80",
        b"%FF",
        b"%C0%80",
        b"%F4%90%80%80",
        b"%zz",
        b"%",
        b"a%0db",
        b"a%0d%0d%0ab",
        b"%1b",
    ],
)
@pytest.mark.parametrize("field", [b"login", b"password", b"ticket", b"csrf_token", b"rd", b"remember", b"x"])
def test_half_a_letter_is_no_text(stage: Stage, field: bytes, text: bytes) -> None:
    """P14: refused where it is read, in every field of a form and in every parameter."""
    browser = stage.browser()
    browser.open_form()
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    answer = stage.send(write(b"POST", b"/login", browser.headers(form), field + b"=" + text))
    assert answer.status == 400
    for target in (b"/login", b"/sessions", b"/api/sessions/list", b"/setup"):
        answer = stage.send(write(b"GET", target + b"?" + field + b"=" + text, browser.headers()))
        assert answer.status in {0, 400, 401}, target


def test_half_a_letter_in_a_path_of_the_api_is_no_handle(stage: Stage) -> None:
    """P14, J15."""
    browser = stage.visitor(ALICE)
    token = json.loads(browser.call("GET", "/api/auth/csrf-token").body)["csrf_token"].encode()
    for handle in (
        "%00",
        "%ED%A0%80",
        "%FF",
        "..",
        "%2e%2e",
        "%2F",
        "'",
        "x" * 4000,
        "%25",
        "*",
        " ",
        "CURRENT",
        "current/",
    ):
        answer = browser.call("DELETE", f"/api/sessions/session/{handle}", (b"X-CSRF-Token", token))
        assert answer.status in {0, 400, 404, 405}, handle
    assert browser.get("/sessions").status == 200


def test_a_flood_of_refusals_is_counted_and_not_written(stage: Stage) -> None:
    """P15: a few lines of each reason, then their number; and the log speaks again afterwards."""
    before = stage.log_size()
    for _ in range(400):
        stage.ask("traefik", host=b"a b")
    assert stage.log_since(before).count("check_refused") <= 100
    stage.gateway.process.wait_until(lambda: '"held_back"' in stage.log_since(before))


def test_a_flood_of_requests_for_nothing_does_not_flood_the_log(stage: Stage) -> None:
    """P15: addresses that do not exist, hosts that are not ours, forms from elsewhere: counted, too."""
    before = stage.log_size()
    for number in range(400):
        stage.send_on(write(b"GET", b"/nothing/%d" % number, OWN))
        stage.send_on(write(b"GET", b"/", [(b"Host", b"evil.test"), *OWN[1:]]))
    assert stage.log_since(before).count("request_refused") <= 100
