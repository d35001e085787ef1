"""The figures as a table, as JSON, and in docs/performance.md."""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_PART = re.compile(r"(<!-- generated:bench -->\n).*?(<!-- /generated:bench -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `aim` is a text; `met` None where there is nothing to meet."""

    what: str
    shown: str
    aim: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Report:
    """Rows in order, and the figures by name."""

    rows: list[Row] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(
        self, what: str, shown: str, figures: Mapping[str, float], aim: str = "", *, met: bool | None = None
    ) -> None:
        """Add a line, and the figures it shows."""
        self.rows.append(Row(what, shown, aim, met))
        self.figures |= {name: round(each, 3) for name, each in figures.items()}

    def as_text(self) -> str:
        """For a terminal."""
        widths = [max(len(text) for text in column) for column in zip(*map(_cells, self.rows), strict=True)]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(_cells(row), widths, strict=True)).rstrip()
            for row in self.rows
        )

    def as_json(self) -> str:
        """One line."""
        return json.dumps(self.figures)

    def write_page(self, circumstances: Mapping[str, str]) -> None:
        """Put the table into docs/performance.md."""
        lines = ["| What | Measured | Aim | |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in self.rows]
        told = "; ".join(f"{name} {value}" for name, value in circumstances.items())
        content = "\n".join([*lines, "", f"Measured with `make bench`: {told}."])
        page = _PAGE.read_text("utf-8")
        _PAGE.write_text(_PART.sub(lambda part: f"{part[1]}{content}\n{part[2]}", page), "utf-8")


def describe_machine(load_before: float) -> dict[str, str]:
    """What the figures depend on."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    busy = "quiet" if load_before < 0.5 else f"shared with other work, load {load_before:.1f} at the start"
    return {
        "processor": model[1] if model else platform.machine(),
        "Python": platform.python_version(),
        "Linux": platform.release(),
        "machine": busy,
    }


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.what, row.shown, row.aim, {True: "met", False: "not met", None: ""}[row.met]
