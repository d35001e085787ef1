"""OpenID Connect: the authorization code flow, refresh and sign-out at a provider that describes itself."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from doorward.errors import InputError
from doorward.interfaces import Renewed
from doorward.outside.upstream.conversation import Conversation
from doorward.outside.upstream.knowledge import Knowledge
from doorward.outside.upstream.signatures import is_genuine
from doorward.rules.authorization import TokenAnswer, check_response_issuer, extend_url, make_parameters
from doorward.rules.claims import Expected, add_profile, check_id_token, check_logout_token, list_wanted
from doorward.rules.discovery import Metadata, choose_algorithms, choose_par
from doorward.rules.jose import SignedToken, TokenKind, parse_token
from doorward.rules.oidc import Arrival, Authenticated, Departure, Failure, LogoutToken, UpstreamError
from doorward.rules.provider import Provider

_LONGEST_HINT: Final = 4096
"""Characters of an ID token that still fit into an address; a longer one is left out, and the provider may then ask."""


class OpenIdSpeaker:
    """Speaks OpenID Connect. Everything about one sign-in is in arguments and results (H05)."""

    def __init__(self, conversation: Conversation, knowledge: Knowledge) -> None:
        self._conversation = conversation
        self._knowledge = knowledge

    async def depart(self, provider: Provider, departure: Departure) -> str:
        """The URL to send the browser to."""
        metadata = await self._knowledge.get_metadata(provider)
        parameters = make_parameters(provider, departure)
        if choose_par(provider, metadata):
            pushed = await self._conversation.push_request(provider, metadata, parameters)
            parameters = {"client_id": provider.client_id, "request_uri": pushed}
        return extend_url(metadata.authorization_endpoint, parameters)

    async def arrive(self, provider: Provider, arrival: Arrival, *, now: datetime) -> Authenticated:
        """Exchange the code and verify everything that came."""
        metadata = await self._knowledge.get_metadata(provider)
        check_response_issuer(arrival.issuer, expected=(provider.issuer,), announced=metadata.announces_issuer)
        answer = await self._conversation.ask_tokens(
            provider,
            metadata,
            {
                "grant_type": "authorization_code",
                "code": arrival.code,
                "redirect_uri": arrival.redirect_uri,
                "code_verifier": arrival.verifier,
            },
        )
        if not answer.id_token:
            raise UpstreamError(Failure.TOKEN, "it sent no ID token; is `openid` among the scopes?")
        expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=arrival.nonce,
            not_before=None if arrival.max_age is None else arrival.began_at - arrival.max_age,
        )
        return await self._authenticate(provider, metadata, answer, expected, now=now)

    async def renew(self, provider: Provider, refresh_token: str, *, subject: str, now: datetime) -> Renewed:
        """Use a refresh token; what the provider says about somebody then must be about `subject` (Core, 12.2).

        Once it was used there is no way back to it. So where keys or userinfo cannot be had just now, the renewal
        counts, and who it is will be said another time.
        """
        metadata = await self._knowledge.get_metadata(provider)
        answer = await self._conversation.ask_tokens(
            provider, metadata, {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        authenticated = None
        if answer.id_token:
            expected = Expected(issuer=provider.issuer, client_id=provider.client_id, nonce=None, subject=subject)
            try:
                authenticated = await self._authenticate(provider, metadata, answer, expected, now=now)
            except UpstreamError as error:
                if error.failure is Failure.TOKEN:
                    raise
        unchanged = answer.refresh_token == refresh_token
        return Renewed(refresh_token="" if unchanged else answer.refresh_token, authenticated=authenticated)

    async def read_logout_token(self, provider: Provider, token: str, *, now: datetime) -> LogoutToken:
        """Verify a back-channel logout token."""
        metadata = await self._knowledge.get_metadata(provider)
        signed = await self._verify(provider, metadata, token, TokenKind.LOGOUT)
        return check_logout_token(
            signed.unverified_claims, issuer=provider.issuer, client_id=provider.client_id, now=now
        )

    async def find_logout_url(self, provider: Provider, *, id_token: str, return_url: str) -> str | None:
        """Where the browser signs out at the provider (RP-Initiated Logout 1.0); None where it offers none."""
        metadata = await self._knowledge.get_metadata(provider)
        if not metadata.end_session_endpoint:
            return None
        parameters = {
            "id_token_hint": id_token if len(id_token) <= _LONGEST_HINT else "",
            "client_id": provider.client_id,
            "post_logout_redirect_uri": return_url,
        }
        return extend_url(metadata.end_session_endpoint, {name: value for name, value in parameters.items() if value})

    async def _authenticate(
        self, provider: Provider, metadata: Metadata, answer: TokenAnswer, expected: Expected, *, now: datetime
    ) -> Authenticated:
        """Verify the ID token, then add what userinfo knows more. There is no way from a bad ID token to userinfo."""
        signed = await self._verify(provider, metadata, answer.id_token, TokenKind.ID)
        authenticated = check_id_token(
            signed.unverified_claims,
            expected,
            algorithm=signed.algorithm,
            access_token=answer.access_token,
            now=now,
        )
        userinfo = None
        if metadata.userinfo_endpoint and answer.access_token and list_wanted(authenticated.claims, provider):
            userinfo = await self._conversation.ask_userinfo(metadata, answer.access_token)
        return replace(
            add_profile(authenticated, userinfo), id_token=answer.id_token, refresh_token=answer.refresh_token
        )

    async def _verify(self, provider: Provider, metadata: Metadata, token: str, kind: TokenKind) -> SignedToken:
        """Read a token and verify its signature; only after that do its claims mean anything."""
        try:
            signed = parse_token(token, kind, algorithms=choose_algorithms(provider, metadata))
        except InputError as error:
            raise UpstreamError(Failure.TOKEN, f"its {kind.value} is refused: {error}") from None
        key = await self._knowledge.get_key(provider, metadata, signed)
        if not is_genuine(signed, key):
            newer = await self._knowledge.get_key(provider, metadata, signed, other_than=key)
            if newer == key or not is_genuine(signed, newer):
                raise UpstreamError(Failure.TOKEN, f"its {kind.value} is refused: the signature is wrong")
        return signed
