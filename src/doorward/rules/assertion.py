"""What an app is told, signed, about who asks it for what: claims, keys and when each of them counts.

One assertion is for one app and one request, and for a minute at most (docs/guides/assertions.md). Everything here is
values: `outside/assertion_signatures.py` signs, `flows/assertion_keys.py` keeps the keys.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from doorward.rules.session import NEVER, Subject
from doorward.rules.stored_key import StoredKey

TYPE: Final = "doorward-assertion+jwt"
"""`typ` of every one (RFC 8725 3.11): nothing else that is signed with any key is ever taken for one (I13, I14)."""
MOST_LIFETIME: Final = timedelta(seconds=60)
LEAD: Final = timedelta(minutes=10)
"""How long a new key is published before it signs: twice as long as anybody may keep the set (`KEEP_SET`)."""
KEPT: Final = MOST_LIFETIME + timedelta(days=1)
"""How long a key that signs no more stays published: as long as anything signed by it is valid, and a day."""
KEEP_SET: Final = timedelta(minutes=5)
WITHDRAWN: Final = "assertion_withdrawn"
"""The setting that holds the highest number of a key that nobody is to trust any more."""
JTI_SIZE: Final = 16


class Algorithm(Enum):
    """What assertions are signed with; the value is the name in `alg`."""

    EDDSA = "EdDSA"
    """Ed25519. By RFC 9864 it should be called that; `EdDSA` is what every library knows."""
    ES256 = "ES256"


_CURVES: Final = {"Ed25519": Algorithm.EDDSA, "P-256": Algorithm.ES256}


@dataclass(frozen=True, slots=True)
class Due:
    """What has to be done about the keys. `retire_below`: the number below which none is needed; 0 for none."""

    make: bool
    retire_below: int

    @property
    def is_anything(self) -> bool:
        """Whether there is anything to do."""
        return self.make or self.retire_below > 0


def make_claims(
    subject: Subject,
    groups: Iterable[str],
    *,
    issuer: str,
    audience: str,
    method: str,
    url: str,
    jti: bytes,
    now: datetime,
    lifetime: timedelta = MOST_LIFETIME,
) -> dict[str, Any]:
    """What is said. `url`: as the visitor asked for it; its query is left out (RFC 9449, `htu`)."""
    user, session, key = subject
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": user.id,
        "preferred_username": user.name,
        "name": user.display_name,
        "groups": sorted(groups),
        "amr": sorted(method.value for method in session.methods),
        "sid": session.handle,
        "htm": method,
        "htu": url.partition("?")[0],
        "iat": issued_at,
        "exp": issued_at + int(min(lifetime, MOST_LIFETIME).total_seconds()),
        "jti": encode(jti),
    }
    if user.email:
        claims["email"] = user.email
    if key is None and session.authenticated_at != NEVER:
        # SECURITY: who shows a key, or is vouched for by somebody who does not say when, has proven nothing at any
        # time: no instant at all, rather than one an app might find good enough. tests/unit/test_assertion.py.
        claims["auth_time"] = int(session.authenticated_at.timestamp())
    return claims


def write_json(value: Mapping[str, Any]) -> bytes:
    """JSON in ASCII, one way to write each value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def encode(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def encode_header(public: str) -> bytes:
    """The first part of what a key signs, and its dot."""
    header = {"alg": algorithm_of(public).value, "kid": kid_of(public), "typ": TYPE}
    return encode(write_json(header)).encode("ascii") + b"."


def encode_claims(claims: Mapping[str, Any]) -> bytes:
    """The second part."""
    return base64.urlsafe_b64encode(write_json(claims)).rstrip(b"=")


def write_public(members: Mapping[str, str]) -> str:
    """The public part of a key as it is stored: its JWK with nothing but what RFC 7638 asks for, written its way."""
    return write_json(members).decode("ascii")


def kid_of(public: str) -> str:
    """A key's name: the thumbprint of its public part (RFC 7638)."""
    return encode(hashlib.sha256(public.encode("ascii")).digest())


def algorithm_of(public: str) -> Algorithm:
    """What a key signs with: its curve says."""
    return _CURVES[json.loads(public)["crv"]]


def find_signer(keys: Sequence[StoredKey], algorithm: Algorithm, now: datetime) -> StoredKey | None:
    """The key that signs now, of all stored ones (the newest first).

    The newest that was published for long enough; where none was, the oldest there is, for it can only be the first.
    """
    ready = _list_ready(keys, algorithm)
    return next((key for key in ready if now - key.created_at >= LEAD), ready[-1] if ready else None)


def find_turn(keys: Sequence[StoredKey], algorithm: Algorithm, now: datetime) -> datetime | None:
    """When another key begins to sign, if nothing else happens; None where none waits."""
    waiting = [key.created_at + LEAD for key in _list_ready(keys, algorithm) if now - key.created_at < LEAD]
    return min(waiting) if waiting else None


def find_due(keys: Sequence[StoredKey], algorithm: Algorithm, every: timedelta | None, now: datetime) -> Due:
    """What has to be done: a key made, as there is none or the newest is as old as it may be; old ones retired."""
    ready = _list_ready(keys, algorithm)
    signer = find_signer(keys, algorithm, now)
    make = signer is None or (every is not None and now - ready[0].created_at >= every)
    older = signer is not None and any(key.retired_at is None and key.number < signer.number for key in keys)
    return Due(make, signer.number if signer is not None and older else 0)


def _list_ready(keys: Sequence[StoredKey], algorithm: Algorithm) -> list[StoredKey]:
    return [key for key in keys if key.retired_at is None and algorithm_of(key.public) is algorithm]


def is_published(key: StoredKey, now: datetime, *, withdrawn: int = 0) -> bool:
    """Whether its public part stands in the set. `withdrawn`: the highest number of a key that nobody is to trust."""
    return key.number > withdrawn and (key.retired_at is None or now < key.retired_at + KEPT)


def write_key_set(keys: Iterable[StoredKey], now: datetime, *, withdrawn: int = 0) -> bytes:
    """The JWK set of what is or was signed with (RFC 7517, 8037)."""
    published = [key for key in keys if is_published(key, now, withdrawn=withdrawn)]
    return write_json({"keys": [_describe(key.public) for key in published]})


def _describe(public: str) -> dict[str, str]:
    members: dict[str, str] = json.loads(public)
    return {**members, "kid": kid_of(public), "alg": algorithm_of(public).value, "use": "sig"}
