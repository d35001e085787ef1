"""A validation error in the operator's words: what is wrong, and what to write instead."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from doorward.config.aliases import KEYS
from doorward.config.environment import find_model, walk_settings
from doorward.config.finding import Finding, Key, format_key


def explain_error(error: Mapping[str, Any]) -> Finding:
    """Turn a validation error into a sentence with a hint."""
    loc: Key = tuple(error["loc"])
    context = error.get("ctx", {})
    message, hint = str(error["msg"]), ""
    match error["type"]:
        case "refused":
            message, hint = str(context["message"]), str(context["hint"])
        case "extra_forbidden":
            message, hint = "no setting has this name", _suggest(loc)
        case "missing":
            message, hint = "this must be given", ""
        case "bool_type":
            message, hint = f"{_show(error)} is neither true nor false", "write true or false, without quotes"
        case "int_type":
            message, hint = f"{_show(error)} is not a whole number", "write plain decimal digits"
        case "string_type":
            message, hint = f"{_show(error)} is not text", "put it in quotes"
        case "tuple_type":
            message, hint = "this must be a list", "write [a, b], or one item per line after a dash"
        case "model_type" | "model_attributes_type" | "dict_type":
            message, hint = "this must be a section with keys of its own", ""
        case "literal_error":
            message = f"{_show(error)} is not known here"
            near = difflib.get_close_matches(str(error.get("input")), _words(str(context["expected"])), n=1)
            hint = f"write {context['expected']}" + (f"; did you mean {near[0]}?" if near else "")
        case "too_short" | "string_too_short":
            message = "this must not be empty"
        case "greater_than_equal":
            message, hint = f"{_show(error)} is too low", f"at least {context['ge']}"
        case "less_than_equal":
            message, hint = f"{_show(error)} is too high", f"at most {context['le']}"
        case _:
            message = message.removeprefix("Value error, ")
    return Finding(format_key(loc), message, hint)


def _show(error: Mapping[str, Any]) -> str:
    value = error.get("input")
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return "nothing" if value is None else text if len(text) <= 60 else "this"  # noqa: PLR2004 -- a readable length


def _words(expected: str) -> list[str]:
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]


def _suggest(loc: Key) -> str:
    """The nearest key to an unknown one, among its neighbours and then anywhere."""
    *around, last = loc
    section = find_model(tuple(around))
    names = [*section.model_fields, *_other_names(tuple(around))] if section is not None else []
    near = find_nearest(str(last), names)
    if near:
        return f"did you mean {near}?"
    elsewhere = [format_key(path) for path, _ in walk_settings() if path[-1] == str(last).lower()]
    if elsewhere:
        return f"did you mean {elsewhere[0]}?"
    return f"known here: {', '.join(names)}" if names else ""


def _other_names(around: Key) -> Iterator[str]:
    """What forward-auth calls keys of the section at this place."""
    section = tuple("*" if isinstance(part, int) else part for part in around)
    yield from (old[-1] for old in KEYS if old[:-1] == section)


def find_nearest(word: str, known: Sequence[str] | Mapping[str, object]) -> str | None:
    """The known name most like the word, or None where none is like it."""
    found = difflib.get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    return next((name for name in known if name.lower() == found[0]), None) if found else None
