"""Which keys for apps a restore leaves in place, and what they open.

A key that is not here any more was revoked; one that is not in the backup was made since, and a restore is how to be
rid of that. What is in both opens what both rows open: neither what was taken from it since comes back, nor does what
was added stay.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from doorward.rules.archive import Value
from doorward.rules.restore_effect import Effect

Fields = Mapping[str, Value]

_ANY_WHEN_EMPTY: Final = ("paths", "methods", "networks")
_NONE_WHEN_EMPTY: Final = ("apps", "hosts", "scopes")
_Reach = Mapping[str, object]


def merge_app_keys(
    present: Sequence[Fields], saved: Sequence[Fields], both: set[Value], note: Callable[[Effect, Fields], None]
) -> list[Fields]:
    """The keys of accounts that are here now and in the backup: those that are in both themselves.

    SECURITY: only what is here now, with the same digest, and never more than either row opens;
    tests/attacks/test_restored_keys.py would fail.
    """
    now = {key["id"]: key for key in present}
    merged: list[Fields] = []
    for key in saved:
        was = now.pop(key["id"], None)
        if was is None or any(was[name] != key[name] for name in ("digest", "user_id", "kind")):
            note(Effect.KEYS_STAY_REVOKED, key)
            continue
        narrow = _narrow(was, key)
        if narrow is None:
            note(Effect.KEYS_STAY_REVOKED, key)
            continue
        if any(narrow[name] != key[name] for name in ("reach", "expires_at", "disabled_at")):
            note(Effect.KEYS_STAY_NARROW, was)
        merged.append(narrow)
    for key in now.values():
        if key["user_id"] in both:
            note(Effect.KEYS_GO, key)
    return merged


def _narrow(was: Fields, key: Fields) -> Fields | None:
    """The row that is here, as narrow as both; None where they have nothing in common, or do not say what they open."""
    reach = key["reach"] if was["reach"] == key["reach"] else _intersect(str(was["reach"]), str(key["reach"]))
    if reach is None:
        return None
    return {
        **was,
        "reach": reach,
        "generation": was["generation"] if was["generation"] is not None else key["generation"],
        "expires_at": _earlier(was["expires_at"], key["expires_at"]),
        "disabled_at": _earlier(was["disabled_at"], key["disabled_at"]),
    }


def _earlier(first: Value, second: Value) -> Value:
    known = [moment for moment in (first, second) if isinstance(moment, int)]
    return min(known) if known else None


def _intersect(first: str, second: str) -> str | None:
    """What both open, by the words that stand in both; None where that cannot be told."""
    try:
        one, other = _read(first), _read(second)
        narrow: dict[str, object] = {name: _common(one, other, name) for name in _NONE_WHEN_EMPTY}
        for name in _ANY_WHEN_EMPTY:
            narrow[name] = _common(one, other, name) if one[name] and other[name] else one[name] or other[name]
            if not narrow[name] and (one[name] or other[name]):
                return None
        narrow["read_only"] = one["read_only"] is not False or other["read_only"] is not False
        narrow["in_url"] = one["in_url"] is True and other["in_url"] is True
    except (KeyError, TypeError, ValueError):
        return None
    return json.dumps(narrow, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _read(text: str) -> _Reach:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(text)
    return found


def _common(one: _Reach, other: _Reach, name: str) -> list[str]:
    there = set(cast("list[str]", other[name]))
    return [word for word in cast("list[str]", one[name]) if word in there]
