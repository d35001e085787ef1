"""Checking password hashes that other programs have made. Slow: this runs in the pool of `outside.hasher`."""

import base64
import hashlib
import hmac
from typing import Final

from doorward.rules.password_hash import (
    Argon2Hash,
    BcryptSha256Hash,
    ForeignHash,
    Pbkdf2Hash,
    ScryptHash,
    ShaCryptHash,
)

_SCRYPT_ROOM: Final = 1 << 20
"""Bytes that the library takes besides those of the blocks."""
_CRYPT64: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SALT_TURNS: Final = 16


def verify(password: bytes, known: ForeignHash) -> bool:
    """Whether it is the password of this hash, whose parameters `rules.password_hash` has bounded."""
    match known:
        case Argon2Hash():
            return _verify_argon2(password, known)
        case BcryptSha256Hash():
            import bcrypt

            keyed = hmac.digest(known.salt.encode("ascii"), password, "sha256")
            return bcrypt.checkpw(base64.b64encode(keyed), known.text.encode("ascii"))
        case Pbkdf2Hash():
            made = hashlib.pbkdf2_hmac(known.digest_name, password, known.salt, known.rounds, len(known.digest))
            return hmac.compare_digest(made, known.digest)
        case ScryptHash():
            return _verify_scrypt(password, known)
        case ShaCryptHash():
            return hmac.compare_digest(_sha_crypt(password, known), known.digest)


def _verify_argon2(password: bytes, known: Argon2Hash) -> bool:
    from argon2 import exceptions, low_level

    kind = low_level.Type.I if known.text.startswith("argon2i$") else low_level.Type.D
    try:
        return low_level.verify_secret(b"$" + known.text.encode("ascii"), password, kind)
    except (exceptions.VerificationError, exceptions.InvalidHash):
        return False


def _verify_scrypt(password: bytes, known: ScryptHash) -> bool:
    room = 128 * known.r * (known.n + known.p + 2) + _SCRYPT_ROOM
    try:
        made = hashlib.scrypt(
            password, salt=known.salt, n=known.n, r=known.r, p=known.p, maxmem=room, dklen=len(known.digest)
        )
    except ValueError:  # the standard allows no such combination
        return False
    return hmac.compare_digest(made, known.digest)


def _sha_crypt(password: bytes, known: ShaCryptHash) -> str:
    """Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512", version 0.6; the steps are numbered as there."""

    def digest(data: bytes) -> bytes:
        return hashlib.new(known.digest_name, data).digest()

    salt = known.salt
    beside = digest(password + salt + password)  # 4 to 8
    first = password + salt + _stretch(beside, len(password))  # 1 to 3, 9, 10
    length = len(password)
    while length:  # 11
        first += beside if length & 1 else password
        length >>= 1
    turn = digest(first)  # 12
    typed = _stretch(digest(password * len(password)), len(password))  # 13 to 16
    salted = _stretch(digest(salt * (_SALT_TURNS + turn[0])), len(salt))  # 17 to 20
    make = getattr(hashlib, known.digest_name)
    # 21. What stands between the two ends of a round repeats every 42 rounds.
    parts = [((salted if at % 3 else b"") + (typed if at % 7 else b"")) for at in range(42)]
    for at in range(known.rounds):
        middle = parts[at % 42]
        turn = make(typed + middle + turn if at & 1 else turn + middle + typed).digest()
    return _write_crypt64(turn)  # 22


def _stretch(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _write_crypt64(digest: bytes) -> str:
    """The bytes in crypt's order: threes from the thirds of the digest, turned by one place each time."""
    third = len(digest) // 3
    turn = 1 if len(digest) == hashlib.sha512().digest_size else -1
    text = ""
    for at in range(third):
        three = [digest[at], digest[at + third], digest[at + 2 * third]]
        by = turn * at % 3
        high, middle, low = three[by:] + three[:by]
        text += _write_bits(high << 16 | middle << 8 | low, 4)
    rest = digest[3 * third :]
    return text + _write_bits(int.from_bytes(rest[::-1], "big"), 2 if len(rest) == 1 else 3)


def _write_bits(number: int, letters: int) -> str:
    return "".join(_CRYPT64[number >> 6 * at & 63] for at in range(letters))
