"""What is wrong, or worth knowing, about a configuration: one sentence with its path and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

Key = tuple[str | int, ...]
"""A place in the configuration: `("authz", "rules", 3, "hosts")`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a notice. `also`: other places it rests on, so that it is not said while those are broken.

    `calm`: a notice of something that is usually meant so; it is told, but it is no warning.
    """

    path: str
    message: str
    hint: str = ""
    also: tuple[str, ...] = ()
    line: int | None = None
    calm: bool = False

    @override
    def __str__(self) -> str:
        where = f"{self.path} (line {self.line})" if self.line is not None else self.path
        return f"{where}: {self.message}" + (f" -- {self.hint}" if self.hint else "")


def format_key(key: Sequence[str | int]) -> str:
    """Write a place the way people do: `authz.rules[3].hosts`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text
