"""Lists that are shown a page at a time."""

from doorward.errors import InputError

_MAX_OFFSET = 1_000_000


def parse_offset(text: str) -> int:
    """Where a page of a list begins; InputError for what is no number."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_OFFSET)):
        raise InputError("the offset is not a number")
    return min(int(text), _MAX_OFFSET)
