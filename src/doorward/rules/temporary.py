"""A password that is good for one sign-in: easy to read out, hard to guess, and never refused."""

from typing import Final

_LOWER: Final = "abcdefghjkmnpqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_EITHER: Final = _LOWER + _UPPER
_DIGITS: Final = "23456789"
_FEWEST_GROUPS: Final = 7

SEED_SIZE: Final = 96
"""Random bytes to make one of, however long it has to be."""


def make_temporary_password(seed: bytes, *, min_length: int) -> str:
    """A password such as `Kx7-dQ4-mT9-…` of at least `min_length` characters and 95 bits, without look-alikes.

    Two letters and a digit in each group: what every password needs is always there, and no name that stands in it.
    """
    rest = int.from_bytes(seed, "big")

    def draw(letters: str) -> str:
        nonlocal rest
        rest, chosen = divmod(rest, len(letters))
        return letters[chosen]

    count = max(_FEWEST_GROUPS, -(-(min_length + 1) // 4))
    first = draw(_UPPER) + draw(_LOWER) + draw(_DIGITS)
    others = [draw(_EITHER) + draw(_EITHER) + draw(_DIGITS) for _ in range(count - 1)]
    return "-".join([first, *others])
