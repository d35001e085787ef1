"""Rendering. Jinja2 with autoescape, loaded when the first page is asked for and not before.

Templates speak through `_` and `ngettext`. They are ours and not the library's, whose `_` takes the sentence for safe
markup: here everything is escaped that is not markup already, the sentence as well as what is filled in.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from doorward.words import translate, translate_count

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

_FOLDER = Path(__file__).parent / "templates"
_INSTANTS = {"en": "%Y-%m-%d %H:%M UTC", "de": "%d.%m.%Y %H:%M UTC"}
"""How the time of day is written in each language."""
_SPAN = re.compile(r"([0-9]+) (day|hour|minute|second)s?")


class Templates:
    """The templates in this room."""

    def render(self, name: str, context: Mapping[str, object], language: str = "en") -> str:
        """Render one template. A name the template uses and the context lacks is an error, not an empty string."""
        words = {"_": partial(say, language), "ngettext": partial(_say_count, language), "language": language}
        spans = {"spell": partial(_spell, language), "duration": partial(_say_span, language)}
        return self._environment.get_template(name).render({**context, **words, **spans})

    def names(self) -> list[str]:
        """Every template there is."""
        return self._environment.list_templates()

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        written: dict[str, Any] = {"iso": _iso, "instant": pass_context(_instant)}
        environment.filters.update(written)
        return environment


def say(language: str, text: str, /, **values: object) -> Markup:
    """A sentence in a language, as markup. Without values a percent sign is just that.

    SECURITY: `text` may come from elsewhere and is escaped like everything else (K11); only a sentence of ours is given
    values. tests/unit/test_words.py would fail.
    """
    said = escape(translate(language, text))
    return said % values if values else said


def _say_count(language: str, one: str, many: str, count: int, /, **values: object) -> Markup:
    return escape(translate_count(language, one, many, count)) % {"count": count, **values}


def spell(seconds: int) -> str:
    """Words for a waiting time; countdown.js says the same ones."""
    return _spell("en", seconds)


def _spell(language: str, seconds: int) -> str:
    minutes, rest = divmod(max(seconds, 0), 60)
    parts = [_say_count(language, "%(count)s minute", "%(count)s minutes", minutes)] if minutes else []
    if rest or not minutes:
        parts.append(_say_count(language, "%(count)s second", "%(count)s seconds", rest))
    return " ".join(parts)


def _say_span(language: str, span: str) -> str:
    """`7 days` and the like in a language."""
    return _SPAN.sub(
        lambda found: _say_count(language, f"%(count)s {found[2]}", f"%(count)s {found[2]}s", int(found[1])), span
    )


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _instant(context: "Context", at: datetime) -> str:
    return at.astimezone(UTC).strftime(_INSTANTS.get(context["language"], _INSTANTS["en"]))
