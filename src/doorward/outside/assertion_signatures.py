"""Keys that sign assertions, from 32 secret bytes each: Ed25519, or ECDSA on P-256."""

from collections.abc import Callable
from typing import Final

from doorward.interfaces import Random
from doorward.rules.assertion import Algorithm, encode, write_public

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (SP 800-186)."""
_SIZE: Final = 32
_WIDE: Final = 48
"""Bytes to reduce to a scalar without a bias that matters (FIPS 186-5, A.2.1)."""


def draw_secret(algorithm: Algorithm, random: Random) -> bytes:
    """The 32 bytes of a new key."""
    match algorithm:
        case Algorithm.EDDSA:
            return random.token(_SIZE)
        case Algorithm.ES256:
            return (int.from_bytes(random.token(_WIDE)) % (_ORDER - 1) + 1).to_bytes(_SIZE)


def write_public_part(algorithm: Algorithm, secret: bytes) -> str:
    """What everybody may know of a key, as it is stored."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    match algorithm:
        case Algorithm.EDDSA:
            key = ed25519.Ed25519PrivateKey.from_private_bytes(secret).public_key()
            return write_public({"crv": "Ed25519", "kty": "OKP", "x": encode(key.public_bytes_raw())})
        case Algorithm.ES256:
            point = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1()).public_key()
            raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
            return write_public({"crv": "P-256", "kty": "EC", "x": encode(raw[:_SIZE]), "y": encode(raw[_SIZE:])})


def open_signer(algorithm: Algorithm, secret: bytes) -> Callable[[bytes], bytes]:
    """What signs with a key, in the form of RFC 7518."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    match algorithm:
        case Algorithm.EDDSA:
            return ed25519.Ed25519PrivateKey.from_private_bytes(secret).sign
        case Algorithm.ES256:
            key, how = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1()), ec.ECDSA(SHA256())

            def sign(message: bytes) -> bytes:
                r, s = decode_dss_signature(key.sign(message, how))
                return r.to_bytes(_SIZE) + s.to_bytes(_SIZE)

            return sign


class AssertionSignatures:
    """`flows.assertion_keys.Signatures`."""

    draw_secret = staticmethod(draw_secret)
    write_public_part = staticmethod(write_public_part)
    open_signer = staticmethod(open_signer)
