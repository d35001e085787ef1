"""Sets of numbers written shortly: `3,7-12`."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

_PART: Final = re.compile(r"([1-9][0-9]{0,17})(?:-([1-9][0-9]{0,17}))?")


class Ranges:
    """Numbers, kept as runs: a million that follow each other take no more room than one."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._runs: list[tuple[int, int]] = []
        for number in numbers:
            self.add(number)

    @classmethod
    def of_runs(cls, runs: Iterable[tuple[int, int]]) -> "Ranges":
        """Runs that are in order and do not touch."""
        made = cls()
        made._runs = list(runs)
        return made

    def add(self, number: int) -> None:
        """Add a number. Quick where numbers come in order."""
        runs = self._runs
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        elif not runs or number > runs[-1][1]:
            runs.append((number, number))
        elif number not in self:
            self._put_between(number)

    def _put_between(self, number: int) -> None:
        runs = self._runs
        at = bisect_right(runs, number, key=_first_of)
        first = last = number
        if at and runs[at - 1][1] == number - 1:
            at -= 1
            first = runs.pop(at)[0]
        if at < len(runs) and runs[at][0] == number + 1:
            last = runs.pop(at)[1]
        runs.insert(at, (first, last))

    def update(self, other: "Ranges") -> None:
        """Add all numbers of another."""
        self._runs = _merge([*self._runs, *other.runs()])

    def runs(self) -> Iterator[tuple[int, int]]:
        """First and last number of each run, in order."""
        return iter(self._runs)

    def without(self, other: "Ranges") -> "Ranges":
        """The numbers that are not in the other."""
        # Both are in order, so one look at each run is enough: an export may name a hundred thousand.
        left, taken = Ranges(), other._runs  # noqa: SLF001 -- another of this class
        at = 0
        for first, last in self._runs:
            start = first
            while at < len(taken) and taken[at][1] < start:
                at += 1
            while at < len(taken) and taken[at][0] <= last:
                begin, end = taken[at]
                if begin > start:
                    left._runs.append((start, begin - 1))
                start = end + 1
                if end > last:
                    break
                at += 1
            if start <= last:
                left._runs.append((start, last))
        return left

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._runs, number, key=_first_of)
        return at > 0 and number <= self._runs[at - 1][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self._runs)

    def spell(self) -> str:
        """As text."""
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self._runs)


def parse_ranges(text: str) -> Ranges:
    """Read what `Ranges.spell` wrote. ValueError where it is anything else."""
    runs: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        shape = _PART.fullmatch(part)
        if shape is None:
            raise ValueError("that is no list of numbers")
        first, last = int(shape[1]), int(shape[2] or shape[1])
        if last < first:
            raise ValueError("that is no list of numbers")
        runs.append((first, last))
    if _merge(runs) != runs:
        raise ValueError("that is no list of numbers in order")
    return Ranges.of_runs(runs)


def _first_of(run: tuple[int, int]) -> int:
    return run[0]


def _merge(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
