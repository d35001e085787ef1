"""Whether audit records are what they were: the chain walked, checkpoints and exports verified.

It needs public keys and nothing else: no configuration, no database, no secret. Whatever is wrong is named by where
it is; the walk goes on behind it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from doorward.errors import InputError
from doorward.rules.audit import GENESIS, Act, AuditEntry, is_intact
from doorward.rules.audit_lines import End, Header, is_genuine_end, read_line
from doorward.rules.checkpoint import Checkpoint, fingerprint, is_genuine
from doorward.rules.ranges import Ranges, parse_ranges

MOST_FLAWS: Final = 100
"""More are not named, only that there are more."""


class Fault(Enum):
    """What is wrong. The value is the word for programs, which never changes."""

    EDITED = "edited"
    REPLACED = "replaced"
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"
    CUT = "cut"
    ERASED = "erased"
    FORGED = "forged"
    UNKNOWN_KEY = "unknown_key"
    REWRITTEN = "rewritten"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong. `first` and `last` are numbers of records, 0 for none; `line` that of a file, or 0."""

    fault: Fault
    text: str
    first: int = 0
    last: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found. `signed_upto`: the last record that a genuine checkpoint, or the export's own end, speaks of."""

    records: int
    last: int
    hash: bytes
    checkpoints: int
    signed_upto: int
    flaws: tuple[Flaw, ...]
    more: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


class Walk:
    """Takes records in order, and checkpoints after the records they are about."""

    def __init__(
        self,
        keys: Sequence[str],
        *,
        installation: str = "",
        after: int = 0,
        previous: bytes = GENESIS,
        known: Iterable[Checkpoint] = (),
        is_whole: bool = True,
        has_private: bool = True,
    ) -> None:
        """`after` and `previous`: where the walk begins. `known`: checkpoints from elsewhere, verified already.

        `is_whole`: no record is left out. `has_private`: personal data that is not there was erased.
        """
        self._keys: Mapping[str, str] = {fingerprint(key): key for key in keys}
        self.installation = installation
        self._last = after
        self._hash = previous
        self._known = {point.sequence: point for point in known}
        self._is_whole = is_whole
        self._has_private = has_private
        self._count = 0
        self._points = 0
        self._signed = 0
        self._seen = Ranges()
        self._bare = Ranges()
        self._erased = Ranges()
        self._flaws: list[Flaw] = []
        self._more = False
        self.line = 0

    def take(self, entry: AuditEntry) -> None:
        """The next record."""
        number = entry.sequence
        self._count += 1
        intact = is_intact(entry)
        if not intact:
            self.note(Fault.EDITED, f"record {number} was changed", number)
        if self._last and number <= self._last:
            again = number in self._seen
            self.note(
                Fault.INSERTED if again else Fault.MOVED,
                f"record {number} {'comes again' if again else 'stands'} after record {self._last}",
                number,
            )
            self._seen.add(number)
            return
        if self._is_whole and number > self._last + 1:
            self._miss(self._last + 1, number - 1)
        elif number == self._last + 1 and entry.previous != self._hash and intact:
            before = f"does not follow record {self._last}" if self._last else "is not the first one that was written"
            self.note(Fault.REPLACED, f"record {number} {before}: one of the two was replaced", number)
        self._last, self._hash = number, entry.hash
        self._seen.add(number)
        self._note_erasure(entry)
        known = self._known.get(number)
        if known is not None:
            self._compare(known)

    def take_checkpoint(self, point: Checkpoint, installation: str) -> None:
        """A checkpoint, after the record it is about."""
        self._points += 1
        number = point.sequence
        if point.signed_by not in self._keys:
            self.note(
                Fault.UNKNOWN_KEY,
                f"the checkpoint at record {number} is signed by another key, {point.signed_by}",
                number,
            )
        elif installation != self.installation or not is_genuine(point, self._keys, installation=installation):
            self.note(Fault.FORGED, f"the checkpoint at record {number} is not genuine", number)
        elif number > self._last:
            self._cut(number)
        elif number < self._last:
            self.note(Fault.MOVED, f"the checkpoint of record {number} stands after record {self._last}", number)
        else:
            self._compare(point)

    def finish(self) -> Verdict:
        """What was found."""
        for number in sorted(self._known):
            if number > self._last:
                self._cut(number)
        if self._has_private:
            for first, last in self._bare.without(self._erased).runs():
                text = f"the personal data of {_spell(first, last)} is gone, and no erasure is recorded"
                self.note(Fault.ERASED, text, first, last)
        return Verdict(
            records=self._count,
            last=self._last,
            hash=self._hash,
            checkpoints=self._points,
            signed_upto=self._signed,
            flaws=tuple(self._flaws),
            more=self._more,
        )

    def sign_off(self, end: End) -> None:
        """The signed end of an export: what it speaks of and is not there was taken away."""
        if end.signed_by not in self._keys:
            self.note(Fault.UNKNOWN_KEY, f"the end of the export is signed by another key, {end.signed_by}")
        elif not is_genuine_end(end, self._keys):
            self.note(Fault.FORGED, "the end of the export is not genuine")
        else:
            told = parse_ranges(end.records)
            if not self._is_whole:
                for first, last in told.without(self._seen).runs():
                    self._miss(first, last)
            elif any(last > self._last for _, last in told.runs()):
                self._cut(max(last for _, last in told.runs()))
            for first, last in self._seen.without(told).runs():
                self.note(Fault.INSERTED, f"{_spell(first, last)} was not in the export", first, last)
            for first, last in self._bare.without(parse_ranges(end.bare)).runs():
                self.note(Fault.ERASED, f"the personal data of {_spell(first, last)} was taken out", first, last)
            if not self._flaws:
                self._signed = self._last

    def note_cut(self, head: int, seen: int) -> None:
        """The chain ends at `head`, and was seen up to `seen` before."""
        text = f"{_spell(head + 1, seen)} {'was' if head + 1 == seen else 'were'} cut off the end"
        self.note(Fault.CUT, text, head + 1, seen)

    def note(self, fault: Fault, text: str, first: int = 0, last: int = 0) -> None:
        """Something is wrong here."""
        if len(self._flaws) < MOST_FLAWS:
            self._flaws.append(Flaw(fault, text, first, last or first, self.line))
        else:
            self._more = True

    @property
    def is_sound(self) -> bool:
        """Whether nothing wrong was found so far."""
        return not self._flaws

    def _miss(self, first: int, last: int) -> None:
        self.note(Fault.MISSING, f"{_spell(first, last)} {'is' if first == last else 'are'} missing", first, last)

    def _cut(self, number: int) -> None:
        self.note_cut(self._last, number)

    def _compare(self, point: Checkpoint) -> None:
        if point.hash == self._hash:
            self._signed = max(self._signed, point.sequence)
            return
        text = f"{_spell(self._signed + 1, point.sequence)}: not what was signed at record {point.sequence}"
        self.note(Fault.REWRITTEN, text, self._signed + 1, point.sequence)

    def _note_erasure(self, entry: AuditEntry) -> None:
        if entry.private is None and not entry.sealed_wrong:
            self._bare.add(entry.sequence)
        if entry.act == Act.AUDIT_ERASED.value:
            try:
                self._erased.update(parse_ranges(entry.public.get("records", "")))
            except ValueError:
                self.note(Fault.EDITED, f"record {entry.sequence} names no records", entry.sequence)


