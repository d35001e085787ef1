"""Whom to believe (attacks A): forwarded headers count only from our proxy, only its own family, only when readable."""

import socket
from itertools import product

import pytest

from tests.attacks.invariants import attacked
from tests.attacks.stage import ALICE, AUTH, CONFIG, NAVIGATION, PROXY, ROOT, STRANGER, Stage, serving
from tests.attacks.wire import DIALECTS, FORWARDING, Answer, question, write
from tests.integration.processes import free_ports

REFUSED = {400, 401, 403}


def spellings(name: str) -> list[str]:
    """Header names that CGI, WSGI or PHP read as this one, and this one is not among them."""
    words = name.split("-")
    joined = ["".join(pair) for pair in product(words[:1], ["_", ".", " ", "\t"])]
    every = {word + mark.join(words[1:]) for word in joined for mark in ("-", "_", ".")}
    return sorted({*every, name.replace("-", "_"), name.replace("-", "."), "HTTP_" + name.replace("-", "_").upper()})


@pytest.mark.parametrize("host", [b"pub.example.test", b"admin.example.test", b"app.example.test"])
@pytest.mark.parametrize("who", [None, ROOT], ids=["anonymous", "with a live session"])
def test_nothing_a_stranger_forwards_is_used(stage: Stage, dialect: str, host: bytes, who) -> None:
    """A01."""
    cookie = stage.cookie_of(who) if who else b""
    answer = stage.ask(dialect, host=host, target=b"/public/x", cookie=cookie, source=STRANGER)
    assert answer.status in REFUSED
    assert answer.all("location") == []


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.3", "127.0.1.2", "127.2.0.0", "127.0.0.20"])
def test_only_the_address_that_is_listed_is_our_proxy(stage: Stage, dialect: str, source: str) -> None:
    """A01, A02: a neighbour of the proxy is a stranger."""
    assert stage.ask(dialect, cookie=stage.cookie_of(ALICE), source=source).status in REFUSED
    assert stage.ask(dialect, cookie=stage.cookie_of(ALICE), source=PROXY).status == 200


def test_the_refusal_of_a_stranger_says_in_the_log_what_to_add(stage: Stage) -> None:
    """A02: an operator who forgot the setting learns it from the first refusal."""

    def is_told() -> bool:
        # Of many refusals for one reason some are only counted, for a few seconds (P15); then they are told again.
        stage.ask("traefik", source="127.0.0.77")
        return "add 127.0.0.77 to proxy.trusted" in stage.log

    stage.gateway.process.wait_until(is_told)


@pytest.mark.parametrize("trusted", [None, "[]", ""], ids=["no section", "empty list", "no value"])
def test_without_a_list_of_proxies_nobody_is_believed(tmp_path, trusted: str | None) -> None:
    """A02."""
    port, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{port}", metrics=metrics)
    section = "" if trusted is None else f"proxy: {{trusted: {trusted}}}\n"
    text = text.replace("proxy: {trusted: [127.0.0.2/32]}\n", section)
    with serving(tmp_path, text, port, first=ROOT) as stage, attacked(stage):
        for dialect, source in product(DIALECTS, ("127.0.0.1", PROXY, STRANGER)):
            answer = stage.ask(dialect, host=b"pub.example.test", target=b"/public/x", source=source)
            assert answer.status in REFUSED


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Proto"])
@pytest.mark.parametrize("forwarding", FORWARDING)
def test_another_spelling_of_a_forwarded_header_is_another_header(stage: Stage, forwarding: str, name: str) -> None:
    """A04: neither instead of the right one, nor beside it."""
    verb, path, headers = question(forwarding, host=b"admin.example.test", target=b"/x")
    swapped = {"X-Forwarded-Host": b"pub.example.test", "X-Forwarded-Uri": b"/public/x"}.get(name, b"GET")
    without = [pair for pair in headers if pair[0].decode() != name]
    for spelling in spellings(name):
        alias = (spelling.encode(), swapped)
        assert stage.send(write(verb, path, [*without, alias])).status in {0, 400}, spelling
        beside = stage.send(write(verb, path, [*headers, alias]))
        assert beside.status in {303, 400, 401}, spelling
        if beside.status == 303:
            assert b"admin.example.test%2Fx" in beside.one("location"), spelling


