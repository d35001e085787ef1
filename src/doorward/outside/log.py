"""The log: one event a line on stderr, as text or JSON, with nothing secret and nothing that could forge a line.

Every field passes the redaction here, whoever wrote it, the libraries' own messages included.
"""

import json
import logging
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC
from enum import Enum
from typing import Final, TextIO

from typing_extensions import override

from doorward.interfaces import Clock, Log

REDACTED: Final = "[redacted]"
_MOST_CHARACTERS = 500
_MOST_PARTS = 20
# fmt: off
_SECRET_WORDS = frozenset({
    "password", "passwd", "passphrase", "pwd", "secret", "token", "cookie", "cookies", "authorization", "credential",
    "credentials", "mac", "csrf", "signature", "bearer", "apikey", "otp", "totp",
})
# fmt: on
_SECRET_PAIRS = ("api_key", "private_key", "signing_key", "master_key", "encryption_key", "setup_link", "set_cookie")
_WORD = re.compile(r"[a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUERY = re.compile(r"(?<=\S)\?[^\s\"'<>]+")
# Our cookie's value, JSON web tokens, sealed values, and what follows a scheme of the Authorization header.
_SECRET_VALUES = re.compile(
    r"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|\bgcm[12]:[0-9a-f]{16}:[A-Za-z0-9_-]+"
    r"|\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}"
    r"|(?<=Bearer )\S+|(?<=Basic )\S+",
)
_NEEDS_QUOTES = re.compile(r"[\s=\"]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Format(Enum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


class Level(Enum):
    """From which weight on events are written."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


def open_log(clock: Clock, *, format: Format, level: Level, stream: TextIO | None = None) -> Log:  # noqa: A002 -- the setting's name
    """Make the log. `stream` is stderr unless given."""
    return _Log(clock, _to_json if format is Format.JSON else _to_logfmt, level, stream)


def route_library_messages(log: Log) -> None:
    """Let what libraries say through `logging` (warnings and worse) come out as events of ours, redacted alike."""
    root = logging.getLogger()
    root.handlers[:] = [_Route(log)]
    root.setLevel(logging.WARNING)


def redact(event: Mapping[str, object]) -> dict[str, object]:
    """Replace what is secret, cut query strings, escape what does not print, shorten what is long."""
    return {_clean_key(key): REDACTED if _names_secret(key) else _clean(value) for key, value in event.items()}


def _clean_key(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", key)[:64] or "_"


def _names_secret(key: str) -> bool:
    words = _WORD.findall(_CAMEL.sub("_", key).lower())
    return not _SECRET_WORDS.isdisjoint(words) or any(pair in "_".join(words) for pair in _SECRET_PAIRS)


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _clean(value.value)
    if isinstance(value, bytes):
        return _clean_text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_PARTS]
        return {_clean_key(str(key)): REDACTED if _names_secret(str(key)) else _clean(part) for key, part in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(part) for part in list(value)[:_MOST_PARTS]]
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    # Cut first: what follows then costs the same whatever a stranger sent. Cut again, for escapes make it longer.
    short = text[: 4 * _MOST_CHARACTERS]
    clean = _QUERY.sub("?" + REDACTED, _SECRET_VALUES.sub(REDACTED, short))
    plain = "".join(_escape(letter) for letter in clean)
    return plain if len(plain) <= _MOST_CHARACTERS else plain[:_MOST_CHARACTERS] + "…"


def _escape(letter: str) -> str:
    if unicodedata.category(letter) not in _HIDDEN:
        return letter
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def _to_json(event: Mapping[str, object]) -> str:
    return json.dumps(event, ensure_ascii=True)


def _to_logfmt(event: Mapping[str, object]) -> str:
    return " ".join(f"{key}={_quote(value)}" for key, value in event.items())


def _quote(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text and not _NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Log:
    """`interfaces.Log`. A log nobody can write to must not turn an answer into an error."""

    def __init__(
        self, clock: Clock, render: Callable[[Mapping[str, object]], str], level: Level, stream: TextIO | None
    ) -> None:
        self._clock = clock
        self._render = render
        self._level = level.value
        self._stream = stream

    def debug(self, event: str, **fields: object) -> None:
        """For the curious."""
        self._write(Level.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Something happened as it should."""
        self._write(Level.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something an operator may want to mend."""
        self._write(Level.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something an operator must mend."""
        self._write(Level.ERROR, event, fields)

    def _write(self, level: Level, event: str, fields: Mapping[str, object]) -> None:
        if level.value < self._level:
            return
        at = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = self._render(redact({"at": at, "level": level.name.lower(), "event": event, **fields}))
        try:
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            return


class _Route(logging.Handler):
    """Turns a library's record into an event. Tracebacks stay out: they may quote anything."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        fault = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        fields = {} if fault is None else {"fault": fault}
        write("library", logger=record.name, message=record.getMessage(), **fields)
