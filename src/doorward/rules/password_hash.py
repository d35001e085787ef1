"""Password hashes as the records hold them: our own, and those that accounts brought along from elsewhere.

Stored is the text of the other program without its first `$`, its algorithm by a name that says more than a number:
`sha512-crypt$rounds=50000$…` for `$6$rounds=50000$…`. Whatever a check may cost us is bounded here, and the same
bounds hold when a hash is taken in and when it is checked: what an import accepts can be signed in with.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from doorward.errors import InputError

BCRYPT_CHEAPEST, BCRYPT_COSTLIEST = 4, 15
"""What the algorithm takes at least, and what a check may cost us at most: as much as we would ever spend ourselves."""
ARGON2_MOST_MEMORY: Final = 1 << 18
"""KiB: 256 MiB, for a gateway on a small machine must not be killed by one sign-in."""
_ARGON2_MOST_WORK: Final = 1 << 20
"""KiB that all passes together fill."""
_PBKDF2_MOST_ROUNDS: Final = 1_500_000
_SCRYPT_MOST_BLOCKS: Final = 1 << 21
"""Blocks of 128 bytes that are held at once: 256 MiB."""
_SCRYPT_MOST_WORK: Final = 1 << 21
_SHA_CRYPT_MOST_ROUNDS: Final = 500_000
_SHA_CRYPT_UNSAID: Final = 5000
"""The rounds of a text that names none."""
_MOST_TEXT: Final = 512

_BCRYPT_SHAPE = r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
_ARGON2_SHAPE = r"\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,2})\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}"
_SHAPES: Final = {
    "bcrypt": re.compile(r"(bcrypt|bcrypt-sha384)" + _BCRYPT_SHAPE),
    "bcrypt-sha256": re.compile(
        r"(bcrypt-sha256)\$v=2,t=2b,r=([0-9]{1,2})\$([./A-Za-z0-9]{21}[.Oeu])\$([./A-Za-z0-9]{31})"
    ),
    "argon2": re.compile(r"(argon2id|argon2i|argon2d)" + _ARGON2_SHAPE),
    "pbkdf2": re.compile(
        r"pbkdf2-(sha1|sha224|sha256|sha384|sha512)\$([1-9][0-9]{0,9})\$([A-Za-z0-9./]{2,128})\$([A-Za-z0-9./]{20,86})"
    ),
    "scrypt": re.compile(
        r"scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/]{2,128})\$([A-Za-z0-9+/]{22,86})"
    ),
    "sha-crypt": re.compile(
        r"(sha256|sha512)-crypt\$(?:rounds=([1-9][0-9]{3,8})\$)?([./A-Za-z0-9]{1,16})\$([./A-Za-z0-9]{43}|[./A-Za-z0-9]{86})"
    ),
}
_SHA_CRYPT_LENGTH: Final = {"sha256": 43, "sha512": 86}
_DIGEST_SIZE: Final = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}

_ELSEWHERE: Final = (
    # The beginning there, and ours.
    ("$2a$", "bcrypt$2a$"),
    ("$2b$", "bcrypt$2b$"),
    ("$2y$", "bcrypt$2y$"),
    ("$bcrypt-sha256$", "bcrypt-sha256$"),
    ("$argon2id$", "argon2id$"),
    ("$argon2i$", "argon2i$"),
    ("$argon2d$", "argon2d$"),
    ("$pbkdf2$", "pbkdf2-sha1$"),
    ("$pbkdf2-", "pbkdf2-"),
    ("$scrypt$", "scrypt$"),
    ("$5$", "sha256-crypt$"),
    ("$6$", "sha512-crypt$"),
)


class Algorithm(Enum):
    """How new hashes are made."""

    BCRYPT = "bcrypt"
    ARGON2ID = "argon2id"


@dataclass(frozen=True, slots=True)
class OwnHash:
    """A hash as we make them ourselves, maybe under other settings than the present ones."""

    algorithm: Algorithm
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """Argon2 of a kind that we make no hashes of."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BcryptSha256Hash:
    """bcrypt over an HMAC of the password, keyed with the salt."""

    salt: str
    text: str = field(repr=False)
    """The hash of bcrypt itself, `$2b$…`."""


