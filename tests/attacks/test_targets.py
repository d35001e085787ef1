"""What is asked for (attacks B): no spelling of a path, a host or a method gets past a rule about it."""

import re
from itertools import product
from urllib.parse import quote

import pytest

from tests.attacks.stage import ALICE, NAVIGATION, ROOT, STRANGER, Stage
from tests.attacks.wire import DIALECTS, FORWARDING, question, write

NO = {400, 401, 403}
PUB = b"pub.example.test"

NOT_OPEN = {
    "B01": [
        b"/admin?x=/public/", b"/admin?/public/health", b"/admin?%2fpublic%2f", b"/?/public/", b"/x?health", b"/?exact",
        b"/admin?=/exact", b"/publi?c/x", b"?/public/", b"/x?/files/a/open", b"/admin?\x3f/public/x",
    ],
    "B02": [b"/admin#/public/bar", b"/foo/secret#/bar", b"/x#/exact", b"/admin%23/public/bar", b"/#", b"#/public/x"],
    "B04": [
        b"/public%2f..%2fadmin", b"/public%2F..%2Fadmin", b"/public%2fx", b"/public/%2fx", b"/public%5c..%5cadmin",
        b"/public%5C..%5Cadmin", b"/public\\..\\admin", b"/public/..\\admin", b"/public/%5cx", b"/exact%2f", b"/%2fpublic/x",
        b"/files/a%2fb/open", b"/files/a%2f..%2f..%2fadmin/open", b"/health%2f", b"//public/x", b"/x//public/x",
    ],
    "B05": [
        b"/public/%252e%252e/admin", b"/%2570ublic/x", b"/public%25%32%66..", b"/public/%25", b"/public/%2561",
        b"/public%252f..%252fadmin", b"/public/%255c..", b"/public/%25252e%25252e/admin", b"/files/%2561/open",
    ],
    "B07": [
        b"/publicadmin", b"/public.bak", b"/public-old/x", b"/public%00", b"/publi", b"/publicc", b"/public_/x", b"/Public/x",
        b"/PUBLIC", b"/exact/x", b"/exact.json", b"/exactly", b"/health/x", b"/health1", b"/files/a/opened", b"/files//open",
        b"/files/a/b/open", b"/files/open", b"/xpublic/x", b"/x/public",
    ],
    "B08": [
        b"/public;/../admin", b"/public/..;/admin", b"/public;x=1", b"/public%3Bx", b"/public/x;y", b"/public/;/admin",
        b"/exact;x", b"/health;x", b"/;/public/x", b"/files/a;b/open", b"/public%3b/x",
    ],
    "B10": [
        b"/public/%00", b"/public/x%00.png", b"/public/%0d%0aX:y", b"/public/%09", b"/public/%7f", b"/public/%ff",
        b"/public/%c0%ae%c0%ae/admin", b"/public/%c0%af..", b"/public/%ed%a0%80", b"/public/\x80", b"/public/\xc3\xa9",
        b"/public/ x", b"/public/%1f", b"/exact%0a", b"/exact%0d", b"/health%0a", b"/public/%u002e", b"/public/%2",
        b"/public/%", b"/public/%g0",
    ],
    "B14": [b"/health%0a", b"/health%0d", b"/health%0ax", b"x/health", b"/healthx1", b"/x/health", b"/HEALTH"],
    "B23": [b"/public%3F/../admin", b"/public%3fx", b"/admin%3Fx=/public/", b"/a?b?c", b"/exact%3F", b"/health%3F"],
    "dots": [
        b"/public/../admin", b"/public/./../admin", b"/public/%2e%2e/admin", b"/public/.%2e/admin", b"/public/%2e./admin",
        b"/public/%2E%2E/admin", b"/public/..", b"/public/.", b"/./public/x", b"/x/../public/x", b"/public/...%2f../admin",
    ],
}  # fmt: skip
"""Targets that are not plainly what a rule for everybody opens: /public and below, /exact, /health…, /files/*/open."""


@pytest.mark.parametrize(
    ("number", "target"), [(number, target) for number, targets in NOT_OPEN.items() for target in targets], ids=repr
)
def test_no_spelling_makes_a_closed_path_an_open_one(stage: Stage, number: str, target: bytes) -> None:
    """B01, B02, B04, B05, B07, B08, B10, B14, B23: an allow is matched by a plain path only."""
    for dialect in DIALECTS:
        answer = stage.ask(dialect, host=PUB, target=target)
        assert answer.status in {0, 303, 404, *NO}, f"{number} {dialect}"


