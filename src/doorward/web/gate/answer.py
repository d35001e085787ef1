"""An answer as bytes, the same for both lanes."""

from http import HTTPStatus
from typing import NamedTuple

from doorward.web.gate.dialect import Headers


class Answer(NamedTuple):
    """`head` is the header block: lower-case lines, each ending in CRLF, without status line and final empty line."""

    status: int
    head: bytes
    body: bytes = b""
    wire: bytes = b""
    """The whole of it, where it was put together beforehand: an allow that is kept for the next time."""


def header_block(headers: Headers) -> bytes:
    """Header lines as they go on the wire.

    SECURITY: the second line of defence against response splitting (C01): a value with CR, LF, NUL or any other control
    byte never leaves, whoever put it there. tests/attacks/test_identity.py would fail.
    """
    block = b"".join(b"%b: %b\r\n" % header for header in headers)
    if block.count(b"\n") != len(headers) or block.count(b"\r") != len(headers) or block.translate(None, _ALLOWED):
        raise ValueError("a header value holds a control byte")
    return block


def split_block(head: bytes) -> list[tuple[bytes, bytes]]:
    """The header block as ASGI wants it."""
    lines = head.split(b"\r\n")[:-1]
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def from_wire(wire: bytes) -> Answer:
    """An allow that was put together for the wire before."""
    return Answer(HTTPStatus.OK, wire[len(_STATUS_LINES[HTTPStatus.OK]) : -2], b"", wire)


def to_wire(answer: Answer, *, head_only: bool, close: bool) -> bytes:
    """The whole answer. `head_only`: to a HEAD request. `close`: the connection ends after it."""
    if answer.wire and not close:
        return answer.wire
    end = b"connection: close\r\n\r\n" if close and b"\r\nconnection: close\r\n" not in answer.head else b"\r\n"
    if head_only or not answer.body:
        return _STATUS_LINES[answer.status] + answer.head + end
    return _STATUS_LINES[answer.status] + answer.head + end + answer.body


_ALLOWED = bytes({0x0D, 0x0A, 0x09, *range(0x20, 0x7F), *range(0x80, 0x100)})
_STATUS_LINES = {int(status): f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
