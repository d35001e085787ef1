"""Sets of numbers written shortly: `3,7-12`."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_PART: Final = re.compile(r"([1-9][0-9]{0,17})(?:-([1-9][0-9]{0,17}))?")


class Ranges:
    """Numbers, kept as runs: a million that follow each other take no more room than one."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._runs: list[tuple[int, int]] = []
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> None:
        """Add a number. Quick where numbers come in order."""
        runs = self._runs
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        elif not runs or number > runs[-1][1]:
            runs.append((number, number))
        elif number not in self:
            self._runs = _merge([*runs, (number, number)])

    def update(self, other: "Ranges") -> None:
        """Add all numbers of another."""
        self._runs = _merge([*self._runs, *other.runs()])

    def runs(self) -> Iterator[tuple[int, int]]:
        """First and last number of each run, in order."""
        return iter(self._runs)

    def without(self, other: "Ranges") -> "Ranges":
        """The numbers that are not in the other."""
        left, taken = Ranges(), list(other.runs())
        for first, last in self._runs:
            start = first
            for begin, end in taken:
                if end < start or begin > last:
                    continue
                if begin > start:
                    left._runs.append((start, begin - 1))
                start = end + 1
            if start <= last:
                left._runs.append((start, last))
        return left

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self._runs)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self._runs)

    def spell(self) -> str:
        """As text."""
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self._runs)


def parse_ranges(text: str) -> Ranges:
    """Read what `Ranges.spell` wrote. ValueError where it is anything else."""
    found = Ranges()
    for part in text.split(",") if text else ():
        shape = _PART.fullmatch(part)
        if shape is None:
            raise ValueError("that is no list of numbers")
        first, last = int(shape[1]), int(shape[2] or shape[1])
        if last < first:
            raise ValueError("that is no list of numbers")
        found._runs.append((first, last))  # noqa: SLF001 -- its maker
    if _merge(found._runs) != found._runs:  # noqa: SLF001 -- its maker
        raise ValueError("that is no list of numbers in order")
    return found


def _merge(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
