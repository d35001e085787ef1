"""What is judged is what the app gets: odd hosts and paths, as raw bytes, cannot tell the two apart."""

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE
from tests.integration.wire import NAVIGATION, write_request

PRIVATE = [
    "/private", "/private/", "/private/x", "//private", "/./private", "/x/../private", "/x/%2e%2e/private",
    "/x/%2E%2E/private", "/%70rivate", "/%50rivate", "/PRIVATE", "/private;a=1", "/private%3Ba=1",
    "/private%2f", "/x%2f..%2fprivate", "/x%2F..%2Fprivate", "/x/..;/private", "/;/private", "/private.",
    "/private%20", "/private.json", "/private?x=/public/", "/private?/public", "/x/%252e%252e/private",
    "/%2570rivate", "/x%5c..%5cprivate", "/x\\..\\private", "/\\private", "/private%00", "/private%0a",
    "/private%0d%0aX:%20y", "/private#x", "/public/..%2fprivate", "/x/.%2e/private", "/x/%2e./private",
    "/%c0%ae%c0%ae/private", "/private\x80", "/pri\tvate",
]  # fmt: skip
"""Targets that some server somewhere reads as /private, which a rule denies to everybody."""

NOT_PUBLIC = [
    "/", "/x", "/publicx", "/public.bak", "/public-old/x", "/PUBLIC/x", "/public%00", "/public/../x",
    "/public/%2e%2e/x", "/public%2f..%2fx", "/public/..;/x", "/public;/../x", "/public\\..\\x",
    "/public%5c..%5cx", "/public/%252e%252e/x", "/x?/public/", "/x?a=/public/x", "/x#/public/x",
    "/%70ublic%2f%2e%2e/x", "//public/x", "/x/..%2fpublic",
]  # fmt: skip
"""Targets that are not plainly below /public, which anyone may open."""

ODD_HOSTS = [
    "APP.example.com", "app.example.com.", "app.example.com..", ".app.example.com", "app.example.com:443",
    "app.example.com:", "app.example.com:abc", "app.example.com:443:80", "app.example.com:99999",
    "app.example.com, api.example.com", "app.example.com\t", "app.example.com@api.example.com",
    "api.example.com@app.example.com", "app.example.com/x", "app.example.com?x", "app.example.com#x",
    "app.example.com\\x", "[::1]", "[::1", "127.0.0.1", "localhost", "", "\xd0\xb0pp.example.com",
    "xn--pp-6kc.example.com", "app%2eexample.com", "app.example.com%00", "evil.example", "nothere.example.com",
    "example.com",
]  # fmt: skip


@pytest.mark.parametrize("target", PRIVATE)
def test_no_spelling_of_a_denied_path_reaches_the_app(scene: Scene, target: str) -> None:
    """B04-B12, B13: deny rules see every reading of a path, before any rewrite. Bad input is no fault (invariant 2)."""
    reply = scene.visitor.send("GET", target, NAVIGATION, cookie=scene.cookie_of(ALICE))
    assert 300 <= reply.status < 500, reply
    assert scene.arrivals == []


@pytest.mark.parametrize("target", NOT_PUBLIC)
def test_no_spelling_of_another_path_passes_for_an_open_one(scene: Scene, target: str) -> None:
    """B01-B09: an allow for everyone is matched strictly; what a proxy tidied up is judged as the app gets it."""
    scene.visitor.send("GET", target, NAVIGATION, host="api.example.com")
    for arrival in scene.arrivals:
        assert arrival.target.startswith("/public/"), arrival
        assert not {"..", "%", ";", "\\"} & set(arrival.target), arrival


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_an_odd_host_is_the_app_or_nothing(scene: Scene, host: str) -> None:
    """B15-B20, B22: judged under its canonical name; a stranger never gets in."""
    for cookie in ("", scene.cookie_of(ALICE)):
        scene.app.arrivals.clear()
        headers = (*NAVIGATION, ("Cookie", cookie)) if cookie else NAVIGATION
        with scene.visitor.connect() as connection:
            try:
                reply = connection.exchange(write_request("GET", "/x", host, headers))
            except (ConnectionError, OSError):
                assert scene.arrivals == []
                continue
        assert reply.status < 500, reply
        assert bool(scene.arrivals) == bool(cookie and reply.all("X-Echo"))
        for arrival in scene.arrivals:
            assert arrival.all("Host")[0].lower().rstrip(".").split(":")[0].rstrip(".") == "app.example.com"


@pytest.mark.parametrize("target", ["http://api.example.com/x", "https://auth.example.com/x", "http://evil.example/x"])
def test_a_request_line_with_another_host_is_judged_as_it_is_served(scene: Scene, target: str) -> None:
    """P02: absolute form against Host. Whatever wins is both judged and served."""
    reply = scene.visitor.send("GET", target, NAVIGATION, host="app.example.com", cookie="")
    assert reply.status < 500
    assert scene.arrivals == []
    if reply.status == 303:
        host = target.split("/")[2]
        assert reply.one("Location").endswith(f"?rd=https%3A%2F%2F{host}%2Fx")


@pytest.mark.parametrize(
    "first_line", ["get /x HTTP/1.1", "GET  /x HTTP/1.1", "GET /x y HTTP/1.1", "GET x HTTP/1.1", "GET * HTTP/1.1"]
)
def test_a_malformed_request_line_gets_nobody_in(scene: Scene, first_line: str) -> None:
    """P02: refused by the proxy or by Doorward, never served to a stranger."""
    with scene.visitor.connect() as connection:
        try:
            reply = connection.exchange(f"{first_line}\r\nHost: app.example.com\r\n\r\n".encode())
        except (ConnectionError, OSError):
            reply = None
    assert reply is None or 300 <= reply.status < 505
    assert scene.arrivals == []
