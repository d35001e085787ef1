"""A software authenticator that really signs (ES256, Ed25519, RS256), and the browser in front of it.

It does as it is told, lies included: `changes` replace what it would say by itself.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from tests.fakes.keys import decode, encode, rsa_key

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80

_numbers = itertools.count()

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def cbor(value: Any) -> bytes:
    """The shortest CBOR of what authenticators write: whole numbers, bytes, text, lists, maps."""
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())
    raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    width = next(width for width in (1, 2, 4, 8) if size < 1 << (8 * width))
    return bytes([kind << 5 | 23 + width.bit_length()]) + size.to_bytes(width)


@dataclass
class Credential:
    """One passkey: what it is and how it counts."""

    id: bytes
    private: PrivateKey
    rp_id: str
    user_handle: bytes
    sign_count: int = 0

    @property
    def cose(self) -> bytes:
        match self.private:
            case ec.EllipticCurvePrivateKey():
                point = self.private.public_key().public_numbers()
                return cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
            case ed25519.Ed25519PrivateKey():
                return cbor({1: 1, 3: -8, -1: 6, -2: self.private.public_key().public_bytes_raw()})
            case rsa.RSAPrivateKey():
                numbers = self.private.public_key().public_numbers()
                size = (numbers.n.bit_length() + 7) // 8
                return cbor({1: 3, 3: -257, -1: numbers.n.to_bytes(size), -2: numbers.e.to_bytes(3)})

    def sign(self, message: bytes) -> bytes:
        match self.private:
            case ec.EllipticCurvePrivateKey():
                return self.private.sign(message, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(message)
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class Authenticator:
    """Holds passkeys, and answers options as a browser at `origin` would.

    `verifies`: it knows who touches it. `counts`: by how much its counter grows with each use. `synced`: its passkeys
    may be backed up, and are.
    """

    origin: str = "https://auth.example.test"
    verifies: bool = True
    counts: int = 0
    synced: bool = False
    algorithm: str = "ES256"
    credentials: dict[bytes, Credential] = field(default_factory=dict)

    def create(self, options: str, **changes: Any) -> str:
        """Answer the options of `navigator.credentials.create`."""
        asked = json.loads(options)
        credential_id = changes.get("credential_id")
        if credential_id is None:
            credential_id = hashlib.sha256(f"credential {next(_numbers)}".encode()).digest()
        credential = Credential(
            credential_id, self._make_key(), asked["rp"]["id"], decode(asked["user"]["id"]), self.counts
        )
        self.credentials[credential_id] = credential
        client_data = self._client_data("webauthn.create", asked["challenge"], changes)
        flags = changes.get("flags", self._flags() | AT)
        attested = (
            changes.get("aaguid", bytes(16))
            + len(credential_id).to_bytes(2)
            + credential_id
            + changes.get("cose", credential.cose)
        )
        data = self._authenticator_data(credential, flags, changes) + attested + changes.get("extensions", b"")
        data = changes.get("authenticator_data", data)
        statement = changes.get("statement", {})
        if changes.get("self_attested"):
            message = data + hashlib.sha256(client_data).digest()
            statement = {"alg": -7, "sig": credential.sign(message)}
        format_ = changes.get("fmt", "packed" if changes.get("self_attested") else "none")
        attestation = changes.get("attestation", cbor({"fmt": format_, "attStmt": statement, "authData": data}))
        response = {
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(attestation),
            "transports": ["internal", "hybrid", "carrier-pigeon"],
        }
        return _answer(credential_id, {**response, **changes.get("response", {})}, changes)

    def get(self, options: str, credential: Credential | None = None, **changes: Any) -> str:
        """Answer the options of `navigator.credentials.get`, with a passkey that fits or with the one given."""
        asked = json.loads(options)
        if credential is None:
            allowed = [decode(each["id"]) for each in asked["allowCredentials"]] or list(self.credentials)
            credential = next(self.credentials[each] for each in allowed if each in self.credentials)
        credential.sign_count += self.counts
        client_data = self._client_data("webauthn.get", asked["challenge"], changes)
        data = self._authenticator_data(credential, changes.get("flags", self._flags()), changes)
        data = changes.get("authenticator_data", data + changes.get("extensions", b""))
        signature = credential.sign(data + hashlib.sha256(client_data).digest())
        response = {
            "clientDataJSON": encode(changes.get("client_data_afterwards", client_data)),
            "authenticatorData": encode(data),
            "signature": encode(changes.get("signature", signature)),
            "userHandle": encode(credential.user_handle),
        }
        return _answer(credential.id, {**response, **changes.get("response", {})}, changes)

    def _flags(self) -> int:
        return UP | (UV if self.verifies else 0) | (BE | BS if self.synced else 0)

    def _make_key(self) -> PrivateKey:
        match self.algorithm:
            case "ES256":
                return ec.generate_private_key(ec.SECP256R1())
            case "EdDSA":
                return ed25519.Ed25519PrivateKey.generate()
            case _:
                return rsa_key(0)

    def _client_data(self, type_: str, challenge: str, changes: dict[str, Any]) -> bytes:
        made: dict[str, Any] = {
            "type": changes.get("type", type_),
            "challenge": changes.get("challenge", challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": False,
            **changes.get("client", {}),
        }
        return changes.get("client_data", json.dumps(made).encode())

    def _authenticator_data(self, credential: Credential, flags: int, changes: dict[str, Any]) -> bytes:
        rp_id_hash = changes.get("rp_id_hash", hashlib.sha256(credential.rp_id.encode()).digest())
        return rp_id_hash + bytes([flags]) + changes.get("sign_count", credential.sign_count).to_bytes(4)


def _answer(credential_id: bytes, response: dict[str, Any], changes: dict[str, Any]) -> str:
    name = encode(credential_id)
    made = {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": {key: value for key, value in response.items() if value is not None},
    }
    return json.dumps({**made, **changes.get("answer", {})})
