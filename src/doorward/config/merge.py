"""Another configuration, merged into the one that is there: its text is changed where it must be, and stays elsewhere.

Comments, order and spelling of the present file are its author's. So the text is not written anew: each setting that
is to be added or changed becomes one edit of it. What came out is read again, and must be exactly the settings of both
files, or nothing is written at all.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import yaml

from doorward.config.environment import find_field, find_model, holds_secret, item_of
from doorward.config.finding import Key, format_key
from doorward.config.portable import VARIABLE, write_block, write_flow, write_item
from doorward.config.spelling import HIDDEN
from doorward.config.written import Written, read_written
from doorward.errors import ConfigError, InputError

_NAMED_BY: Final = ("name", "id")
"""What tells the items of a list of sections apart."""
_TOKEN_LETTERS: Final = 20


class Fate(Enum):
    """What becomes of a setting of the other file."""

    ADD = "add"
    CHANGE = "change"
    SAME = "same"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, or one item of a list of sections. `before` and `after` are YAML on one line, secrets hidden."""

    path: str
    fate: Fate
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """What came of it: the text of the file as it is to be, and every setting of the other file."""

    text: bytes = field(repr=False)
    settings: tuple[Setting, ...]
    token: str


def merge_config(
    present: bytes, other: bytes, *, overwrite: bool = False, sections: tuple[str, ...] | None = None
) -> Merge:
    """Merge `other` into `present`; without `overwrite` what is set in both stays as it is.

    ConfigError with every problem of either text, and for what cannot be merged into it safely.
    """
    mine, theirs = read_written(present, "the present file"), read_written(other, "the file")
    if sections is not None:
        theirs.tree = {name: value for name, value in theirs.tree.items() if name in sections}
    surgeon = _Surgeon(present.decode("utf-8-sig"), mine, overwrite=overwrite)
    surgeon.merge(theirs.tree, mine.tree, ())
    if surgeon.problems:
        raise ConfigError(f"{len(surgeon.problems)} settings cannot be merged", tuple(surgeon.problems))
    text = surgeon.cut().encode("utf-8")
    if read_written(text, "the merged file").tree != mine.tree:
        raise ConfigError("the present file is written in a way that cannot be edited safely; merge it by hand")
    settings = tuple(surgeon.settings)
    shown = repr([hashlib.sha256(present).hexdigest(), hashlib.sha256(text).hexdigest(), settings])
    return Merge(text, settings, hashlib.sha256(shown.encode("utf-8")).hexdigest()[:_TOKEN_LETTERS])


