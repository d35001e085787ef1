"""Forms, caches and pages (attacks K): nothing is changed by a page elsewhere, and nothing written runs here."""

import re
from itertools import product
from urllib.parse import urlencode

import pytest
from markupsafe import escape

from tests.attacks.invariants import SECURITY_HEADERS
from tests.attacks.stage import ALICE, BOB, CSRF_COOKIE, NAVIGATION, ROOT, Browser, Person, Stage, handed_out
from tests.attacks.wire import DIALECTS, Answer, write

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
ELSEWHERE = [
    b"https://evil.test", b"null", b"http://auth.example.test", b"https://auth.example.test.evil.test",
    b"https://app.example.test", b"https://auth.example.test:8443", b"https://auth.example.test/", b"https://AUTH.example.test",
    b"", b"https://example.test", b"https://xauth.example.test", b"file://", b"https://auth.example.test, https://evil.test",
]  # fmt: skip
"""Origins that are not ours, some of them nearly."""


def submit(browser: Browser, target: str, fields: dict[str, str], *headers: tuple[bytes, bytes]) -> Answer:
    """A form with exactly these headers about where it comes from."""
    raw = write(b"POST", target.encode(), browser.headers(FORM, *NAVIGATION[:1], *headers), urlencode(fields).encode())
    return browser.stage.send(raw)


@pytest.mark.parametrize("origin", ELSEWHERE, ids=repr)
def test_a_sign_in_from_elsewhere_is_refused(stage: Stage, origin: bytes) -> None:
    """K02, K03: with a right token, too, and whatever Referer says."""
    browser = stage.browser()
    fields = {**browser.open_form().fields, "login": BOB.name, "password": BOB.password}
    for more in ((), ((b"Referer", b"https://auth.example.test/login"),), ((b"Sec-Fetch-Site", b"same-origin"),)):
        answer = submit(browser, "/login", fields, (b"Origin", origin), *more)
        assert answer.status == 403
        assert handed_out(answer) == []


@pytest.mark.parametrize(
    "site", [b"cross-site", b"same-site", b"none", b"", b"Same-Origin", b"same-origin, cross-site"], ids=repr
)
def test_what_the_browser_says_about_the_site_is_heard(stage: Stage, site: bytes) -> None:
    """K02, K03: exactly `same-origin`."""
    browser = stage.browser()
    fields = {**browser.open_form().fields, "login": BOB.name, "password": BOB.password}
    answer = submit(browser, "/login", fields, (b"Origin", b"https://auth.example.test"), (b"Sec-Fetch-Site", site))
    assert answer.status == 403


@pytest.mark.parametrize(
    "spoiled",
    [
        "field away",
        "field empty",
        "cookie away",
        "other browser",
        "other sign-in",
        "swapped",
        "field twice",
        "foreign header only",
    ],
)
def test_without_both_halves_of_the_token_nothing_is_signed_in(stage: Stage, spoiled: str) -> None:
    """K02, K03, K06: with no word on the origin, the token decides alone."""
    browser, other = stage.browser(), stage.browser()
    fields = {**browser.open_form().fields, "login": BOB.name, "password": BOB.password}
    foreign = other.open_form().fields["csrf_token"]
    more: tuple[tuple[bytes, bytes], ...] = ()
    body = None
    if spoiled == "field away":
        del fields["csrf_token"]
    elif spoiled == "field empty":
        fields["csrf_token"] = ""
    elif spoiled == "cookie away":
        del browser.jar[CSRF_COOKIE]
    elif spoiled == "other browser":
        fields["csrf_token"] = browser.jar[CSRF_COOKIE] = foreign
    elif spoiled == "other sign-in":
        fields["csrf_token"] = browser.jar[CSRF_COOKIE] = stage.visitor(ALICE).open_form("/logout").fields["csrf_token"]
    elif spoiled == "swapped":
        head, _, tail = fields["csrf_token"].partition(".")
        fields["csrf_token"] = browser.jar[CSRF_COOKIE] = tail[:22] + "." + (head + tail)[:43]
    elif spoiled == "field twice":
        body = urlencode(fields).encode() + b"&csrf_token=" + fields["csrf_token"].encode()
    else:
        del fields["csrf_token"]
        more = ((b"X-CSRF-Token", foreign.encode()),)
    raw = write(b"POST", b"/login", browser.headers(FORM, *more), body or urlencode(fields).encode())
    answer = stage.send(raw)
    assert answer.status in {400, 403}
    assert handed_out(answer) == []