def test_what_is_open_is_open_in_its_plain_spellings(stage: Stage, dialect: str) -> None:
    """B01, B07, B11, B14: or none of the tests around this one would prove anything."""
    opened = [
        b"/public",
        b"/public/",
        b"/public/x",
        b"/public/x?y=../z",
        b"/exact",
        b"/health",
        b"/healthz",
        b"/files/a/open",
    ]
    opened += [b"/public/a%20b", b"/public/%C3%A9", b"/%70ublic/x", b"/exact?", b"/public/x?a?b", b"/public/a.b"]
    for target in opened:
        assert stage.ask(dialect, host=PUB, target=target).status == 200, target


DENIED = [
    b"/private", b"/private/", b"/private/x", b"/private?x", b"/private?", b"/PRIVATE", b"/Private/x", b"/%70rivate",
    b"/%50rivate", b"/privat%65", b"//private", b"///private", b"/./private", b"/x/../private", b"/x/%2e%2e/private",
    b"/x/.%2E/private", b"/private;x=1", b"/private%3Bx", b"/private;/x", b"/x/..;/private", b"/;/private", b"/;x/private",
    b"/private.", b"/private..", b"/private%20", b"/private%2e", b"/private/.", b"/private/%2e", b"/private.json",
    b"/private%2f", b"/private%2Fx", b"/x%2f..%2fprivate", b"/%2fprivate", b"/x%5c..%5cprivate", b"/%5cprivate",
    b"/private%5cx", b"/%2570rivate", b"/x/%252e%252e/private", b"/private%253f", b"/private%3Fx", b"/private%23x",
    b"/secret", b"/secretecret", b"/SECRET", b"/secret;x", b"/x/..;/secret", b"/secret/.", b"/secret.",
]  # fmt: skip
"""Targets that some server reads as one of the paths that a rule denies to everybody."""


@pytest.mark.parametrize("target", DENIED, ids=repr)
def test_no_spelling_gets_around_a_deny(stage: Stage, target: bytes) -> None:
    """B04, B05, B08, B11, B23: a deny is matched by every reading of the path."""
    cookie = stage.cookie_of(ALICE)
    for dialect in DIALECTS:
        for method in (b"GET", b"POST", b"HEAD"):
            answer = stage.ask(dialect, target=target, method=method, cookie=cookie)
            assert answer.status in {400, 403}, dialect
            assert answer.all("location") == [], dialect


def test_both_cases_of_an_escape_are_one_spelling(stage: Stage, dialect: str) -> None:
    """B04: whatever is decided about %2f is decided about %2F, for every byte and in every place."""
    cookie = stage.cookie_of(ALICE)
    for number in range(256):
        for shape in (b"/public%s", b"/public/%sx", b"/%sprivate", b"/private%s"):
            pair = [shape % case for case in (b"%%%02x" % number, b"%%%02X" % number)]
            host = PUB if b"public" in shape else b"app.example.test"
            lower, upper = (stage.ask(dialect, host=host, target=target, cookie=cookie).status for target in pair)
            assert lower == upper, pair


def test_odd_targets_are_escaped_in_the_log(stage: Stage) -> None:
    """B10: what a client sends is never a line of its own in the log; the fixture reads every line as JSON."""
    for target in (b"/private%0d%0a{}", b"/private\xe2\x80\xa8x", b"/private%1b[31m", b'/private"}', b"/private%22%7d"):
        stage.ask("nginx", target=target, cookie=stage.cookie_of(ALICE))


HOSTS = [b"admin.example.test", b"a.b.wide.example.test", b"c.a.b.wide.example.test"]


def casings(host: bytes) -> list[bytes]:
    """Spellings of a host that differ in letter case only."""
    odd = bytes(
        byte ^ 0x20 if byte in b"abcdefghijklmnopqrstuvwxyz" and place % 2 else byte for place, byte in enumerate(host)
    )
    return [
        host.upper(),
        host.title(),
        host.swapcase(),
        odd,
        host[:1].upper() + host[1:],
        host[:-1] + host[-1:].upper(),
    ]


