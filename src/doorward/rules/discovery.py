"""What a provider says about itself (OpenID Connect Discovery 1.0, RFC 8414), and what follows from it for us.

Every word of it is untrusted until the issuer in it is exactly the one we were told (H14, H18). Whether an address in
it may be called at all is judged on every call (`rules/outbound.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from doorward.rules.jose import call_algorithm
from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import ClientAuth, Par, Provider

WELL_KNOWN: Final = "/.well-known/openid-configuration"
_MOST_ADDRESS = 2048
_MOST_WORDS = 200
_ADDRESS = re.compile(r"https?://[!-\[\]-~]+")  # printable ASCII without space and backslash


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A provider's own description. An address that it does not give is "", a list that it does not give is None."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    par_endpoint: str = ""
    par_required: bool = False
    announces_issuer: bool = False
    """Whether its answers to the browser carry `iss` (RFC 9207)."""
    backchannel_logout: bool = False
    frontchannel_logout: bool = False
    algorithms: tuple[str, ...] | None = None
    client_auths: tuple[str, ...] | None = None
    assertion_algorithms: tuple[str, ...] | None = None
    challenge_methods: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None


class IssuerMismatchError(UpstreamError):
    """The description is that of another issuer. `announced` is what it says, where it is an address at all."""

    def __init__(self, wanted: str, announced: str) -> None:
        said = f"it calls itself {announced}" if announced else "it does not say by which name it goes"
        super().__init__(Failure.DISCOVERY, f"this is not the provider {wanted}: {said}")
        self.announced = announced


def make_discovery_url(provider: Provider) -> str:
    """Where the provider describes itself (Discovery, 4.1)."""
    return provider.discovery_url or provider.issuer.removesuffix("/") + WELL_KNOWN


def read_metadata(document: Mapping[str, Any], provider: Provider, *, source: str) -> Metadata:
    """Read a description that came from `source`. UpstreamError DISCOVERY, with what is wrong, where it is not usable.

    Addresses are https; http only where the description itself came that way, which the outbound policy allowed.
    """
    plain = source.startswith("http:")
    issuer = document.get("issuer")
    found = {
        name: _find_address(document, name, plain=plain)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    }
    # SECURITY: byte for byte. Anything looser lets one tenant of a provider speak for another (H14).
    if issuer != provider.issuer:
        # Said again only where this is the description of a provider, so that a test of an address tells nothing about
        # whatever else may answer there (O12).
        genuine = found["authorization_endpoint"] and found["token_endpoint"] and found["jwks_uri"]
        known = genuine and isinstance(issuer, str) and is_address(issuer)
        raise IssuerMismatchError(provider.issuer, str(issuer) if known else "")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not found[name]:
            raise UpstreamError(Failure.DISCOVERY, f"its description has no usable {name}")
    return Metadata(
        issuer=provider.issuer,
        **found,
        end_session_endpoint=_find_address(document, "end_session_endpoint", plain=plain),
        par_endpoint=_find_address(document, "pushed_authorization_request_endpoint", plain=plain),
        par_required=document.get("require_pushed_authorization_requests") is True,
        announces_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        backchannel_logout=document.get("backchannel_logout_supported") is True,
        frontchannel_logout=document.get("frontchannel_logout_supported") is True,
        algorithms=_find_algorithms(document, "id_token_signing_alg_values_supported"),
        client_auths=_find_words(document, "token_endpoint_auth_methods_supported"),
        assertion_algorithms=_find_algorithms(document, "token_endpoint_auth_signing_alg_values_supported"),
        challenge_methods=_find_words(document, "code_challenge_methods_supported"),
        scopes=_find_words(document, "scopes_supported"),
    )


def is_address(text: str) -> bool:
    """Whether `text` is an absolute http or https address with a host, without user, fragment or anything odd."""
    if len(text) > _MOST_ADDRESS or not _ADDRESS.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and "#" not in text
    except ValueError:
        return False


def choose_algorithms(provider: Provider, metadata: Metadata) -> frozenset[str]:
    """The signatures accepted: those of the settings, narrowed to what is announced. It can never widen them (I02)."""
    if metadata.algorithms is None:
        return frozenset(provider.algorithms)
    return frozenset(provider.algorithms).intersection(metadata.algorithms)


def choose_client_auth(provider: Provider, metadata: Metadata) -> ClientAuth:
    """How to prove who we are: as set, or the best of what we can and the provider takes.

    UpstreamError CLIENT_REFUSED where the two have nothing in common.
    """
    if provider.client_auth is not None:
        return provider.client_auth
    taken = metadata.client_auths or (ClientAuth.BASIC.value,)  # what silence means (Discovery, 3)
    if provider.private_key and ClientAuth.PRIVATE_KEY.value in taken:
        return ClientAuth.PRIVATE_KEY
    if provider.client_secret:
        for way in (ClientAuth.BASIC, ClientAuth.POST):
            if way.value in taken:
                return way
    if not provider.client_secret and not provider.private_key:
        return ClientAuth.NONE  # public clients are welcome at many providers that do not list them
    raise UpstreamError(
        Failure.CLIENT_REFUSED,
        "it takes none of the proofs of identity that are set for it; it announces: " + ", ".join(sorted(taken)),
    )


def choose_par(provider: Provider, metadata: Metadata) -> bool:
    """Whether the request is pushed first. UpstreamError DISCOVERY where settings and provider exclude each other."""
    match provider.par:
        case Par.AUTO:
            return bool(metadata.par_endpoint)
        case Par.REQUIRE if not metadata.par_endpoint:
            raise UpstreamError(
                Failure.DISCOVERY, "it offers no pushed authorization requests, which are required here"
            )
        case Par.NEVER if metadata.par_required:
            raise UpstreamError(
                Failure.DISCOVERY, "it demands pushed authorization requests, which are switched off here"
            )
        case _:
            return provider.par is Par.REQUIRE


def _find_address(document: Mapping[str, Any], name: str, *, plain: bool) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not is_address(value) or (value.startswith("http:") and not plain):
        return ""
    return value


def _find_words(document: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = document.get(name)
    if not isinstance(value, list):
        return None
    return tuple(
        word for word in value[:_MOST_WORDS] if isinstance(word, str) and word.isascii() and word.isprintable()
    )


def _find_algorithms(document: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    words = _find_words(document, name)
    return None if words is None else tuple(map(call_algorithm, words))
