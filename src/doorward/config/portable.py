"""The configuration in force as a file that can be taken elsewhere. Secrets stay: they are hidden, or named by file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from doorward.config.environment import holds_secret, item_of, section_of
from doorward.config.load import Loaded
from doorward.config.profiles import is_from_profile
from doorward.config.source import resolve_scalar
from doorward.config.spelling import HIDDEN, spell, spell_setting

RULES: Final = ("authz", "apps")
"""The sections that say who may open what."""
VARIABLE: Final = re.compile("\ue000([A-Za-z0-9_]+)\ue001")
"""How `${NAME}` stands in a tree that was read without the environment (`config.merge`)."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9/_][A-Za-z0-9/_.@+()=-]*(?: [A-Za-z0-9/_.@+()=-]+)*")
_WIDTH: Final = 100


def export_config(loaded: Loaded, *, sections: Sequence[str] | None = None) -> str:
    """Every setting that somebody made, in YAML. What a profile sets is left to the profile."""
    tree = _collect(loaded, loaded.config, ())
    if sections is not None:
        tree = {name: value for name, value in tree.items() if name in sections}
    return "".join(line + "\n" for line in write_block(tree))


def write_block(tree: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A mapping in block style, a setting a line."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from write_block(value, indent + "  ")
        elif isinstance(value, list | tuple) and value and any(isinstance(item, Mapping) for item in value):
            yield f"{indent}{name}:"
            for item in value:
                yield from write_item(item, indent + "  ")
        else:
            yield f"{indent}{name}: {write_flow(value)}".rstrip()


def write_item(item: object, indent: str) -> Iterator[str]:
    """An item of a list in block style."""
    inline = write_flow(item)
    if not isinstance(item, Mapping) or not item or len(inline) <= _WIDTH:
        yield f"{indent}- {inline}"
        return
    first, *rest = write_block(item, indent + "  ")
    yield f"{indent}- {first.lstrip()}"
    yield from rest


def write_flow(value: object) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {write_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(write_flow(item) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and isinstance(resolve_scalar(text), str):
        return text
    # JSON's strings are YAML's. Braces after a dollar would be a variable.
    return VARIABLE.sub(r"${\1}", json.dumps(text.replace("${", "$${"), ensure_ascii=False))


def _collect(loaded: Loaded, section: BaseModel, at: tuple[str, ...]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = ".".join((*at, name))
        if section_of(field) is not None:
            inner = _collect(loaded, value, (*at, name)) if isinstance(value, BaseModel) else {}
            if inner:
                tree[name] = inner
            continue
        origin = loaded.origins.get(key, "")
        if item_of(field) is not None:
            if value:
                tree[name] = [_collect_item(loaded, item, f"{key}[{at_}]") for at_, item in enumerate(value)]
        elif origin and not origin.startswith(("derived", "command line")) and not is_from_profile(origin):
            if holds_secret(field):
                tree |= _name_secret(name, origin)
            else:
                tree[name] = spell_setting(field, value)
    return tree


def _collect_item(loaded: Loaded, item: BaseModel, key: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, field in type(item).model_fields.items():
        value = getattr(item, name)
        if value == field.default:
            continue
        if holds_secret(field):
            tree |= _name_secret(name, loaded.origins.get(f"{key}.{name}", ""))
        else:
            tree[name] = spell(value)
    return tree


def _name_secret(name: str, origin: str) -> dict[str, Any]:
    _, mark, file = origin.partition(", from ")
    return {f"{name}_file": file} if mark else {name: HIDDEN}
