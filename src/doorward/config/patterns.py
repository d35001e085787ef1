"""What rules are written in: hosts, paths, hours, limits, people and groups.

A dot is a dot and a path is matched as a whole (Q04); a regular expression runs in linear time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Annotated
from unicodedata import normalize

from pydantic import PlainValidator
from typing_extensions import override

from doorward.config.values import parse_duration, read_text, refuse
from doorward.errors import InputError
from doorward.rules.names import parse_email, parse_group_name, read_user_name
from doorward.rules.policy import HostPattern, PathKind, PathPattern, parse_host_pattern
from doorward.rules.throttle import Window

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_RANGE = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?")
_SPAN = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MIDNIGHT_AFTER = (24, 0)
_MAX_PATTERN = 512


@dataclass(frozen=True, slots=True)
class Hours:
    """Days of the week (Monday is 0) and hours, as written; the time zone is `authz.timezone`."""

    days: frozenset[int]
    start: time
    until: time

    @override
    def __str__(self) -> str:
        days = ",".join(_DAYS[day].capitalize() for day in sorted(self.days))
        until = "24:00" if self.until == time() else f"{self.until:%H:%M}"
        return f"{days} {self.start:%H:%M}-{until}"


def parse_hosts(value: object) -> HostPattern:
    """Read a host of a rule or an app: a name, `*.name` (any depth below), `**.name` (both)."""
    if isinstance(value, HostPattern):
        return value
    hint = "write app.example.com, *.example.com (any name below) or **.example.com (the name too)"
    text = read_text(value, hint)
    if "://" in text or "/" in text:
        raise refuse(f"{text!r} is an address, not a host", hint)
    if not text.isascii():
        raise refuse(f"{text!r} is not ASCII", "write the xn-- form of the name")
    if re.search(r":[0-9]+$", text):
        raise refuse(f"{text!r} has a port", "leave the port out: a rule speaks of a host on every port")
    pattern = parse_host_pattern(text) if len(text) <= _MAX_PATTERN else None
    if pattern is None:
        raise refuse(f"{text!r} is not a host", hint)
    return pattern


def parse_path(value: object) -> PathPattern:
    """Read a path pattern: `/x` (it and below), `=/x` (exactly), `/a/*/b`, `/a/**` (glob), `~regex` (anchored)."""
    if isinstance(value, PathPattern):
        return value
    hint = "write /x (it and all below), =/x (exactly), /a/*/b (one segment), /a/**/b (any number) or ~REGEX"
    text = read_text(value, hint)
    if len(text) > _MAX_PATTERN:
        raise refuse(f"a path pattern has at most {_MAX_PATTERN} characters")
    if text.startswith("~"):
        return PathPattern(PathKind.REGEX, text[1:], _compile(text[1:]), _compile("(?i)" + normalize("NFC", text[1:])))
    exact, path = text.startswith("="), text.removeprefix("=")
    if not path.startswith("/"):
        raise refuse(f"{text!r} does not begin with a slash", hint)
    if "?" in path or "#" in path:
        raise refuse(f"{text!r} looks beyond the path", "rules see the path only, never the query")
    if "%" in path:
        raise refuse(f"{text!r} has a percent-escape", "write the character itself: rules see the decoded path")
    if not path.isprintable() or "\\" in path or ";" in path:
        raise refuse(f"{text!r} has a character that no unambiguous path has", hint)
    if any(part in {"", ".", ".."} for part in path.strip("/").split("/")) and path != "/":
        raise refuse(f"{text!r} has an empty or dotted segment", "such paths are ambiguous and never match an allow")
    if exact:
        if "*" in path:
            raise refuse(f"{text!r} is exact and has a star", hint)
        return PathPattern(PathKind.EXACT, path)
    if "*" not in path:
        return PathPattern(PathKind.PREFIX, path)
    if any("**" in part and part != "**" for part in path.split("/")):
        raise refuse(f"{text!r} has ** inside a segment", "** is a segment of its own: /a/**/b")
    return PathPattern(PathKind.GLOB, path)


@cache
def _options() -> object:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return options


def _compile(expression: str) -> Callable[[str], object]:
    # Linear time whatever the expression: a visitor chooses the text it runs on.
    import re2

    try:
        fullmatch: Callable[[str], object] = re2.compile(expression, options=_options()).fullmatch
    except re2.error as error:
        detail = (
            error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        )
        raise refuse(
            f"{expression!r} is not a regular expression: {detail}",
            "RE2 syntax, matched against the whole path; it has no look-around and no back-references",
        ) from None
    return fullmatch


def parse_hours(value: object) -> Hours:
    """Read `Mon-Fri 08:00-18:00`, `Sat,Sun`, `22:00-06:00` (past midnight; the day it began on counts)."""
    if isinstance(value, Hours):
        return value
    hint = "write Mon-Fri 08:00-18:00, Sat,Sun or 22:00-06:00"
    text = read_text(value, hint)
    words = text.split()
    if not 1 <= len(words) <= 2:  # noqa: PLR2004 -- days, hours
        raise refuse(f"{text!r} is not days and hours", hint)
    span = _SPAN.fullmatch(words[-1])
    start, until = time(), time()
    if span:
        start = _parse_time(span[1], span[2], text, hint)
        until = time() if (int(span[3]), int(span[4])) == _MIDNIGHT_AFTER else _parse_time(span[3], span[4], text, hint)
        if start == until and words[-1] != "00:00-24:00":
            raise refuse(f"{text!r} begins and ends at once", hint)
        words = words[:-1]
    if len(words) > 1:
        raise refuse(f"{text!r} is not days and hours", hint)
    days = _parse_days(words[0], hint) if words else frozenset(range(7))
    return Hours(days, start, until)


def _parse_time(hour: str, minute: str, text: str, hint: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise refuse(f"{text!r} has an hour that no clock shows", hint) from None


def _parse_days(text: str, hint: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().split(","):
        found = _DAY_RANGE.fullmatch(part)
        if found is None or found[1] not in _DAYS or (found[2] or found[1]) not in _DAYS:
            raise refuse(f"{part!r} is not a day of the week", hint)
        first, last = _DAYS.index(found[1]), _DAYS.index(found[2] or found[1])
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def parse_window(value: object) -> Window:
    """Read `5/1m`: at most five in any minute."""
    if isinstance(value, Window):
        return value
    hint = "write 5/1m (five in any minute) or 10/15m"
    text = read_text(value, hint)
    count, slash, span = text.partition("/")
    if not slash or not re.fullmatch(r"[1-9][0-9]{0,5}", count):
        raise refuse(f"{text!r} is not a limit", hint)
    return Window(int(count), parse_duration(span))


def parse_person(value: object) -> str:
    """Read a user name or an e-mail address, canonical."""
    hint = "write a user name or an e-mail address"
    text = read_text(value, f"{hint}, in quotes where it looks like a number")
    if text == "*":
        raise refuse("'*' names nobody", "write `who: any_user` for everyone who is signed in")
    try:
        return parse_email(text) if "@" in text else read_user_name(text)
    except InputError as error:
        raise refuse(f"{text!r}: {error}", hint) from None


def parse_group(value: object) -> str:
    """Read the name of a group, exactly as written."""
    text = read_text(value, "write it in quotes where it looks like a number")
    try:
        return parse_group_name(text)
    except InputError as error:
        raise refuse(f"{text!r}: {error}") from None


Host = Annotated[HostPattern, PlainValidator(parse_hosts)]
Path = Annotated[PathPattern, PlainValidator(parse_path)]
HoursValue = Annotated[Hours, PlainValidator(parse_hours)]
WindowValue = Annotated[Window, PlainValidator(parse_window)]
Person = Annotated[str, PlainValidator(parse_person)]
Group = Annotated[str, PlainValidator(parse_group)]
