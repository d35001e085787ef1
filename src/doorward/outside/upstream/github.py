"""GitHub: OAuth 2.0 without OpenID Connect. Who somebody is comes from its API, with the token just exchanged.

The subject is the numeric id: logins can be renamed, and taken by somebody else. Errors of the token endpoint come with
200. Only addresses that GitHub calls verified count, the primary one first; an account that shows none comes without
(C-25), and is then refused where `allowed_emails` or `allowed_domains` ask for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from doorward.errors import InputError
from doorward.interfaces import Renewed
from doorward.outside.upstream.conversation import Conversation, list_secrets, take_object
from doorward.outside.upstream.examination import judge_client, judge_clock, say_redirect_uri
from doorward.rules.authorization import (
    TokenAnswer,
    check_response_issuer,
    extend_url,
    find_words,
    judge_refusal,
    make_challenge,
    read_token_answer,
)
from doorward.rules.names import clean_text, parse_email
from doorward.rules.oidc import (
    Arrival,
    Authenticated,
    Departure,
    Failure,
    Finding,
    Health,
    LogoutToken,
    UpstreamError,
)
from doorward.rules.provider import GITHUB_ISSUER, Provider
from doorward.rules.strict_json import parse_json

RESPONSE_ISSUER: Final = "https://github.com/login/oauth"
"""What GitHub calls itself in the `iss` parameter; identities have `GITHUB_ISSUER`."""
_API: Final = {
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
}
_MAIL_SCOPES: Final = frozenset({"user", "user:email"})
_MOST_NAME: Final = 128
_ADVICE: Final = "Compare the client id with that of the app under Settings, Developer settings at GitHub."


@dataclass(frozen=True, slots=True)
class GitHubAddresses:
    """Where GitHub is. Not a setting; replaced by those who replay GitHub."""

    authorize: str = "https://github.com/login/oauth/authorize"
    token: str = "https://github.com/login/oauth/access_token"  # noqa: S105 -- an address
    user: str = "https://api.github.com/user"
    emails: str = "https://api.github.com/user/emails?per_page=100"


class GitHubSpeaker:
    """Speaks GitHub's OAuth. Everything about one sign-in is in arguments and results (H05)."""

    def __init__(self, conversation: Conversation, addresses: GitHubAddresses) -> None:
        self._conversation = conversation
        self._addresses = addresses

    async def depart(self, provider: Provider, departure: Departure) -> str:
        """The URL to send the browser to, with PKCE."""
        parameters = {
            "client_id": provider.client_id,
            "redirect_uri": departure.redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": departure.state,
            "code_challenge": make_challenge(departure.verifier),
            "code_challenge_method": "S256",
            "prompt": departure.prompt,
            "login": departure.login_hint,
        }
        return extend_url(self._addresses.authorize, {name: value for name, value in parameters.items() if value})

    async def arrive(self, provider: Provider, arrival: Arrival, *, now: datetime) -> Authenticated:
        """Exchange the code and ask whose it is. NOT_FRESH where it was asked how long ago: GitHub does not say."""
        del now
        if arrival.max_age is not None:
            raise UpstreamError(Failure.NOT_FRESH, "GitHub does not tell when somebody signed in")
        check_response_issuer(arrival.issuer, expected=(RESPONSE_ISSUER,), announced=False)
        tokens = await self._ask_tokens(
            provider,
            {"code": arrival.code, "redirect_uri": arrival.redirect_uri, "code_verifier": arrival.verifier},
        )
        return await self._identify(provider, tokens)

    async def renew(self, provider: Provider, refresh_token: str, *, subject: str, now: datetime) -> Renewed:
        """There are no refresh tokens to use: those of OAuth apps do not expire, so nothing can be tied to them."""
        del provider, refresh_token, subject, now
        raise UpstreamError(Failure.CODE_REFUSED, "GitHub's sign-ins cannot be renewed")

    async def read_logout_token(self, provider: Provider, token: str, *, now: datetime) -> LogoutToken:
        """There are none."""
        del provider, token, now
        raise UpstreamError(Failure.TOKEN, "GitHub sends no logout tokens")

    async def find_logout_url(self, provider: Provider, *, id_token: str, return_url: str) -> str | None:
        """There is none: who signs out here stays signed in at GitHub."""
        del provider, id_token, return_url
        return None

    async def examine(self, provider: Provider, *, public_url: str, now: datetime) -> list[Finding]:
        """Redeem a code that cannot exist, and see what GitHub finds wrong first."""
        redirect_uri = public_url.rstrip("/") + provider.callback
        sent = {
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
            "code": "doorward-test",
            "redirect_uri": redirect_uri,
        }
        try:
            answer = await self._conversation.post(self._addresses.token, sent)
        except UpstreamError as error:
            return [Finding("Reachable", Health.BAD, f"GitHub does not answer: {error}.", _ADVICE)]
        words = find_words(answer.body, list_secrets(sent))
        client = judge_client(answer, words, way="client_secret_post")
        if answer.status == 404:  # noqa: PLR2004 -- Not Found: what GitHub says to an id that nobody has
            client = Finding("Client", Health.BAD, "GitHub knows no app with this client id.", _ADVICE)
        reachable = Finding("Reachable", Health.GOOD, "GitHub answers.")
        return [reachable, judge_clock(answer, now), client, say_redirect_uri(redirect_uri, asked=False)]

    async def _ask_tokens(self, provider: Provider, form: Mapping[str, str]) -> TokenAnswer:
        sent = {"client_id": provider.client_id, "client_secret": provider.client_secret, **form}
        answer = await self._conversation.post(self._addresses.token, sent)
        words = find_words(answer.body, list_secrets(sent))
        if words is not None:
            raise UpstreamError(judge_refusal(answer.status, words), f"its token endpoint says {words.text}")
        tokens = read_token_answer(take_object(answer, "token endpoint", sent))
        if not tokens.access_token:
            raise UpstreamError(Failure.TOKEN, "its token endpoint answered without a token")
        return tokens

    async def _identify(self, provider: Provider, tokens: TokenAnswer) -> Authenticated:
        headers = {**_API, "authorization": f"Bearer {tokens.access_token}"}
        answer = await self._conversation.get(self._addresses.user, headers=headers)
        user = take_object(answer, "account endpoint", {"token": tokens.access_token})
        number, login, name = user.get("id"), user.get("login"), user.get("name")
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0 or not isinstance(login, str):
            raise UpstreamError(Failure.TOKEN, "its answer about the account does not say which it is")
        email = await self._find_address(provider, headers)
        claims = {key: value for key, value in user.items() if key not in {"email", "email_verified"}}
        if email:
            claims |= {"email": email, "email_verified": True}
        return Authenticated(
            issuer=GITHUB_ISSUER,
            subject=str(number),
            email=email,
            email_verified=bool(email),
            name=clean_text(" ".join(name.split()), _MOST_NAME) if isinstance(name, str) else "",
            user_name=clean_text(login, _MOST_NAME),
            claims=claims,
        )

    async def _find_address(self, provider: Provider, headers: Mapping[str, str]) -> str:
        """The verified address: the primary one, else the first by alphabet. That of the profile is anybody's word."""
        if _MAIL_SCOPES.isdisjoint(provider.scopes):
            return ""
        answer = await self._conversation.get(self._addresses.emails, headers=headers)
        if answer.status in {403, 404}:
            return ""  # the person, or the app's permissions, did not grant it
        if answer.status != 200:  # noqa: PLR2004 -- OK
            raise UpstreamError(judge_refusal(answer.status, None), f"its list of addresses answers {answer.status}")
        try:
            entries = parse_json(answer.body)
        except InputError as error:
            raise UpstreamError(Failure.TOKEN, f"its list of addresses is unreadable: {error}") from None
        verified = sorted(
            (entry.get("primary") is not True, email)
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and entry.get("verified") is True and (email := _parse(entry.get("email")))
        )
        return verified[0][1] if verified else ""


def _parse(value: Any) -> str:
    try:
        return parse_email(value) if isinstance(value, str) else ""
    except InputError:
        return ""
