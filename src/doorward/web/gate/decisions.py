"""What the gate decided, noted without I/O and added up until it is written (flows/decisions.py).

What was allowed before, which is nearly every check, costs one look-up in a dictionary: paths are brought into their
shape when they are collected. Everything is bounded, for the visitor chooses the paths: above `most` different ones the
path is given up, then the method and who it was, never the count.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from doorward.rules.decision import NOBODY, Decision
from doorward.rules.identity import UserId
from doorward.rules.path_shape import REST, find_shape
from doorward.rules.reason import Reason
from doorward.rules.request import parse_host

MOST: Final = 4096
STEP: Final = 256
"""Paths that are shaped in one go, a millisecond or two, before others have their turn."""


Plain = tuple[UserId, bytes, bytes, bytes]
"""What was asked and allowed before, as raw as it came: who, host, method, and path without its query."""
_ANYTHING: Final = f"/{REST}"


class Alike(NamedTuple):
    """What makes decisions of one collection one."""

    user_id: UserId
    host: str
    method: str
    shape: str
    verdict: str
    reason: Reason


class Span:
    """How often, first and last."""

    __slots__ = ("count", "first_at", "last_at")

    def __init__(self, at: datetime) -> None:
        self.count = 1
        self.first_at = self.last_at = at


class DecisionTally:
    """The gate notes, an errand collects. Both run on one loop, so nothing comes between two lines."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self.plain: dict[Plain, Span] = {}
        """For `Gate.recall`, which counts up what is there by itself: a call costs more than all the rest of it."""
        self._rest: dict[tuple[UserId, bytes, bytes], Span] = {}
        self._alike: dict[Alike, Span] = {}

    def note_plain(self, plain: Plain, now: datetime) -> None:
        """Note something not in `plain` yet, that was allowed by a rule and is known to be well-formed."""
        if len(self.plain) < self._most:
            self.plain[plain] = Span(now)
            return
        # As cheap as the rest: under a load of many people this is what most checks come to.
        rest = plain[:3]
        span = self._rest.get(rest)
        if span is None and len(self._rest) >= self._most:
            rest = (NOBODY, b"", b"")
            span = self._rest.get(rest)
        if span is None:
            self._rest[rest] = Span(now)
        else:
            span.count += 1
            span.last_at = now

    def note(
        self, user_id: UserId, host: str, method: str, path: str, verdict: str, reason: Reason, now: datetime
    ) -> None:
        """Count a decision that was judged. `host` is "" where it is not one of ours."""
        self._add(Alike(user_id, host, method, find_shape(path), verdict, reason), Span(now))

    def collect(self) -> Iterator[list[Decision]]:
        """Take out what was noted until now, a few at a time. What is not taken stays for the next call."""
        for _ in range(-(-len(self.plain) // STEP)):
            for plain in list(islice(self.plain, STEP)):
                self._add(_shape(plain), self.plain.pop(plain))
            yield []
        for _ in range(-(-len(self._rest) // STEP)):
            for user_id, host, method in list(islice(self._rest, STEP)):
                self._add(_shape_rest(user_id, host, method), self._rest.pop((user_id, host, method)))
            yield []
        for _ in range(-(-len(self._alike) // STEP)):
            yield [_decide(alike, self._alike.pop(alike)) for alike in list(islice(self._alike, STEP))]

    def __len__(self) -> int:
        return len(self.plain) + len(self._rest) + len(self._alike)

    def _add(self, alike: Alike, span: Span) -> None:
        known = self._alike.get(alike)
        if known is None and len(self._alike) >= self._most:
            # Which path is the visitor's choice; who, where and what came of it is not, or only in a few ways.
            alike = alike._replace(shape=_ANYTHING, method="")
            known = self._alike.get(alike)
        if known is None and len(self._alike) >= 2 * self._most:
            alike = Alike(NOBODY, "", "", _ANYTHING, alike.verdict, alike.reason)
            known = self._alike.get(alike)
        if known is None:
            self._alike[alike] = span
            return
        known.count += span.count
        known.first_at = min(known.first_at, span.first_at)
        known.last_at = max(known.last_at, span.last_at)


def _shape(plain: Plain) -> Alike:
    user_id, host, method, path = plain
    # Neither can fail: it was judged before it was remembered.
    canonical, _ = parse_host(host.decode("ascii"))
    shape = find_shape(path.decode("ascii"))
    return Alike(user_id, canonical, method.decode("ascii"), shape, "allow", Reason.RULE)


def _shape_rest(user_id: UserId, host: bytes, method: bytes) -> Alike:
    canonical = parse_host(host.decode("ascii"))[0] if host else ""
    return Alike(user_id, canonical, method.decode("ascii"), _ANYTHING, "allow", Reason.RULE)


def _decide(alike: Alike, span: Span) -> Decision:
    return Decision(
        alike.user_id,
        alike.host,
        alike.method,
        alike.shape,
        alike.verdict,
        alike.reason.value,
        span.count,
        span.first_at,
        span.last_at,
    )