@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_letter_case_of_a_host_changes_nothing(stage: Stage, dialect: str, host: bytes) -> None:
    """B15: folded once, at the edge."""
    cookie = stage.cookie_of(ALICE)
    assert stage.ask(dialect, host=host, cookie=cookie).status == 403
    for spelling in casings(host):
        assert stage.ask(dialect, host=spelling, cookie=cookie).status == 403, spelling
        assert stage.ask(dialect, host=spelling + b":443", cookie=cookie).status == 403, spelling
    for spelling in casings(b"app.example.test"):
        assert stage.ask(dialect, host=spelling, cookie=cookie).status == 200, spelling
    for spelling in casings(b"x.wide.example.test"):
        assert stage.ask(dialect, host=spelling, cookie=cookie).status == 200, spelling


@pytest.mark.parametrize(
    "host",
    [b"admin.example.test.", b"ADMIN.example.test.", b"admin.example.test..", b".admin.example.test", b"admin..example.test",
     b"admin.example.test.:443", b"a.b.wide.example.test.", b".", b"..", b"...", b"-admin.example.test", b"b.wide.example.test."],
    ids=repr,
)  # fmt: skip
def test_dots_around_a_host_lead_to_no_looser_rule(stage: Stage, dialect: str, host: bytes) -> None:
    """B16: one dot at the end goes, anything else is no host."""
    answer = stage.ask(dialect, host=host, cookie=stage.cookie_of(ALICE))
    # The apex of *.b.wide is not below itself, and below *.wide like any other.
    assert answer.status in {400, 403} or host == b"b.wide.example.test."


@pytest.mark.parametrize("port", [b":443", b":8443", b":1", b":65535", b":00443"])
def test_a_valid_port_is_split_off(stage: Stage, dialect: str, port: bytes) -> None:
    """B17: the rule for the bare host holds, and so does its deny."""
    cookie = stage.cookie_of(ALICE)
    assert stage.ask(dialect, host=b"admin.example.test" + port, cookie=cookie).status == 403
    assert stage.ask(dialect, host=b"a.b.wide.example.test" + port, cookie=cookie).status == 403
    assert stage.ask(dialect, host=b"app.example.test" + port, cookie=cookie).status == 200


@pytest.mark.parametrize(
    "rest",
    [b":", b":abc", b":443:80", b":0", b":65536", b":99999999", b":-1", b":+443", b":4 43", b":443/", b":0x1bb", b":\xd9\xa4",
     b":443@app.example.test", b":443\t", b"::443", b":443,app.example.test"],
    ids=repr,
)  # fmt: skip
def test_anything_else_behind_a_host_is_no_port(stage: Stage, dialect: str, rest: bytes) -> None:
    """B17."""
    cookie = stage.cookie_of(ROOT)
    refused = stage.ask(dialect, host=b"admin.example.test" + rest, cookie=cookie)
    # White space at the end of a header is none of its value, and in nginx's URL a slash ends the host.
    assert refused.status in {400, 403} or rest == (b":443/" if dialect == "nginx" else b":443\t")


@pytest.mark.parametrize(
    "host", [b"[::1]:443", b"[::1]", b"[::1", b"::1", b"[::1]x", b"[]", b"[::1%25lo]", b"[v1.x]"], ids=repr
)
def test_a_numeric_host_is_a_host_nobody_named(stage: Stage, dialect: str, host: bytes) -> None:
    """B17, B22."""
    assert stage.ask(dialect, host=host, cookie=stage.cookie_of(ROOT)).status in {400, 403}


@pytest.mark.parametrize(
    "host",
    ["\u0430dmin.example.test", "\uff41dmin.example.test", "admin\u3002example\u3002test", "admin\u2024example.test",
     "admin.example.test\u00ad", "\u24d0dmin.example.test", "admin.example.te\u017ft", "adm\u0131n.example.test",
     "\u202eadmin.example.test", "admin\u200b.example.test", "a\u0308" * 5000 + ".example.test"],
    ids=ascii,
)  # fmt: skip
def test_a_host_outside_ascii_is_refused(stage: Stage, dialect: str, host: str) -> None:
    """B20, E17: nothing is folded, whatever it looks like."""
    for person in (ALICE, ROOT):
        for text in (host.encode(), host.encode("latin-1", "replace")):
            answer = stage.ask(dialect, host=text, cookie=stage.cookie_of(person))
            assert answer.status in {400, 403}, text
    a_label = stage.ask(dialect, host=b"xn--dmin-7sd.example.test", cookie=stage.cookie_of(ROOT))
    assert a_label.status == 403