def test_no_spelling_of_an_identity_header_signs_anybody_in(stage: Stage, dialect: str) -> None:
    """A04, A19: identity is never read from a header, whoever sends it."""
    names = ["Remote-User", "X-Forwarded-User", "X-Forwarded-User-Email", "X-Auth-Request-Email", "X-WebAuth-User"]
    names += ["X-Forwarded-By", "X-Remote-User", "REMOTE_USER", "Authenticated-User", "X-Forwarded-Groups"]
    for name in names:
        for spelling in (name, *spellings(name)):
            more = [(spelling.encode(), b"root")]
            assert stage.ask(dialect, host=b"admin.example.test", more=more).status in {0, 303, 400, 401}, spelling
    verb, path, headers = question(dialect)
    cookie = (b"Cookie", stage.cookie_of(ALICE))
    claimed = [(name.encode(), b"root@example.test") for name in names]
    assert stage.send(write(verb, path, [*headers, *claimed, cookie])).status == 200  # and Alice (invariant 3)


@pytest.mark.parametrize("target", ["/", "/sessions", "/admin/sessions", "/api/sessions/list", "/logout"])
def test_our_own_pages_read_no_identity_from_headers(stage: Stage, target: str) -> None:
    """A19."""
    names = (b"Remote-User", b"X-Forwarded-User", b"X-Auth-Request-Email", b"X-WebAuth-User", b"X-Forwarded-User-Email")
    for source in (PROXY, STRANGER):
        raw = write(b"GET", target.encode(), [(b"Host", AUTH), *NAVIGATION, *((name, b"root") for name in names)])
        assert stage.send(raw, source=source).status in {303, 401}


ODD_CHAINS = [
    b"a", b"unknown", b'"]', b"1.2.3.4.5", b"::1%25x", b"fe80::1%eth0", b"127.0.0.1:80", b"[::1]", b"[::1]:80", b",",
    b",,127.0.0.1,", b"127.0.0.1,,10.0.0.1", b"," * 10_000, b"127.1", b"2130706433", b"0x7f000001", b"0177.0.0.1",
    b"127.0.0.1 10.0.0.1", b"for=127.0.0.1", b"127.0.0.01", b"\xd9\xa1\xd9\xa2\xd9\xa7.0.0.1", b"127.0.0.1\x0b",
    b"localhost", b"10.0.0.0/8", b"::ffff:127.0.0.1:80", b"_hidden", b"1" * 3000,
]  # fmt: skip
"""Forwarded lists that cannot be read; what of them looks like an address is one that the rule `at home` allows."""


@pytest.mark.parametrize("chain", ODD_CHAINS, ids=lambda chain: repr(chain[:24]))
def test_a_list_of_addresses_that_cannot_be_read_opens_nothing(stage: Stage, chain: bytes) -> None:
    """A07: never fewer checks."""
    for dialect in DIALECTS:
        answer = stage.ask(dialect, host=b"lan.example.test", forwarded_for=chain)
        assert answer.status in REFUSED, dialect
        answer = stage.ask(dialect, host=b"app.example.test", forwarded_for=chain, cookie=stage.cookie_of(ALICE))
        assert answer.status in {400, 403}, dialect


@pytest.mark.parametrize("chain", ODD_CHAINS, ids=lambda chain: repr(chain[:24]))
def test_a_sign_in_with_such_a_list_is_refused_before_it_is_tried(stage: Stage, chain: bytes) -> None:
    """A07: the limits by address cannot be shaken off."""
    browser = stage.browser()
    form = browser.open_form()
    raw = browser.headers((b"Content-Type", b"application/x-www-form-urlencoded"))
    raw[1] = (b"X-Forwarded-For", chain)
    body = f"login=alice&password=x&ticket={form.fields['ticket']}&csrf_token={form.fields['csrf_token']}".encode()
    assert stage.send(write(b"POST", b"/login", raw, body)).status == 400


