"""The age format (https://age-encryption.org/v1), for public keys of its own kind and for passphrases.

Written out rather than taken from a library: there the work of a passphrase is chosen by a stopwatch, at up to a
gibibyte, and the whole archive is held in memory. Here both are bounded, also what a header claims (N14). What we
write the age tools read, and the other way round: tests/contract/test_age.py holds us to one of them.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final

from doorward.errors import InputError
from doorward.interfaces import Random
from doorward.rules.backup import Openers, Readers

CHUNK: Final = 64 * 1024
_TAG: Final = 16
_FILE_KEY: Final = 16
_NONCE: Final = 16
_KEY: Final = 32
INTRO: Final = b"age-encryption.org/v1"
_MAX_HEADER: Final = 16 * 1024
_MAX_STANZAS: Final = 32
_WORK: Final = 17
"""128 MiB for a passphrase, what OWASP asks of scrypt."""
_MOST_WORK: Final = 18
"""What the age tools write: 256 MiB."""
_COLUMNS: Final = 64
_STANZA: Final = re.compile(rb"-> ([\x21-\x7e]+(?: [\x21-\x7e]+)*)")
_WORK_SHAPE: Final = re.compile(r"[1-9][0-9]?")
_WRONG_KEY: Final = "the backup does not open with this passphrase or key"
_NOT_AGE: Final = "this is not an encrypted backup"
_BROKEN: Final = "the backup is damaged: its encryption does not hold together"


def public_of(identity: bytes) -> bytes:
    """The public key of a private one."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(identity).public_key().public_bytes_raw()


