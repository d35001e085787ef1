"""A setting's value written the way the configuration file spells it. A secret is never written."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from doorward.config.schema import Require, Rule
from doorward.config.values import Hours, Listen, Secret, format_duration, format_size
from doorward.rules.explain import format_path
from doorward.rules.policy import HostPattern, PathPattern
from doorward.rules.throttle import Window

HIDDEN = "***"


def spell(value: object, *, name: str = "") -> Any:
    """The value as YAML's own kinds: text, numbers, booleans, lists, mappings. None is spelled `off`."""
    match value:
        case None:
            return "off"
        case Secret():
            return HIDDEN
        case timedelta():
            return format_duration(value)
        case Window():
            return f"{value.limit}/{format_duration(value.span)}"
        case HostPattern():
            return value.text
        case PathPattern():
            return format_path(value)
        case ZoneInfo():
            return value.key
        case Listen() | Hours() | IPv4Network() | IPv6Network():
            return str(value)
        case tuple():
            return [spell(item) for item in value]
        case Rule() | Require():
            return {word: spell(inner) for word, inner in _set_fields(value)}
        case BaseModel():
            return {word: spell(getattr(value, word), name=word) for word in type(value).model_fields}
        case int() if name.endswith("_size") and not isinstance(value, bool):
            return format_size(value)
        case _:
            return value


def spell_scalar(value: object) -> str:
    """A spelled value on one line of YAML, quoted where YAML would read it as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(spell_scalar(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word}: {spell_scalar(inner)}" for word, inner in value.items()) + "}"
    text = str(value)
    if isinstance(value, int) or (_is_plain(text) and text not in {"true", "false", "null", "~"}):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_plain(text: str) -> bool:
    if not text or text[0] in "!&*-?:,[]{}#|>@`\"'%~ =" or text != text.strip() or text.isdigit():
        return text.startswith(":") and text[1:].isdigit()
    return not any(mark in text for mark in (": ", " #", ",", "[", "]", "{", "}", "\n")) and not text.endswith(":")


def _set_fields(section: BaseModel) -> list[tuple[str, object]]:
    defaults = {name: field.default for name, field in type(section).model_fields.items()}
    return [(name, value) for name, value in section if value != defaults[name]]
