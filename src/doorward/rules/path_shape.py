"""The shape of a path: what kind of thing was asked for, without saying which one.

Paths carry identifiers: numbers of orders, ids of people, secret links. What is written down of a request keeps the
words of its path and puts a placeholder for everything that may tell one thing from its neighbours; the query is never
part of it. Names written as plain words (`/people/alice`) look like any other word and stay.
"""

import re
from functools import lru_cache
from typing import Final

MOST_SEGMENTS: Final = 8
MOST: Final = 200
"""The longest shape."""
REST: Final = "*"
"""Stands for all that follows."""
_LONGEST_SEGMENT: Final = 40
_LONGEST_WORD: Final = 24
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]*")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD: Final = re.compile(r"[A-Za-z]+")
_VERSION: Final = re.compile(r"v[0-9]{1,2}")
_NUMBERED: Final = re.compile(r"([A-Za-z]+)[0-9]+")
_HUMP: Final = re.compile(r"[a-z][A-Z]")
_PIECES: Final = re.compile(r"([._~-])")
_FEWEST_FOR_HUMPS: Final = 8
_LETTERS_PER_HUMP: Final = 4


def find_shape(path: str) -> str:
    """The shape of a decoded path without its query. Only letters, `v1`, `._~-/*` and placeholders stand in it."""
    segments = path.split("/")
    shaped = [
        _shape_segment(segment) if len(segment) <= _LONGEST_SEGMENT else _shape_long(segment)
        for segment in segments[: MOST_SEGMENTS + 1]
    ]
    if len(segments) > len(shaped):
        shaped.append(REST)
    shape = "/".join(shaped)
    return shape if len(shape) <= MOST else f"{shape[: MOST - 1].rpartition('/')[0]}/{REST}"


def _shape_long(segment: str) -> str:
    return "{text}" if _PLAIN.fullmatch(segment) is None else "{id}"


@lru_cache(maxsize=1024)
def _shape_segment(segment: str) -> str:
    # The first words of paths are few. What is remembered is bounded, in number and in length.
    if _PLAIN.fullmatch(segment) is None:
        return "{text}"
    if _UUID.fullmatch(segment):
        return "{uuid}"
    return "".join(piece if piece in _SEPARATORS else _shape_word(piece) for piece in _PIECES.split(segment))


def _shape_word(word: str) -> str:
    if _WORD.fullmatch(word):
        return "{id}" if _looks_random(word) else word
    if _VERSION.fullmatch(word):
        return word
    if word.isdigit():
        return "{n}"
    numbered = _NUMBERED.fullmatch(word)
    return "{id}" if numbered is None or _looks_random(numbered[1]) else f"{numbered[1]}{{n}}"


def _looks_random(letters: str) -> bool:
    humps = len(_HUMP.findall(letters))
    return len(letters) > _LONGEST_WORD or (
        len(letters) >= _FEWEST_FOR_HUMPS and humps * _LETTERS_PER_HUMP > len(letters)
    )


_SEPARATORS: Final = frozenset({"", ".", "_", "~", "-"})
