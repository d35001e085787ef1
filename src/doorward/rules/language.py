"""Which language somebody reads: what they chose, or what their browser asks for (RFC 9110, 12.5.4)."""

import re
from typing import Final

NAMES: Final = {"en": "English", "de": "Deutsch"}
"""Those we speak, and what each calls itself. The first is for whoever reads none of them."""

LANGUAGES: Final = tuple(NAMES)

_MOST: Final = 512
"""Characters of an Accept-Language that are read; no browser sends more."""
_RANGE: Final = re.compile(
    r"[ \t]*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8}){0,8}[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def choose(accept_language: str, *, own: str = "") -> str:
    """The language to speak: `own`, the account's choice, where it is one of ours, or what the header likes best.

    A header that makes no sense chooses nothing. `*` stands for the first of ours.
    """
    if own in LANGUAGES:
        return own
    liked: dict[str, float] = {}
    for part in accept_language[:_MOST].split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        language = LANGUAGES[0] if found[1] == "*" else found[1].lower()
        if language in LANGUAGES:
            liked[language] = max(liked.get(language, 0.0), float(found[2] or "1"))
    # The first of the best, in the order of the header.
    best = max(liked, key=liked.__getitem__, default=LANGUAGES[0])
    return best if liked.get(best, 0.0) > 0 else LANGUAGES[0]