@pytest.mark.parametrize(
    "host", [b"nothere.example.test", b"localhost", b"127.0.0.1", b"example.test", b"wide.example.test", b"test", b"evil.test",
             b"appXexample.test", b"app.example.test.evil.test", b"evilapp.example.test", b"app-example.test", b"*.example.test",
             b"admin.example.test,app.example.test", b"_", b"0", b"a" * 63 + b".example.test", b"auth.example.test"], ids=repr
)  # fmt: skip
def test_a_host_nobody_named_is_nobodys(stage: Stage, dialect: str, host: bytes) -> None:
    """B22, Q04: the default is no, and no name is an expression."""
    assert stage.ask(dialect, host=host, cookie=stage.cookie_of(ROOT)).status in {400, 403}
    answer = stage.ask(dialect, host=host, more=NAVIGATION)
    assert answer.status in {303, *NO}


ODD_HOSTS = [
    b"a/?x=", b"auth.example.test/public?", b"x#", b"admin@pub", b"a\\b", b"[", b"", b" ", b"auth.example.test@evil.test",
    b"evil.test#auth.example.test", b"auth.example.test:443/static", b"auth.example.test?", b"auth.example.test, evil.test",
    b"auth.example.test evil.test", b"%61uth.example.test", b"auth.example.test%00", b"auth.example.test\x00", b"\xe4",
]  # fmt: skip


@pytest.mark.parametrize(
    "target", [b"/admin/sessions", b"/", b"/login", b"/api/sessions/list", b"/static/x", b"/healthy"]
)
@pytest.mark.parametrize("host", ODD_HOSTS, ids=repr)
def test_a_host_that_is_none_is_refused_on_our_own_pages(stage: Stage, host: bytes, target: bytes) -> None:
    """B19: nothing is decided from an address put together with Host."""
    for cookie in ((), ((b"Cookie", stage.cookie_of(ROOT)),)):
        answer = stage.send(write(b"GET", target, [(b"Host", host), (b"X-Forwarded-For", b"203.0.113.7"), *cookie]))
        assert answer.status in {400, 421}
        assert answer.all("set-cookie") == []


@pytest.mark.parametrize("target", [b"/admin/sessions", b"/login", b"/api/sessions/list", b"/api/authz/envoy/x"])
def test_two_hosts_are_no_host_and_none_is_none(stage: Stage, target: bytes) -> None:
    """B19, P02."""
    cookie = (b"Cookie", stage.cookie_of(ROOT))
    rest = [(b"X-Forwarded-For", b"203.0.113.7"), (b"X-Forwarded-Proto", b"https"), cookie]
    own, other = (b"Host", b"auth.example.test"), (b"Host", b"app.example.test")
    for hosts in ([], [own, own], [own, other], [other, own]):
        answer = stage.send(write(b"GET", target, [*hosts, *rest]))
        assert answer.status in {0, 400}, hosts


@pytest.mark.parametrize("host", ODD_HOSTS, ids=repr)
def test_a_host_that_is_none_is_refused_in_a_question(stage: Stage, dialect: str, host: bytes) -> None:
    """B19."""
    for cookie in (b"", stage.cookie_of(ROOT)):
        assert stage.ask(dialect, host=host, cookie=cookie).status in {0, *NO}


PREFLIGHT = ((b"Origin", b"https://app.example.test"), (b"Access-Control-Request-Method", b"PUT"))


