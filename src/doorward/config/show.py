"""The configuration in force: every setting, its value, and where that came from. Secrets are hidden."""

from collections.abc import Iterator

from pydantic import BaseModel

from doorward.config.load import Loaded
from doorward.config.spelling import spell_scalar, spell_setting

_WIDTH = 48


def show_config(loaded: Loaded) -> str:
    """YAML that says where each value came from, as comments."""
    return "\n".join(_show(loaded, loaded.config, (), "")) + "\n"


def list_settings(loaded: Loaded) -> dict[str, dict[str, object]]:
    """The same for machines: dotted key -> value and origin."""
    return {
        key: {"value": spelled, "origin": loaded.origins.get(key, "default")}
        for key, spelled in _walk(loaded.config, ())
    }


def _walk(section: BaseModel, at: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for name, value in section:
        if isinstance(value, BaseModel):
            yield from _walk(value, (*at, name))
        else:
            yield ".".join((*at, name)), spell_setting(type(section).model_fields[name], value)


def _show(loaded: Loaded, section: BaseModel, at: tuple[str, ...], indent: str) -> Iterator[str]:
    for name, value in section:
        key = ".".join((*at, name))
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _show(loaded, value, (*at, name), indent + "  ")
            continue
        origin = loaded.origins.get(key, "default")
        spelled = spell_setting(type(section).model_fields[name], value)
        if isinstance(spelled, list) and spelled and isinstance(spelled[0], dict):
            yield f"{indent}{name}:".ljust(_WIDTH) + f"  # {origin}"
            yield from (f"{indent}  - {spell_scalar(item)}" for item in spelled)
        else:
            yield f"{indent}{name}: {spell_scalar(spelled)}".rstrip().ljust(_WIDTH) + f"  # {origin}"