@dataclass(frozen=True, slots=True)
class Pbkdf2Hash:
    """PBKDF2 (RFC 8018) over the HMAC of `digest_name`."""

    digest_name: str
    rounds: int
    salt: bytes
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """Scrypt (RFC 7914)."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShaCryptHash:
    """SHA-crypt, as in `/etc/shadow`. `digest` is in the alphabet of crypt."""

    digest_name: str
    rounds: int
    salt: bytes
    digest: str = field(repr=False)


ForeignHash = Argon2Hash | BcryptSha256Hash | Pbkdf2Hash | ScryptHash | ShaCryptHash
"""A hash that is checked and, once it was right, made anew in our own way."""


def parse_foreign(text: str) -> str:
    """What is stored of a hash that another program has made. InputError where we cannot, or will not, check it."""
    if len(text) > _MOST_TEXT:
        raise InputError("the password hash is too long to be one")
    for theirs, ours in _ELSEWHERE:
        if text.startswith(theirs):
            stored = ours + text.removeprefix(theirs)
            break
    else:
        raise InputError("the password hash is of no kind that is known here")
    known = _read(stored)
    if isinstance(known, str):
        raise InputError(known)
    return stored


def read_hash(stored: str) -> OwnHash | ForeignHash | None:
    """What is to be checked; None for what is no hash, or costs more to check than we give."""
    known = _read(stored)
    return None if isinstance(known, str) else known


_TOO_COSTLY: Final = (
    "checking this password hash would cost too much: take it out of the file, and set a new password afterwards"
)
_DAMAGED: Final = "the password hash is damaged"
_Read = OwnHash | ForeignHash | str
"""What it is, or what is wrong with it."""


def _read(stored: str) -> _Read:
    for name, shape in _SHAPES.items():
        if (found := shape.fullmatch(stored)) is not None:
            return _READERS[name](found, stored)
    return _DAMAGED


def _read_bcrypt(found: re.Match[str], stored: str) -> _Read:
    if not BCRYPT_CHEAPEST <= int(found[2]) <= BCRYPT_COSTLIEST:
        return _TOO_COSTLY
    return OwnHash(Algorithm.BCRYPT, stored)


def _read_bcrypt_sha256(found: re.Match[str], _stored: str) -> _Read:
    cost = int(found[2])
    if not BCRYPT_CHEAPEST <= cost <= BCRYPT_COSTLIEST:
        return _TOO_COSTLY
    return BcryptSha256Hash(found[3], f"$2b${cost:02d}${found[3]}{found[4]}")


def _read_argon2(found: re.Match[str], stored: str) -> _Read:
    memory, passes = int(found[2]), int(found[3])
    if memory > ARGON2_MOST_MEMORY or memory * passes > _ARGON2_MOST_WORK:
        return _TOO_COSTLY
    return OwnHash(Algorithm.ARGON2ID, stored) if found[1] == "argon2id" else Argon2Hash(stored)


def _read_pbkdf2(found: re.Match[str], _stored: str) -> _Read:
    salt, digest = _decode(found[3].replace(".", "+")), _decode(found[4].replace(".", "+"))
    # A digest longer than that of one round would be made of several runs, each as long as all rounds.
    if salt is None or digest is None or len(digest) > _DIGEST_SIZE[found[1]]:
        return _DAMAGED
    rounds = int(found[2])
    return _TOO_COSTLY if rounds > _PBKDF2_MOST_ROUNDS else Pbkdf2Hash(found[1], rounds, salt, digest)


def _read_scrypt(found: re.Match[str], _stored: str) -> _Read:
    exponent, r, p = int(found[1]), int(found[2]), int(found[3])
    salt, digest = _decode(found[4]), _decode(found[5])
    if salt is None or digest is None or 0 in {exponent, r, p}:
        return _DAMAGED
    blocks = r << exponent
    if blocks > _SCRYPT_MOST_BLOCKS or blocks * p > _SCRYPT_MOST_WORK:
        return _TOO_COSTLY
    return ScryptHash(1 << exponent, r, p, salt, digest)


def _read_sha_crypt(found: re.Match[str], _stored: str) -> _Read:
    if len(found[4]) != _SHA_CRYPT_LENGTH[found[1]]:
        return _DAMAGED
    rounds = int(found[2] or _SHA_CRYPT_UNSAID)
    if rounds > _SHA_CRYPT_MOST_ROUNDS:
        return _TOO_COSTLY
    return ShaCryptHash(found[1], rounds, found[3].encode("ascii"), found[4])


_READERS: Final[dict[str, Callable[[re.Match[str], str], _Read]]] = {
    "bcrypt": _read_bcrypt,
    "bcrypt-sha256": _read_bcrypt_sha256,
    "argon2": _read_argon2,
    "pbkdf2": _read_pbkdf2,
    "scrypt": _read_scrypt,
    "sha-crypt": _read_sha_crypt,
}


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