def test_without_a_word_on_the_origin_the_token_is_enough(stage: Stage) -> None:
    """K03: or the tests above would prove nothing."""
    browser = stage.browser()
    answer = submit(browser, "/login", {**browser.open_form().fields, "login": BOB.name, "password": BOB.password})
    stage.live |= dict.fromkeys(handed_out(answer), BOB)
    assert answer.status == 303


UNSAFE = [
    ("/logout", {}),
    ("/sessions/end", {"which": "others"}),
    ("/setup", {"token": "x"}),
    ("/login", {"login": "a", "password": "b"}),
]


@pytest.mark.parametrize(("target", "fields"), UNSAFE, ids=lambda value: value if isinstance(value, str) else "")
def test_no_form_of_ours_works_without_its_token(stage: Stage, target: str, fields: dict[str, str]) -> None:
    """K02, K03: from a browser that is signed in."""
    browser = stage.visitor(ALICE)
    for headers in ((), ((b"Origin", b"https://auth.example.test"),), ((b"Origin", b"https://evil.test"),)):
        for extra in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 22 + "." + "y" * 43}):
            answer = submit(browser, target, {**fields, **extra}, *headers)
            # Who is signed in has nothing left to sign in for, and is sent on without being asked.
            assert answer.status == 403 or (target == "/login" and answer.one("location").endswith(b"/login"))
            assert handed_out(answer) == []
    assert browser.get("/sessions").status == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"PROPFIND"])
@pytest.mark.parametrize(
    "target",
    ["/logout", "/sessions/end?which=others", "/setup?token=x", "/login?login=alice", "/api/sessions/session/current"],
)
def test_looking_changes_nothing(stage: Stage, method: bytes, target: str) -> None:
    """K05, K15: by a picture, a prefetch, a link scanner; and no other method is a way around the form."""
    browser = stage.visitor(ALICE)
    before = stage.query("SELECT count(*) FROM sessions")
    for more in (
        (),
        ((b"Purpose", b"prefetch"), (b"Sec-Purpose", b"prefetch")),
        ((b"X-HTTP-Method-Override", b"POST"),),
    ):
        raw = write(method, target.encode(), browser.headers(*more, (b"Sec-Fetch-Dest", b"image")))
        answer = stage.send(raw)
        assert answer.status in {200, 303, 400, 403, 404, 405}
        if method not in {b"GET", b"HEAD"}:
            assert answer.status in {400, 403, 404, 405}
    assert stage.query("SELECT count(*) FROM sessions") == before
    assert browser.get("/sessions").status == 200


@pytest.mark.parametrize("value", [b"Bearer x", b"Basic eDp5", b"Bearer " + b"A" * 43, b"", b"Negotiate x", b"Token x"])
def test_an_authorization_header_spares_nobody_the_token(stage: Stage, value: bytes) -> None:
    """K06: a page goes by the cookie, and so the token is needed; at the API it is a wrong key, whatever else is there."""
    browser = stage.visitor(ALICE)
    for target in ("/logout", "/sessions/end"):
        assert submit(browser, target, {"which": "others"}, (b"Authorization", value)).status == 403
    answer = browser.call("DELETE", "/api/sessions/session/current", (b"Authorization", value))
    assert answer.status == 401
    assert browser.get("/sessions").status == 200


