"""Codes of authenticator apps: RFC 6238 with what every app can do (SHA-1, six digits, thirty seconds)."""

import base64
import hmac
import re
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

SECRET_SIZE: Final = 20
"""Bytes of a secret: as many as SHA-1 gives (RFC 4226, 4 R6)."""
DIGITS: Final = 6
PERIOD: Final = 30
WINDOW: Final = 1
"""Steps before and after the present one whose codes are taken, for clocks that differ (RFC 6238, 5.2)."""
NO_STEP: Final = -1
"""The step before all others: where none has been used yet."""

_CODE = re.compile(r"[0-9]{6}")
_MOST_TYPED = 64
_GROUP = 4


def step_of(now: datetime) -> int:
    """The number of the time step that `now` lies in."""
    return int(now.timestamp()) // PERIOD


def make_code(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of one step (RFC 4226, 5.3)."""
    # SHA-1 as HMAC is what the standard and the apps have; collisions do not matter to it.
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def parse_code(typed: str) -> str | None:
    """Exactly six ASCII digits, once ASCII spaces are taken out; None for anything else (F03)."""
    code = typed[: _MOST_TYPED + 1].replace(" ", "")
    # SECURITY: not `int` and not `\\d`, which take signs, underscores and the digits of every script.
    return code if len(typed) <= _MOST_TYPED and _CODE.fullmatch(code) else None


def find_step(secret: bytes, typed: str, now: datetime, *, after: int) -> int | None:
    """The step whose code was typed, among those near `now` and later than `after`; None where there is none.

    SECURITY: `after` is the last step that was used, so a code counts once, and none older than it ever again (F01).
    """
    code = parse_code(typed)
    if code is None:
        return None
    present = step_of(now)
    near = range(max(present - WINDOW, 0), present + WINDOW + 1)
    # All are compared whatever comes of it, so that time does not tell which step it was. Two steps may have the same
    # code; the later one is used up then, and the earlier with it.
    right = [step for step in near if hmac.compare_digest(make_code(secret, step), code) and step > after]
    return max(right, default=None)


def write_secret(secret: bytes) -> str:
    """The secret in base32, in groups of four, as it is typed into an app."""
    text = _base32(secret)
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def write_uri(secret: bytes, *, issuer: str, account: str) -> str:
    """The `otpauth` address that a QR picture tells the app."""
    # The label is divided by a colon, which must not stand in its parts.
    label = ":".join(quote(part.replace(":", " "), safe="@") for part in (issuer, account))
    query = {
        "secret": _base32(secret),
        "issuer": issuer.replace(":", " "),
        "algorithm": "SHA1",
        "digits": str(DIGITS),
        "period": str(PERIOD),
    }
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def _base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode("ascii").rstrip("=")
