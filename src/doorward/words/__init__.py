"""What we say in other languages. English stands in the code and is the key; the other languages are catalogues here.

Knows nothing of the rest of the house, and holds only text. A catalogue is read when the first sentence of its
language is asked for, and never by whoever reads English.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Where the catalogues lie: `<language>.po`."""
_OWN: Final = "en"
_NUMBER: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class _Catalogue:
    single: Mapping[str, str]
    plural: Mapping[str, tuple[str, str]]


def translate(language: str, text: str) -> str:
    """Say `text` in a language; as it is where the language has no words for it.

    Placeholders (`%(name)s`) are the caller's to fill. Text that is not one of our sentences passes unchanged.
    """
    if language == _OWN:
        return text
    single = _open(language).single
    if text not in single and (number := _NUMBER.search(text)):
        # A sentence that is said with its number in it stands in the catalogue once for all numbers.
        shape = single.get(_NUMBER.sub("%(count)s", text, count=1), "")
        return shape.replace("%(count)s", number[0]) if shape else text
    return single.get(text, text)


def translate_count(language: str, one: str, many: str, count: int) -> str:
    """Say `one` or `many`, whichever fits `count`. English and German have the same two forms."""
    forms = (one, many) if language == _OWN else _open(language).plural.get(one, (one, many))
    return forms[0] if count == 1 else forms[1]


@cache
def _open(language: str) -> _Catalogue:
    # SECURITY: `language` names a file only where it is one of the catalogues we bring; tests/unit/test_words.py.
    found = {path.stem: path for path in FOLDER.glob("*.po")}.get(language)
    if found is None:
        return _Catalogue({}, {})
    import polib

    entries = [entry for entry in polib.pofile(str(found)) if not entry.obsolete and not entry.fuzzy]
    return _Catalogue(
        {entry.msgid: entry.msgstr for entry in entries if entry.msgstr},
        {entry.msgid: (entry.msgstr_plural[0], entry.msgstr_plural[1]) for entry in entries if entry.msgstr_plural},
    )
