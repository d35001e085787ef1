"""The clients that the real provider knows: one for each way in which a gateway may be registered."""

import json
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.gateway import AUTH
from tests.integration.upstream.provider import SECRET, client

PUBLIC_URL = f"https://{AUTH}"
SCOPES = ("openid", "email", "profile", "groups")


class OwnKey:
    """A key pair for `private_key_jwt`: ours as PEM, theirs as a JWK."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        numbers = key.public_key().public_numbers()
        coordinates = {name: _encode(number) for name, number in (("x", numbers.x), ("y", numbers.y))}
        self.jwk = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", **coordinates}


def callback_of(name: str) -> str:
    """Where the provider sends the browser back to for this provider of the gateway's."""
    return f"{PUBLIC_URL}/login/callback/{name}"


def all_clients(key: OwnKey) -> list[dict[str, Any]]:
    """Every client. Each is called like the gateway's name for the provider."""
    told = {
        "backchannel_logout_uri": f"{PUBLIC_URL}/logout/backchannel/basic",
        "backchannel_logout_session_required": True,
    }
    signing = {"token_endpoint_auth_signing_alg": "ES256", "jwks": {"keys": [key.jwk]}}
    renewing = {"grant_types": ["authorization_code", "refresh_token"]}
    back = {"post_logout_redirect_uris": [f"{PUBLIC_URL}/signed-out"]}
    return [
        client("basic", callback_of("basic"), **told, **back),
        client("post", callback_of("post"), method="client_secret_post", id_token_signed_response_alg="ES256", **back),
        client("key", callback_of("key"), method="private_key_jwt", **signing, **back),
        client("public", callback_of("public"), method="none", require_auth_time=False, **back),
        client("pushed", callback_of("pushed"), require_pushed_authorization_requests=True, **back),
        client("tied", callback_of("tied"), **renewing, **back),
    ]


def settings_of(key: OwnKey) -> dict[str, dict[str, str]]:
    """What a gateway is told about each client, besides the issuer: in the words of `authn.providers`."""
    secret = {"client_secret": SECRET}
    return {
        "basic": secret,
        "post": {**secret, "token_auth_method": "client_secret_post"},
        "key": {"private_key": key.pem, "token_auth_method": "private_key_jwt"},
        "public": {"token_auth_method": "none", "par": "never"},
        "pushed": {**secret, "par": "require"},
        "tied": {**secret, "check_every": "1m"},
    }


def quote(value: object) -> str:
    """A value as YAML."""
    return json.dumps(value)


def _encode(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