def test_an_empty_list_is_no_address_and_not_the_proxys(stage: Stage, dialect: str) -> None:
    """A07, A08: the proxy's own address must not pass for the visitor's in a rule about networks."""
    assert stage.ask(dialect, host=b"lan.example.test", forwarded_for=b"").status in REFUSED | {303}


@pytest.mark.parametrize(
    "name", ["X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "Client-IP",
             "X-Forwarded", "Forwarded-For", "X-Original-Forwarded-For", "Via", "X-Envoy-External-Address"],
)  # fmt: skip
def test_no_other_header_tells_an_address(stage: Stage, dialect: str, name: str) -> None:
    """A08: only X-Forwarded-For, only from our proxy."""
    more = [(name.encode(), b"127.0.0.1"), (b"Forwarded", b"for=127.0.0.1;proto=https")]
    for source in (PROXY, STRANGER):
        answer = stage.ask(dialect, host=b"lan.example.test", more=more, source=source)
        assert answer.status in {303, *REFUSED}


def test_a_network_rule_is_passed_by_those_in_the_network_only(stage: Stage, dialect: str) -> None:
    """A08, A10: the address nearest to our own proxies counts, and IPv4 is IPv4 in whatever clothes."""
    for chain in (b"127.0.0.1", b"10.1.2.3", b"::ffff:10.1.2.3", b"203.0.113.7, 10.1.2.3", b"::1", b"0:0:0:0:0:0:0:1"):
        assert stage.ask(dialect, host=b"lan.example.test", forwarded_for=chain).status == 200, chain
    for chain in (
        b"203.0.113.7",
        b"10.1.2.3, 203.0.113.7",
        b"::ffff:203.0.113.7",
        b"127.0.0.1, ::2",
        b"64:ff9b::a01:203",
    ):
        assert stage.ask(dialect, host=b"lan.example.test", forwarded_for=chain).status in {303, 401, 403}, chain
    assert stage.ask(dialect, host=b"lan.example.test", forwarded_for=b"127.0.0.1", source=STRANGER).status in REFUSED


def test_a_second_line_of_addresses_continues_the_first(stage: Stage, dialect: str) -> None:
    """A08: the client's own line stands before the proxy's, and does not win."""
    more = [(b"X-Forwarded-For", b"203.0.113.7")]
    answer = stage.ask(dialect, host=b"lan.example.test", forwarded_for=b"10.1.2.3", more=more)
    assert answer.status in {303, 401, 403}


def test_a_proxy_is_recognised_on_a_listener_for_both_families(tmp_path) -> None:
    """A10: the peer arrives as ::ffff:127.0.0.2 there."""
    metrics = free_ports(1)[0]
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        port = probe.getsockname()[1]
    with serving(tmp_path, CONFIG.format(addr=f":{port}", metrics=metrics), port, first=ROOT) as stage, attacked(stage):
        for dialect in DIALECTS:
            asked = {"host": b"pub.example.test", "target": b"/public/x"}
            assert stage.ask(dialect, **asked).status == 200
            assert stage.ask(dialect, **asked, source=STRANGER).status in REFUSED


@pytest.mark.parametrize(
    "proto",
    [b"javascript", b"https,http", b"http,https", b"", b"file", b"data", b"https:", b"https ", b"wsss", b"\xe9"],
)
def test_a_scheme_that_is_none_is_refused(stage: Stage, dialect: str, proto: bytes) -> None:
    """A11."""
    answer = stage.ask(dialect, proto=proto, cookie=stage.cookie_of(ALICE))
    if proto.strip() == b"https":
        assert answer.status in {200, 400, 403}  # white space around a header's value is none of the value
    else:
        assert answer.status in {400, 403}


