"""The test button: whatever can be tried at a provider without a person, told in plain words.

What another server answers stands in the findings only where it is an `error` or `error_description` of OAuth, the
issuer in a genuine description of a provider, or the difference of the clocks (O12).
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

from doorward.interfaces import Fetched, Random
from doorward.outside.upstream.conversation import Conversation, list_secrets
from doorward.outside.upstream.knowledge import fetch_keys, fetch_metadata
from doorward.rules.authorization import (
    ProviderWords,
    clean_words,
    extend_url,
    find_words,
    judge_refusal,
    make_parameters,
)
from doorward.rules.discovery import (
    IssuerMismatchError,
    Metadata,
    choose_algorithms,
    choose_client_auth,
    choose_par,
    make_discovery_url,
)
from doorward.rules.jose import encode
from doorward.rules.oidc import Departure, Failure, Finding, Health, UpstreamError
from doorward.rules.provider import Provider

_CLOCKS_DIFFER: Final = timedelta(seconds=30)
_CLOCKS_FAIL: Final = timedelta(seconds=60)
_CREATED: Final = frozenset({200, 201})
_REFUSED: Final = range(400, 500)
_LOOK: Final = 64 * 1024
"""Bytes of a page that are searched for the words `redirect_uri`."""
_SIGNED_OUT: Final = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
"""What a provider answers to `prompt=none` when it took the request, but nobody is signed in (Core, 3.1.2.6)."""


class Examination:
    """Examines OpenID providers. Asks anew, whatever is remembered, and remembers nothing."""

    def __init__(self, conversation: Conversation, random: Random) -> None:
        self._conversation = conversation
        self._random = random

    async def examine(self, provider: Provider, *, public_url: str, now: datetime) -> list[Finding]:
        """Every point, in the order in which somebody would mend them."""
        redirect_uri = public_url.rstrip("/") + provider.callback
        try:
            metadata, answer = await fetch_metadata(self._conversation, provider)
        except IssuerMismatchError as error:
            return [_judge_issuer(provider, error), say_redirect_uri(redirect_uri, asked=False)]
        except UpstreamError as error:
            return [_judge_silence(provider, error), say_redirect_uri(redirect_uri, asked=False)]
        source = make_discovery_url(provider)
        text = f"{source} describes the provider, and it is exactly {provider.issuer}."
        findings = [Finding("Discovery", Health.GOOD, text)]
        findings.append(judge_clock(answer, now))
        findings += [finding async for finding in self._try(provider, metadata, redirect_uri)]
        findings.append(_judge_signatures(provider, metadata))
        findings.append(_judge_scopes(provider, metadata))
        findings.append(_judge_pkce(metadata))
        if provider.check_every is not None:
            findings.append(_judge_renewal(provider))
        findings.append(_judge_logout(provider, metadata, public_url.rstrip("/")))
        return findings

    async def _try(self, provider: Provider, metadata: Metadata, redirect_uri: str) -> AsyncIterator[Finding]:
        try:
            keys = await fetch_keys(self._conversation, metadata)
            text = f"The provider publishes keys that verify signatures: {len(keys)}."
            yield Finding("Signing keys", Health.GOOD, text)
        except UpstreamError as error:
            advice = "Without a key nothing it says can be verified. Look at its jwks_uri."
            yield Finding("Signing keys", Health.BAD, _sentence(error), advice)
        try:
            yield await self._try_client(provider, metadata, redirect_uri)
        except UpstreamError as error:
            yield Finding("Client", Health.BAD, _sentence(error), _CLIENT_ADVICE)
        try:
            yield await self._try_redirect_uri(provider, metadata, redirect_uri)
        except UpstreamError as error:
            yield Finding("Redirect URI", Health.UNSURE, _sentence(error), _register(redirect_uri))

    async def _try_client(self, provider: Provider, metadata: Metadata, redirect_uri: str) -> Finding:
        """Redeem a code that cannot exist: who is told that the code is wrong has been recognised."""
        way = choose_client_auth(provider, metadata)
        form = {
            "grant_type": "authorization_code",
            "code": self._draw(),
            "redirect_uri": redirect_uri,
            "code_verifier": self._draw(),
        }
        answer, sent = await self._conversation.post_as_client(provider, metadata, metadata.token_endpoint, form)
        words = find_words(answer.body, list_secrets(sent))
        return judge_client(answer, words, way=way.value)

    async def _try_redirect_uri(self, provider: Provider, metadata: Metadata, redirect_uri: str) -> Finding:
        """Push a request, or ask with `prompt=none` as somebody who is signed in nowhere."""
        departure = Departure(
            redirect_uri=redirect_uri, state=self._draw(), nonce=self._draw(), verifier=self._draw(), prompt="none"
        )
        parameters = make_parameters(provider, departure)
        if choose_par(provider, metadata):
            answer, sent = await self._conversation.post_as_client(
                provider, metadata, metadata.par_endpoint, parameters
            )
            if answer.status in _CREATED:
                return say_redirect_uri(redirect_uri, asked=True)
            words = find_words(answer.body, list_secrets(sent))
            if words is not None and words.error == _UNKNOWN_CLIENT:
                text = f"As long as the provider does not take who we are, it says nothing about {redirect_uri}."
                return Finding("Redirect URI", Health.UNSURE, text, _register(redirect_uri))
            return _refuse_redirect_uri(redirect_uri, words)
        answer = await self._conversation.get(extend_url(metadata.authorization_endpoint, parameters))
        location = answer.headers.get("location", "")
        if location.startswith((f"{redirect_uri}?", f"{redirect_uri}#")):
            error = _find_error(location)
            if error is None or error.error in _SIGNED_OUT:
                return say_redirect_uri(redirect_uri, asked=True)
            text = f"The provider takes {redirect_uri}, and complains of something else: {error.text}."
            return Finding("Redirect URI", Health.UNSURE, text, "Mend what it complains of, then test again.")
        if answer.status in _REFUSED:
            words = find_words(answer.body, list_secrets(parameters))
            if words is not None or b"redirect_uri" in answer.body[:_LOOK].lower():
                return _refuse_redirect_uri(redirect_uri, words)
        return say_redirect_uri(redirect_uri, asked=False)

    def _draw(self) -> str:
        return encode(self._random.token(32))


_UNKNOWN_CLIENT: Final = "invalid_client"
_CLIENT_ADVICE: Final = (
    "Compare client id, client secret and how they are sent (token_auth_method) with the provider's."
)


def judge_client(answer: Fetched, words: ProviderWords | None, *, way: str) -> Finding:
    """What the answer to an invented code tells about who we are to the provider; `way`: how we said it."""
    failure = judge_refusal(answer.status, words)
    if failure is Failure.CLIENT_REFUSED:
        said = f" It says: {words.text}." if words else ""
        return Finding("Client", Health.BAD, f"The provider does not take who we are ({way}).{said}", _CLIENT_ADVICE)
    if words is not None and words.error in {"invalid_grant", "bad_verification_code"}:
        return Finding("Client", Health.GOOD, f"The provider takes our client id and proof ({way}).")
    said = f"says {words.text}" if words else f"answers {answer.status}"
    text = f"Asked with an invented code ({way}), the provider {said}. That tells nothing for certain."
    return Finding("Client", Health.UNSURE, text, "A real sign-in will show. " + _CLIENT_ADVICE)


def judge_clock(answer: Fetched, now: datetime) -> Finding:
    """Compare the provider's `Date` with our clock; a minute is what tokens are forgiven."""
    try:
        told = datetime.strptime(answer.headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return Finding("Clocks", Health.UNSURE, "The provider does not say what time it is there.")
    away = now - told
    if abs(away) <= _CLOCKS_DIFFER:
        return Finding("Clocks", Health.GOOD, "The provider's clock and ours agree.")
    side = "behind" if away > timedelta(0) else "ahead of"
    text = f"The provider's clock is {abs(away) // timedelta(seconds=1)} seconds {side} ours."
    health = Health.UNSURE if abs(away) <= _CLOCKS_FAIL else Health.BAD
    return Finding("Clocks", health, text, "Let both set their clocks from the network (NTP).")


def say_redirect_uri(redirect_uri: str, *, asked: bool) -> Finding:
    """The address to register, and whether the provider has just taken it."""
    if asked:
        return Finding("Redirect URI", Health.GOOD, f"The provider takes {redirect_uri}.")
    text = f"Whether {redirect_uri} is registered there can only be seen at a real sign-in."
    return Finding("Redirect URI", Health.UNSURE, text, _register(redirect_uri))


def _register(redirect_uri: str) -> str:
    return f"At the provider, register exactly this redirect URI: {redirect_uri}"


def _refuse_redirect_uri(redirect_uri: str, words: ProviderWords | None) -> Finding:
    said = f" It says: {words.text}." if words else ""
    text = f"The provider refuses a request that comes back to {redirect_uri}.{said}"
    return Finding("Redirect URI", Health.BAD, text, _register(redirect_uri))


def _find_error(location: str) -> ProviderWords | None:
    """The error in an address of ours that the provider wanted to send a browser to."""
    parts = urlsplit(location)
    query = parse_qs(parts.query or parts.fragment)
    error, description = query.get("error", [""])[0], query.get("error_description", [""])[0]
    return ProviderWords(clean_words(error), clean_words(description)) if error else None


def _judge_issuer(provider: Provider, error: IssuerMismatchError) -> Finding:
    if error.announced.rstrip("/") == provider.issuer.rstrip("/"):
        text = f"The issuer differs by a slash at the end: the provider calls itself {error.announced}"
        return Finding("Discovery", Health.BAD, text, f"Set the issuer to exactly: {error.announced}")
    advice = "The issuer must be exactly what the provider calls itself, or nothing it signs can be told from others'."
    if error.announced:
        advice += f" If that is the provider you mean, set the issuer to: {error.announced}"
    return Finding("Discovery", Health.BAD, _sentence(error), advice)


def _judge_silence(provider: Provider, error: UpstreamError) -> Finding:
    text = _sentence(error)
    advice = f"Open {make_discovery_url(provider)} from this machine: it must answer with JSON."
    if "`outbound." in text:
        # What to set is said already, by who refused to connect.
        advice = "That stands in the configuration file, and counts after a restart."
    return Finding("Discovery", Health.BAD, text, advice)


def _judge_signatures(provider: Provider, metadata: Metadata) -> Finding:
    common = choose_algorithms(provider, metadata)
    if not common:
        text = "The provider announces none of the signatures that are accepted from it."
        return Finding("Signatures", Health.BAD, text, "Set ID tokens there to RS256, ES256 or EdDSA.")
    if metadata.algorithms is None:
        text = "The provider does not say how it signs; accepted are " + ", ".join(sorted(common)) + "."
        return Finding("Signatures", Health.UNSURE, text)
    return Finding("Signatures", Health.GOOD, "Accepted from the provider: " + ", ".join(sorted(common)) + ".")


def _judge_scopes(provider: Provider, metadata: Metadata) -> Finding:
    if "openid" not in provider.scopes:
        text = "The scope openid is not asked for, and without it there is no ID token."
        return Finding("Scopes", Health.BAD, text, "Add openid to the scopes.")
    if metadata.scopes is None:
        return Finding("Scopes", Health.UNSURE, "The provider does not say which scopes it knows.")
    unknown = [scope for scope in provider.scopes if scope not in metadata.scopes]
    if unknown:
        text = "The provider does not announce: " + ", ".join(unknown) + "."
        advice = "Some providers know more than they announce. If sign-in fails with invalid_scope, leave these out."
        return Finding("Scopes", Health.UNSURE, text, advice)
    if provider.groups_claim in metadata.scopes and provider.groups_claim not in provider.scopes:
        text = f"The provider knows a scope {provider.groups_claim}, which is not asked for."
        return Finding("Scopes", Health.UNSURE, text, "If groups are missing after a sign-in, add it to the scopes.")
    return Finding("Scopes", Health.GOOD, "The provider knows every scope that is asked for.")


def _judge_pkce(metadata: Metadata) -> Finding:
    if metadata.challenge_methods is not None and "S256" in metadata.challenge_methods:
        return Finding("PKCE", Health.GOOD, "The provider ties the code to us with S256.")
    text = (
        "The provider does not announce PKCE with S256. It is sent all the same; whether it is checked, nobody knows."
    )
    return Finding("PKCE", Health.UNSURE, text, "Demand PKCE for this client, if the provider can.")


def _judge_renewal(provider: Provider) -> Finding:
    if "offline_access" in provider.scopes:
        return Finding("Renewal", Health.GOOD, "A refresh token is asked for, so that sessions can be tied to it.")
    text = "The scope offline_access is not asked for. Some providers give a refresh token all the same."
    advice = "Where sessions turn out not to be tied to the provider, add offline_access to the scopes."
    return Finding("Renewal", Health.UNSURE, text, advice)


def _judge_logout(provider: Provider, metadata: Metadata, public_url: str) -> Finding:
    can = []
    if metadata.end_session_endpoint and provider.logout:
        can.append("Signing out here signs out there.")
    if metadata.backchannel_logout:
        can.append("Signing out there ends the sessions here, once the back-channel logout URI is registered.")
    if not can:
        return Finding("Sign-out", Health.UNSURE, "Who signs out here stays signed in at the provider.")
    back = f"{public_url}/logout/backchannel/{provider.id}"
    front = f"{public_url}/logout/frontchannel/{provider.id}"
    advice = f"Back-channel logout URI: {back}" if metadata.backchannel_logout else ""
    if metadata.frontchannel_logout and not metadata.backchannel_logout:
        advice = f"Front-channel logout URI: {front}"
    return Finding("Sign-out", Health.GOOD, " ".join(can), advice)


def _sentence(error: UpstreamError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
