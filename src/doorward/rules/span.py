"""Spans of time as people write them: `90s`, `10m`, `24h`, `7d`, `1h30m`."""

import re
from datetime import timedelta
from typing import Final

from doorward.errors import InputError

HINT: Final = "write a number with its unit, such as 90s, 10m, 24h, 7d or 1h30m"

_SPAN: Final = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?")
_UNITS: Final = ("days", "hours", "minutes", "seconds")
_MOST: Final = timedelta(days=3660)


def parse_span(text: str) -> timedelta:
    """Read a span: largest unit first, each at most once, more than nothing, at most ten years; else InputError."""
    parts = _SPAN.fullmatch(text)
    if parts is None or not text:
        raise InputError(f"{text!r} is not a span of time")
    span = timedelta(**{unit: int(part or 0) for unit, part in zip(_UNITS, parts.groups(), strict=True)})
    if not span:
        raise InputError("a span of time must be longer than nothing")
    if span > _MOST:
        raise InputError(f"{text!r} is longer than ten years")
    return span


def format_span(span: timedelta) -> str:
    """Write a span the way `parse_span` reads it."""
    rest, text = int(span.total_seconds()), ""
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    for unit, size in units if span >= timedelta(days=2) else units[1:]:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text