@pytest.mark.parametrize("proto", [b"http", b"HTTP", b"ws"])
def test_plain_http_gets_nobody_a_cookie_without_secure(stage: Stage, dialect: str, proto: bytes) -> None:
    """A11: no redirect leads to http, and no cookie loses its Secure."""
    answer = stage.ask(dialect, proto=proto, more=NAVIGATION)
    assert answer.status in {401, 403}
    assert answer.all("location") == []
    browser = stage.browser()
    raw = [pair if pair[0] != b"X-Forwarded-Proto" else (pair[0], proto) for pair in browser.headers(*NAVIGATION)]
    page = stage.send(write(b"GET", b"/login", raw))
    assert all(b"; Secure" in line for line in page.all("set-cookie"))


@pytest.mark.parametrize("proto", [b"HTTPS", b"wss", b"WSS"])
def test_other_words_for_https_are_https(stage: Stage, dialect: str, proto: bytes) -> None:
    """A11: Traefik sends ws and wss."""
    answer = stage.ask(dialect, proto=proto, more=NAVIGATION)
    assert b"rd=https%3A%2F%2Fapp.example.test%2F" in answer.one("location")


POISON = [
    (b"X-Forwarded-Host", b"evil.test"),
    (b"Forwarded", b"host=evil.test;proto=http"),
    (b"X-Host", b"evil.test"),
    (b"X-Forwarded-Server", b"evil.test"),
    (b"X-Original-Host", b"evil.test"),
    (b"X-Forwarded-Prefix", b"//evil.test"),
    (b"X-Forwarded-Prefix", b"/.."),
    (b"X-Replaced-Path", b"/public"),
    (b"X-Forwarded-Port", b"8443"),
    (b"X-Forwarded-Port", b"443@evil.test"),
    (b"X-Forwarded-Port", b"0"),
    (b"X-Forwarded-Port", b"99999999"),
    (b"X-Forwarded-Path", b"/public"),
    (b"X-Forwarded-Scheme", b"http"),
    (b"X-Url-Scheme", b"javascript"),
    (b"Front-End-Https", b"off"),
]


@pytest.mark.parametrize("header", POISON, ids=repr)
@pytest.mark.parametrize("target", ["/", "/sessions", "/logout", "/login?rd=/sessions", "/static", "/nothing"])
def test_no_header_changes_an_address_of_ours(stage: Stage, header: tuple[bytes, bytes], target: str) -> None:
    """A12, A13, A14: absolute addresses come from public_url alone."""
    plain = stage.browser().get(target)
    poisoned = stage.browser().get(target, header)
    assert poisoned.status == plain.status
    assert poisoned.one("location") == plain.one("location")
    assert b"evil.test" not in poisoned.head + poisoned.body


@pytest.mark.parametrize(
    "host", [b"evil.test", b"auth.example.test.evil.test", b"app.example.test", b"auth.example.test:80"]
)
@pytest.mark.parametrize("target", [b"/login", b"/", b"/static/", b"/api/auth/mode", b"/logout"])
def test_under_another_name_nothing_of_ours_is_served(stage: Stage, host: bytes, target: bytes) -> None:
    """A12, L15: a foreign Host gets no page, no form and no address."""
    answer = stage.send(write(b"GET", target, [(b"Host", host), (b"X-Forwarded-For", b"203.0.113.7"), *NAVIGATION]))
    assert answer.status == 421
    assert host not in answer.body
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("header", [pair for pair in POISON if pair[0] != b"X-Forwarded-Host"], ids=repr)
def test_no_header_beside_the_four_changes_a_verdict(stage: Stage, dialect: str, header: tuple[bytes, bytes]) -> None:
    """A13, A14."""
    plain = stage.ask(dialect, target=b"/x", more=NAVIGATION)
    changed = stage.ask(dialect, target=b"/x", more=[*NAVIGATION, header])
    assert (changed.status, changed.one("location")) == (plain.status, plain.one("location"))
    refused = stage.ask(dialect, host=b"admin.example.test", cookie=stage.cookie_of(ALICE), more=[header])
    assert refused.status == 403


