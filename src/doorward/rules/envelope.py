"""Sealing: AES-256-GCM under a key derived per purpose, bound to the place the value stands in.

A sealed value is `gcm2:<key id>:<base64url(nonce + ciphertext + tag)>`. The associated data names form, installation,
table, column, row and key id, so a value moved to another place does not open, nor one of another database under the
same master key. What does not open raises TamperError; it is never read as absent (T-04, T-16).

The form before it, `gcm1`, did not name the installation. It is read only until everything is sealed anew, once, after
the upgrade.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from doorward.errors import TamperError

KEY_SIZE = 32
NONCE_SIZE = 12
FORM: Final = "gcm2"
_OLDER: Final = "gcm1"
_TAG_SIZE = 16
_SHAPE = re.compile(r"(gcm[12]):([0-9a-f]{16}):([A-Za-z0-9_-]+)")


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


def beginning(kid: str) -> str:
    """How every value begins that is sealed under this key in the present form."""
    return f"{FORM}:{kid}:"


def seal(master_key: bytes, place: Place, plaintext: bytes, *, installation: str, entropy: bytes) -> str:
    """Seal `plaintext` for `place`. `entropy`: 12 random bytes, never used twice with one key."""
    if len(entropy) != NONCE_SIZE:
        raise ValueError("the nonce is 12 bytes")
    kid = key_id(master_key)
    box = _cipher(master_key, place).encrypt(entropy, plaintext, _bind(FORM, installation, place, kid))
    return beginning(kid) + base64.urlsafe_b64encode(entropy + box).rstrip(b"=").decode("ascii")


def unseal(
    keys: Mapping[str, bytes], place: Place, sealed: str, *, installation: str, reads_older: bool = False
) -> bytes:
    """Open what `seal` made for the same place. `keys`: key id to master key. TamperError if it does not open.

    SECURITY: `reads_older` only while what was sealed in the older form is sealed anew (M04);
    tests/unit/test_envelope.py would fail.
    """
    shape = _SHAPE.fullmatch(sealed)
    master_key = keys.get(shape[2]) if shape else None
    if shape is None or master_key is None or (shape[1] == _OLDER and not reads_older):
        raise TamperError(f"the value in {place.table}.{place.column} is not sealed under a key we hold")
    form, kid, text = shape.groups()
    try:
        box = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(box).rstrip(b"=").decode("ascii") != text or len(box) < NONCE_SIZE + _TAG_SIZE:
            raise TamperError(f"the value in {place.table}.{place.column} is malformed")
        bound = _bind(form, installation, place, kid)
        return _cipher(master_key, place).decrypt(box[:NONCE_SIZE], box[NONCE_SIZE:], bound)
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise TamperError(f"the value in {place.table}.{place.column} was changed or moved") from error


def _cipher(master_key: bytes, place: Place) -> AESGCM:
    return AESGCM(derive(master_key, f"seal/{place.table}.{place.column}"))


def _derive(master_key: bytes, info: bytes, length: int) -> bytes:
    if len(master_key) != KEY_SIZE:
        raise ValueError("a master key is 32 bytes")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master_key)


def _bind(form: str, installation: str, place: Place, kid: str) -> bytes:
    before = () if form == _OLDER else (form, installation)
    parts = (*before, place.table, place.column, place.row, kid)
    # Length-prefixed, so that no two places have the same bytes.
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
