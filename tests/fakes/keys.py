"""Keys that sign tokens, made with `cryptography` alone. RSA keys are made once and shared, for they take long to make."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[str, tuple[type[ec.EllipticCurve], str, int]] = {
    "ES256": (ec.SECP256R1, "P-256", 32),
    "ES384": (ec.SECP384R1, "P-384", 48),
    "ES512": (ec.SECP521R1, "P-521", 66),
}
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    algorithm: str
    kid: str
    private: PrivateKey

    @property
    def hash_name(self) -> str:
        return "sha512" if self.algorithm == "EdDSA" else f"sha{self.algorithm[2:]}"

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """A compact JWS, whatever header and claims are."""
        return self.sign_raw(json.dumps(header).encode(), json.dumps(claims).encode())

    def sign_raw(self, header: bytes, claims: bytes) -> str:
        signed = f"{encode(header)}.{encode(claims)}"
        return f"{signed}.{encode(self.sign_bytes(signed.encode()))}"

    def sign_bytes(self, message: bytes) -> bytes:
        match self.private:
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(message)
            case ec.EllipticCurvePrivateKey():
                size = _CURVES[self.algorithm][2]
                der = self.private.sign(message, ec.ECDSA(_HASHES[self.algorithm[2:]]()))
                return b"".join(number.to_bytes(size) for number in decode_dss_signature(der))
            case rsa.RSAPrivateKey():
                return self.private.sign(message, _padding(self.algorithm), _HASHES[self.algorithm[2:]]())

    def public_jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key as a JWK; None as a change takes a member out."""
        made = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **_public_members(self)} | changes
        return {name: value for name, value in made.items() if value is not None}

    def private_pem(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def make_key(algorithm: str, kid: str = "key-1") -> SigningKey:
    """A new key; RSA ones differ only by name between ten of them."""
    if algorithm == "EdDSA":
        return SigningKey(algorithm, kid, ed25519.Ed25519PrivateKey.generate())
    if algorithm in _CURVES:
        return SigningKey(algorithm, kid, ec.generate_private_key(_CURVES[algorithm][0]()))
    return SigningKey(algorithm, kid, rsa_key(sum(kid.encode()) % 4))


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of the RSA keys that a run has."""
    del number
    return rsa.generate_private_key(65537, bits)


def verify_assertion(token: str, public_pem: bytes, client_id: str, audience: str, now: int) -> bool:
    """Whether a client assertion is what RFC 7523 asks for."""
    header, claims = (json.loads(decode(part)) for part in token.split(".")[:2])
    signed, _, signature = token.rpartition(".")
    right = (
        claims["iss"] == claims["sub"] == client_id
        and claims["aud"] == audience
        and claims["jti"]
        and claims["iat"] <= now < claims["exp"] <= now + 300
    )
    key: Any = load_pem_public_key(public_pem)
    try:
        _verify(key, header["alg"], signed.encode(), decode(signature))
    except InvalidSignature:
        return False
    return bool(right)


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _verify(key: Any, algorithm: str, message: bytes, signature: bytes) -> None:
    if algorithm == "EdDSA":
        key.verify(signature, message)
    elif algorithm in _CURVES:
        half = _CURVES[algorithm][2]
        der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        key.verify(der, message, ec.ECDSA(_HASHES[algorithm[2:]]()))
    else:
        key.verify(signature, message, _padding(algorithm), _HASHES[algorithm[2:]]())


def _padding(algorithm: str) -> padding.PKCS1v15 | padding.PSS:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    size = _HASHES[algorithm[2:]]().digest_size
    return padding.PSS(padding.MGF1(_HASHES[algorithm[2:]]()), size)


def _public_members(key: SigningKey) -> dict[str, str]:
    match key.private:
        case ed25519.Ed25519PrivateKey():
            raw = key.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
        case ec.EllipticCurvePrivateKey():
            _curve, name, size = _CURVES[key.algorithm]
            point = key.private.public_key().public_numbers()
            return {"kty": "EC", "crv": name, "x": encode(point.x.to_bytes(size)), "y": encode(point.y.to_bytes(size))}
        case rsa.RSAPrivateKey():
            numbers = key.private.public_key().public_numbers()
            size = (numbers.n.bit_length() + 7) // 8
            return {"kty": "RSA", "n": encode(numbers.n.to_bytes(size)), "e": encode(numbers.e.to_bytes(3))}