def test_options_pass_unasked_only_where_that_was_chosen(stage: Stage, dialect: str) -> None:
    """B25: both headers, from our proxy, for the app that says so; never with an identity (invariant 3)."""

    def ask(host: bytes, more, **options) -> int:
        return stage.ask(dialect, host=host, method=b"OPTIONS", more=more, **options).status

    for more in ((), PREFLIGHT[:1], PREFLIGHT[1:], PREFLIGHT):
        assert ask(b"app.example.test", more) in NO
        assert ask(b"admin.example.test", more, cookie=stage.cookie_of(ALICE)) == 403
        assert ask(b"cors.example.test", more, source=STRANGER) in NO
        assert (ask(b"cors.example.test", more) == 200) == (len(more) == 2)
    assert ask(b"CORS.example.test:443", PREFLIGHT) == 200
    for method in (b"GET", b"POST", b"options", b"OPTIONSX", b"PUT"):
        answer = stage.ask(dialect, host=b"cors.example.test", method=method, more=PREFLIGHT)
        assert answer.status in {0, 303, *NO}, method


@pytest.mark.parametrize(
    "method", [b"get", b"Get", b"GET,POST", b"", b"GET ", b"G\xc3\x8bT", b"X" * 21, b"GET\x00", b"G-T", b"PRI*"]
)
def test_a_method_that_is_none_is_refused(stage: Stage, method: bytes) -> None:
    """A16, B25."""
    cookie = stage.cookie_of(ALICE)
    for dialect in ("traefik", "caddy", "haproxy", "nginx"):
        answer = stage.ask(dialect, method=method, cookie=cookie)
        assert answer.status in {400, 403} or method == b"GET ", dialect


UPGRADE = (
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"Sec-WebSocket-Version", b"13"),
)


@pytest.mark.parametrize("proto", [b"wss", b"https", b"ws", b"http"])
@pytest.mark.parametrize("origin", [b"https://app.example.test", b"https://evil.test", b"null", b""], ids=repr)
def test_a_websocket_is_judged_like_a_page_and_never_redirected(
    stage: Stage, dialect: str, proto: bytes, origin: bytes
) -> None:
    """B26: 401 without a Location; 101 never comes from us."""
    more = [*UPGRADE, (b"Origin", origin), *NAVIGATION]
    stranger = stage.ask(dialect, proto=proto, more=more)
    assert stranger.status in {401, 403}
    assert stranger.all("location") == []
    refused = stage.ask(dialect, host=b"admin.example.test", proto=proto, more=more, cookie=stage.cookie_of(ALICE))
    assert refused.status == 403
    allowed = stage.ask(dialect, proto=proto, more=more, cookie=stage.cookie_of(ALICE))
    assert allowed.status == 200


@pytest.mark.parametrize("size", [9_000, 64 * 1024, 1024 * 1024])
def test_a_target_without_end_is_refused_and_cut_in_the_log(stage: Stage, dialect: str, size: int) -> None:
    """B28."""
    for target in (b"/public/" + b"a" * size, b"/public/x?" + b"a" * size, b"/" + b"%61" * (size // 3), b"/" * size):
        answer = stage.ask(dialect, host=PUB, target=target)
        assert answer.status in {0, 400, 403, 414, 431}


def test_a_question_mark_is_a_border_only_once_and_only_raw(stage: Stage) -> None:
    """B23: path and query come back byte for byte."""
    for dialect in (*FORWARDING, "envoy"):
        for target in (b"/a?b?c", b"/a?b=%3F", b"/a?/private", b"/a??"):
            location = stage.ask(dialect, target=target, more=NAVIGATION).one("location").decode()
            assert location.endswith("?rd=" + quote(f"https://app.example.test{target.decode()}", safe="")), dialect


def test_whatever_reads_a_path_differently_is_refused_to_everybody_where_paths_matter(stage: Stage) -> None:
    """B04, B05, B08, B10: pieces put together at random never lead from /public out of it."""
    pieces = [b"..", b".", b"%2e", b"%2f", b"/", b";", b"%5c", b"\\", b"%25", b"admin", b"%00", b"//"]
    verb, path, headers = question("traefik", host=PUB)
    with stage.connect() as line:
        for parts in product(pieces, repeat=3):
            target = b"/public/" + b"".join(parts)
            asked = [pair if pair[0] != b"X-Forwarded-Uri" else (pair[0], target) for pair in headers]
            raw = write(verb, path, [*asked, (b"X-Forwarded-For", b"203.0.113.7")])
            answer = stage.note(raw, line.exchange(raw))
            plain = re.fullmatch(rb"/public(/(?!\.{1,2}(/|$))[a-z.]+)*/?", target) is not None
            assert (answer.status == 200) == plain, target
