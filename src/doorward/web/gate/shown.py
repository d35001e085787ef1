"""What a check shows besides cookies: keys of ours, in headers or in the address, and what is left of it for the app.

A value that is not written like a key or token of ours is the app's own business, whatever it is: it goes on to the app
untouched, and opens nothing here.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final, NamedTuple

from doorward.rules.app_key import PREFIX
from doorward.rules.request import MAX_TARGET
from doorward.web.gate.dialect import Fields, Headers

AUTHORIZATION: Final = b"authorization"
API_KEY: Final = b"x-api-key"

START: Final = PREFIX.encode()

IsToken = Callable[[str], bool]
"""Whether text is written like an access token of ours."""


class Shown(NamedTuple):
    """`keys`: what is written like a key or a token of ours, good or not. `left`: those headers, without them.

    `in_url`: one of them stood in the address.
    """

    keys: tuple[str, ...] = ()
    left: Headers = ()
    in_url: bool = False


NOTHING: Final = Shown()


def read_shown(fields: Fields, is_token: IsToken) -> Shown:
    """Read Authorization and X-Api-Key."""
    if AUTHORIZATION not in fields and API_KEY not in fields:
        return NOTHING
    keys: list[str] = []
    left: list[tuple[bytes, bytes]] = []
    for name, read in ((AUTHORIZATION, read_authorization), (API_KEY, read_plainly)):
        value = fields.get(name)
        if value is not None:
            found = read(value, is_token)
            keys += filter(None, [found])
            left.append((name, b"" if found else value))
    return Shown(tuple(dict.fromkeys(keys)), tuple(left))


def read_authorization(value: bytes, is_token: IsToken) -> str:
    """What stands in Authorization and is written like ours; "" where nothing is.

    SECURITY: what holds a whole key or token in any other place, or another scheme, is a wrong key, so that it neither
    counts nor reaches the app. tests/unit/test_shown.py would fail.
    """
    scheme, _, rest = value.strip(_SPACE).partition(b" ")
    if scheme.lower() == b"basic":
        return _read_basic(rest.strip(_SPACE), is_token)
    if scheme.lower() == b"bearer":
        text = rest.strip(_SPACE).decode("latin-1")
        if text.startswith(PREFIX) or is_token(text):
            return text
    return _WRONG if _holds(value, is_token) else ""


def read_plainly(value: bytes, is_token: IsToken) -> str:
    """What stands in X-Api-Key and is written like ours; "" where nothing is. Tokens are for Authorization alone."""
    text = value.strip(_SPACE).decode("latin-1")
    if text.startswith(PREFIX):
        return text
    return _WRONG if _holds(value, is_token) else ""


def take_from_target(target: bytes, parameter: bytes) -> tuple[str, bytes]:
    """The key that stands in the query of a raw target, and the target without it; "" and the same where none does.

    Whatever its name and its first characters are spelt like, `%64w%5Fkey` too: an app may read it as we would.
    """
    path, mark, query = target.partition(b"?")
    # Longer ones are refused, and most have nothing to look for: a stranger's cost no more than that (B28).
    if not mark or len(target) > MAX_TARGET or (b"%" not in query and START not in query):
        return "", target
    kept: list[bytes] = []
    found: list[str] = []
    named = 0
    for pair in query.split(b"&"):
        plain = _unquote(pair)
        name, _, value = plain.partition(b"=")
        is_named = name == parameter
        named += is_named
        if is_named and (value.startswith(START) or _KEY.search(value)):
            found.append(value.decode("latin-1"))
        elif _KEY.search(plain):
            # SECURITY: a whole key under any other name, as in headers: it would reach the app, and the address of
            # the way to sign in. tests/unit/test_shown.py would fail.
            found.append(_WRONG)
        else:
            kept.append(pair)
    if not found:
        return "", target
    # SECURITY: twice is wrong, whatever the other one holds: not every proxy takes more than one out of an address, and
    # the app would be shown the key. tests/unit/test_shown.py would fail.
    key = found[0] if named == len(found) == 1 else _WRONG
    return key, path + b"?" + b"&".join(kept) if kept else path


def _read_basic(encoded: bytes, is_token: IsToken) -> str:
    try:
        decoded = b64decode(encoded, validate=True)
    except binascii.Error:
        # Other decoders are more lenient; what they would find is a wrong key here.
        letters = encoded.translate(_URLSAFE, _NO_LETTERS)
        return _WRONG if _holds(b64decode(letters + b"A" * (-len(letters) % 4)), is_token) else ""
    _, colon, password = decoded.partition(b":")
    if colon and password.startswith(START):
        return password.decode("latin-1")
    return _WRONG if _holds(decoded, is_token) else ""


def _holds(raw: bytes, is_token: IsToken) -> bool:
    return _KEY.search(raw) is not None or any(is_token(each.decode("ascii")) for each in _TOKENS.findall(raw))


def _unquote(raw: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw)


_SPACE: Final = b" \t"
_WRONG: Final = PREFIX
"""Written like a key, and certainly none."""
_KEY: Final = re.compile(rb"dw_[0-9a-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")
_TOKENS: Final = re.compile(rb"eyJ[0-9A-Za-z_.-]*")
"""Runs that may be tokens. One class of letters, so that no value is gone through twice."""
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_URLSAFE: Final = bytes.maketrans(b"-_", b"+/")
_NO_LETTERS: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"))