@pytest.mark.parametrize("origin", [origin for origin in ELSEWHERE if origin], ids=repr)
def test_the_api_is_closed_to_other_origins(stage: Stage, origin: bytes) -> None:
    """K03, L15: no answer invites another origin, and nothing is changed for it."""
    browser = stage.visitor(ALICE)
    token = browser.call("GET", "/api/auth/csrf-token").body.decode().split('"')[3]
    raw = write(
        b"DELETE",
        b"/api/sessions/session/current",
        browser.headers((b"Origin", origin), (b"X-CSRF-Token", token.encode())),
    )
    assert stage.send(raw).status == 403
    for method in (b"GET", b"OPTIONS"):
        for target in (b"/api/sessions/list", b"/api/auth/csrf-token", b"/", b"/login", b"/healthz"):
            asked = browser.headers((b"Origin", origin), (b"Access-Control-Request-Method", b"DELETE"))
            answer = stage.send(write(method, target, asked))
            assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")]


def test_nothing_that_is_anybodys_own_is_kept_by_a_cache(stage: Stage) -> None:
    """K08: every kind of answer is no-store (the fixture looks), none has an ETag, and no client chooses what it varies by."""
    browser = stage.visitor(ROOT)
    more = (
        (b"Vary", b"evil"),
        (b"Cache-Control", b"public, max-age=99"),
        (b"If-None-Match", b"*"),
        (b"If-Modified-Since", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    )
    for target in (
        "/",
        "/sessions",
        "/admin/sessions",
        "/logout",
        "/login",
        "/nothing",
        "/api/sessions/list",
        "/api/auth/mode",
        "/api/openapi.json",
        "/healthz",
        "/readyz",
    ):
        answer = browser.get(target, *more)
        assert answer.status != 304
        assert answer.all("etag") == []
        assert b"evil" not in answer.one("vary")
    for dialect in DIALECTS:
        for cookie in (b"", stage.cookie_of(ALICE), stage.cookie_of(BOB)):
            for host in (b"app.example.test", b"admin.example.test"):
                answer = stage.ask(dialect, host=host, cookie=cookie, more=more)
                assert answer.all("cache-control") == [b"no-store"]
                assert answer.all("etag") + answer.all("last-modified") + answer.all("vary") == []


SCRIPTS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title><script>alert(1)</script>", '"><svg onload=alert(1)>',
    "' onfocus=alert(1) autofocus='", "javascript:alert(1)", "{{7*7}}{%print 7*7%}", "${7*7}#{7*7}", "%(x)s%s%n", "{0.__class__}",
    "<!--", "]]>", "&lt;b&gt;", "\\u003cscript\\u003e",
]  # fmt: skip


@pytest.fixture(scope="module")
def marked(theatre: Stage) -> Person:
    """Somebody with a name that tests make up."""
    return theatre.newcomer("users")


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_name_is_shown_as_it_is_and_runs_nowhere(stage: Stage, marked: Person, text: str) -> None:
    """K11, K12: on one's own pages, on those of administrators, and on the page that refuses."""
    browser = stage.visitor(marked)
    stage.change("UPDATE users SET display_name = ? WHERE name = ?", text, marked.name)
    pages = [browser.get(target) for target in ("/", "/sessions", "/logout")]
    pages.append(stage.visitor(ROOT).get("/admin/sessions"))
    pages.append(stage.ask("traefik", host=b"admin.example.test", cookie=browser.cookie(), more=NAVIGATION))
    for page in pages:
        assert page.status in {200, 403}
        assert str(escape(text)) in page.body.decode()
        check_scripts(page)


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_is_typed_into_a_form_or_an_address_runs_nowhere(stage: Stage, text: str) -> None:
    """K11, K12: the name in the sign-in form, parameters, paths, hosts."""
    browser = stage.browser()
    check_scripts(browser.try_password(text, "x"))
    value = urlencode({"rd": text, "return": text, "done": text, "offset": text, "token": text})
    for target in ("/login", "/", "/sessions", "/signed-out", "/setup", "/admin/sessions"):
        check_scripts(stage.visitor(ROOT).get(f"{target}?{value}"))
    path = urlencode({"": text})[1:]
    check_scripts(browser.get(f"/{path}"))
    check_scripts(
        stage.ask(
            "traefik",
            target=f"/{path}".encode(),
            host=b"admin.example.test",
            cookie=stage.cookie_of(ALICE),
            more=NAVIGATION,
        )
    )


