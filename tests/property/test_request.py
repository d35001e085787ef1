"""Whatever a proxy sends is either one canonical request or an InputError, never anything else."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.request import MAX_TARGET, parse_host, parse_method, parse_port, parse_scheme, parse_target

RAW = st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: b"/" + tail)


@given(RAW)
def test_any_bytes_are_a_canonical_target_or_refused(raw: bytes) -> None:
    try:
        path, target, _ = parse_target(raw)
    except InputError:
        return
    assert path.startswith("/")
    assert target.encode("ascii") == raw
    assert not any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in path)
    assert "#" not in target
    assert "\\" not in target


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\;%."), min_size=1), min_size=1
    )
)
def test_every_spelling_of_a_path_is_one_path_or_marked(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    plain = parse_target(quote(path).encode())
    hexed = parse_target(("/" + "/".join("".join(f"%{byte:02x}" for byte in part.encode()) for part in parts)).encode())
    assert plain[0] == path
    assert hexed[0] == path
    assert hexed[2] or not plain[2]


@pytest.mark.parametrize(
    "target",
    [
        "//admin", "/a//b", "/./a", "/a/.", "/a/..", "/../a", "/a;x=1", "/a%3bx", "/a%3Bx", "/a%2fb", "/a%2Fb",
        "/a%5cb", "/a%5Cb", "/%2e/a", "/%2e%2e/a", "/.%2e/a", "/a%252e", "/a%2523", "/%2561dmin", "/a%23b", "/a%3fb",
        "/public/%2e%2e/admin", "/public/..;/admin", "/;/admin", "/public%25%32%66..",
    ],
)  # fmt: skip
def test_a_path_that_servers_read_differently_is_marked(target: str) -> None:
    """B04, B05, B08, B23, B02: encoded slashes, double encoding, matrix parameters, `%3F`, `%23`."""
    assert parse_target(target.encode())[2]


@pytest.mark.parametrize(
    "target",
    [
        b"", b"a", b"*", b"http://app/", b"/a#b", b"/#", b"/a\\b", b"/a b", b"/a\tb", b"/a\x00", b"/a%00", b"/a%00.png",
        b"/%0d%0a", b"/%09", b"/%7f", b"/%ff", b"/%c0%ae%c0%ae/", b"/%c0%af", b"/\x80", b"/\xc3\xa9", b"/%", b"/%g0",
        b"/%2", b"/a?\x00", b"/a?b#c", b"/a?\xff", b"?x", b"/" + b"a" * MAX_TARGET,
    ],
)  # fmt: skip
def test_a_malformed_target_is_refused(target: bytes) -> None:
    """A16, B02, B10, B28: control bytes, bad UTF-8, fragments, broken escapes, oversize."""
    with pytest.raises(InputError):
        parse_target(target)


@pytest.mark.parametrize(
    "target", ["/", "/a", "/a/", "/a.b/c-d_e~f", "/a%20b", "/caf%C3%A9", "/a?x=//y;z=%2f&..", "/@a:b"]
)
def test_an_ordinary_target_is_not_marked(target: str) -> None:
    """B01: nothing in the query counts."""
    assert not parse_target(target.encode())[2]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("app.example.test", "app.example.test", ""),
        ("APP.Example.TEST", "app.example.test", ""),
        ("app.example.test.", "app.example.test", ""),
        ("app.example.test:8443", "app.example.test", "8443"),
        ("app.example.test.:443", "app.example.test", "443"),
        ("localhost", "localhost", ""),
        ("[::1]:443", "[::1]", "443"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]", ""),
        ("xn--bcher-kva.example.test", "xn--bcher-kva.example.test", ""),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str, port: str) -> None:
    """B15, B16, B17, T-25."""
    assert parse_host(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a..b", ".a", "a..", "app.example.test..", "a:", "a:abc", "a:0", "a:65536", "a:443:80", "a:99999999",
        "[::1", "[::1]x", "[::1]:", "[zz]", "::1", "a/b", "a?b", "a#b", "a@b", "u@app.example.test", "a\\b", "a b", "a,b",
        "-a", "a-", "a" * 64, "a." * 130 + "a", "аdmin.example.test", "admin。example", "a\u2024b", "ａ", "admin\u00ad",
        "a\n", "443@evil.test", "a:४४३",
    ],
)  # fmt: skip
def test_a_malformed_host_is_refused(text: str) -> None:
    """B17, B19, B20, A14."""
    with pytest.raises(InputError):
        parse_host(text)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_refused(text: str) -> None:
    try:
        host, port = parse_host(text)
    except InputError:
        return
    assert host.isascii()
    assert host == host.lower()
    assert parse_host(host + (":" + port if port else "")) == (host, port)


@pytest.mark.parametrize("text", ["get", "GET ", "", "G3T", "GET\n", "PRI * HTTP", "Ｇ", "A" * 21])
def test_a_method_is_capital_letters(text: str) -> None:
    with pytest.raises(InputError):
        parse_method(text)


@pytest.mark.parametrize(("text", "scheme"), [("https", "https"), ("HTTP", "http"), ("ws", "http"), ("WSS", "https")])
def test_a_websocket_scheme_is_read_as_its_http_one(text: str, scheme: str) -> None:
    assert parse_scheme(text) == scheme
    assert parse_method("DELETE") == "DELETE"
    assert parse_port("443") == "443"


@pytest.mark.parametrize("text", ["javascript", "https,http", "", "https ", "file", "data"])
def test_any_other_scheme_is_refused(text: str) -> None:
    """A11, D10."""
    with pytest.raises(InputError):
        parse_scheme(text)