class AgeWriter:
    """Encrypts what is written to it into `sink`. Nothing is complete before `finish`."""

    def __init__(self, sink: Callable[[bytes], object], readers: Readers, random: Random) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        file_key = random.token(_FILE_KEY)
        if readers.passphrase:
            stanzas = [_wrap_for_passphrase(file_key, readers.passphrase, random.token(16))]
        else:
            stanzas = [_wrap_for(file_key, recipient, random.token(_KEY)) for recipient in readers.recipients]
        covered = INTRO + b"\n" + b"".join(stanzas) + b"---"
        nonce = random.token(_NONCE)
        sink(covered + b" " + _encode(_mac_of(file_key, covered)) + b"\n" + nonce)
        self._cipher = ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))
        self._sink, self._pending, self._number = sink, bytearray(), 0

    def write(self, data: bytes) -> None:
        """Encrypt some more."""
        self._pending += data
        while len(self._pending) > CHUNK:
            self._seal(bytes(self._pending[:CHUNK]), last=False)
            del self._pending[:CHUNK]

    def finish(self) -> None:
        """There is no more."""
        self._seal(bytes(self._pending), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._sink(self._cipher.encrypt(_count(self._number, last=last), chunk, None))
        self._number += 1


def read_age(file: BinaryIO, keys: Openers) -> Iterator[bytes]:
    """Decrypt, a piece at a time; each piece is as it was written. InputError where it does not open, or is cut off."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    file_key = _unwrap(_read_header(file), keys)
    nonce = file.read(_NONCE)
    if len(nonce) < _NONCE:
        raise InputError(_BROKEN)
    cipher = ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))
    number, chunk = 0, file.read(CHUNK + _TAG)
    while True:
        following = file.read(CHUNK + _TAG)
        try:
            plain = cipher.decrypt(_count(number, last=not following), chunk, None)
        except InvalidTag:
            raise InputError(_BROKEN) from None
        if not plain and number:  # two ways to write one thing
            raise InputError(_BROKEN)
        yield plain
        if not following:
            return
        number, chunk = number + 1, following


@dataclass(frozen=True, slots=True)
class _Stanza:
    words: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    stanzas: tuple[_Stanza, ...]
    covered: bytes
    mac: bytes


def _read_header(file: BinaryIO) -> _Header:
    """Read a header; of what it claims nothing is believed here."""
    covered = bytearray()

    def read_line() -> bytes:
        line = file.readline(_MAX_HEADER)
        if not line.endswith(b"\n") or len(covered) + len(line) > _MAX_HEADER:
            raise InputError(_NOT_AGE)
        return line[:-1]

    if read_line() != INTRO:
        raise InputError(_NOT_AGE)
    covered += INTRO + b"\n"
    stanzas: list[_Stanza] = []
    while True:
        line = read_line()
        if line.startswith(b"--- "):
            return _Header(tuple(stanzas), bytes(covered) + b"---", _decode(line[4:]))
        shape = _STANZA.fullmatch(line)
        if shape is None or len(stanzas) == _MAX_STANZAS:
            raise InputError(_BROKEN)
        covered += line + b"\n"
        body = b""
        while True:
            part = read_line()
            covered += part + b"\n"
            body += part
            if len(part) != _COLUMNS:
                break
        stanzas.append(_Stanza(tuple(shape[1].decode("ascii").split(" ")), _decode(body)))


def _unwrap(header: _Header, keys: Openers) -> bytes:
    kinds = [stanza.words[0] for stanza in header.stanzas]
    if "scrypt" in kinds and len(kinds) > 1:
        raise InputError(_BROKEN)
    if "scrypt" in kinds and not keys.passphrase:
        raise InputError("the backup needs its passphrase")
    if "scrypt" not in kinds and not keys.identities:
        raise InputError("the backup needs the private key of one of its readers")
    for file_key in _try(header, keys):
        if not hmac.compare_digest(_mac_of(file_key, header.covered), header.mac):
            raise InputError(_BROKEN)
        return file_key
    raise InputError(_WRONG_KEY)


def _try(header: _Header, keys: Openers) -> Iterator[bytes]:
    for stanza in header.stanzas:
        match stanza.words:
            case ("scrypt", salt, work):
                wraps = [_passphrase_key(keys.passphrase, _read(salt, 16), _read_work(work))]
            case ("X25519", share):
                wraps = [_shared_key(_read(share, _KEY), identity) for identity in keys.identities]
            case _:
                continue
        for wrap in wraps:
            file_key = _open_box(wrap, stanza.body)
            if file_key is not None:
                yield file_key


def _read(text: str, size: int) -> bytes:
    value = _decode(text.encode("ascii"))
    if len(value) != size:
        raise InputError(_BROKEN)
    return value


def _read_work(text: str) -> int:
    """How much work a passphrase is. Bounded before any is done (N14)."""
    if not _WORK_SHAPE.fullmatch(text):
        raise InputError(_BROKEN)
    if int(text) > _MOST_WORK:
        raise InputError("opening this backup would take more memory than backups may")
    return int(text)


def _wrap_for_passphrase(file_key: bytes, passphrase: str, salt: bytes) -> bytes:
    box = _close_box(_passphrase_key(passphrase, salt, _WORK), file_key)
    return b"-> scrypt " + _encode(salt) + b" %d\n" % _WORK + _encode(box) + b"\n"


def _wrap_for(file_key: bytes, recipient: bytes, ephemeral: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    share = public_of(ephemeral)
    shared = X25519PrivateKey.from_private_bytes(ephemeral).exchange(X25519PublicKey.from_public_bytes(recipient))
    wrap = _hkdf(shared, share + recipient, b"age-encryption.org/v1/X25519")
    return b"-> X25519 " + _encode(share) + b"\n" + _encode(_close_box(wrap, file_key)) + b"\n"


def _shared_key(share: bytes, identity: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    try:
        shared = X25519PrivateKey.from_private_bytes(identity).exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:  # a share of low order
        raise InputError(_BROKEN) from None
    return _hkdf(shared, share + public_of(identity), b"age-encryption.org/v1/X25519")


def _passphrase_key(passphrase: str, salt: bytes, work: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    salt = b"age-encryption.org/v1/scrypt" + salt
    return Scrypt(salt=salt, length=_KEY, n=1 << work, r=8, p=1).derive(passphrase.encode("utf-8"))


def _close_box(key: bytes, file_key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)


def _open_box(key: bytes, box: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(box) != _FILE_KEY + _TAG:
        raise InputError(_BROKEN)
    try:
        return ChaCha20Poly1305(key).decrypt(bytes(12), box, None)
    except InvalidTag:
        return None


def _hkdf(secret: bytes, salt: bytes, about: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=_KEY, salt=salt, info=about).derive(secret)


def _mac_of(file_key: bytes, covered: bytes) -> bytes:
    return hmac.new(_hkdf(file_key, b"", b"header"), covered, sha256).digest()


def _count(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _encode(value: bytes) -> bytes:
    return base64.b64encode(value).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    try:
        value = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InputError(_BROKEN) from None
    if _encode(value) != text:  # one way to write it
        raise InputError(_BROKEN)
    return value
