"""One event is one line, and no secret, query or control character of anybody's stands in it."""

import io
import json
import logging
from enum import Enum

import pytest

from doorward.outside.log import REDACTED, Format, Level, open_log, route_library_messages
from doorward.rules.token import make_cookie
from tests.fakes.system import FakeClock

CANARY = "hunter2-canary"
COOKIE = make_cookie(b"\x01" * 32, b"key")[0]


class Colour(Enum):
    RED = "red"


def written(*, format=Format.JSON, level=Level.DEBUG, event="checked", how="info", **fields):  # noqa: A002
    stream = io.StringIO()
    log = open_log(FakeClock(), format=format, level=level, stream=stream)
    getattr(log, how)(event, **fields)
    return stream.getvalue()


def test_a_json_line_holds_instant_level_event_and_fields():
    assert json.loads(written(reason="no_rule", status=403, took=0.5, known=True, none=None, colour=Colour.RED)) == {
        "at": "2030-01-01T12:00:00.000Z",
        "level": "info",
        "event": "checked",
        "reason": "no_rule",
        "status": 403,
        "took": 0.5,
        "known": True,
        "none": None,
        "colour": "red",
    }


def test_a_text_line_begins_with_instant_level_and_event():
    line = written(format=Format.TEXT, reason="no rule", status=403, how="warning")
    assert line == '2030-01-01T12:00:00.000Z warning checked reason="no rule" status=403\n'.replace(
        "2030-01-01T12:00:00.000Z warning checked", "at=2030-01-01T12:00:00.000Z level=warning event=checked"
    )


@pytest.mark.parametrize(("level", "lines"), [(Level.DEBUG, 4), (Level.INFO, 3), (Level.WARNING, 2), (Level.ERROR, 1)])
def test_what_weighs_less_than_the_level_is_not_written(level, lines):
    stream = io.StringIO()
    log = open_log(FakeClock(), format=Format.TEXT, level=level, stream=stream)
    for how in (log.debug, log.info, log.warning, log.error):
        how("event")
    assert stream.getvalue().count("\n") == lines


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "newPassword",
        "Set-Cookie",
        "cookie",
        "Authorization",
        "x_csrf_token",
        "setup_token",
        "api_key",
        "X-Api-Key",
        "signing_key",
        "client_secret",
        "otp",
    ],
)
def test_a_field_named_for_a_secret_is_redacted(format, name):  # noqa: A002
    line = written(format=format, **{name: CANARY, "nested": {name: CANARY}, "listed": [{name: CANARY}]})
    assert CANARY not in line
    assert REDACTED in line


@pytest.mark.parametrize("name", ["key", "keys", "tokenizer", "user", "address", "monkey", "passwords_checked"])
def test_a_field_that_only_looks_so_is_kept(name):
    assert CANARY in written(**{name: CANARY})


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(
    "value",
    [
        COOKIE,
        f"doorward={COOKIE}; Path=/",
        f"Bearer {CANARY}",
        f"Basic {CANARY}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + CANARY,
        "gcm1:0123456789abcdef:" + CANARY,
        "gcm2:0123456789abcdef:" + CANARY,
        "bcrypt$2b$12$" + "a" * 53,
    ],
)
def test_a_value_that_is_a_secret_is_redacted_wherever_it_stands(format, value):  # noqa: A002
    for line in (written(format=format, note=value), written(format=format, event=value)):
        assert CANARY not in line
        assert COOKIE not in line
        assert "a" * 53 not in line
        assert REDACTED in line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"https://app.example.test/x?code={CANARY}&b=1", "https://app.example.test/x?[redacted]"),
        (f"/login?rd=https://a.test/?t={CANARY}", "/login?[redacted]"),
        (f"/x?{CANARY}", "/x?[redacted]"),
        (f'GET "/x?a={CANARY}" failed', 'GET "/x?[redacted]" failed'),
        ("what? nothing", "what? nothing"),
        ("really?", "really?"),
    ],
)
def test_a_query_string_is_cut(text, kept):
    """Queries carry codes and tokens of the apps behind us."""
    assert json.loads(written(url=text))["url"] == kept


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(
    "sign", ["\n", "\r\n", "\0", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ud800", "\t"]
)
def test_nothing_can_forge_a_line_or_paint_a_terminal(format, sign):  # noqa: A002
    line = written(format=format, name=f"a{sign}level=error event=forged", **{f"k{sign}": "v"})
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert sign not in line.removesuffix("\n")
    assert len(line.splitlines()) == 1
    line.encode("utf-8")


def test_a_long_value_is_shortened():
    value = json.loads(written(agent="x" * 100_000, many=list(range(1000)), deep={str(n): n for n in range(1000)}))
    assert len(value["agent"]) == 501
    assert value["many"] == list(range(20))
    assert len(value["deep"]) == 20
    assert len(written(agent="\0" * 100_000)) < 1000


def test_bytes_and_objects_become_clean_text():
    found = json.loads(written(raw=b"a\xff\n", fault=ValueError(f"/x?a={CANARY}")))
    assert found["raw"] == "a\\xff\\n"
    assert found["fault"] == "/x?[redacted]"


def test_a_log_nobody_can_write_to_raises_nothing():
    stream = io.StringIO()
    log = open_log(FakeClock(), format=Format.JSON, level=Level.INFO, stream=stream)
    stream.close()
    log.info("still here")


def test_stderr_is_where_it_goes(capsys):
    open_log(FakeClock(), format=Format.TEXT, level=Level.INFO).info("started")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "event=started" in captured.err


@pytest.fixture
def _root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_root_logger")
def test_what_libraries_say_is_redacted_alike():
    stream = io.StringIO()
    route_library_messages(open_log(FakeClock(), format=Format.JSON, level=Level.INFO, stream=stream))
    logger = logging.getLogger("library.part")
    logger.info("not weighty")
    logger.warning("asked for %s", f"/x?a={CANARY}")
    logger.error("failed\nforged", exc_info=RuntimeError(CANARY))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["event"], first["logger"], first["message"]) == (
        "warning",
        "library",
        "library.part",
        "asked for /x?[redacted]",
    )
    assert (second["level"], second["message"], second["fault"]) == ("error", "failed\\nforged", "RuntimeError")
    assert CANARY not in stream.getvalue()
