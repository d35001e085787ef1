"""Reading what a browser sends: query strings and forms, strictly (attacks D12, E13, P06, P14).

UTF-8 or nothing, no control characters, each name once, a size known before anything is parsed. `multipart` is not
spoken here: no page of ours takes a file.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.types import Receive

from doorward.errors import InputError
from doorward.web.errors import Refusal

_MAX_FIELDS = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
FORM_TYPE = re.compile(rb"\s*application/x-www-form-urlencoded\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)

Form = Mapping[str, str]


def parse_pairs(raw: bytes, *, lines: bool = False) -> Form:
    """Decode `a=b&c=d`. InputError for a name given twice, for broken escapes, and for what is not text.

    `lines`: values may have several, ended as browsers end those of a text area; each then ends with a line feed.
    """
    fields: dict[str, str] = {}
    parts = [part for part in raw.split(b"&") if part]
    if len(parts) > _MAX_FIELDS:
        raise InputError("too many fields")
    for part in parts:
        name, _, value = part.partition(b"=")
        key = _decode(name)
        if key in fields:
            raise InputError("a field is given more than once")
        fields[key] = _decode(value, lines=lines)
    return fields


async def read_form(headers: list[tuple[bytes, bytes]], receive: Receive, *, limit: int) -> Form:
    """Read and decode the body of a form post of at most `limit` bytes.

    Refusal 413 before reading what is too long, 415 for other types.
    """
    types = [value for name, value in headers if name == b"content-type"]
    if len(types) != 1 or not FORM_TYPE.fullmatch(types[0]):
        raise Refusal(415)
    return parse_pairs(await read_body(headers, receive, limit=limit), lines=True)


async def read_body(headers: list[tuple[bytes, bytes]], receive: Receive, *, limit: int) -> bytes:
    """Read a body of at most `limit` bytes."""
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or len(value) > len(str(limit)) or int(value) > limit):
            raise Refusal(413)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise InputError("the visitor left")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Refusal(413)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _decode(raw: bytes, *, lines: bool = False) -> str:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        raise InputError("a percent escape is broken")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("the text is not UTF-8") from None
    if lines:
        text = text.replace("\r\n", "\n")
    if _CONTROL.search(text):
        raise InputError("the text has control characters")
    return text
