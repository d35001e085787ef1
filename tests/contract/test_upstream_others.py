"""Google and GitHub, as their documentation writes what they send."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.outside.upstream.client import UpstreamClient
from doorward.rules.oidc import Arrival, Authenticated, Departure, Failure, Health, UpstreamError
from doorward.rules.provider import GOOGLE_ISSUER, Kind
from doorward.rules.upstream import verified_email
from tests.contract.parley import make_client, parley, query_of
from tests.fakes.github import CLIENT_ID, REDIRECT_URI, FakeGitHub
from tests.fakes.loopback import Answer
from tests.fakes.system import FakeClock

# Google


@asynccontextmanager
async def google(**claims: Any) -> AsyncIterator[Any]:
    """Google's description, and an ID token with Google's claims."""
    async with parley(google=True) as meeting:
        meeting.provider.metadata["issuer"] = GOOGLE_ISSUER
        # What Google announces of the rest: no `iss` parameter, no PAR, no end of session.
        for name in ("authorization_response_iss_parameter_supported", "end_session_endpoint"):
            del meeting.provider.metadata[name]
        meeting.provider.metadata["token_endpoint_auth_methods_supported"] = [
            "client_secret_post",
            "client_secret_basic",
        ]
        meeting.provider.users = {
            "alice": {
                "sub": "110169484474386276334",
                "azp": "doorward client:1",
                "email": "alice@example.com",
                "email_verified": True,
                "name": "Alice",
                "picture": "https://lh3.googleusercontent.com/a",
                "given_name": "Alice",
            }
            | claims
        }
        yield meeting


async def test_google_is_google_wherever_the_settings_point() -> None:
    async with google(hd="example.com") as meeting:
        settings = meeting.provider.settings(
            kind=Kind.GOOGLE, issuer="https://evil.example", discovery_url="https://evil.example/x"
        )
        who = await meeting.sign_in(settings)
        assert (who.issuer, who.subject) == (GOOGLE_ISSUER, "110169484474386276334")
        assert (who.email, who.email_verified, who.claims["hd"]) == ("alice@example.com", True, "example.com")
        assert await meeting.client.find_logout_url(settings, id_token="", return_url="") is None
        assert meeting.provider.asked("/userinfo") == []


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"hd": "example.com"}, "alice@example.com"),
        ({"email": "a@gmail.com"}, "a@gmail.com"),
        ({}, ""),
        ({"hd": "example.com", "email_verified": "true"}, ""),
        ({"hd": 1}, ""),
    ],
)
async def test_an_address_at_google_counts_where_google_gives_it_out(claims: dict[str, Any], email: str) -> None:
    async with google(**claims) as meeting:
        settings = meeting.provider.settings(kind=Kind.GOOGLE)
        assert verified_email(settings, await meeting.sign_in(settings)) == email


async def test_google_is_asked_in_its_own_words() -> None:
    async with google() as meeting:
        settings = meeting.provider.settings(kind=Kind.GOOGLE)
        plain = query_of(await meeting.client.depart(settings, meeting.depart()))
        assert not {"hd", "access_type"} & set(plain)
        tied = replace(settings, allowed_domains=frozenset({"example.com"}), check_every=timedelta(hours=1))
        query = query_of(await meeting.client.depart(tied, meeting.depart(prompt="select_account")))
        assert (query["hd"], query["access_type"], query["prompt"]) == ("example.com", "offline", "select_account")


@pytest.mark.parametrize("issuer", ["accounts.google.com", "https://accounts.google.com/", "https://evil.example"])
async def test_a_token_of_google_names_google_exactly(issuer: str) -> None:
    async with google(iss=issuer) as meeting:
        with pytest.raises(UpstreamError, match="iss is another issuer"):
            await meeting.sign_in(meeting.provider.settings(kind=Kind.GOOGLE))


# GitHub


@asynccontextmanager
async def github() -> AsyncIterator[tuple[FakeGitHub, UpstreamClient]]:
    async with FakeGitHub() as hub:
        yield hub, make_client(FakeClock(), hub.addresses.user, github=hub.addresses)


async def sign_in(hub: FakeGitHub, client: UpstreamClient, **changes: Any) -> Authenticated:
    """The round trip; `changes` are of what came back."""
    settings = hub.settings()
    now = FakeClock().now()
    departure = Departure(redirect_uri=REDIRECT_URI, state="s" * 43, nonce="n" * 43, verifier="v" * 43)
    back = hub.authorize(await client.depart(settings, departure))
    given = {"code": back["code"], "nonce": "n" * 43, "verifier": "v" * 43, "issuer": back["iss"], "began_at": now}
    return await client.arrive(settings, Arrival(**{"redirect_uri": REDIRECT_URI} | given | changes), now=now)


async def test_at_github_somebody_is_a_number_and_a_name_is_only_a_name() -> None:
    """C-25."""
    async with github() as (hub, client):
        who = await sign_in(hub, client)
        assert (who.issuer, who.subject, who.user_name) == ("https://github.com", "583231", "octocat")
        assert (who.name, who.email, who.email_verified) == ("The Octocat", "octocat@example.com", True)
        assert (who.auth_time, who.amr, who.refresh_token, who.id_token) == (None, frozenset(), "", "")
        assert (who.claims["login"], who.claims["email"]) == ("octocat", "octocat@example.com")
        assert [request.path for request in hub.requests] == ["/login/oauth/access_token", "/user", "/user/emails"]
        assert hub.requests[1].headers["user-agent"]
        assert hub.requests[2].query == {"per_page": "100"}
        assert "code_verifier" in hub.requests[0].form


async def test_the_request_to_github_is_bound_by_pkce_and_asks_for_what_is_set() -> None:
    async with github() as (hub, client):
        departure = Departure(
            redirect_uri=REDIRECT_URI,
            state="s" * 43,
            nonce="n" * 43,
            verifier="v" * 43,
            prompt="select_account",
            login_hint="octocat",
        )
        query = query_of(await client.depart(hub.settings(), departure))
        assert len(query.pop("code_challenge")) == 43
        assert query == {
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": "user:email read:user",
            "state": "s" * 43,
            "code_challenge_method": "S256",
            "prompt": "select_account",
            "login": "octocat",
        }


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([{"email": "b@x.org", "verified": True}, {"email": "a@x.org", "verified": True}], "a@x.org"),
        ([{"email": "b@x.org", "verified": True, "primary": True}, {"email": "a@x.org", "verified": True}], "b@x.org"),
        ([{"email": "b@x.org", "verified": True, "primary": "yes"}, {"email": "a@x.org", "verified": True}], "a@x.org"),
        ([{"email": "b@x.org", "verified": False, "primary": True}, {"email": "a@x.org", "verified": True}], "a@x.org"),
        ([{"email": "b@x.org", "verified": "true"}], ""),
        ([{"email": "b@x.org", "verified": 1}], ""),
        ([{"email": "b@x.org"}], ""),
        ([{"email": "no address", "verified": True}, {"email": 1, "verified": True}, "a@x.org", None], ""),
        ([], ""),
        ({"email": "a@x.org", "verified": True}, ""),
    ],
)
async def test_an_address_at_github_is_a_verified_one_the_primary_first(emails: Any, email: str) -> None:
    """C-25. That of the profile is never one."""
    async with github() as (hub, client):
        hub.emails = emails
        who = await sign_in(hub, client)
        assert (who.email, who.email_verified, who.claims.get("email", "")) == (email, bool(email), email)


async def test_addresses_are_not_asked_for_without_the_scope_for_them() -> None:
    async with github() as (hub, client):
        settings = hub.settings(scopes=("read:user",))
        departure = Departure(redirect_uri=REDIRECT_URI, state="s" * 43, nonce="n" * 43, verifier="v" * 43)
        back = hub.authorize(await client.depart(settings, departure))
        now = FakeClock().now()
        arrival = Arrival(
            redirect_uri=REDIRECT_URI,
            code=back["code"],
            nonce="n" * 43,
            verifier="v" * 43,
            issuer=None,
            began_at=now,
        )
        assert (await client.arrive(settings, arrival, now=now)).email == ""
        assert len(hub.requests) == 2


@pytest.mark.parametrize("status", [403, 404])
async def test_addresses_that_are_not_granted_are_none(status: int) -> None:
    async with github() as (hub, client):
        hub.answers["/user/emails"] = Answer(status, b'{"message": "Not Found"}')
        assert (await sign_in(hub, client)).email == ""


@pytest.mark.parametrize(
    "user",
    [
        {"id": "583231"},
        {"id": True},
        {"id": 0},
        {"id": -1},
        {"id": 583231.0},
        {"id": None},
        {"id": [583231]},
        {"login": None},
        {"login": 1},
    ],
    ids=str,
)
async def test_an_account_without_a_number_or_a_login_is_nobody(user: dict[str, Any]) -> None:
    async with github() as (hub, client):
        hub.user |= user
        with pytest.raises(UpstreamError, match="which it is") as caught:
            await sign_in(hub, client)
        assert caught.value.failure is Failure.TOKEN


async def test_a_name_is_cleaned_and_may_be_missing() -> None:
    async with github() as (hub, client):
        hub.user["name"] = "Octo\u202ecat\n  <b>"
        assert (await sign_in(hub, client)).name == "Octo\ufffdcat <b>"
        hub.user["name"] = None
        assert (await sign_in(hub, client)).name == ""


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"code": "wrong"}, Failure.CODE_REFUSED),
        ({"verifier": "w" * 43}, Failure.CODE_REFUSED),
        ({"issuer": "https://github.com"}, Failure.TOKEN),
        ({"issuer": "https://evil.example"}, Failure.TOKEN),
        ({"max_age": timedelta(0)}, Failure.NOT_FRESH),
    ],
)
async def test_an_answer_that_does_not_fit_is_nobody_at_github(changes: dict[str, Any], failure: Failure) -> None:
    async with github() as (hub, client):
        with pytest.raises(UpstreamError) as caught:
            await sign_in(hub, client, **changes)
        assert caught.value.failure is failure


@pytest.mark.parametrize(
    ("path", "answer", "failure"),
    [
        (
            "/login/oauth/access_token",
            Answer(body=b'{"error": "incorrect_client_credentials", "error_description": "Wrong."}'),
            Failure.CLIENT_REFUSED,
        ),
        ("/login/oauth/access_token", Answer(body=b'{"error": "redirect_uri_mismatch"}'), Failure.CLIENT_REFUSED),
        ("/login/oauth/access_token", Answer(body=b'{"error": "unverified_user_email"}'), Failure.PROVIDER_ERROR),
        ("/login/oauth/access_token", Answer(body=b"access_token=gho_x&token_type=bearer"), Failure.TOKEN),
        ("/login/oauth/access_token", Answer(body=b"{}"), Failure.TOKEN),
        ("/login/oauth/access_token", Answer(502), Failure.UNREACHABLE),
        ("/user", Answer(401, b'{"message": "Bad credentials"}'), Failure.CLIENT_REFUSED),
        ("/user", Answer(503), Failure.UNREACHABLE),
        ("/user", Answer(body=b'{"id": 1, "id": 2, "login": "x"}'), Failure.TOKEN),
        ("/user", Answer(body=b"[]"), Failure.TOKEN),
        ("/user/emails", Answer(500), Failure.UNREACHABLE),
        ("/user/emails", Answer(body=b"[" * 100_000), Failure.TOKEN),
    ],
)
async def test_whatever_github_answers_instead_is_nobody(path: str, answer: Answer, failure: Failure) -> None:
    async with github() as (hub, client):
        hub.answers[path] = answer
        with pytest.raises(UpstreamError) as caught:
            await sign_in(hub, client)
        assert caught.value.failure is failure
        assert "gho_" not in str(caught.value)


async def test_what_github_does_not_have_is_said_to_be_missing() -> None:
    async with github() as (hub, client):
        settings, now = hub.settings(), FakeClock().now()
        with pytest.raises(UpstreamError) as caught:
            await client.renew(settings, "ghr_x", subject="583231", now=now)
        assert caught.value.failure is Failure.CODE_REFUSED
        with pytest.raises(UpstreamError) as caught:
            await client.read_logout_token(settings, "a.b.c", now=now)
        assert caught.value.failure is Failure.TOKEN
        assert await client.find_logout_url(settings, id_token="", return_url="https://a.example/") is None
        assert client.find_trouble(settings) is None
        assert hub.requests == []


@pytest.mark.parametrize(
    ("changes", "health", "words"),
    [
        ({}, Health.GOOD, "takes our client id"),
        ({"client_secret": "wrong"}, Health.BAD, "passed are incorrect"),
        ({"client_id": "nobody"}, Health.BAD, "no app with this client id"),
    ],
)
async def test_github_can_be_tested_without_a_person(changes: dict[str, str], health: Health, words: str) -> None:
    async with github() as (hub, client):
        found = await client.examine(
            hub.settings(**changes), public_url="https://auth.example.com/", now=FakeClock().now()
        )
        by_title = {finding.title: finding for finding in found}
        assert by_title["Reachable"].health is Health.GOOD
        assert by_title["Client"].health is health
        assert words in by_title["Client"].text
        assert by_title["Redirect URI"].health is Health.UNSURE
        assert by_title["Redirect URI"].advice.endswith(f" {REDIRECT_URI}")


async def test_github_that_is_not_there_is_said_to_be_that() -> None:
    async with github() as (hub, client):
        pass
    [finding] = await client.examine(hub.settings(), public_url="https://auth.example.com", now=FakeClock().now())
    assert (finding.title, finding.health) == ("Reachable", Health.BAD)


async def test_the_secret_of_github_is_in_the_body_and_nowhere_else() -> None:
    async with github() as (hub, client):
        await sign_in(hub, client)
        secret = hub.settings().client_secret
        encoded = base64.b64encode(secret.encode()).decode()
        for request in hub.requests:
            assert secret not in str((request.path, request.query, request.headers))
            assert encoded not in str(request.headers)
        assert hub.requests[0].form["client_secret"] == secret
