"""JSON and base64url with one reading of every text, or none (I10)."""

import base64
import binascii
import json
import re
from typing import Any, Final

MOST_DEPTH: Final = 8
_MOST_DIGITS: Final = 20
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class RefusedError(Exception):
    """What was presented is not good here. The sentence is for a log, not for who presented it."""


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object that `raw` stands for. RefusedError where it is none, or has a key twice, or is made to hurt."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("the JSON is not UTF-8") from None
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MOST_DEPTH:
            raise RefusedError("the JSON is nested too deeply")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_make_object,
            parse_int=_parse_int,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # halves of characters
    except ValueError:  # UnicodeEncodeError and JSONDecodeError are some
        raise RefusedError("that is not JSON") from None
    if not isinstance(value, dict):
        raise RefusedError("the JSON is not an object")
    return value


def decode(text: str) -> bytes:
    """Unpadded base64url, in its one spelling."""
    if not _BASE64URL.fullmatch(text):
        raise RefusedError("a part is not base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise RefusedError("a part is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise RefusedError("a part is not base64url in its one spelling")
    return raw


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise RefusedError("the JSON has a key twice")
    return made


def _parse_int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise RefusedError("the JSON has a number that is too long")
    return int(text)


def _refuse(_text: str) -> Any:
    raise RefusedError("the JSON has a number that is not whole")
