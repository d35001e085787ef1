"""Requests of which so little has to be known that an earlier answer can be given again without judging them."""

import re

from doorward.rules.app_key import AppKey
from doorward.rules.key_limits import is_below
from doorward.web.gate.table import Credential

METHODS = {word.encode(): word for word in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""Methods that are counted by their own name."""
PLAIN_METHODS = frozenset(METHODS) - {b"OPTIONS"}
PLAIN_SCHEMES = frozenset({b"https", b"http", b"wss", b"ws"})
_READING = frozenset({b"GET", b"HEAD"})
_NO_WEBSOCKETS = frozenset({b"https", b"http"})


def is_within(key: AppKey, credential: Credential, method: bytes, scheme: bytes, target: bytes) -> bool:
    """What `rules.key_limits.find_narrowness` asks for, networks aside, of a plain request.

    SECURITY: this may be stricter, and never less strict. tests/property/test_shortcut.py compares.
    """
    if key.read_only and method not in _READING:
        return False
    if key.methods and METHODS[method] not in key.methods:
        return False
    if (key.read_only or key.methods) and (scheme not in _NO_WEBSOCKETS or credential[3]):
        return False
    if not key.paths:
        return True
    path = target.partition(b"?")[0]
    return is_clear(path, ()) and any(is_below(path.decode("ascii"), top) for top in key.paths)


def is_clear(target: bytes, guards: tuple[bytes, ...]) -> bool:
    """Whether a plain target is not ambiguous and begins with none of these."""
    # The marks of an ambiguous path (rules/request.py) that plain targets can have; in the query they do no harm here.
    if b"//" in target or b";" in target or b"/." in target:
        return False
    return not target.lower().lstrip(b"/").startswith(guards)


# Nothing to decode and nothing to refuse (rules/request.py).
is_plain = re.compile(rb"/[!\"$&-\[\]-~]{0,2047}").fullmatch