def test_a_check_with_anything_missing_is_refused(stage: Stage, dialect: str) -> None:
    """A16: each header away, empty, twice; and all of them away."""
    cookie = (b"Cookie", stage.cookie_of(ALICE))
    verb, path, headers = question(dialect, host=b"pub.example.test", target=b"/public/x")
    needed = [pair for pair in headers if pair != (b"Host", b"doorward.internal")]
    if dialect == "traefik":
        needed = [pair for pair in needed if pair[0] != b"Host"]
    assert stage.send(write(verb, path, [(b"Host", b"x"), cookie])).status in REFUSED
    for lost in needed:
        rest = [pair for pair in headers if pair is not lost]
        for name, raw in {
            "away": write(verb, path, [*rest, cookie]),
            "empty": write(verb, path, [*rest, (lost[0], b""), cookie]),
            "twice": write(verb, path, [*headers, lost, cookie]),
            "twice, differing": write(verb, path, [*headers, (lost[0], lost[1] + b"2"), cookie]),
        }.items():
            assert stage.send(raw).status in {0, *REFUSED}, f"{lost[0]!r} {name}"


ODD_URLS = [
    b"http://[::1", b"https://%zz/", b"/%", b"https://", b"https:///x", b"//", b"", b" ", b"*", b"https://app.example.test",
    b"https:app.example.test/", b"https://app.example.test\\x", b"app.example.test/x", b"https://app.example.test/\xff",
    b"https://\x80\x81/", b"https://app.example.test/ x", b"https://app.example.test/%", b"https://a@app.example.test/",
    b"https://app.example.test:99999/", b"x" * 60_000, b"https://" + b"a" * 300 + b"/", b"https://app.example.test/\t",
    b"javascript:alert(1)", b"https://app.example.test:443:443/", b"https://[app.example.test]/", b"ftp://app.example.test/",
]  # fmt: skip


@pytest.mark.parametrize("url", ODD_URLS, ids=lambda url: repr(url[:32]))
def test_an_address_that_cannot_be_read_is_never_an_allow(stage: Stage, url: bytes) -> None:
    """A16: what one reader gave up on, the next must not let through."""
    cookie = (b"Cookie", stage.cookie_of(ALICE))
    for who in ((), (cookie,)):
        asked = [(b"Host", b"x"), (b"X-Original-URL", url), (b"X-Original-Method", b"GET"), *who]
        assert stage.send(write(b"GET", b"/api/authz/nginx", asked)).status in {0, 400, 403, 431}
        for dialect in FORWARDING:
            verb, path, headers = question(dialect, target=url)
            assert stage.send(write(verb, path, [*headers, *who])).status in {0, 303, 400, 401, 403, 431}


def test_every_byte_in_every_place_of_a_question_is_judged_or_refused(stage: Stage) -> None:
    """A16, B10: all 256 values, at the beginning, in the middle and at the end of each part; with a live session."""
    cookie = stage.cookie_of(ALICE)
    app, admin = b"app.example.test", b"admin.example.test"
    for number in range(256):
        byte = bytes([number])
        for asked in (
            {"host": app, "target": b"/private" + byte},
            {"host": app, "target": b"/x" + byte + b"/../private"},
            {"host": app, "target": byte + b"/private"},
            {"host": admin + byte},
            {"host": admin.replace(b".", byte, 1)},
            {"host": admin, "method": b"GET" + byte},
            {"host": admin, "proto": b"https" + byte},
        ):
            answer = stage.ask("traefik", **asked, cookie=cookie)
            # "/privatex" and "/x?/../private" are other paths, and open to Alice; nothing else here is.
            other = asked.get("target") == b"/private" + byte and 0x20 < number < 0x7F and byte not in b"/?#%;\\."
            assert answer.status != 200 or other or asked.get("target") == b"/x?/../private", f"{byte!r} in {asked}"


