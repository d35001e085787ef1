"""JSON from strangers: one reading of every text, or none (I10).

The standard reader takes the last of two equal keys, `NaN`, numbers that become infinite and halves of characters; it
fails in three ways of its own on deep nesting and long numbers. Here each of these is an InputError, and nothing
else is ever raised.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from doorward.errors import InputError

MOST_DEPTH: Final = 32
MOST_BYTES: Final = 256 * 1024
_MOST_DIGITS = 20
_ENDLESS = float("inf")
# Whole strings, the unfinished last one too, so that brackets inside them do not count; each step moves on.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def parse_json(raw: bytes, *, limit: int = MOST_BYTES) -> Any:
    """The value `raw` stands for. InputError where it is not exactly one, too deep, or over `limit` bytes."""
    if len(raw) > limit:
        raise InputError("the JSON is too long")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("the JSON is not UTF-8") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_make_object,
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
    except ValueError:  # JSONDecodeError is one
        raise InputError("that is not JSON") from None
    if "\\u" in text:
        _check_characters(value)
    return value


def parse_object(raw: bytes, *, limit: int = MOST_BYTES) -> Mapping[str, Any]:
    """The JSON object `raw` stands for; InputError as for `parse_json`, and where it is anything but an object."""
    value = parse_json(raw, limit=limit)
    if not isinstance(value, dict):
        raise InputError("the JSON is not an object")
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in {"[", "{"}:
            depth += 1
            if depth > MOST_DEPTH:
                raise InputError("the JSON is nested too deeply")
        elif token[0] in {"]", "}"}:
            depth -= 1


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InputError("the JSON has a key twice")
    return made


def _parse_int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise InputError("the JSON has a number that is too long")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if abs(number) == _ENDLESS:
        raise InputError("the JSON has a number without end")
    return number


def _refuse_constant(_text: str) -> Any:
    raise InputError("the JSON has a number that is none")


def _check_characters(value: Any) -> None:
    r"""Halves of characters (`\ud800`) pass the reader, and fail only when they are written somewhere, much later."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the JSON has half a character") from None
