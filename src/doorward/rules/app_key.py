"""Keys for what cannot follow a sign-in: phones, scripts, calendar feeds. What one is, how it is written and compared.

A key is written `dw_<keyid>_<secret>_<checksum>`: 12 characters that name its one row, 32 random bytes in base62, and
six characters over the rest, so that a mistyped key is told from a wrong one without looking anything up, and secret
scanners know a real one. Only a hash of the secret is stored (A-20).
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hmac import compare_digest
from typing import Final, NewType

from doorward.rules.identity import UserId
from doorward.rules.policy import Network

KeyId = NewType("KeyId", str)
"""12 digits and small letters. Public: it names a key in pages, logs and commands, and opens nothing."""

PREFIX: Final = "dw_"
ID_SIZE: Final = 12
SECRET_SIZE: Final = 32
"""Random bytes of a secret: 256 bits."""
MAX_NAME: Final = 50
"""Characters of the name of a device (A-19)."""
SHA256: Final = "sha256:"
"""How a stored hash begins that is SHA-256 of the secret; any other is bcrypt's."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH: Final = 43
_CHECK_LENGTH: Final = 6
_SHAPE: Final = re.compile(r"dw_([0-9a-z]{12})_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})", re.ASCII)


class KeyKind(Enum):
    """How a key came to be."""

    KEY = "key"
    """Made on a page, by command or by API."""
    DEVICE = "device"
    """Given to a device that was paired (RFC 8628)."""
    TOKEN = "token"  # noqa: S105 -- a word
    """An access token: the same row, carried as a signed JWT that names it."""


class ApiScope(Enum):
    """What a key may do with our own API. None of them: nothing there."""

    READ = "read"
    """Read what is its owner's."""
    WRITE = "write"
    """Change what is its owner's, but for anything that signs in or proves who they are."""
    ADMIN = "admin"
    """Administer, as far as its owner does. Only to be had with recent proof."""


@dataclass(frozen=True, slots=True)
class AppKey:
    """A key as the records hold it.

    What it opens: hosts of the `apps` with these names and the exact `hosts`; below these `paths` (as a prefix of whole
    segments), with these `methods`, from these `networks`; for the last three, empty means any. `scopes` is for our own
    API. `read_only`: GET, HEAD and OPTIONS only. `in_url`: it may stand in an address, where the app allows that.

    `generation`: it dies when its owner's sessions are all ended; None where it outlives that. `made_by`: the account
    that made it, its owner's or an administrator's. `disabled_at`: it was unused for so long that it was put to sleep;
    `woken_at`: when it was last woken, and its sleep counts anew from then.
    `uses` are counted when they are written, about once a minute: how often it was in use, not how many requests.
    `sealed`: from where it was used last, for `Place("app_keys", "sealed", id)`; "" before the first use.
    """

    id: KeyId
    user_id: UserId
    name: str
    kind: KeyKind
    digest: str
    preview: str
    made_at: datetime
    made_by: str
    apps: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    scopes: frozenset[ApiScope] = frozenset()
    read_only: bool = False
    in_url: bool = False
    generation: int | None = None
    expires_at: datetime | None = None
    disabled_at: datetime | None = None
    woken_at: datetime | None = None
    uses: int = 0
    last_used_at: datetime | None = None
    sealed: str = ""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """That a key was used: to be stored later, by whoever collects uses."""

    id: KeyId
    at: datetime
    sealed: str


@dataclass(frozen=True, slots=True)
class AppSecret:
    """What we show an app on somebody's behalf: a password or token, sealed for `Place("app_secrets", "sealed", name)`.

    `name`: what the configuration calls it.
    """

    name: str
    sealed: str
    changed_at: datetime


def write_key(key_id: KeyId, secret: bytes) -> str:
    """The key as it is shown, once."""
    body = f"{PREFIX}{key_id}_{_encode(int.from_bytes(secret), _SECRET_LENGTH)}"
    return f"{body}_{_check(body)}"


def parse_key(text: str) -> tuple[KeyId, bytes] | None:
    """Id and secret of what is written like a key; None for everything else, a wrong checksum included."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or not compare_digest(_check(text[: -_CHECK_LENGTH - 1]), shape[3]):
        return None
    number = 0
    for digit in shape[2]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    if number >> (8 * SECRET_SIZE):
        return None
    return KeyId(shape[1]), number.to_bytes(SECRET_SIZE)


def write_key_id(random: bytes) -> KeyId:
    """A key's name from at least 16 random bytes."""
    number = int.from_bytes(random) % len(_ID_DIGITS) ** ID_SIZE
    digits = []
    for _ in range(ID_SIZE):
        number, digit = divmod(number, len(_ID_DIGITS))
        digits.append(_ID_DIGITS[digit])
    return KeyId("".join(digits))


def preview_of(text: str) -> str:
    """What tells one key from another afterwards: its first eight characters and its last four (A-20)."""
    return f"{text[:8]}…{text[-4:]}"


def hash_secret(secret: bytes) -> str:
    """What is stored of a secret of 256 random bits: there is nothing to guess, so a fast hash will do."""
    return SHA256 + hashlib.sha256(b"doorward-app-key-v1" + secret).hexdigest()


def matches(secret: bytes, digest: str) -> bool:
    """Whether this is the secret of a key that is stored as SHA-256, in constant time."""
    return compare_digest(hash_secret(secret), digest)


def tell_reach(key: AppKey) -> dict[str, object]:
    """What a key opens, as JSON has it: for its owner, programs and exports."""
    return {
        "apps": list(key.apps),
        "hosts": list(key.hosts),
        "paths": list(key.paths),
        "methods": sorted(key.methods),
        "networks": [str(network) for network in key.networks],
        "scopes": sorted(scope.value for scope in key.scopes),
        "read_only": key.read_only,
        "in_url": key.in_url,
    }


def _check(body: str) -> str:
    return _encode(zlib.crc32(body.encode("ascii")), _CHECK_LENGTH)


def _encode(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