def test_an_endpoint_reads_its_own_family_and_no_other(stage: Stage, dialect: str) -> None:
    """A17."""
    cookie = (b"Cookie", stage.cookie_of(ALICE))
    verb, path, own = question(dialect, host=b"admin.example.test", target=b"/x")
    other = "traefik" if dialect in {"nginx", "envoy"} else "nginx"
    foreign = [pair for pair in question(other, host=b"pub.example.test", target=b"/public/x")[2] if pair[0] != b"Host"]
    beside = [pair for pair in foreign if pair[0] not in {name for name, _ in own}]
    assert stage.send(write(verb, path, [*own, *beside, cookie])).status == 403
    assert stage.send(write(verb, path, [*beside, *own, cookie])).status == 403
    if dialect != "envoy":  # whose family is the request itself
        assert stage.send(write(verb, path, [(b"Host", b"x"), *foreign, cookie])).status in {400, 403}


@pytest.mark.parametrize(
    "header",
    [
        (b"X-Original-URL", b"/admin/sessions"),
        (b"X-Rewrite-URL", b"/admin/sessions"),
        (b"X-Original-URI", b"/admin/sessions"),
        (b"X-Middleware-Subrequest", b"middleware:middleware:middleware:middleware:middleware"),
        (b"X-Middleware-Rewrite", b"/admin/sessions"),
        (b"X-HTTP-Method-Override", b"POST"),
        (b"X-Method-Override", b"DELETE"),
        (b"X-Forwarded-Uri", b"/admin/sessions"),
        (b"X-Forwarded-Method", b"POST"),
    ],
    ids=repr,
)
def test_our_own_pages_are_found_by_the_request_line_alone(stage: Stage, header: tuple[bytes, bytes]) -> None:
    """A20."""
    browser = stage.visitor(ROOT)
    for target in ("/", "/sessions", "/signed-out"):
        plain, changed = browser.get(target), browser.get(target, header)
        assert changed.status == plain.status
        assert (b"Everybody&#39;s" in changed.body) == (b"Everybody&#39;s" in plain.body)
        assert len(changed.body) == len(plain.body)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_peer_on_our_unix_socket_is_believed_only_where_it_is_listed(tmp_path, trusted: bool) -> None:
    """A22: no address is not every address."""
    where = str(tmp_path / "door.sock")
    text = CONFIG.format(addr=f'"unix:{where}"', metrics=free_ports(1)[0])
    if trusted:
        text = text.replace("[127.0.0.2/32]", "[127.0.0.2/32, unix]")
    with serving(tmp_path, text, 0, unix=where, first=ROOT) as stage, attacked(stage):
        for dialect, chain in product(DIALECTS, (b"127.0.0.1", b"127.0.0.2", b"")):
            answer = stage.ask(dialect, host=b"pub.example.test", target=b"/public/x", forwarded_for=chain)
            assert answer.status == (200 if trusted else 403)
            answer = stage.ask(dialect, host=b"lan.example.test", forwarded_for=chain)
            assert (answer.status == 200) == (trusted and bool(chain))


V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    + socket.inet_aton("127.0.0.2")
    + socket.inet_aton("127.0.0.1")
    + b"\0\1\0\2"
)


@pytest.mark.parametrize(
    "preamble",
    [b"PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n", b"PROXY UNKNOWN\r\n", b"PROXY TCP6 ::1 ::1 1 2\r\n", V2],
    ids=["v1", "v1 unknown", "v1 over IPv6", "v2"],
)
@pytest.mark.parametrize("source", [PROXY, STRANGER])
def test_a_preamble_that_names_another_peer_is_no_request(stage: Stage, preamble: bytes, source: str) -> None:
    """A23: refused, and the connection ends."""
    verb, path, headers = question("traefik", host=b"pub.example.test", target=b"/public/x")
    raw = preamble + write(verb, path, headers)
    with stage.connect(source) as line:
        answer: Answer = stage.note(raw, line.exchange(raw, method=b"GET"))
        assert answer.status in {0, 400}
        assert line.has_ended()