def verify_export(lines: Iterable[bytes], keys: Sequence[str], known: Iterable[Checkpoint] = ()) -> Verdict:
    """Whether an export is what was exported, and the chain in it what was recorded.

    `keys`: the public keys that are trusted, and no others. `known`: checkpoints of the same installation that came
    another way; their signatures are verified here.
    """
    walk = Walk(keys)
    digest, head, number = hashlib.sha256(), b"", 0
    points, end = Ranges(), None
    for number, raw in enumerate(lines, 1):
        walk.line = number
        if end is not None:
            walk.note(Fault.INSERTED, f"line {number} stands after the end of the export")
            break
        try:
            line, installation = read_line(raw)
        except InputError:
            walk.note(Fault.MALFORMED, f"line {number} is none that an export has")
            digest.update(raw)
            continue
        if isinstance(line, End):
            end = line
            continue
        digest.update(raw)
        if isinstance(line, Header):
            if number > 1:
                walk.note(Fault.INSERTED, f"line {number} is the beginning of an export")
                continue
            head = digest.digest()
            walk = _begin(line, keys, known)
        elif isinstance(line, Checkpoint):
            if line.sequence in points:
                walk.note(Fault.INSERTED, f"the checkpoint at record {line.sequence} comes again", line.sequence)
            points.add(line.sequence)
            walk.take_checkpoint(line, installation)
        else:
            walk.take(line)
    walk.line = number
    if not head:
        walk.note(Fault.MALFORMED, "line 1 is not the beginning of an export")
    if end is None:
        walk.note(Fault.CUT, f"the file breaks off after line {number}: the signed end is missing")
    else:
        walk.sign_off(end)
        if end.header != head:
            walk.line = 1
            walk.note(Fault.EDITED, "line 1, the beginning of the export, was changed")
        told = parse_ranges(end.checkpoints)
        for first, last in told.without(points).runs():
            walk.note(Fault.MISSING, f"the checkpoint at {_spell(first, last)} is missing", first, last)
        for first, last in points.without(told).runs():
            walk.note(Fault.INSERTED, f"the checkpoint at {_spell(first, last)} was not in the export", first, last)
        if walk.is_sound and end.digest != digest.digest():
            walk.note(Fault.EDITED, "the lines are not those that were signed")
    return walk.finish()


def _begin(header: Header, keys: Sequence[str], known: Iterable[Checkpoint]) -> Walk:
    trusted = {fingerprint(key): key for key in keys}
    elsewhere = list(known)
    genuine = [point for point in elsewhere if is_genuine(point, trusted, installation=header.installation)]
    walk = Walk(
        keys,
        installation=header.installation,
        known=genuine,
        is_whole=header.whole,
        has_private=header.private and header.whole,
    )
    walk.line = 1
    for key in header.keys:
        if key not in keys:
            walk.note(Fault.UNKNOWN_KEY, f"the export names a key that is not yours, {fingerprint(key)}")
    for point in elsewhere:
        if point not in genuine:
            walk.note(
                Fault.FORGED, f"the checkpoint from elsewhere at record {point.sequence} is not genuine", point.sequence
            )
    return walk


def _spell(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"
