"""Checkpoints: signed statements that the chain of audit records stood at this record with this hash.

Sent elsewhere, they show what the chain alone cannot: records cut off its end, and a whole chain made anew.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from doorward.errors import InputError
from doorward.rules.audit import spell_at

_DOMAIN: Final = b"doorward-audit-checkpoint-v1"
_KEY: Final = re.compile(r"ed25519:([A-Za-z0-9_-]{43})")
_FINGERPRINT_SIZE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`signed_by` is the fingerprint of the public key. What is signed names the installation, too."""

    sequence: int
    at: datetime
    hash: bytes
    signed_by: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint with what became of sending it. `sent_at` is None while some place has not got it."""

    checkpoint: Checkpoint
    sent_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the next checkpoint is due: after so many records, or so long after the last while there are new ones."""

    records: int
    interval: timedelta

    def is_due(self, head: int, last: Checkpoint | None, now: datetime) -> bool:
        """Whether to make one at the record `head`."""
        if last is None:
            return head > 0
        return head > last.sequence and (head - last.sequence >= self.records or now - last.at >= self.interval)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of checkpoints: 32 bytes, of which the rest follows."""

    private: bytes

    @property
    def public(self) -> str:
        """The public key as `doorward audit public-key` prints it."""
        raw = (
            Ed25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        )
        return f"ed25519:{base64.urlsafe_b64encode(raw).rstrip(b'=').decode('ascii')}"

    def sign(self, message: bytes) -> bytes:
        """64 bytes that only the holder of the key can make."""
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(message)


def fingerprint(public: str) -> str:
    """Name a public key: 16 hex digits."""
    return hashlib.sha256(public.encode("ascii")).digest()[:_FINGERPRINT_SIZE].hex()


def parse_public_key(text: str) -> str:
    """Read a public key. InputError when it is none."""
    shape = _KEY.fullmatch(text.strip())
    if shape is None:
        raise InputError("that is no public key: `doorward audit public-key` prints one, ed25519:…")
    # 43 characters say a little more than 32 bytes do: one key has one spelling.
    raw = base64.b64decode(shape[1] + "=", altchars=b"-_")
    return f"ed25519:{base64.urlsafe_b64encode(raw).rstrip(b'=').decode('ascii')}"


def is_signed(public: str, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the key behind `public` signed `message`."""
    raw = base64.b64decode(public.removeprefix("ed25519:") + "=", altchars=b"-_")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def make_checkpoint(key: SigningKey, *, installation: str, sequence: int, hash: bytes, at: datetime) -> Checkpoint:  # noqa: A002 -- its name everywhere
    """State that the chain stood at `sequence` with `hash`."""
    signed_by = fingerprint(key.public)
    unsigned = Checkpoint(sequence=sequence, at=at, hash=hash, signed_by=signed_by, signature=b"")
    return replace(unsigned, signature=key.sign(_message(unsigned, installation)))


def is_genuine(checkpoint: Checkpoint, keys: Mapping[str, str], *, installation: str) -> bool:
    """Whether one of `keys` (fingerprint to public key) signed it, of this installation."""
    public = keys.get(checkpoint.signed_by)
    return public is not None and is_signed(public, _message(checkpoint, installation), checkpoint.signature)


def _message(checkpoint: Checkpoint, installation: str) -> bytes:
    content = {
        "at": spell_at(checkpoint.at),
        "hash": checkpoint.hash.hex(),
        "installation": installation,
        "key": checkpoint.signed_by,
        "sequence": checkpoint.sequence,
    }
    return _DOMAIN + json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")