class _Surgeon:
    """Collects the edits that make of one text what it is to be; `mine` becomes the tree that is to be read of it."""

    def __init__(self, text: str, mine: Written, *, overwrite: bool) -> None:
        self.problems: list[str] = []
        self.settings: list[Setting] = []
        self._text = text
        self._mine = mine
        self._overwrite = overwrite
        self._root = yaml.compose(text, Loader=yaml.SafeLoader)
        self._edits: list[tuple[int, int, str]] = []
        self._added: dict[Key, dict[str, Any]] = {}

    def merge(self, theirs: Mapping[str, Any], mine: dict[str, Any], at: Key) -> None:
        """Go through the settings of the other file, deep first."""
        for name, value in theirs.items():
            key = (*at, name)
            known = find_field(tuple(str(part) for part in key))
            if isinstance(value, Mapping):
                if not value:
                    continue
                inner = before = mine.get(name)
                was_there = name in mine
                if inner is None:
                    # Not there, or there with nothing in it.
                    mine[name] = inner = {}
                if isinstance(inner, dict):
                    self.merge(value, inner, key)
                    if not inner and was_there:
                        mine[name] = before
                    elif not inner:
                        del mine[name]
                    continue
            if known is not None and item_of(known) is not None and isinstance(value, list):
                self._merge_items(value, mine, key)
            else:
                self._merge_one(value, mine, key)

    def cut(self) -> str:
        """The text with all edits made."""
        for at, tree in self._added.items():
            node = self._node(at)
            if isinstance(node, yaml.MappingNode):
                self._write_into(node, tree)
        text = self._text
        for start, end, new in self._order():
            text = text[:start] + new + text[end:]
        if self._root is None and self._added:
            # Comments at most, and nothing else.
            begin = text.rstrip("\n") + "\n\n" if text.strip() else ""
            text = begin + _lines(write_block(self._added[()]))
        return text

    def _order(self) -> list[tuple[int, int, str]]:
        """The edits from the end, so that the places before stay what they are.

        Of two lines that are put at one place the deeper one belongs to what stands above it: it is put there last.
        """
        places = range(len(self._edits) - 1, -1, -1)
        order = sorted(places, key=lambda at: (-self._edits[at][0], _depth(self._edits[at][2])))
        return [self._edits[at] for at in order]

    def _merge_one(self, value: Any, mine: dict[str, Any], key: Key) -> None:
        name = str(key[-1])
        present = mine.get(name)
        if value == HIDDEN and _is_secret(key):
            if present is None and mine.get(f"{name}_file") is None:
                hint = f"set {format_key(key)}_file to the path of a file that holds it"
                self.problems.append(f"{format_key(key)}: this secret is hidden in the file -- {hint}")
            return
        if value is None or _is_same(present, value):
            self._note(key, Fate.SAME, present, present)
        elif present is None:
            self._note(key, Fate.ADD, None, value)
            mine[name] = value
            self._add(key, value)
        elif self._overwrite:
            self._note(key, Fate.CHANGE, present, value)
            mine[name] = value
            self._replace(key, value)
        else:
            self._note(key, Fate.KEPT, present, value)

    def _merge_items(self, values: list[Any], mine: dict[str, Any], key: Key) -> None:
        name = str(key[-1])
        present, was_there = mine.get(name), name in mine
        if not present:
            mine[name] = []
        elif not isinstance(present, list):
            self._merge_one(values, mine, key)
            return
        items: list[Any] = mine[name]
        fresh: list[Any] = []
        for value in values:
            place = _find_item(items, value)
            if place is None:
                self._note((*key, len(items)), Fate.ADD, None, value)
                self._check_hidden(value, (*key, len(items)))
                items.append(value)
                fresh.append(value)
            elif _is_alike(items[place], value):
                self._note((*key, place), Fate.SAME, value, value)
            elif self._overwrite and place < len(items) - len(fresh):
                self._note((*key, place), Fate.CHANGE, items[place], value)
                items[place] = _keep_hidden(items[place], value)
                self._check_hidden(items[place], (*key, place))
                self._replace_item((*key, place), items[place])
            else:
                self._note((*key, place), Fate.KEPT, items[place], value)
        if fresh:
            self._append(key, fresh)
        elif not items and was_there:
            mine[name] = present
        elif not items:
            del mine[name]

    def _check_hidden(self, value: Any, key: Key) -> None:
        for name, inner in value.items() if isinstance(value, Mapping) else ():
            if inner == HIDDEN and _is_secret((*key, name)):
                self.problems.append(
                    f"{format_key((*key, name))}: this secret is hidden in the file -- write {name}_file there"
                )

    def _note(self, key: Key, fate: Fate, before: Any, after: Any) -> None:
        spelled = (
            "" if value is None else VARIABLE.sub(r"${\1}", write_flow(_hide(value, key))) for value in (before, after)
        )
        self.settings.append(Setting(format_key(key), fate, *spelled))

    # --- edits of the text

    def _add(self, key: Key, value: Any) -> None:
        """Write a setting into the nearest section that is there."""
        for depth in range(len(key) - 1, -1, -1):
            node = self._node(key[:depth])
            if depth == 0 or isinstance(node, yaml.MappingNode):
                _put(self._added.setdefault(key[:depth], {}), key[depth:], value)
                return

    def _append(self, key: Key, items: list[Any]) -> None:
        node = self._node(key)
        if not isinstance(node, yaml.SequenceNode) or (not node.value and not node.flow_style):
            self._add(key, items)
        elif node.flow_style:
            self._insert_in_flow(node, ", ".join(write_flow(item) for item in items), empty=not node.value)
        else:
            indent = " " * node.start_mark.column
            self._insert_after(node, [line for item in items for line in write_item(item, indent)])

    def _write_into(self, node: yaml.MappingNode, tree: dict[str, Any]) -> None:
        if node.flow_style:
            self._insert_in_flow(node, write_flow(tree)[1:-1], empty=not node.value)
            return
        below = dict(tree)
        for given, value in node.value:
            # `authz:` with nothing after it: what is written there belongs below it.
            if given.value in below and isinstance(value, yaml.ScalarNode):
                indent = " " * (given.start_mark.column + 2)
                inner = below.pop(given.value)
                lines = write_block(inner, indent) if isinstance(inner, Mapping) else _write_items(inner, indent)
                self._edits.append((*self._line_end(given.end_mark.index), _lines(lines)))
        if below:
            self._insert_after(node, list(write_block(below, " " * node.value[0][0].start_mark.column)))

    def _insert_in_flow(self, node: yaml.Node, text: str, *, empty: bool) -> None:
        place = node.end_mark.index - 1
        before = self._text[node.start_mark.index : place].rstrip()
        comma = "" if empty or before.endswith(",") else ", "
        self._edits.append((place, place, comma + text))

    def _insert_after(self, node: yaml.Node, lines: list[str]) -> None:
        self._edits.append((*self._line_end(self._end(node)), _lines(lines)))

    def _replace(self, key: Key, value: Any) -> None:
        given, node = self._pair(key)
        if given is None or node is None:
            self.problems.append(f"{format_key(key)}: this cannot be edited -- change it by hand")
            return
        start = self._text.index(":", given.end_mark.index) + 1
        self._edits.append((start, self._end(node), f" {write_flow(value)}"))

    def _replace_item(self, key: Key, value: Any) -> None:
        node = self._node(key)
        if node is None:
            self.problems.append(f"{format_key(key)}: this cannot be edited -- change it by hand")
            return
        self._edits.append((node.start_mark.index, self._end(node), write_flow(value)))

    def _node(self, key: Key) -> yaml.Node | None:
        return self._pair(key)[1] if key else self._root

    def _pair(self, key: Key) -> tuple[yaml.Node | None, yaml.Node | None]:
        """The nodes of a setting, its name and its value, wherever its author has written it."""
        given: yaml.Node | None = None
        node: yaml.Node | None = self._root
        for part in self._mine.places.get(key, key):
            if isinstance(node, yaml.MappingNode):
                given, node = next((pair for pair in node.value if pair[0].value == part), (None, None))
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                given, node = None, node.value[part]
            else:
                return None, None
        return given, node

    def _end(self, node: yaml.Node) -> int:
        """Where the last word of a node ends; the parser counts comments and empty lines after it in."""
        if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False) or not node.value:
            end = int(node.end_mark.index)
            return end - 1 if end and self._text[end - 1 : end] == "\n" else end
        last = node.value[-1]
        if isinstance(node, yaml.MappingNode):
            return max(self._end(last[1]), int(last[0].end_mark.index) + 1)
        return self._end(last)

    def _line_end(self, place: int) -> tuple[int, int]:
        end = self._text.find("\n", place)
        if end < 0:
            # The last line has no end of its own yet.
            self._text += "\n"
            end = len(self._text) - 1
        return end + 1, end + 1


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _write_items(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        yield from write_item(item, indent)


def _put(tree: dict[str, Any], key: Key, value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(str(part), {})
    tree[str(key[-1])] = value


def _lines(lines: Iterator[str] | list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _find_item(items: list[Any], value: Any) -> int | None:
    """The item that `value` stands for: the same one, or the one of its name."""
    if not isinstance(value, Mapping):
        raise InputError("a list of sections has an item that is none")
    for at, item in enumerate(items):
        if _is_alike(item, value):
            return at
    for word in _NAMED_BY:
        for at, item in enumerate(items):
            if word in value and isinstance(item, Mapping) and item.get(word) == value[word]:
                return at
    return None


def _is_alike(item: Any, value: Any) -> bool:
    return isinstance(item, Mapping) and _is_same(item, _keep_hidden(item, value))


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values say the same; a list of one may be written without its brackets."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(inner, other[name]) for name, inner in one.items())
    if isinstance(one, list) != isinstance(other, list):
        return bool([one] == other or one == [other])
    return bool(one == other)


def _keep_hidden(item: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with the secrets of `item` where its own are hidden."""
    return {name: item.get(name, inner) if inner == HIDDEN else inner for name, inner in value.items()}


def _is_secret(key: Key) -> bool:
    model = find_model(key[:-1])
    known = model.model_fields.get(str(key[-1])) if model is not None else None
    return known is not None and holds_secret(known)


def _hide(value: Any, key: Key) -> Any:
    if isinstance(value, Mapping):
        return {name: _hide(inner, (*key, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hide(item, (*key, at)) for at, item in enumerate(value)]
    return HIDDEN if _is_secret(key) else value
