"""Keys of age as people write them: Bech32 (BIP 173)."""

from collections.abc import Sequence
from typing import Final

from doorward.errors import InputError

_SIZE: Final = 32
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def parse_recipient(text: str) -> bytes:
    """Read a public key, `age1…`; InputError where it is none."""
    return _decode_bech32(text, "age", f"{text[:80]!r} is not a public key of age, which begins with age1")


def parse_identity(text: str) -> bytes:
    """Read a private key, `AGE-SECRET-KEY-1…`, by itself or as age-keygen writes it; InputError where it is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    problem = "that is not a private key of age, which begins with AGE-SECRET-KEY-1 and stands on one line"
    if len(lines) != 1:
        raise InputError(problem)
    return _decode_bech32(lines[0], "age-secret-key-", problem)


def _decode_bech32(text: str, prefix: str, problem: str) -> bytes:
    """32 bytes in Bech32 (BIP 173); InputError with `problem`."""
    lower = text.lower()
    head, _, tail = lower.rpartition("1")
    if text not in {lower, text.upper()} or head != prefix or any(letter not in _BECH32 for letter in tail):
        raise InputError(problem)
    numbers = [_BECH32.index(letter) for letter in tail]
    spread = [ord(letter) >> 5 for letter in head] + [0] + [ord(letter) & 31 for letter in head]
    bits = 0
    for number in numbers[:-6]:
        bits = bits << 5 | number
    spare = len(numbers[:-6]) * 5 - 8 * _SIZE
    if _polymod(spread + numbers) != 1 or not 0 <= spare < 5 or bits & ((1 << spare) - 1):  # noqa: PLR2004 -- a letter's bits
        raise InputError(problem)
    return (bits >> spare).to_bytes(_SIZE, "big")


_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _polymod(values: Sequence[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, number in enumerate(_GENERATOR):
            check ^= number if top >> place & 1 else 0
    return check
