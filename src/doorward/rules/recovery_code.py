"""Recovery codes: what stands in for a second factor that is lost. 80 bits each, to be written down and typed again."""

import hmac
import re
from typing import Final

from doorward.rules.factor import RECOVERY_CODES
from doorward.rules.identity import UserId

CODE_SIZE: Final = 10
"""Bytes of randomness in a code."""
ENTROPY: Final = CODE_SIZE * RECOVERY_CODES
"""Bytes of randomness in a set."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's: without the letters that look like digits, and without `u`."""
_LOOK_ALIKES: Final = str.maketrans("oil", "011")
_BITS: Final = 5
_LENGTH: Final = CODE_SIZE * 8 // _BITS
_GROUP: Final = 4
_CANONICAL: Final = re.compile(f"[{_ALPHABET}]{{{_LENGTH}}}")
_MOST_TYPED: Final = 64


def make_codes(entropy: bytes) -> tuple[str, ...]:
    """A new set, as it is shown: `xxxx-xxxx-xxxx-xxxx`. `entropy`: `ENTROPY` random bytes."""
    if len(entropy) != ENTROPY:
        raise ValueError(f"a set of recovery codes is made from {ENTROPY} bytes")
    return tuple(_write(entropy[at : at + CODE_SIZE]) for at in range(0, ENTROPY, CODE_SIZE))


def parse_code(typed: str) -> str | None:
    """The canonical spelling, whatever case, dashes and spaces it was typed with; None where it can be no code."""
    if len(typed) > _MOST_TYPED or not typed.isascii():
        # Lower-casing before this would make ASCII of other letters: the Kelvin sign becomes a k.
        return None
    code = typed.lower().replace("-", "").replace(" ", "").translate(_LOOK_ALIKES)
    return code if _CANONICAL.fullmatch(code) else None


def hash_code(canonical: str, user_id: UserId, key: bytes) -> bytes:
    """What is stored of a code: its keyed hash, good for one account only (F08, F10)."""
    return hmac.digest(key, f"{user_id}:{canonical}".encode(), "sha256")


def _write(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range((_LENGTH - 1) * _BITS, -1, -_BITS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))
