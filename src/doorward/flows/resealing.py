"""Sealing everything anew under the key that seals now: in batches, row by row, as often as it takes.

Nothing is remembered of how far it came. What begins as it should is done; so whoever is killed starts again and finds
the rest, and whoever writes meanwhile is never overwritten: a value is replaced only if it still is what was read.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from doorward.errors import TamperError
from doorward.interfaces import SealedStore, SealedValue
from doorward.rules.envelope import Place, beginning

BATCH: Final = 200
_MOST_PASSES: Final = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it came. `step` is a word for programs; the numbers are of the pass that is under way."""

    step: str
    column: str = ""
    resealed: int = 0
    failed: int = 0


Tell = Callable[[Progress], None]
"""Told after every step. What it raises stops the work there, as being killed would."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    `failed`: values that do not open, by column; they stay as they were. `left`: columns in which values under another
    key turn up again and again, because somebody goes on sealing with it.
    """

    resealed: int
    already: int
    failed: dict[str, int]
    left: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left under another key."""
        return not self.failed and not self.left


class SealingKeys(Protocol):
    """The part of the keyring that this needs."""

    @property
    def key_id(self) -> str:
        """The name of the key that seals."""
        ...

    def seal(self, place: Place, plaintext: bytes) -> str:
        """Seal under it."""
        ...

    def unseal(self, place: Place, sealed: str) -> bytes:
        """Open under any key. TamperError when it does not open."""
        ...


async def reseal(store: SealedStore, keyring: SealingKeys, tell: Tell) -> Outcome:
    """Seal everything anew, in passes, until one finds nothing to do."""
    first = beginning(keyring.key_id)
    already = sum([await store.count(column, beginning=first) for column in store.columns])
    total, passes = 0, 0
    while True:
        resealed, failed, tried = await _pass(store, keyring, tell)
        total, passes = total + resealed.total(), passes + 1
        tell(Progress("pass", resealed=total, failed=failed.total()))
        if not tried or passes == _MOST_PASSES:
            return Outcome(total, already, dict(failed), tuple(tried))


async def _pass(
    store: SealedStore, keyring: SealingKeys, tell: Tell
) -> tuple[Counter[str], Counter[str], dict[str, None]]:
    """How many were sealed anew and how many do not open, by column; and the columns where there was anything to do."""
    resealed, failed, tried = Counter[str](), Counter[str](), dict[str, None]()
    for column in store.columns:
        after = None
        # Where many are written at once, the end of the column is where it ends for us.
        while few := await store.list_others(column, beginning=beginning(keyring.key_id), after=after, limit=BATCH):
            after = few[-1].row
            ready = [(value, new) for value in few if (new := _renew(value, keyring)) is not None]
            if len(ready) < len(few):
                failed[column] += len(few) - len(ready)
            if ready:
                # One that was changed meanwhile is sealed anew already, or found by the next pass.
                resealed[column] += await store.replace(ready)
                tried[column] = None
            tell(Progress("batch", column, resealed.total(), failed.total()))
    return resealed, failed, tried


def _renew(value: SealedValue, keyring: SealingKeys) -> str | None:
    try:
        return keyring.seal(value.place, keyring.unseal(value.place, value.sealed))
    except TamperError:
        return None
