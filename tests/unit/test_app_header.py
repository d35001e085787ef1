"""What one app is sent: headers by template, and a name and password."""

from base64 import b64decode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.rules.app_header import (
    MAX_SECRET,
    AppHeader,
    parse_basic,
    parse_header,
    parse_header_name,
    parse_secret,
    parse_secret_name,
    write_headers,
)
from doorward.rules.identity import User, UserId

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ZOE = User(
    UserId("AAAAAAAAAAAAAAAAAAAAAA"), "zoe", "Zoë 100%", "zoe@example.com", frozenset(), is_admin=False, enabled=True,
    generation=0, created_at=NOW,
)  # fmt: skip
GROUPS = frozenset({"staff", "graphs-Admin", "graphs-Editor"})
SECRETS = {"nas": "pa:ss wörd", "token": "ab%c=", "torn": "a\u00e4"}


def write(template: str) -> bytes | None:
    return parse_header("X-App", template).write(ZOE, GROUPS, SECRETS.get)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{user}", b"zoe"),
        ("{email}", b"zoe@example.com"),
        ("{name}", b"Zo%C3%AB 100%25"),
        ("{groups}", b"graphs-Admin,graphs-Editor,staff"),
        ("{groups:graphs-}", b"Admin,Editor"),
        ("{groups:other-}", b""),
        ("Token {secret:token}", b"Token ab%c="),
        ("Editor", b"Editor"),
        ("100%", b"100%"),
        ("", b""),
        ("{{user}}", b"{user}"),
        ("{{{user}}}", b"{zoe}"),
        ('{{"u":"{user}"}}', b'{"u":"zoe"}'),
    ],
)
def test_a_template_is_text_with_what_stands_for_the_visitor(template: str, value: bytes) -> None:
    """C-10: names are encoded as in the identity headers; what the operator wrote, and secrets, stand as they are."""
    assert write(template) == value


@pytest.mark.parametrize(
    "template",
    [
        "{password}", "{User}", "{}", "{user", "user}", "{user:x}", "{email:}", "{secret}", "{secret:}", "{secret:A}",
        "{secret:a/b}", "{groups:}", "{groups:a b}", "{us{er}}", "{user.__class__}", "{0}", "{user!r}", "a\nb", "ä",
        " {user}", "{user} ", "x" * 1025,
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(InputError):
        parse_header("X-App", template)


@given(st.text(max_size=60))
def test_a_value_never_ends_its_line(text: str) -> None:
    """C01: whatever a template and a name hold, what comes out is visible."""
    try:
        header = parse_header("X-App", text)
    except InputError:
        return
    value = header.write(ZOE, GROUPS, SECRETS.get)
    assert value is None or value.decode("ascii").isprintable()


def test_a_secret_that_is_missing_or_would_have_to_be_encoded_leaves_the_header_unwritten() -> None:
    assert write("{secret:gone}") is None
    assert write("{secret:torn}") is None
    assert parse_basic("admin", "gone").write(ZOE, GROUPS, SECRETS.get) is None
    assert AppHeader("authorization", parse_header("x", "{secret:gone}").template, "nas").write(ZOE, (), {}.get) is None


@pytest.mark.parametrize(("user", "shown"), [("admin", "admin"), ("{user}", "zoe"), ("{email}", "zoe@example.com")])
def test_basic_shows_a_name_and_the_secret(user: str, shown: str) -> None:
    value = parse_basic(user, "nas").write(ZOE, GROUPS, SECRETS.get)
    assert value is not None
    assert value.startswith(b"Basic ")
    assert b64decode(value[6:]).decode() == f"{shown}:pa:ss wörd"


@pytest.mark.parametrize(
    ("user", "secret"),
    [("a:b", "nas"), ("{name}", "nas"), ("{groups}", "nas"), ("{secret:nas}", "nas"), ("admin", ""), ("admin", "A B")],
)
def test_a_name_for_basic_cannot_hold_what_would_end_it(user: str, secret: str) -> None:
    with pytest.raises(InputError):
        parse_basic(user, secret)


@pytest.mark.parametrize(
    "name",
    [
        "Host", "connection", "Content-Length", "Content-Type", "Cookie", "Set-Cookie", "Transfer-Encoding", "TE",
        "Upgrade", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-User-Email", "Forwarded", "Proxy-Authorization",
        "X-Doorward-Assertion", "X-Real-IP", "X-Original-URL", "Sec-Fetch-Mode", "Access-Control-Allow-Origin",
        "If-None-Match", "X-Accel-Redirect", "Origin", "", "X App", "X_App", "X-App:", "-X", "1X", "Xä", "X\r\n", "X" * 65,
    ],
)  # fmt: skip
def test_headers_that_mean_something_to_others_are_not_for_apps(name: str) -> None:
    with pytest.raises(InputError):
        parse_header_name(name)


@pytest.mark.parametrize(
    "name", ["X-WEBAUTH-USER", "Authorization", "X-Api-Key", "Remote-User", "X-Forwarded-User", "X-Forwarded-Email"]
)
def test_headers_by_which_apps_know_people_are_free(name: str) -> None:
    assert parse_header_name(name) == name.lower()


def test_nobody_is_shown_as_nobody_and_without_any_secret() -> None:
    """T-21, C07: every name is there, so that nothing a visitor sends under it survives."""
    headers = (parse_header("X-Role", "admin"), parse_header("X-Key", "{secret:token}"), parse_basic("admin", "gone"))
    assert write_headers(headers, None, (), SECRETS.get) == ((b"x-role", b""), (b"x-key", b""), (b"authorization", b""))
    assert write_headers(headers, ZOE, GROUPS, SECRETS.get) is None
    assert write_headers(headers[:2], ZOE, iter(GROUPS), SECRETS.get) == ((b"x-role", b"admin"), (b"x-key", b"ab%c="))


def test_a_header_tells_which_secrets_it_needs() -> None:
    assert parse_header("X", "{user} {secret:a} {secret:b}").secrets == {"a", "b"}
    assert parse_basic("{user}", "c").secrets == {"c"}
    assert parse_header("X", "{user}").secrets == frozenset()


@pytest.mark.parametrize("value", ["", " a", "a ", "a\nb", "a\x00", "\ud800", "a" * (MAX_SECRET + 1)])
def test_a_secret_that_no_header_could_hold_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        parse_secret(value)


def test_a_secret_is_one_line_of_any_script() -> None:
    assert parse_secret("pa ss wörd") == "pa ss wörd"
    assert parse_secret_name("nas.home-1_x") == "nas.home-1_x"
