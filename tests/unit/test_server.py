"""The one application asks the gate first, answers only under its own name, and nothing malformed gets further."""

import re
from datetime import timedelta

import pytest

from doorward.web.health import State
from doorward.web.pages.assets import RENEW_PATH, squeeze
from doorward.web.refused import LINES_PER_STATUS, SPAN
from tests.fakes.door import Browser, Door, call_app

HOST = (b"host", b"auth.example.test")
CHECKS = [
    "/api/auth/forwardauth",
    "/api/auth/forwardauth/x",
    "/api/auth/forwardauthx",
    "/api/authz/traefik",
    "/api/authz",
    "/api/authz/nothing",
    "/api/%61uthz/traefik",
    "/api/auth/forward%61uth",
]


@pytest.mark.parametrize("path", CHECKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE"])
async def test_nothing_but_the_gate_answers_under_the_check_prefixes(path: str, method: str) -> None:
    """C12."""
    door = Door()
    answer = await call_app(door.server, method, path, [HOST])
    assert answer.status == 401
    assert len(door.gate_calls) == 1


async def test_the_gate_is_asked_before_anything_is_judged() -> None:
    door = Door()
    await call_app(door.server, "GET", "/api/authz/traefik", [(b"x", b"y" * 99_999)])
    assert len(door.gate_calls) == 1


@pytest.mark.parametrize(
    "host", ["auth.example.test", "AUTH.Example.Test", "auth.example.test:443", "auth.example.test."]
)
async def test_our_own_name_is_known_in_every_spelling(host: str) -> None:
    """B15."""
    assert (await Browser(Door()).get("/login", host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.test", "app.example.test", "auth.example.test:444", "127.0.0.1", "[::1]"])
async def test_other_names_are_refused(host: str) -> None:
    """A12, L15."""
    answer = await Browser(Door()).get("/login", host=host)
    assert (answer.status, answer.location) == (421, "")
    assert host not in answer.text


@pytest.mark.parametrize(
    "host",
    ["a/?x=", "auth.example.test/public?", "x#", "admin@auth.example.test", "a\\b", "[", " ", "a b", "auth..test"],
)
async def test_malformed_hosts_are_refused(host: str) -> None:
    """B19."""
    assert (await Browser(Door()).get("/login", host=host)).status == 400


async def test_one_host_and_no_more() -> None:
    """B19, P02."""
    door = Door()
    assert (await call_app(door.server, "GET", "/login", [])).status == 400
    assert (await call_app(door.server, "GET", "/login", [HOST, HOST])).status == 400
    assert (await call_app(door.server, "GET", "/login", [(b"host", b"\xff")])).status == 400


async def test_a_port_that_is_ours_is_asked_for() -> None:
    door = Door(public_url="http://auth.localhost:8080", cookie_domain="")
    assert (await Browser(door).get("/login")).status == 200
    assert (await Browser(door).get("/login", host="auth.localhost")).status == 421


@pytest.mark.parametrize("asked", [{"host": "127.0.0.1:8080"}, {"cookie": "x" * 40_000}], ids=["host", "cookie"])
async def test_a_page_shown_where_our_files_cannot_be_had_brings_its_style(asked: dict[str, str]) -> None:
    door = Door(public_url="http://localhost:8080", cookie_domain="")
    page = await Browser(door).get("/login", **asked)
    assert '<link rel="stylesheet"' not in page.text
    found = re.search(r'<style nonce="([^"]+)">(.*)</style>', page.text, re.DOTALL)
    assert found
    assert found[2] == door.assets.style
    assert f"style-src 'self' 'nonce-{found[1]}'" in page.header("content-security-policy")
    assert (await Browser(door).get(f"{door.assets.prefix}/base.css", **asked)).status == page.status


async def test_under_another_name_the_way_on_is_our_own_address() -> None:
    door = Door(public_url="http://localhost:8080", cookie_domain="")
    page = await Browser(door).get("/", host="127.0.0.1:8080")
    assert '<a class="button" href="http://localhost:8080/">Go to http://localhost:8080</a>' in page.text
    assert 'href="/"' not in page.text


async def test_too_many_headers_are_refused() -> None:
    """P05, J10."""
    door = Door()
    many = [HOST, *((b"x-%d" % number, b"y") for number in range(200))]
    assert (await call_app(door.server, "GET", "/login", many)).status == 431
    cookies = "; ".join(f"c{number}={'x' * 200}" for number in range(300))
    assert (await Browser(door).get("/login", cookie=cookies)).status == 431


async def test_a_header_that_must_be_alone_is_refused_in_company() -> None:
    door = Door()
    for name in (b"sec-fetch-mode", b"user-agent", b"accept"):
        assert (await call_app(door.server, "GET", "/login", [HOST, (name, b"a"), (name, b"b")])).status == 400


async def test_methods_are_told() -> None:
    door = Door()
    browser = Browser(door)
    answer = await browser._send("OPTIONS", "/login", {})
    assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, POST, OPTIONS")
    answer = await browser._send("PUT", "/login", {})
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, POST, OPTIONS")
    answer = await browser._send("get", "/login", {})
    assert answer.status == 405
    assert not any(name.startswith(b"access-control") for name, _ in answer.headers)


async def test_head_is_get_without_a_body() -> None:
    browser = Browser(Door())
    page, head = await browser.get("/signed-out"), await browser._send("HEAD", "/signed-out", {})
    assert (head.status, head.body) == (page.status, b"")
    assert head.header("content-length") == page.header("content-length")


async def test_health_needs_no_name_and_no_session() -> None:
    door = Door()
    for path in ("/healthz", "/readyz"):
        answer = await call_app(door.server, "GET", path, [(b"host", b"10.0.0.7:8080")])
        assert (answer.status, answer.body) == (200, b"ok\n")
    assert (await call_app(door.server, "POST", "/healthz", [])).status == 405


@pytest.mark.parametrize("state", [State.STARTING, State.DRAINING])
async def test_no_visitor_is_sent_to_who_starts_or_stops(state: State) -> None:
    door = Door()
    door.health.state = state
    assert (await call_app(door.server, "GET", "/readyz", [])).status == 503
    assert (await call_app(door.server, "GET", "/healthz", [])).status == 200


async def test_without_storage_nobody_is_ready() -> None:
    door = Door()
    door.store.broken = True
    answer = await call_app(door.server, "GET", "/readyz", [])
    assert (answer.status, answer.body) == (503, b"storage\n")


async def test_files_are_served_to_be_kept() -> None:
    door = Door()
    browser = Browser(door)
    for path in door.assets.paths():
        answer = await browser.get(path)
        assert answer.status == 200
        kept = "max-age=3600" if path == RENEW_PATH else "max-age=31536000, immutable"
        assert answer.header("cache-control") == f"public, {kept}"
        assert answer.header("content-type").split(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}
        again = await browser.get(path, if_none_match=answer.header("etag"))
        assert (again.status, again.body) == (304, b"")


async def test_the_script_for_pages_of_apps_is_small_and_may_be_loaded_by_them() -> None:
    door = Door()
    answer = await Browser(door).get(RENEW_PATH)
    assert len(answer.body) <= 2048
    assert answer.header("cross-origin-resource-policy") == "cross-origin"
    assert answer.header("access-control-allow-origin") == "*"
    assert "set-cookie" not in {name for name, _ in answer.headers}
    other = await Browser(door).get(door.assets.prefix + "/main.js")
    assert other.header("cross-origin-resource-policy") == "same-origin"


async def test_a_sign_in_in_a_pop_up_ends_on_a_page_that_closes_itself() -> None:
    door = Door()
    await door.add_user("alice")
    browser = Browser(door)
    assert (await browser.get("/confirmed?close")).status == 303
    await browser.sign_in("alice")
    assert "data-close" in (await browser.get("/confirmed?close")).text
    assert "data-close" not in (await browser.get("/confirmed")).text


def test_a_script_is_squeezed_without_a_change_of_its_texts() -> None:
    given = b'// why\nconst a = [1, 2]\n\n  // how\n  if (a && b) say("one two")\n  say(" ", "x|y")\n'
    assert squeeze(given) == b'const a=[1,2]\nif(a&&b)say("one two")\nsay(" ","x|y")'


@pytest.mark.parametrize(
    "path",
    [
        "/static",
        "/static/",
        "/static/../pages/desk.py",
        "/static//etc/passwd",
        "/static/%2e%2e/desk.py",
        "/static/..%2f..%2fdesk.py",
        "/static/..\\desk.py",
        "/static/main.js%00",
        "/static/.env",
        "/static/main.js",
        "/static/{version}/",
        "/static/{version}/../main.js",
        "/static/{version}//main.js",
        "/static/{version}/./main.js",
        "/static/{version}/%6dain.js",
        "/static/{version}/MAIN.js",
        "/static/{version}/main.js/",
    ],
)
async def test_no_other_path_is_a_file(path: str) -> None:
    """P09."""
    door = Door()
    version = door.assets.prefix.rpartition("/")[2]
    assert (await Browser(door).get(path.format(version=version))).status == 404


async def test_ranges_are_not_spoken() -> None:
    """P08."""
    door = Door()
    path = door.assets.prefix + "/base.css"
    ranges = "bytes=" + ",".join(f"{at}-{at}" for at in range(3000))
    answer = await Browser(door).get(path, range=ranges)
    assert (answer.status, len(answer.body)) == (200, int(answer.header("content-length")))
    assert answer.header("accept-ranges") == "none"


async def test_the_api_is_given_no_more_than_it_may_have() -> None:
    door = Door()
    body = b"x" * (door.server.max_body + 1)
    told = [HOST, (b"content-length", str(len(body)).encode())]
    assert (await call_app(door.server, "POST", "/api/x", told, body)).status == 413
    assert (await call_app(door.server, "POST", "/api/x", [HOST], body)).status == 413
    assert (await call_app(door.server, "POST", "/api/x", [HOST], body[:-1])).status == 200


async def test_what_nobody_foresaw_is_told_to_the_log_by_kind_and_place_only() -> None:
    """E-43, E-44, E-45."""
    door = Door()

    async def fail(_visit):
        raise ZeroDivisionError("hunter2")

    object.__setattr__(door.server.routes["/signed-out"], "get", fail)
    answer = await Browser(door).get("/signed-out")
    assert answer.status == 500
    assert "hunter2" not in answer.text
    (event, fields) = door.log.events[-1]
    assert event == "request_failed"
    assert "hunter2" not in str(fields)
    assert fields["error"] == "ZeroDivisionError"
    assert "fail" in fields["detail"]
    assert fields["correlation_id"] in answer.text


async def test_a_flood_is_counted_and_not_written() -> None:
    """P15."""
    door = Door()
    browser = Browser(door)
    for number in range(LINES_PER_STATUS * 3):
        await browser.get(f"/nowhere/{number}")
    await browser.get("/login", host="other.example.test")
    events = [event for event, _ in door.log.events]
    assert events.count("request_refused") == LINES_PER_STATUS + 1
    door.clock.advance(timedelta(seconds=SPAN))
    await browser.get("/nowhere")
    assert door.log.events[-2] == ("requests_refused_more", {"status": 404, "held_back": LINES_PER_STATUS * 2})
    assert door.log.events[-1][0] == "request_refused"


async def test_the_log_says_how_a_wrong_host_is_mended() -> None:
    door = Door()
    await Browser(door).get("/login", host="other.example.test")
    assert "have the proxy pass the Host header on" in door.log.events[-1][1]["detail"]


async def test_half_an_answer_is_never_made_whole() -> None:
    door = Door()

    async def half(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    object.__setattr__(door.server, "api", half)
    with pytest.raises(ZeroDivisionError):
        await call_app(door.server, "GET", "/api/x", [HOST])


async def test_sockets_are_closed_and_life_is_lived() -> None:
    door = Door()
    sent: list[dict] = []
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(received)

    async def send(message):
        sent.append(message)

    await door.server({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    await door.server({"type": "websocket"}, receive, send)
    assert sent[-1] == {"type": "websocket.close", "code": 1000}


async def test_every_refusal_can_be_found_again() -> None:
    door = Door()
    answer = await Browser(door).get("/nowhere")
    found = re.search(r'Reference <span class="code">([0-9a-f]+)</span>', answer.text)
    assert found
    assert found[1] == door.log.events[-1][1]["correlation_id"]
