"""Sealing: AES-256-GCM under a key derived per purpose, bound to the place the value stands in.

A sealed value is `gcm1:<key id>:<base64url(nonce + ciphertext + tag)>`. The associated data names table, column, row
and key id, so a value moved to another place does not open. What does not open raises TamperError; it is never
read as absent (T-04, T-16).
"""

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from doorward.errors import TamperError

KEY_SIZE = 32
NONCE_SIZE = 12
_TAG_SIZE = 16
_SHAPE = re.compile(r"gcm1:([0-9a-f]{16}):([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands. A value sealed for one place opens in no other."""

    table: str
    column: str
    row: str


def key_id(master_key: bytes) -> str:
    """Name a master key without telling it: 16 hex digits."""
    return _derive(master_key, b"doorward/key-id/v1", 8).hex()


def derive(master_key: bytes, purpose: str) -> bytes:
    """Derive the 32-byte key of a purpose; purposes are not interchangeable (HKDF-SHA-256, RFC 5869)."""
    return _derive(master_key, f"doorward/{purpose}/v1".encode(), KEY_SIZE)


def seal(master_key: bytes, place: Place, plaintext: bytes, *, entropy: bytes) -> str:
    """Seal `plaintext` for `place`. `entropy`: 12 random bytes, never used twice with one key."""
    if len(entropy) != NONCE_SIZE:
        raise ValueError("the nonce is 12 bytes")
    kid = key_id(master_key)
    box = AESGCM(derive(master_key, f"seal/{place.table}.{place.column}")).encrypt(
        entropy, plaintext, _bind(place, kid)
    )
    return f"gcm1:{kid}:{base64.urlsafe_b64encode(entropy + box).rstrip(b'=').decode('ascii')}"


def unseal(keys: dict[str, bytes], place: Place, sealed: str) -> bytes:
    """Open what `seal` made for the same place. `keys`: key id to master key. TamperError if it does not open."""
    shape = _SHAPE.fullmatch(sealed)
    master_key = keys.get(shape[1]) if shape else None
    if shape is None or master_key is None:
        raise TamperError(f"the value in {place.table}.{place.column} is not sealed under a key we hold")
    try:
        box = base64.b64decode(shape[2] + "=" * (-len(shape[2]) % 4), altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(box).rstrip(b"=").decode("ascii") != shape[2] or len(box) < NONCE_SIZE + _TAG_SIZE:
            raise TamperError(f"the value in {place.table}.{place.column} is malformed")
        cipher = AESGCM(derive(master_key, f"seal/{place.table}.{place.column}"))
        return cipher.decrypt(box[:NONCE_SIZE], box[NONCE_SIZE:], _bind(place, shape[1]))
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise TamperError(f"the value in {place.table}.{place.column} was changed or moved") from error


def _derive(master_key: bytes, info: bytes, length: int) -> bytes:
    if len(master_key) != KEY_SIZE:
        raise ValueError("a master key is 32 bytes")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master_key)


def _bind(place: Place, kid: str) -> bytes:
    parts = (place.table, place.column, place.row, kid)
    # Length-prefixed, so that no two places have the same bytes.
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
