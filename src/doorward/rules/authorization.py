"""The authorization code flow as values: what we ask for, what comes back, what the token endpoint says.

PKCE with S256 is in every request (H06), and there is no other response type than `code` (RFC 9700).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from doorward.errors import InputError
from doorward.rules.jose import encode
from doorward.rules.names import clean_text
from doorward.rules.oidc import Departure, Failure, UpstreamError
from doorward.rules.provider import Kind, Provider
from doorward.rules.strict_json import parse_object

_MOST_WORDS: Final = 300
_LEAST_SECRET: Final = 8
_CLIENT_ERRORS = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_redirect_uri", "redirect_uri_mismatch", "application_suspended",
     "incorrect_client_credentials"}
)  # fmt: skip
"""Errors that say it is us who is not known there: those of RFC 6749, 7591, and GitHub's."""
_CODE_ERRORS = frozenset({"invalid_grant", "bad_verification_code"})
_SILENT = frozenset({429, *range(500, 600)})
"""Statuses of a server that cannot answer just now."""


@dataclass(frozen=True, slots=True)
class ProviderWords:
    """The error a provider answered with, cleaned: all we ever repeat of an answer (O12)."""

    error: str
    description: str

    @property
    def text(self) -> str:
        """Both, for a person."""
        return f"{self.error}: {self.description}" if self.description else self.error


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What a token endpoint gave. An absent token is ""."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def make_challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, 4.2)."""
    return encode(hashlib.sha256(verifier.encode("ascii")).digest())


def make_parameters(provider: Provider, departure: Departure) -> dict[str, str]:
    """The parameters of an authorization request at an OpenID provider (Core, 3.1.2.1)."""
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": departure.redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": departure.state,
        "nonce": departure.nonce,
        "code_challenge": make_challenge(departure.verifier),
        "code_challenge_method": "S256",
        "prompt": departure.prompt,
        "acr_values": " ".join(departure.acr_values),
        "login_hint": departure.login_hint,
    }
    if departure.max_age is not None:
        parameters["max_age"] = str(departure.max_age // timedelta(seconds=1))
    if provider.kind is Kind.GOOGLE:
        # Which accounts to show; whether somebody is of the domain is decided on the claim.
        parameters["hd"] = next(iter(provider.allowed_domains)) if len(provider.allowed_domains) == 1 else ""
        # Google's own way of asking for a refresh token.
        parameters["access_type"] = "offline" if provider.check_every else ""
    return {name: value for name, value in parameters.items() if value}


def extend_url(url: str, parameters: Mapping[str, str]) -> str:
    """`url` with `parameters` after those that it has."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def check_response_issuer(issuer: str | None, *, expected: Sequence[str], announced: bool) -> None:
    """Whether the answer the browser brings comes from the provider that was asked (RFC 9207).

    Mandatory where the provider announces it, and right wherever it is; UpstreamError TOKEN otherwise.
    """
    if issuer is None and announced:
        raise UpstreamError(Failure.TOKEN, "its answer does not say from whom it is, which it announces to do")
    if issuer is not None and issuer not in expected:
        raise UpstreamError(Failure.TOKEN, "the answer is that of another provider (iss)")


def make_basic(client_id: str, client_secret: str) -> str:
    """The pair of `client_secret_basic` before base64: each half form-encoded first (RFC 6749, 2.3.1)."""
    return f"{quote_plus(client_id)}:{quote_plus(client_secret)}"


def find_words(body: bytes, secrets: Sequence[str] = ()) -> ProviderWords | None:
    """The `error` and `error_description` of an answer, fit to show; None where it has none (O12).

    What we sent and nobody is to read (`secrets`) is taken out, should the provider repeat it.
    """
    try:
        answer = parse_object(body)
    except InputError:
        return None
    error = answer.get("error")
    if not isinstance(error, str) or not error:
        return None
    description = answer.get("error_description")
    return ProviderWords(
        clean_words(error, secrets), clean_words(description, secrets) if isinstance(description, str) else ""
    )


def clean_words(text: str, secrets: Sequence[str] = ()) -> str:
    """A provider's words for the log and the console: on one line, printable, bounded, without our secrets (H17)."""
    short = text[: 4 * _MOST_WORDS]
    for secret in secrets:
        if len(secret) < _LEAST_SECRET:  # what is so short stands in words that are none
            continue
        # As it is, and as it travelled: whoever repeats a request may repeat it raw.
        for spelling in (secret, quote_plus(secret), quote(secret, safe="")):
            short = short.replace(spelling, "[secret]")
    return clean_text(" ".join(short.split()), _MOST_WORDS)


def judge_refusal(status: int, words: ProviderWords | None) -> Failure:
    """What a refusing answer of a token, PAR or userinfo endpoint comes down to.

    CODE_REFUSED only where the provider says exactly that: at a renewal it ends somebody's session.
    """
    if words is not None and words.error in _CLIENT_ERRORS:
        return Failure.CLIENT_REFUSED
    if words is not None and words.error in _CODE_ERRORS:
        return Failure.CODE_REFUSED
    if status in _SILENT:
        return Failure.UNREACHABLE
    if status == 401 and words is None:  # noqa: PLR2004 -- Unauthorized
        return Failure.CLIENT_REFUSED
    return Failure.PROVIDER_ERROR


def read_token_answer(answer: Mapping[str, Any]) -> TokenAnswer:
    """Read a token endpoint's success (RFC 6749, 5.1; Core, 3.1.3.3). UpstreamError TOKEN where it is malformed."""
    tokens = {}
    for name in ("id_token", "access_token", "refresh_token"):
        value = answer.get(name)
        if value is None:
            value = ""
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
            raise UpstreamError(Failure.TOKEN, f"the {name} in its answer is not a token")
        tokens[name] = value
    token_type = answer.get("token_type", "")
    if tokens["access_token"] and not (isinstance(token_type, str) and token_type.lower() == "bearer"):
        raise UpstreamError(Failure.TOKEN, "its access token is of a type that is not understood here")
    return TokenAnswer(**tokens)
