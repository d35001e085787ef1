"""What is sealed in the store, wherever it stands: for sealing it anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from doorward.rules.envelope import Place


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A sealed value as it was read. `row` and `found` are the store's own: where it stands, and what stood there."""

    place: Place
    sealed: str
    row: tuple[Any, ...]
    found: str


class SealedStore(Protocol):
    """Every column that holds something sealed. Each method is a transaction of its own."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns, by name."""
        ...

    async def list_others(
        self, column: str, *, beginning: str, after: tuple[Any, ...] | None, limit: int
    ) -> list[SealedValue]:
        """Values that do not begin so, in the order of their rows, behind the row `after`."""
        ...

    async def replace(self, values: Sequence[tuple[SealedValue, str]]) -> int:
        """Put new ones in the place of those that are still what was read; how many."""
        ...

    async def count(self, column: str, *, beginning: str) -> int:
        """How many values begin so."""
        ...

    async def find_mentions(self, texts: Sequence[str]) -> list[str]:
        """The columns of text, all there are, in which one of these texts stands anywhere."""
        ...