def check_scripts(page: Answer) -> None:
    """Every script on a page is ours by nonce, or none runs at all; none stands in an attribute."""
    if b"text/html" not in page.one("content-type"):
        return
    body, policy = page.body.decode(), page.one("content-security-policy").decode()
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    nonce = re.search(r"script-src [^;]*'nonce-([^']+)'", policy)
    for tag in re.findall(r"<script[^>]*>", body):
        assert nonce is not None
        assert f'nonce="{nonce[1]}"' in tag
    assert re.search(r"<[^>]* on[a-z]+=", re.sub(r'"[^"]*"', '""', body)) is None
    assert not re.search(r"(href|src|action)=\"\s*(javascript:|vbscript:|data:(?!,\"))", body, re.IGNORECASE)


def test_a_nonce_is_never_used_twice(stage: Stage) -> None:
    """K11: or a page that was seen would tell what may run on the next."""
    browser = stage.visitor(ALICE)
    pages = [browser.get(target) for target in ("/", "/", "/sessions", "/logout", "/login?rd=%2F&fresh=1", "/nothing")]
    nonces = [re.search(rb"'nonce-([^']+)'", page.one("content-security-policy")) for page in pages]
    found = [nonce[1] for nonce in nonces if nonce]
    assert len(found) == len(set(found)) >= 5


def test_every_answer_has_the_same_headers(stage: Stage) -> None:
    """K14: pages, redirects, static files, the API, health, and every error we can make; and whoever frames us is us."""
    browser = stage.visitor(ALICE)
    page = browser.get("/").body
    static = re.search(rb'href="(/static/[^"]+\.css)"', page)
    assert static is not None
    targets = ["/", "/sessions", "/admin/sessions", "/login", "/nothing", "/static/none.css", static[1].decode(), "/healthz", "/api/none",
               "/api/sessions/list", "/api/openapi.json", "/api/authz/none", "/signed-out", "/setup", "/api/sessions/list?limit=x",
               "/admin/sessions?offset=x", "/login?rd=%zz", "/login?a=1&a=2"]  # fmt: skip
    answers = [browser.get(target) for target in targets]
    answers += [stage.browser().get(target) for target in targets]
    answers += [
        browser.call(method, target) for method, target in product(("POST", "DELETE", "PUT", "OPTIONS"), targets)
    ]
    answers.append(browser.post("/login", b"x" * 70_000))
    answers.append(stage.send(write(b"GET", b"/", [(b"Host", b"evil.test")])))
    answers.append(stage.send(b"GET / HTTP/1.1\r\n\r\n"))
    answers.append(stage.send(b"nonsense\r\n\r\n", method=b"GET"))
    answers.append(stage.send(write(b"GET", b"/", [(b"Host", b"auth.example.test"), (b"X", b"y" * 70_000)])))
    for answer in answers:
        if answer.status:
            for name, value in SECURITY_HEADERS.items():
                assert answer.all(name) == [value]
            policy = answer.one("content-security-policy")
            assert b"frame-ancestors 'self'" in policy
            assert b"object-src 'none'" in policy
            assert b"base-uri 'none'" in policy
            assert answer.one("strict-transport-security").startswith(b"max-age=")
            assert answer.all("server") + answer.all("x-powered-by") == []
    assert {200, 204, 303, 400, 403, 404, 405, 413, 421, 431} <= {answer.status for answer in answers}


def test_a_setup_link_that_is_looked_at_is_not_used_up(stage: Stage) -> None:
    """K15: and for whoever has none, there is no setup."""
    for method in (b"GET", b"HEAD"):
        raw = write(method, b"/setup?token=" + b"A" * 43, stage.browser().headers((b"Sec-Purpose", b"prefetch")))
        assert stage.send(raw).status == 404
