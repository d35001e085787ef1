"""Access tokens of ours for programs: how one is written and read (RFC 7519, HS256 alone).

A token is another way to carry a key: `jti` names its row, and the row holds a hash of the whole token, so that one
list shows it and one act revokes it. What it says of its owner is for the program that carries it; whom it stands for
and what it opens is looked up in the row each time.
"""

import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from doorward.errors import InputError
from doorward.rules.app_key import KeyId
from doorward.rules.identity import UserId
from doorward.rules.jose import decode, encode
from doorward.rules.strict_json import parse_object

PURPOSE: Final = "doorward-access"
MOST_TOKEN: Final = 4096
_HEADER: Final = encode(b'{"alg":"HS256","typ":"doorward-at+jwt"}')
_CLAIMS: Final = frozenset({"iss", "aud", "sub", "name", "jti", "iat", "exp", "purpose"})
_PART: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_KEY_ID: Final = re.compile(r"[0-9a-z]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token says. Its times are whole seconds."""

    id: KeyId
    user_id: UserId
    name: str
    issued_at: datetime
    expires_at: datetime


def is_token(text: str) -> bool:
    """Whether this is written like an access token of ours, so that nobody else's business is taken for it.

    Whatever is, and is not good, is a wrong key.
    """
    return text.startswith(f"{_HEADER}.")


def write_token(token: AccessToken, *, secret: bytes, issuer: str, audience: str) -> str:
    """The token as it is shown, once."""
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": token.user_id,
        "name": token.name,
        "jti": token.id,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "purpose": PURPOSE,
    }
    signed = f"{_HEADER}.{encode(json.dumps(claims, separators=(',', ':')).encode())}"
    return f"{signed}.{_sign(signed, secret)}"


def read_token(text: str, *, secret: bytes, issuer: str, audience: str, now: datetime) -> tuple[KeyId, bytes] | None:
    """The id of its row, and what the row's hash is of; None for whatever is not a token of ours that counts at `now`.

    No clock but ours is asked, so there is no leeway (E-22). SECURITY: the header is compared as it is written, so that
    no algorithm, key or critical header is ever taken from a token (I01, I02, I04); the purpose is in what is signed,
    should others sign with the same secret (I14). tests/unit/test_access_token.py would fail.
    """
    if len(text) > MOST_TOKEN or not text.isascii():
        return None
    parts = text.split(".")
    if len(parts) != 3 or parts[0] != _HEADER or not _PART.fullmatch(parts[1]):  # noqa: PLR2004 -- header, claims, signature
        return None
    if not hmac.compare_digest(_sign(f"{parts[0]}.{parts[1]}", secret), parts[2]):
        return None
    try:
        claims = parse_object(decode(parts[1]), limit=MOST_TOKEN)
    except InputError:
        return None
    expected = {"iss": issuer, "aud": audience, "purpose": PURPOSE}
    if frozenset(claims) != _CLAIMS or any(claims[name] != value for name, value in expected.items()):
        return None
    issued, expires, key_id = claims["iat"], claims["exp"], claims["jti"]
    if not (_is_time(issued) and _is_time(expires) and issued <= now.timestamp() < expires):
        return None
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        return None
    return KeyId(key_id), text.encode("ascii")


def _is_time(value: Any) -> bool:
    return type(value) is int


def _sign(signed: str, secret: bytes) -> str:
    return encode(hmac.digest(secret, signed.encode("ascii"), "sha256"))
