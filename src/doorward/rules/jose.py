"""Signed tokens and public keys as they come: compact JWS and JWK sets, read strictly (RFC 7515, 7517, 7518, 8037).

Nothing here verifies a signature; `outside/upstream/signatures.py` does, with exactly the bytes and the one algorithm
found here. What a token says about its own key (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from doorward.errors import InputError
from doorward.rules.strict_json import parse_object

MOST_TOKEN: Final = 64 * 1024
MOST_KEYS: Final = 64
_MOST_HEADER = 8 * 1024
_MOST_KID = 1024
_FEWEST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_COORDINATE = {"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32}

_FITTING: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The one type of key and curve each algorithm is verified with (I02, I11)."""


class TokenKind(Enum):
    """What a token is presented as. One is never taken for the other (I13)."""

    ID = "ID token"
    LOGOUT = "logout token"


_TYPES = {
    TokenKind.ID: frozenset({"", "jwt"}),
    TokenKind.LOGOUT: frozenset({"", "jwt", "logout+jwt"}),
}


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A compact JWS whose signature is still to be verified: over `signed`, with `algorithm`, by the key `kid`."""

    algorithm: str
    kid: str | None
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    unverified_claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures may be verified with. `members` is the JWK's public part alone."""

    kid: str | None
    kind: str
    curve: str
    algorithm: str | None
    members: Mapping[str, str] = field(repr=False)

    def fits(self, algorithm: str) -> bool:
        """Whether it is of the type that `algorithm` takes, and not meant for another one."""
        return _FITTING.get(algorithm) == (self.kind, self.curve) and self.algorithm in {None, algorithm}


def call_algorithm(name: Any) -> Any:
    """The name we use. RFC 9864 calls by its curve what everybody called EdDSA before; all others have one name."""
    return "EdDSA" if name == "Ed25519" else name


def parse_token(text: str, kind: TokenKind, *, algorithms: Collection[str]) -> SignedToken:
    """Read a compact JWS of exactly three parts. InputError for any other form (I07, I08).

    Nothing is decoded before the number of parts is right, and no claim is to be believed before the signature is.
    """
    if len(text) > MOST_TOKEN:
        raise InputError("it is too long")
    parts = text.split(".")
    if len(parts) != 3 or not all(map(_BASE64URL.fullmatch, parts)):  # noqa: PLR2004 -- header, claims, signature
        raise InputError("it is not a signed token of three parts")
    header = parse_object(decode(parts[0]), limit=_MOST_HEADER)
    algorithm = call_algorithm(header.get("alg"))
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in _FITTING:
        # SECURITY: the list is of asymmetric signatures only; `none` and HMAC are in no list (I01, I02).
        raise InputError("it is not signed with an algorithm that is accepted here")
    if "crit" in header or "b64" in header:
        raise InputError("it has critical headers, none of which is understood here")  # (I04)
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= _MOST_KID):
        raise InputError("it names its key by something that is not a name")
    named_type = header.get("typ", "")
    if not isinstance(named_type, str) or named_type.lower().removeprefix("application/") not in _TYPES[kind]:
        raise InputError(f"it is a token of another type than an {kind.value}")
    return SignedToken(
        algorithm=algorithm,
        kid=kid,
        signed=f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature=decode(parts[2]),
        unverified_claims=parse_object(decode(parts[1]), limit=MOST_TOKEN),
    )


def parse_key_set(raw: bytes) -> tuple[PublicKey, ...]:
    """The signature keys of a JWK set. Keys of other types and uses, and unusable ones, are left out.

    InputError where it is no JWK set at all, or has more than 64 keys.
    """
    keys = parse_object(raw).get("keys")
    if not isinstance(keys, list):
        raise InputError("it is not a set of keys")
    if len(keys) > MOST_KEYS:
        raise InputError(f"it has more than {MOST_KEYS} keys")
    return tuple(key for key in map(_parse_key, keys) if key is not None)


def find_key(keys: Iterable[PublicKey], token: SignedToken) -> PublicKey | None:
    """The key that `token` names; without a name, the only one that fits. None where there is none.

    InputError where the name is that of several keys, or of one that does not fit the algorithm, or where no key is
    named and several fit: what is ambiguous is refused, not tried (I05).
    """
    if token.kid is None:
        found = [key for key in keys if key.fits(token.algorithm)]
    else:
        found = [key for key in keys if key.kid == token.kid]
    if len(found) > 1:
        raise InputError("several keys of the provider could be the one it is signed with")
    if found and not found[0].fits(token.algorithm):
        raise InputError("the key it names is not for the algorithm it names")
    return found[0] if found else None


def _parse_key(key: Any) -> PublicKey | None:
    if not isinstance(key, dict):
        return None
    use, operations, kid, algorithm = (key.get(name) for name in ("use", "key_ops", "kid", "alg"))
    named = (kid is None or (isinstance(kid, str) and len(kid) <= _MOST_KID)) and isinstance(algorithm, str | None)
    for_signatures = use is None or use == "sig"
    verifies = operations is None or (isinstance(operations, list) and "verify" in operations)
    # A key whose private half is published proves nothing any more.
    if not (named and for_signatures and verifies) or "d" in key:
        return None
    algorithm = call_algorithm(algorithm)
    match key.get("kty"):
        case "RSA" if _is_modulus(key.get("n")) and _is_exponent(key.get("e")):
            return PublicKey(kid, "RSA", "", algorithm, {"kty": "RSA", "n": key["n"], "e": key["e"]})
        case "EC" if _is_point(key, ("x", "y"), ("P-256", "P-384", "P-521")):
            members = {"kty": "EC", "crv": key["crv"], "x": key["x"], "y": key["y"]}
            return PublicKey(kid, "EC", key["crv"], algorithm, members)
        case "OKP" if _is_point(key, ("x",), ("Ed25519",)):
            return PublicKey(kid, "OKP", "Ed25519", algorithm, {"kty": "OKP", "crv": "Ed25519", "x": key["x"]})
        case _:
            return None


def _is_modulus(text: Any) -> bool:
    number = _find_bytes(text)
    return number is not None and _FEWEST_RSA_BITS <= int.from_bytes(number).bit_length() <= _MOST_RSA_BITS


def _is_exponent(text: Any) -> bool:
    number = _find_bytes(text)
    return number is not None and 3 <= int.from_bytes(number) < 2**32 and number[-1] % 2 == 1  # noqa: PLR2004 -- the least exponent there is


def _is_point(key: Mapping[str, Any], coordinates: tuple[str, ...], curves: tuple[str, ...]) -> bool:
    curve = key.get("crv")
    if not isinstance(curve, str) or curve not in curves:
        return False
    found = [_find_bytes(key.get(name)) for name in coordinates]
    return all(number is not None and len(number) == _COORDINATE[curve] for number in found)


def _find_bytes(text: Any) -> bytes | None:
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        return None
    try:
        return decode(text)
    except InputError:
        return None


def decode(text: str) -> bytes:
    """Unpadded base64url, in its one canonical spelling."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise InputError("a part of it is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        raise InputError("a part of it is not base64url in its one spelling")
    return raw


def encode(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
