"""Signatures: those of providers verified, and our own on client assertions (RFC 7523).

Verification is handed exactly the signed bytes, one key and the one algorithm that fits its type. Keys come in three
types here, all asymmetric; nothing in this module can make a key for an HMAC (I02).
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from doorward.rules.jose import PublicKey, SignedToken, encode
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import Provider

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
ASSERTION_LIFE: Final = timedelta(seconds=60)
_ASSERTIONS: Final = {
    "RSA": ("PS256", "RS256", "PS384", "RS384", "PS512", "RS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
}
"""What a key of ours can sign with, the best first."""


def is_genuine(token: SignedToken, key: PublicKey) -> bool:
    """Whether `key` made the signature of `token`. UpstreamError TOKEN where the key is none of that type."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey
    from joserfc.jws import JWSRegistry

    imported: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    if not key.fits(token.algorithm):
        raise UpstreamError(Failure.TOKEN, "the key the token names is not for its algorithm")
    # SECURITY: the algorithm is the one this key is for, never found anew in the token (I02).
    algorithm = JWSRegistry.algorithms[token.algorithm]
    try:
        public = imported[key.kind].import_key(dict(key.members))
        algorithm.check_key(public)
        return algorithm.verify(token.signed, token.signature, public)
    except (JoseError, ValueError):
        # A point that is not on the curve, say.
        raise UpstreamError(Failure.TOKEN, "the key the token names is not usable") from None


def make_assertion(
    provider: Provider, *, audience: str, announced: Collection[str] | None, jti: str, now: datetime
) -> str:
    """The JWT that proves who we are (`private_key_jwt`): for one request, and a minute at most.

    `announced`: the algorithms the provider takes, None where it does not say. UpstreamError CLIENT_REFUSED where our
    key is none it takes.
    """
    from joserfc.jws import JWSRegistry

    key, kind = _read_private_key(provider.private_key)
    possible = _ASSERTIONS[kind]
    taken = [name for name in possible if announced is None or name in announced]
    if not taken:
        raise UpstreamError(Failure.CLIENT_REFUSED, "it takes no signature that the private key set for it can make")
    name = "RS256" if announced is None and kind == "RSA" else taken[0]
    issued_at = int(now.timestamp())
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": audience,
        "jti": jti,
        "iat": issued_at,
        "exp": issued_at + int(ASSERTION_LIFE.total_seconds()),
    }
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": name, "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{encode(JWSRegistry.algorithms[name].sign(signed.encode(), key))}"


def _read_private_key(pem: str) -> "tuple[RSAKey | ECKey | OKPKey, str]":
    """The key, and its type or curve as `_ASSERTIONS` has it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    try:
        match load_pem_private_key(pem.encode(), password=None):
            case RSAPrivateKey() as key:
                return RSAKey.import_key(key), "RSA"
            case EllipticCurvePrivateKey() as key if key.curve.name in _CURVES:
                return ECKey.import_key(key), _CURVES[key.curve.name]
            case Ed25519PrivateKey() as key:
                return OKPKey.import_key(key), "Ed25519"
            case _:
                pass
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    raise UpstreamError(Failure.CLIENT_REFUSED, "the private key that is set for it cannot be used")
