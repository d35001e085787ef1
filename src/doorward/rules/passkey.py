"""What must hold of passkeys besides their signature, and how strictly their bytes are read."""

import base64
import binascii
import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

from doorward.errors import InputError
from doorward.rules.factor import Passkey
from doorward.rules.identity import UserId

CHALLENGE_SIZE: Final = 32
MOST_ANSWER: Final = 64 * 1024
"""Characters of what a browser may answer with."""
MOST_CREDENTIAL_ID: Final = 1023
"""Bytes of a credential id (WebAuthn, 6.5.1)."""

_FIXED_SIZE: Final = 37  # SHA-256 of the RP id, flags, counter
_FLAGS_AT: Final = 32
_HAS_CREDENTIAL: Final = 0x40
_HAS_EXTENSIONS: Final = 0x80
_CREDENTIAL_HEAD: Final = 18  # AAGUID, and how long the id is that follows
_MOST_DEPTH: Final = 8
_MOST_ITEMS: Final = 512
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_LONGEST_INLINE: Final = 23
_LONGEST_SIZE: Final = 27
_FALSE_TRUE_NULL: Final = frozenset({20, 21, 22})


def digest_of(credential_id: bytes) -> bytes:
    """What a passkey is found by."""
    return hashlib.sha256(credential_id).digest()


def handle_of(user_id: UserId) -> bytes:
    """The user handle an authenticator keeps: the account's id, which says nothing about the person."""
    return user_id.encode("ascii")


def encode_base64url(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def parse_base64url(text: str) -> bytes:
    """The bytes of unpadded base64url in its one spelling; InputError for every other (G14)."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InputError("that is not base64url") from None
    # SECURITY: the standard decoder skips strange characters and ignores the last bits; the way back shows both
    # (tests/unit/test_passkey_rules.py).
    if encode_base64url(raw) != text:
        raise InputError("that is not base64url in its one spelling")
    return raw


def check_cbor(raw: bytes) -> int:
    """The length of the one CBOR item `raw` begins with. InputError where it is not of the form authenticators write.

    That form (CTAP2 canonical) has definite lengths in their shortest spelling, little nesting, no tags and no floats.
    Nothing is made of the item here, so nothing costs more than reading `raw` once (G12).
    """
    at = items = 0
    open_ends = [1]  # how many items are missing in each container that is open
    while open_ends:
        if not open_ends[-1]:
            open_ends.pop()
            continue
        open_ends[-1] -= 1
        items += 1
        kind, size, at = _read_head(raw, at)
        if kind in {_BYTES, _TEXT}:
            at += size
        elif kind in {_ARRAY, _MAP} and size:
            open_ends.append(size * 2 if kind == _MAP else size)
        if at > len(raw) or items > _MOST_ITEMS or len(open_ends) > _MOST_DEPTH:
            raise InputError("the CBOR is cut off, too long or too deep")
    return at


def _read_head(raw: bytes, at: int) -> tuple[int, int, int]:
    """Kind and size of the item at `at`, and where its content begins."""
    if at >= len(raw):
        raise InputError("the CBOR is cut off")
    kind, short = raw[at] >> 5, raw[at] & 31
    at += 1
    if kind == _TAG or short > _LONGEST_SIZE or (kind == _SIMPLE and short not in _FALSE_TRUE_NULL):
        raise InputError("the CBOR has something that authenticators do not write")
    if short <= _LONGEST_INLINE:
        return kind, short, at
    width = 1 << (short - _LONGEST_INLINE - 1)
    size = int.from_bytes(raw[at : at + width], "big")
    if len(raw) < at + width or size < (_LONGEST_INLINE + 1 if width == 1 else 1 << (width * 4)):
        raise InputError("the CBOR has a length that is cut off or longer than it must be")
    return kind, size, at + width


def check_authenticator_data(raw: bytes) -> None:
    """InputError where authenticator data (WebAuthn, 6.1) is not exactly as long as what its flags say is in it."""
    at = _FIXED_SIZE
    flags = raw[_FLAGS_AT] if len(raw) >= at else 0
    if flags & _HAS_CREDENTIAL:
        at += _CREDENTIAL_HEAD + int.from_bytes(raw[at + _CREDENTIAL_HEAD - 2 : at + _CREDENTIAL_HEAD], "big")
        at += check_cbor(raw[at:])
    if flags & _HAS_EXTENSIONS:
        at += check_cbor(raw[at:])
    if at != len(raw):
        raise InputError("the authenticator data has another length than it should")


def find_flaw(passkey: Passkey, *, sign_count: int, backup_eligible: bool) -> str | None:
    """The word for what cannot be where there is one passkey only, so that this one looks copied; None for nothing.

    A counter of 0 that stays 0 is an authenticator that does not count; any other must grow (G08).
    """
    if (sign_count or passkey.sign_count) and sign_count <= passkey.sign_count:
        return "counter"
    if backup_eligible != passkey.backup_eligible:
        return "backup_eligible"  # (G17)
    return None


def use(passkey: Passkey, *, sign_count: int, backed_up: bool, now: datetime) -> Passkey:
    """The passkey after it was used."""
    return replace(passkey, sign_count=sign_count, backed_up=backed_up, last_used_at=now)
