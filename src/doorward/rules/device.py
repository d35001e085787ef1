"""The device marker: a signed cookie that says "this account signed in from here before".

It opens nothing. It only keeps strangers' failures from slowing down, or locking out, a browser its owner has used.
`expires.mac`: seconds since the epoch, and HMAC-SHA-256 over account, generation and expiry. Raising the account's
generation makes every marker of it worthless.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from doorward.rules.identity import User

DEVICE_LIFETIME: Final = timedelta(days=180)
_SHAPE = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


def make_device_marker(key: bytes, user: User, *, now: datetime) -> str:
    """Mark a device after a sign-in. `key`: 32 bytes derived for this purpose only."""
    expires = str(int((now + DEVICE_LIFETIME).timestamp()))
    return f"{expires}.{_mac(key, user, expires)}"


def is_known_device(marker: str, key: bytes, user: User, *, now: datetime) -> bool:
    """Whether `marker` was made for this account, in its present generation, and has not expired."""
    shape = _SHAPE.fullmatch(marker)
    if shape is None or not hmac.compare_digest(_mac(key, user, shape[1]), shape[2]):
        return False
    return now < datetime.fromtimestamp(int(shape[1]), UTC)


def name_device(marker: str) -> str:
    """A short name for counters; says nothing about the marker."""
    return hashlib.sha256(marker.encode()).hexdigest()[:32]


def _mac(key: bytes, user: User, expires: str) -> str:
    message = f"doorward-device-v1:{user.id}:{user.generation}:{expires}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode("ascii")
