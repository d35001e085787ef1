"""Rendering. Jinja2 with autoescape, loaded when the first page is asked for and not before."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "templates"


class Templates:
    """The templates in this room."""

    def render(self, name: str, context: Mapping[str, object]) -> str:
        """Render one template. A name the template uses and the context lacks is an error, not an empty string."""
        return self._environment.get_template(name).render(context)

    def names(self) -> list[str]:
        """Every template there is."""
        return self._environment.list_templates()

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"iso": _iso, "instant": _instant, "spell": spell}
        return environment


def spell(seconds: int) -> str:
    """Words for a waiting time; countdown.js says the same ones."""
    minutes, rest = divmod(max(seconds, 0), 60)
    parts = [
        f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in ((minutes, "minute"), (rest, "second")) if count
    ]
    return " ".join(parts) or "0 seconds"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
