"""A first glance at what came in one read, for one whole, plain check that was asked and allowed before.

Most checks are. For them the parser is run with callbacks that are C functions, which costs a third of calling Python
for every header, and nothing is made of the request but what the answer depends on. Everything else, without
exception, is left to the ordinary way and judged there; a glance can only ever repeat an allow (`Gate.recall`).
"""

import hmac
from collections.abc import Callable
from operator import itemgetter
from types import SimpleNamespace
from typing import Final, NamedTuple

import httptools

from doorward.web.gate.check import MAY_BE_WEBSOCKET
from doorward.web.gate.dialect import SECRET_HEADER, Dialect
from doorward.web.gate.endpoint import PATHS, Gate
from doorward.web.gate.plain import METHODS
from doorward.web.gate.shown import API_KEY, AUTHORIZATION
from doorward.web.gate.table import Credential
from doorward.web.gate.tally import allow_key

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_SHAPES = 1024
_MAX_NAMES = 4096

_NOT_PLAIN = frozenset({
    b"connection", b"content-length", b"expect", b"http2-settings", b"keep-alive", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""Headers that say something about the message or the connection, or ask for another answer than an empty 200."""


class Shape(NamedTuple):
    """Where in requests with just these header names, so spelt, stands what matters."""

    pick: Callable[[dict[bytes, bytes]], tuple[bytes, ...]]
    """Cookie, X-Forwarded-For, and the four that are the question; without Cookie where more than that is shown."""
    secret: bytes
    shown: Callable[[dict[bytes, bytes]], Credential] | None
    """What is remembered, where a Cookie is not all of it."""


class Line:
    """A request line of a check, byte for byte, and what is known of requests that begin with it."""

    __slots__ = ("asks_by", "cell", "dialect", "method", "secret", "shapes")

    def __init__(self, dialect: Dialect, asks_by: tuple[bytes, ...], method: str, secret: bytes | None) -> None:
        self.dialect = dialect
        self.asks_by = asks_by
        self.method = method
        self.secret = secret
        self.shapes: dict[bytes, Shape | None] = {}
        self.cell: list[float] | None = None


class Glance:
    """One for all connections: between two calls it is never in the middle of a request."""

    def __init__(self, gate: Gate) -> None:
        self._recall = gate.recall
        self._tally = gate.tally
        self._elapsed = gate.clock.elapsed
        secrets = gate.settings.secrets
        self._lines = {
            b"%b %b HTTP/1.1" % (method, path): Line(dialect, dialect.asks_by, word, secrets.get(dialect.name))
            for path, dialect in PATHS.items()
            if dialect.asks_by is not None and (not secrets or dialect.name in secrets)
            for method, word in METHODS.items()
        }
        self._renew()

    def answer(self, data: bytes, peer: str) -> bytes | None:
        """The answer to what a trusted proxy sent between two requests; None for everything but what is meant here.

        SECURITY: two readers must not see two requests. The parser is the ordinary one, so what is left is to be
        certain of having seen exactly one request, without a body, and every header once. Every header takes a line,
        and so do the request line and the empty line at the end; so lines are two more than *different* names only if
        no name came twice, nothing followed, and the request is over. Names that differ in case alone have no shape.
        tests/property/test_lanes.py would fail.
        """
        line = self._lines.get(data[: data.find(b"\r\n")])
        if line is None or len(data) > MAX_HEADER_BYTES:
            return None
        began = self._elapsed()
        fields = self._fields
        fields.clear()
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._renew()
            return None
        shape = None
        if data.count(b"\n") == len(fields) + 2 and data.endswith(b"\r\n\r\n"):
            names = b"\n".join(fields)
            shape = line.shapes[names] if names in line.shapes else _learn(line, names)
        if shape is None:
            self._renew()  # it may be in the middle of something
            return None
        if line.secret is not None and not hmac.compare_digest(fields[shape.secret], line.secret):
            return None
        if shape.shown is None:
            wire = self._recall(line.dialect, peer, *shape.pick(fields))
        else:
            wire = self._recall(line.dialect, peer, shape.shown(fields), *shape.pick(fields))
        if wire is not None:
            cell = line.cell
            if cell is None:
                cell = line.cell = self._tally.cell(allow_key(line.dialect, line.method))
            cell[0] += 1
            cell[1] += self._elapsed() - began
        return wire

    def _renew(self) -> None:
        self._fields: dict[bytes, bytes] = {}
        self._feed = httptools.HttpRequestParser(SimpleNamespace(on_header=self._fields.setdefault)).feed_data


def _learn(line: Line, names: bytes) -> Shape | None:
    shape = _find_shape(line, names.split(b"\n"))
    if len(names) <= _MAX_NAMES:
        if len(line.shapes) >= _MAX_SHAPES:  # names are a visitor's choice
            line.shapes.clear()
        line.shapes[names] = shape
    return shape


def _find_shape(line: Line, names: list[bytes]) -> Shape | None:
    spelled = {name.lower(): name for name in names}
    if len(spelled) != len(names) or len(names) > MAX_HEADERS or not _NOT_PLAIN.isdisjoint(spelled):
        return None
    shows_more = not _MORE.isdisjoint(spelled)
    wanted = (*(() if shows_more else (b"cookie",)), b"x-forwarded-for", *line.asks_by)
    secret = spelled.get(SECRET_HEADER, b"")
    if not spelled.keys() >= set(wanted) or (line.secret is not None and not secret):
        return None
    return Shape(itemgetter(*(spelled[name] for name in wanted)), secret, _find_shown(spelled) if shows_more else None)


def _find_shown(spelled: dict[bytes, bytes]) -> Callable[[dict[bytes, bytes]], Credential]:
    """As `check.credential_of`, for headers that are spelt like this."""
    absent = b""  # no header is called so
    cookie, authorization, key = (spelled.get(name, absent) for name in (b"cookie", AUTHORIZATION, API_KEY))
    signs = not MAY_BE_WEBSOCKET.isdisjoint(spelled)
    return lambda fields: (fields.get(cookie), fields.get(authorization), fields.get(key), signs)


_MORE = frozenset({AUTHORIZATION, API_KEY})
