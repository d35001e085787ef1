"""YAML from a file, read as data and nothing else (attack Q02).

The parser's events are read one by one, so that a document that is too deep, too long or multiplies itself by aliases
is refused before it is built. Scalars follow YAML 1.2's core schema: `no`, `off`, `1:30` and `0o17` are text, and the
strict kinds of `values` then refuse them where no text is meant. Tags, merge keys and duplicate keys are refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import yaml

from doorward.config.finding import Finding, Key, format_key

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 24
MAX_NODES: Final = 500_000
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Document:
    """A mapping as it was read, where each key stood, and what was wrong with it."""

    tree: dict[str, object] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line_of(self, key: Key) -> int | None:
        """The line of this place, or of the nearest one around it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.lines:
                return self.lines[key[:end]]
        return None


class _Unreadable(Exception):  # noqa: N818 -- control flow inside this file
    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def read_document(raw: bytes, variables: Mapping[str, str], *, name: str = "the file") -> Document:
    """Read one mapping. What is wrong stands in `findings`; then `tree` holds what could still be read."""
    document = Document()
    value: object = None
    try:
        value = _Reader(raw, variables, document, name).read()
    except _Unreadable as refused:
        document.findings.append(refused.finding)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "the text cannot be read"
        document.findings.append(Finding(name, f"not YAML: {what}", line=mark.line + 1 if mark else None))
    except UnicodeDecodeError:
        document.findings.append(Finding(name, "the text is not UTF-8", "save it as UTF-8"))
    if isinstance(value, dict):
        document.tree = value
    elif value is not None:
        document.findings.append(Finding(name, "this is not a mapping of sections", "begin with `server:`"))
    return document


def read_value(text: str, variables: Mapping[str, str], *, name: str) -> tuple[object, list[Finding]]:
    """Read one value, such as a list, from a variable."""
    document = Document()
    try:
        value = _Reader(text.encode(), variables, document, name).read()
    except (_Unreadable, yaml.YAMLError, UnicodeEncodeError):
        return None, [Finding(name, "the value cannot be read", "write it as in the file: [a, b] or [{name: x}]")]
    inside = ((found, "" if found.path == name else f" at {found.path}") for found in document.findings)
    return value, [replace(found, path=name + place, line=None) for found, place in inside]


def resolve_scalar(text: str) -> object:
    """A plain scalar under the core schema; only what a setting can be: nothing, a boolean, a number, text."""
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _INT.fullmatch(text) else text


def _line_of(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Reader:
    """One pass over the events of one document."""

    def __init__(self, raw: bytes, variables: Mapping[str, str], document: Document, name: str) -> None:
        if len(raw) > MAX_BYTES:
            raise _Unreadable(Finding(name, f"{len(raw)} bytes are too many", f"at most {MAX_BYTES} are read"))
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[yaml.Event] = iter(yaml.parse(raw.decode("utf-8-sig"), Loader=loader))
        self._variables = variables
        self._document = document
        self._name = name
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0

    def read(self) -> object:
        next(self._events)  # the stream begins
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        value = self._build(next(self._events), ())
        next(self._events)  # the document ends
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise _Unreadable(Finding(self._name, "there is more than one document", "remove what follows `---`"))
        return value

    def _build(self, event: yaml.Event, key: Key) -> object:
        line = _line_of(event)
        self._document.lines.setdefault(key, line)
        self._count(1, line)
        if len(key) > MAX_DEPTH:
            raise _Unreadable(Finding(self._name, f"nested deeper than {MAX_DEPTH} levels", line=line))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Unreadable(Finding(format_key(key), f"*{event.anchor} stands for nothing yet", line=line))
            value, size = self._anchors[event.anchor]
            self._count(size, line)  # an alias costs what it stands for: expansion is counted, not done
            return value
        before = self._nodes
        if getattr(event, "tag", None) is not None:
            self._find(key, f"tags such as {getattr(event, 'tag', '')!r} are not read", "remove the tag", line)
        match event:
            case yaml.MappingStartEvent():
                value = self._build_mapping(key)
            case yaml.SequenceStartEvent():
                value = self._build_sequence(key)
            case yaml.ScalarEvent():
                value = self._build_scalar(event, key, line)
            case _:
                raise _Unreadable(Finding(self._name, "the text cannot be read", line=line))
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _build_mapping(self, key: Key) -> dict[str, object]:
        built: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line_of(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Unreadable(Finding(format_key(key) or self._name, "a key must be a word", line=line))
            word = event.value
            self._document.lines.setdefault((*key, word), line)
            value = self._build(next(self._events), (*key, word))
            if word == "<<":
                self._find((*key, word), "merge keys are not read", "write the keys out", line)
            elif word in built:
                self._find((*key, word), "this key stands here twice", "keep one of them", line)
            else:
                built[word] = value
        return built

    def _build_sequence(self, key: Key) -> tuple[object, ...]:
        built: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            built.append(self._build(event, (*key, len(built))))
        return tuple(built)

    def _build_scalar(self, event: yaml.ScalarEvent, key: Key, line: int) -> object:
        text = self._expand(event.value, key, line)
        # Only a plain scalar can be anything but text; the parser says so by the first of `implicit`.
        return resolve_scalar(text) if event.implicit[0] else text

    def _expand(self, text: str, key: Key, line: int) -> str:
        if "${" not in text:
            return text

        def replace(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            if not found[0].endswith("}") or not _NAME.fullmatch(found[1]):
                self._find(key, "only ${NAME} is expanded", "write $${ for these two characters themselves", line)
            elif found[1] not in self._variables:
                self._find(key, f"the variable {found[1]} is not set", "set it, or write the value itself", line)
            else:
                return self._variables[found[1]]
            return ""

        return _VARIABLE.sub(replace, text)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Unreadable(
                Finding(self._name, "the document multiplies itself by aliases or is too long", line=line)
            )

    def _find(self, key: Key, message: str, hint: str, line: int) -> None:
        self._document.findings.append(Finding(format_key(key) or self._name, message, hint, line=line))
