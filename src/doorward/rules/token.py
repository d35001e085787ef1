"""The session token and its cookie value `token.mac` (docs/adr 0006; A-06, B-14).

A forged cookie dies here without a look-up, and rotating the signing key ends every session at once. Both parts are
unpadded base64url: 43 characters of token (32 bytes), a dot, 43 characters of HMAC-SHA-256.
"""

import base64
import hashlib
import hmac
import re

from doorward.rules.session import Fingerprint

TOKEN_SIZE = 32
COOKIE_LENGTH = 87
"""Characters of a cookie's value."""
_SHAPE = re.compile(rb"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


def make_cookie(entropy: bytes, signing_key: bytes) -> tuple[str, Fingerprint]:
    """Make a cookie value and the fingerprint its session is stored under. `entropy`: 32 random bytes."""
    if len(entropy) != TOKEN_SIZE:
        raise ValueError("a session token is 32 bytes")
    token = _encode(entropy)
    return f"{token.decode()}.{_mac(token, signing_key).decode()}", fingerprint_of(token)


def read_cookie(value: bytes, signing_key: bytes) -> Fingerprint | None:
    """The fingerprint a cookie value stands for, or None where shape or MAC is wrong. No I/O, constant-time compare."""
    shape = _SHAPE.fullmatch(value)
    if shape is None or not hmac.compare_digest(_mac(shape[1], signing_key), shape[2]):
        return None
    return fingerprint_of(shape[1])


def fingerprint_of(token: bytes) -> Fingerprint:
    """SHA-256 of the token as it stands in the cookie (D-36)."""
    return Fingerprint(hashlib.sha256(token).digest())


def _mac(token: bytes, signing_key: bytes) -> bytes:
    return _encode(hmac.digest(signing_key, b"doorward-session-v1:" + token, "sha256"))


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
