"""The settings of a file as it is written: by our names, and with its variables unread."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from doorward.config import aliases
from doorward.config.finding import Key
from doorward.config.source import read_document
from doorward.errors import ConfigError


class _AnyVariable(Mapping[str, str]):
    """Every variable, as a mark that stands for itself: a file is merged as it is written, whatever is set here."""

    @override
    def __getitem__(self, name: str) -> str:
        return f"\ue000{name}\ue001"

    @override
    def __contains__(self, name: object) -> bool:
        return True

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(())

    @override
    def __len__(self) -> int:
        return 0


@dataclass(slots=True)
class Written:
    """The settings of a file by our names; `places` has the places of those that are spelled otherwise there."""

    tree: dict[str, Any]
    places: dict[Key, Key]


def read_written(raw: bytes, name: str) -> Written:
    """Read a file. ConfigError with every problem of it, except what only its meaning would show."""
    document = read_document(raw, _AnyVariable(), name=name)
    if document.findings:
        count = len(document.findings)
        sentences = tuple(str(finding) for finding in document.findings)
        raise ConfigError(f"{count} problem{'s' if count > 1 else ''} in {name}", sentences)
    read = Written(_copy(document.tree), {})
    for old, new in aliases.KEYS.items():
        for before, after in _spread(read.tree, old, new):
            _rename(read, before, after)
    return read


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(item) for item in value] if isinstance(value, tuple | list) else value


def _spread(tree: Any, old: Key, new: Key) -> Iterator[tuple[Key, Key]]:
    if "*" not in old:
        yield old, new
        return
    star = old.index("*")
    items = find_at(tree, old[:star])
    for at in range(len(items) if isinstance(items, list) else 0):
        yield (*old[:star], at, *old[star + 1 :]), (*new[:star], at, *new[star + 1 :])


def _rename(read: Written, old: Key, new: Key) -> None:
    around = find_at(read.tree, old[:-1])
    if not isinstance(around, dict) or old[-1] not in around:
        return
    value = around.pop(old[-1])
    target: Any = read.tree
    for part in new[:-1]:
        if isinstance(target, dict):
            target.setdefault(part, {})
        target = find_at(target, (part,))
    if isinstance(target, dict):
        target.setdefault(new[-1], value)
        read.places[new] = old


def find_at(tree: Any, key: Key) -> Any:
    """What stands at a place, or None."""
    for part in key:
        if isinstance(tree, Mapping):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree
