"""What the environment and the command line say: `DOORWARD__SECTION__KEY`, and `…_FILE` for every secret.

The values are text, so the kind of the setting decides how they are read: a list is `a,b` or YAML's `[a, b]`.
"""

import stat
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from doorward.config.finding import Finding
from doorward.config.schema import Config
from doorward.config.source import read_value, resolve_scalar
from doorward.config.values import Secret

PREFIX: Final = "DOORWARD__"
_MAX_SECRET = 64 * 1024
_OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO
_UNREAD = object()


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


def is_secret(path: tuple[str, ...]) -> bool:
    """Whether the setting at this place is a secret."""
    field = find_field(path)
    return field is not None and Secret in kinds_of(field.annotation)


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
        if text.lstrip().startswith("["):
            return read_value(text, {}, name=variable)
        return tuple(part.lstrip(" ") for part in text.split(",")) if text.strip() else (), []
    value = resolve_scalar(text)
    return (value if type(value) in kinds else text), []


def read_secret_file(place: str, name: object) -> tuple[str | None, list[Finding], list[Finding]]:
    """Read a secret from a file: the secret, problems, notices. One newline at the end is not part of it (Q08)."""
    if not isinstance(name, str) or not name:
        return None, [Finding(place, "this must be the path of a file")], []
    path = Path(name)
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            raw = file.read(_MAX_SECRET + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        return None, [Finding(place, f"{name} cannot be read: {reason}")], []
    notices = []
    if mode & _OTHERS_MAY_READ:
        notices.append(Finding(place, f"{name} can be read by others (mode {mode:04o})", f"chmod 600 {name}"))
    text = raw.removesuffix(b"\n")
    wrong = ""
    if len(raw) > _MAX_SECRET:
        wrong = "is too long for a secret"
    elif raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        wrong = "begins with a byte order mark"
    elif b"\r" in raw:
        wrong = "has Windows line ends"
    elif b"\n" in text or b"\0" in text:
        wrong = "has more than one line"
    elif not text.strip():
        wrong = "is empty"
    if wrong:
        return None, [Finding(place, f"{name} {wrong}", "it must hold the secret and at most one newline")], notices
    try:
        return text.decode(), [], notices
    except UnicodeDecodeError:
        return None, [Finding(place, f"{name} is not UTF-8")], notices


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
