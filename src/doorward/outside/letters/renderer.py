"""Mails, written from their wording by one layout for text and one for HTML."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from doorward.outside.letters.alerts import ALERTS, HELD, TEST
from doorward.outside.letters.wording import BARE_GREETING, FOOT, GREETING, LINK_TOO, WORDINGS, Wording
from doorward.rules.alert import AlertKind
from doorward.rules.letter import LetterKind, Written
from doorward.rules.names import clean_text
from doorward.words import translate

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER: Final = Path(__file__).parent / "templates"
_VALUE: Final = re.compile(r"%\((\w+)\)s")
_LOUD: Final = str.maketrans("[]<>`@*~|#", "()()'     ")
_MOST: Final = 500
"""Characters of a value people wrote."""


class LetterWriter:
    """`flows.post.Letters`."""

    def __init__(self, public_url: str) -> None:
        self._site = public_url.rstrip("/")
        self._host = urlsplit(public_url).hostname or ""

    def render(self, kind: LetterKind, language: str, values: Mapping[str, str]) -> Written:
        """Write one. See `flows.post.Letters`."""
        wording = _find_wording(kind, values)
        plain = _clean(values)
        # A passkey has the name its owner gave it and an administrator their own; the others have words of ours.
        ours = {name: translate(language, plain[name]) for name in ("factor", "by") if name in plain}
        said = plain | ours | {"site": self._site, "host": self._host}
        url = (values.get("url") or self._site + wording.path) if wording.action else ""
        # SECURITY: a link leads to our own address, whatever anybody asked for (A12): tests/unit/test_letters.py.
        if wording.action and not url.startswith(f"{self._site}/"):
            raise ValueError(f"the link of a mail {kind.value} does not lead to us")
        context = {
            "language": language,
            "subject": _say(language, wording.subject, said),
            "greeting": _say(language, GREETING if "name" in said else BARE_GREETING, said),
            "lines": _say_known(language, wording.lines, said),
            "action": translate(language, wording.action),
            "url": url,
            "link_too": translate(language, LINK_TOO),
            "notes": _say_known(language, wording.notes, said),
            "foot": _say(language, FOOT, said),
        }
        text, html = (self._environment.get_template(f"letter.{form}").render(context) for form in ("txt", "html"))
        return Written(str(context["subject"]), text, html)

    def render_alert(self, kind: AlertKind | None, language: str, values: Mapping[str, str]) -> Written:
        """Write an alert for another service, as text alone; None is a test. See `flows.alert_desk.AlertWords`."""
        wording = TEST if kind is None else _find_alert(kind, values)
        said = _clean(values) | {"site": self._site, "host": self._host}
        lines = _say_known(language, (*wording.lines, *wording.notes), said)
        text = "\n".join([*lines, self._site + wording.path] if wording.path else lines)
        return Written(_say(language, wording.subject, said), text, "")

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

        return Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )


def _clean(values: Mapping[str, str]) -> dict[str, str]:
    """One line each: a name with line breaks would otherwise write sentences of its own into the mail."""
    told = {name: clean_text(" ".join(value.split()), _MOST) for name, value in values.items() if value.strip()}
    if "device" in told:
        # SECURITY: strangers say what their browser is, and what they say must become no link and nobody's name where
        # it is read: mail programs make links of addresses, chats of [brackets]. tests/unit/test_letters.py tries.
        told["device"] = told["device"].translate(_LOUD).replace("//", "/ /").replace("www.", "www ")
    return told


def _find_wording(kind: LetterKind, values: Mapping[str, str]) -> Wording:
    return _find_alert(AlertKind(values["alert"]), values) if "alert" in values else WORDINGS[kind]


def _find_alert(kind: AlertKind, values: Mapping[str, str]) -> Wording:
    return HELD if "held" in values else ALERTS[kind]


def _say(language: str, sentence: str, values: Mapping[str, str]) -> str:
    return translate(language, sentence) % values


def _say_known(language: str, sentences: Sequence[str], values: Mapping[str, str]) -> list[str]:
    return [
        _say(language, sentence, values) for sentence in sentences if values.keys() >= set(_VALUE.findall(sentence))
    ]
