"""What the environment and the command line say: `DOORWARD__SECTION__KEY`, and `…_FILE` for every secret.

The values are text, so the kind of the setting decides how they are read: a list is `a,b` or YAML's `[a, b]`.
"""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from doorward.config.finding import Finding, Key
from doorward.config.schema import Config
from doorward.config.source import read_value, resolve_scalar
from doorward.config.values import Secret

PREFIX: Final = "DOORWARD__"


def find_field(path: tuple[str, ...]) -> FieldInfo | None:
    """The setting at this place, sections included; list positions have none."""
    model: type[BaseModel] | None = Config
    field: FieldInfo | None = None
    for part in path:
        if model is None:
            return None
        field = model.model_fields.get(part)
        if field is None:
            return None
        model = section_of(field)
    return field


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section (not of a list of sections), or None for a setting."""
    for part in kinds_of(field.annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation, without decoration."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(kind for part in get_args(annotation) for kind in kinds_of(part))
    return (annotation,)


def item_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the items of a list of sections, or None for any other setting."""
    for part in kinds_of(field.annotation):
        for kind in get_args(part) if get_origin(part) is tuple else ():
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return kind
    return None


def find_model(key: Key) -> type[BaseModel] | None:
    """The section at a place, which may be an item of a list; None where there is no section."""
    model: type[BaseModel] | None = Config
    for depth, part in enumerate(key):
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model is not None else None
        in_list = depth + 1 < len(key) and isinstance(key[depth + 1], int)
        model = None if field is None else item_of(field) if in_list else section_of(field)
    return model


def is_secret(path: tuple[str, ...]) -> bool:
    """Whether the setting at this place is a secret."""
    field = find_field(path)
    return field is not None and holds_secret(field)


def holds_secret(field: FieldInfo, kind: type[Secret] = Secret) -> bool:
    """Whether a setting is a secret, of this kind."""
    return any(isinstance(part, type) and issubclass(part, kind) for part in kinds_of(field.annotation))


def walk_settings(
    model: type[BaseModel] = Config, at: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting with its place, depth first; lists of sections count as one setting."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            yield (*at, name), field
        else:
            yield from walk_settings(section, (*at, name))


def variable_of(path: tuple[str, ...]) -> str:
    """The variable that sets the setting at this place."""
    return PREFIX + "__".join(path).upper()


def read_variable(path: tuple[str, ...], text: str, variable: str) -> tuple[object, list[Finding]]:
    """Read a variable's text as the setting at `path` wants it. Strict: what does not fit stays text and is refused."""
    field = find_field(path)
    kinds = kinds_of(field.annotation) if field else ()
    if any(get_origin(kind) is tuple for kind in kinds):
        if text.lstrip().startswith(("[", "{")):
            return read_value(text, {}, name=variable)
        return tuple(part.lstrip(" ") for part in text.split(",")) if text.strip() else (), []
    value = resolve_scalar(text)
    return (value if type(value) in kinds else text), []


def put(tree: dict[str, object], path: tuple[str, ...], value: object) -> None:
    """Set a value in the tree, making sections on the way; a section that is none is left for validation to refuse."""
    *sections, last = path
    at = tree
    for part in sections:
        inner = at.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        at = inner
    at[last] = value


def get(tree: Mapping[str, object], path: tuple[str, ...]) -> object:
    """The value at a place, or None."""
    at: object = tree
    for part in path:
        at = at.get(part) if isinstance(at, dict) else None
    return at
