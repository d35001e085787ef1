"""Bytes out, bytes in: requests exactly as written, answers read strictly, from any address of 127.0.0.0/8."""

import re
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

PATIENCE = 30.0
"""Seconds after which a server that neither answers nor hangs up has failed."""

Pairs = Sequence[tuple[bytes, bytes]]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z -]*")
_HEADER_LINE = re.compile(rb"([A-Za-z0-9-]+): ([\x20-\x7e\x80-\xff\t]*)")
_WITHOUT_BODY = frozenset({101, 204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, byte for byte. `status` is 0 where the server hung up without a word."""

    status: int
    head: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def all(self, name: str) -> list[bytes]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.encode()]

    def one(self, name: str) -> bytes:
        """The only value of a header; b"" where there is none."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times: {values}"
        return values[0] if values else b""

    @property
    def is_refusal(self) -> bool:
        """Whether the question was turned down as malformed: 4xx that is no challenge, or not answered at all."""
        return self.status == 0 or (400 <= self.status < 500 and self.status != 401)


HUNG_UP = Answer(0)


class Connection:
    """One connection, over TCP from `source` or over a unix socket."""

    def __init__(self, where: int | str, *, source: str = "127.0.0.1") -> None:
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(where)
        else:
            self.socket = socket.create_connection(("127.0.0.1", where), PATIENCE, source_address=(source, 0))
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        """Send; a server that has hung up already does not mind."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(raw)

    def read(self, *, method: bytes = b"GET") -> Answer:
        """Read one answer, strictly. What follows it stays for the next call."""
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return HUNG_UP
        first, *lines = head[:-4].split(b"\r\n")
        shape = _STATUS_LINE.fullmatch(first)
        assert shape is not None, f"not a status line: {first!r}"
        pairs = []
        for line in lines:
            pair = _HEADER_LINE.fullmatch(line)
            assert pair is not None, f"not a header line: {line!r}"
            pairs.append((pair[1].lower(), pair[2]))
        status = int(shape[1])
        body = b"" if method == b"HEAD" or status in _WITHOUT_BODY or status < 200 else self._read_body(pairs)
        return Answer(status, head, tuple(pairs), body)

    def exchange(self, raw: bytes, *, method: bytes = b"") -> Answer:
        """Send one request and read the answer to it, going past 100 Continue."""
        self.send(raw)
        method = method or raw.partition(b" ")[0]
        answer = self.read(method=method)
        return self.read(method=method) if answer.status == 100 else answer

    def exchange_or_close(self, raw: bytes, *, method: bytes = b"") -> Answer:
        """The same; a connection on which that fails is of no use to anybody."""
        try:
            return self.exchange(raw, method=method)
        except BaseException:
            self.socket.close()
            raise

    def has_ended(self) -> bool:
        """Whether nothing more comes: the server closed, and sent nothing in between."""
        return not self._rest and self._receive() == b""

    def _read_body(self, pairs: Pairs) -> bytes:
        lengths = [value for name, value in pairs if name == b"content-length"]
        encodings = [value for name, value in pairs if name == b"transfer-encoding"]
        assert len(lengths) + len(encodings) == 1, f"the end of the body is not told once: {pairs}"
        if lengths:
            return self._read_exactly(int(lengths[0]))
        assert encodings == [b"chunked"], encodings
        body = b""
        while size := int(self._read_line(), 16):
            body += self._read_exactly(size)
            self._read_line()
        self._read_line()
        return body

    def _read_line(self) -> bytes:
        line = self._read_until(b"\r\n")
        assert line is not None, "the answer ended half-way"
        return line[:-2]

    def _read_until(self, mark: bytes) -> bytes | None:
        while mark not in self._rest:
            part = self._receive()
            if not part:
                assert not self._rest, f"half an answer: {self._rest!r}"
                return None
            self._rest += part
        found, self._rest = self._rest.split(mark, 1)
        return found + mark

    def _read_exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            part = self._receive()
            assert part, "the body ended early"
            self._rest += part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""


def write(
    method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes | None = None
) -> bytes:
    """The bytes of a request. Nothing is checked or escaped; `body` None sends no Content-Length."""
    lines = [method + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


DIALECTS = ("traefik", "caddy", "nginx", "haproxy", "envoy")
"""Every endpoint of the check under its proxy's name; `ask` knows how each of them asks."""

FORWARDING = ("traefik", "caddy", "haproxy")
"""Those that share the X-Forwarded-* family."""


def question(
    dialect: str,
    *,
    host: bytes = b"app.example.test",
    target: bytes = b"/",
    method: bytes = b"GET",
    proto: bytes = b"https",
) -> tuple[bytes, bytes, Pairs]:
    """Method, target and headers with which this proxy asks about a request."""
    if dialect == "nginx":
        url = proto + b"://" + host + target
        asked = [(b"Host", b"doorward.internal"), (b"X-Original-URL", url), (b"X-Original-Method", method)]
        return b"GET", b"/api/authz/nginx", asked
    if dialect == "envoy":
        return method, b"/api/authz/envoy" + target, [(b"Host", host), (b"X-Forwarded-Proto", proto)]
    asked = [
        (b"Host", host if dialect == "traefik" else b"doorward.internal"),
        (b"X-Forwarded-Method", method),
        (b"X-Forwarded-Proto", proto),
        (b"X-Forwarded-Host", host),
        (b"X-Forwarded-Uri", target),
    ]
    return b"GET", b"/api/authz/" + dialect.encode(), asked
