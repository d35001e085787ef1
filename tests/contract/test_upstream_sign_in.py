"""Signing in at an OpenID provider, over real connections on loopback."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.rules.oidc import Failure, UpstreamError
from doorward.rules.provider import ClientAuth, Par, Provider
from tests.contract.parley import parley, query_of
from tests.fakes.keys import make_key
from tests.fakes.loopback import Answer, Request
from tests.fakes.provider import CLIENT_ID, REDIRECT_URI, Client, FakeProvider

# The way out and back


async def test_a_code_becomes_somebody_with_everything_the_provider_proved() -> None:
    async with parley() as meeting:
        meeting.provider.claims = {
            "amr": ["pwd", "otp"],
            "acr": "gold",
            "groups": ["staff"],
            "preferred_username": "al",
        }
        who = await meeting.sign_in()
        assert (who.issuer, who.subject, who.sid) == (meeting.provider.url, "alice-1", "sid-alice")
        assert (who.email, who.email_verified, who.name, who.user_name) == ("alice@example.com", True, "Alice", "al")
        assert (who.amr, who.acr, who.auth_time) == ({"pwd", "otp"}, "gold", meeting.clock.now())
        assert who.claims["groups"] == ["staff"]
        assert who.id_token.count(".") == 2
        assert who.refresh_token == ""


async def test_the_request_says_everything_that_was_asked_for() -> None:
    async with parley() as meeting:
        departure = meeting.depart(
            prompt="login", max_age=timedelta(0), acr_values=("gold", "silver"), login_hint="bob"
        )
        url = await meeting.client.depart(meeting.provider.settings(scopes=("openid", "groups")), departure)
        assert url.startswith(f"{meeting.provider.url}/authorize?")
        query = query_of(url)
        challenge = query.pop("code_challenge")
        assert len(challenge) == 43
        assert challenge != departure.verifier
        assert query == {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid groups",
            "state": departure.state,
            "nonce": departure.nonce,
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "0",
            "acr_values": "gold silver",
            "login_hint": "bob",
        }


@pytest.mark.parametrize("verifier", ["w" * 64, ""])
async def test_a_lost_verifier_redeems_nothing(verifier: str) -> None:
    async with parley() as meeting:
        settings, departure = meeting.provider.settings(), meeting.depart()
        back = await meeting.go(settings, departure)
        arrival = meeting.arrive(departure, back, verifier=verifier)
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.arrive(settings, arrival, now=meeting.clock.now())
        assert caught.value.failure is Failure.CODE_REFUSED


async def test_a_code_counts_once() -> None:
    async with parley() as meeting:
        settings, departure = meeting.provider.settings(), meeting.depart()
        arrival = meeting.arrive(departure, await meeting.go(settings, departure))
        await meeting.client.arrive(settings, arrival, now=meeting.clock.now())
        with pytest.raises(UpstreamError, match="invalid_grant: The code or token is not valid") as caught:
            await meeting.client.arrive(settings, arrival, now=meeting.clock.now())
        assert caught.value.failure is Failure.CODE_REFUSED


@pytest.mark.parametrize("issuer", [None, "", "https://evil.example", "{url}/", "{url}/other"])
async def test_an_answer_of_another_provider_redeems_nothing(issuer: str | None) -> None:
    async with parley() as meeting:
        settings, departure = meeting.provider.settings(), meeting.depart()
        back = await meeting.go(settings, departure)
        said = None if issuer is None else issuer.format(url=meeting.provider.url)
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.arrive(settings, meeting.arrive(departure, back, issuer=said), now=meeting.clock.now())
        assert caught.value.failure is Failure.TOKEN
        assert meeting.provider.asked("/token") == []


async def test_a_provider_that_does_not_announce_to_name_itself_need_not() -> None:
    async with parley() as meeting:
        del meeting.provider.metadata["authorization_response_iss_parameter_supported"]
        settings, departure = meeting.provider.settings(), meeting.depart()
        back = await meeting.go(settings, departure)
        arrival = meeting.arrive(departure, back, issuer=None)
        assert (await meeting.client.arrive(settings, arrival, now=meeting.clock.now())).subject == "alice-1"


async def test_many_at_once_each_become_themselves() -> None:
    """Nothing of one sign-in is kept where another could find it."""
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False  # so that there are three answers to mix up

        async def slowly(request: Request) -> Answer:
            for _ in range(len(meeting.provider.requests) % 7):
                await asyncio.sleep(0)
            return meeting.provider.answer(request)

        meeting.provider.answers = {"/token": slowly, "/userinfo": slowly}
        names = ["alice", "bob"] * 20
        found = await asyncio.gather(*(meeting.sign_in(login_hint=name) for name in names))
        assert [who.email for who in found] == [f"{name}@example.com" for name in names]
        assert [who.subject.partition("-")[0] for who in found] == names


# Who we are to the provider


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_proves_itself_in_the_way_the_provider_takes(way: str, announced: bool) -> None:
    """Announced, it is found out; otherwise it is set."""
    async with parley() as meeting:
        meeting.provider.clients = {CLIENT_ID: Client(auth=way)}
        settings = meeting.provider.settings()
        if way == "none":
            settings = replace(settings, client_secret="")
        if announced:
            meeting.provider.metadata["token_endpoint_auth_methods_supported"] = [way]
        else:
            settings = replace(settings, client_auth=ClientAuth(way))
        assert (await meeting.sign_in(settings)).subject == "alice-1"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
async def test_the_client_proves_itself_with_a_key(algorithm: str) -> None:
    async with parley() as meeting:
        key = make_key(algorithm, "ours")
        meeting.provider.clients = {CLIENT_ID: Client(auth="private_key_jwt", public_pem=key.public_pem())}
        meeting.provider.metadata["token_endpoint_auth_signing_alg_values_supported"] = [algorithm]
        settings = meeting.provider.settings(client_secret="", private_key=key.private_pem())
        await meeting.sign_in(settings)
        await meeting.sign_in(settings)
        first, second = (request.form["client_assertion"] for request in meeting.provider.asked("/token"))
        assert first != second


async def test_a_key_that_the_provider_cannot_use_is_said_to_be_that() -> None:
    async with parley() as meeting:
        meeting.provider.metadata["token_endpoint_auth_signing_alg_values_supported"] = ["RS256"]
        settings = meeting.provider.settings(client_secret="", private_key=make_key("ES256").private_pem())
        with pytest.raises(UpstreamError, match="takes no signature") as caught:
            await meeting.sign_in(settings)
        assert caught.value.failure is Failure.CLIENT_REFUSED


@pytest.mark.parametrize(
    "changes", [{"client_secret": "wrong"}, {"client_id": "nobody"}, {"client_auth": ClientAuth.POST}]
)
async def test_a_client_the_provider_does_not_take_is_said_to_be_that(changes: Mapping[str, Any]) -> None:
    async with parley() as meeting:
        good, departure = meeting.provider.settings(), meeting.depart()
        arrival = meeting.arrive(departure, await meeting.go(good, departure))
        with pytest.raises(UpstreamError, match="invalid_client: Who are you") as caught:
            await meeting.client.arrive(replace(good, **changes), arrival, now=meeting.clock.now())
        assert caught.value.failure is Failure.CLIENT_REFUSED


async def test_a_provider_that_takes_nothing_we_have_is_not_asked() -> None:
    async with parley() as meeting:
        meeting.provider.metadata["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
        with pytest.raises(UpstreamError, match="tls_client_auth"):
            await meeting.sign_in()
        assert meeting.provider.asked("/token") == []


async def test_what_we_sent_is_not_in_the_words_the_provider_repeats() -> None:
    async with parley() as meeting:

        def repeat(request: Request) -> Answer:
            words = f"code {request.form['code']} of {request.form['client_secret']}".replace('"', "")
            return Answer(400, b'{"error": "invalid_grant", "error_description": "%s"}' % words.encode())

        meeting.provider.answers["/token"] = repeat
        settings = meeting.provider.settings(client_auth=ClientAuth.POST)
        with pytest.raises(UpstreamError, match=r"code \[secret\] of \[secret\]"):
            await meeting.sign_in(settings)


# Pushed requests


def pushing(provider: FakeProvider, **metadata: Any) -> Provider:
    provider.metadata |= {"pushed_authorization_request_endpoint": f"{provider.url}/par", **metadata}
    return provider.settings()


@pytest.mark.parametrize("par", [Par.AUTO, Par.REQUIRE])
async def test_where_requests_can_be_pushed_the_browser_carries_nothing(par: Par) -> None:
    async with parley() as meeting:
        settings = replace(pushing(meeting.provider, require_pushed_authorization_requests=True), par=par)
        departure = meeting.depart()
        url = await meeting.client.depart(settings, departure)
        assert set(query_of(url)) == {"client_id", "request_uri"}
        back = await meeting.provider.authorize(url)
        assert back["state"] == departure.state
        arrival = meeting.arrive(departure, back)
        assert (await meeting.client.arrive(settings, arrival, now=meeting.clock.now())).subject == "alice-1"


async def test_requests_are_not_pushed_where_that_is_switched_off() -> None:
    async with parley() as meeting:
        await meeting.sign_in(replace(pushing(meeting.provider), par=Par.NEVER))
        assert meeting.provider.asked("/par") == []


@pytest.mark.parametrize(("par", "endpoint", "required"), [(Par.REQUIRE, None, False), (Par.NEVER, "{url}/par", True)])
async def test_settings_and_provider_that_exclude_each_other_are_said_to(
    par: Par, endpoint: str | None, required: bool
) -> None:
    async with parley() as meeting:
        meeting.provider.metadata["require_pushed_authorization_requests"] = required
        if endpoint:
            pushing(meeting.provider)
        with pytest.raises(UpstreamError, match="pushed authorization requests") as caught:
            await meeting.sign_in(meeting.provider.settings(par=par))
        assert caught.value.failure is Failure.DISCOVERY


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(400, b'{"error": "invalid_redirect_uri"}'), Failure.CLIENT_REFUSED),
        (Answer(400, b'{"error": "invalid_request"}'), Failure.PROVIDER_ERROR),
        (Answer(503, b"<html>"), Failure.UNREACHABLE),
        (Answer(201, b'{"request_uri": 1}'), Failure.DISCOVERY),
        (Answer(201, b'{"request_uri": "a b"}'), Failure.DISCOVERY),
        (Answer(201, b"{}"), Failure.DISCOVERY),
        (Answer(201, b"[]"), Failure.TOKEN),
        (Answer(307, headers={"location": "https://evil.example/"}), Failure.PROVIDER_ERROR),
    ],
)
async def test_a_request_that_is_not_taken_sends_nobody_away(answer: Answer, failure: Failure) -> None:
    async with parley() as meeting:
        settings = pushing(meeting.provider)
        meeting.provider.answers["/par"] = answer
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.depart(settings, meeting.depart())
        assert caught.value.failure is failure


# Freshness


@pytest.mark.parametrize(
    ("max_age", "signed_in_before", "failure"),
    [
        (None, 10**6, None),
        (0, 60, None),
        (0, 61, Failure.NOT_FRESH),
        (300, 360, None),
        (300, 361, Failure.NOT_FRESH),
        (0, None, Failure.NOT_FRESH),
        (None, None, None),
    ],
)
async def test_a_sign_in_is_as_fresh_as_the_provider_proves(
    max_age: int | None, signed_in_before: int | None, failure: Failure | None
) -> None:
    async with parley() as meeting:
        told = None if signed_in_before is None else meeting.provider.now() - signed_in_before
        meeting.provider.claims = {"auth_time": told}
        asked = None if max_age is None else timedelta(seconds=max_age)
        if failure is None:
            who = await meeting.sign_in(max_age=asked)
            assert (who.auth_time is None) == (told is None)
        else:
            with pytest.raises(UpstreamError) as caught:
                await meeting.sign_in(max_age=asked)
            assert caught.value.failure is failure


# Userinfo


async def test_userinfo_is_not_asked_where_the_id_token_says_everything() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        assert meeting.provider.asked("/userinfo") == []


async def test_userinfo_says_what_the_id_token_does_not() -> None:
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        meeting.provider.claims = {"name": "Alice of the token"}
        meeting.provider.userinfo = {"groups": ["staff"], "iss": "https://evil.example", "amr": ["mfa"]}
        who = await meeting.sign_in(meeting.provider.settings(groups_claim="groups"))
        assert (who.name, who.email, who.email_verified) == ("Alice of the token", "alice@example.com", True)
        assert who.claims["groups"] == ["staff"]
        assert who.claims["iss"] == meeting.provider.url
        assert (who.issuer, who.amr) == (meeting.provider.url, frozenset())


@pytest.mark.parametrize("sub", ["bob-2", "", None, "Alice-1", "alice-1 ", 1, ["alice-1"]])
async def test_userinfo_of_somebody_else_is_refused(sub: object) -> None:
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        meeting.provider.userinfo = {"sub": sub}
        with pytest.raises(UpstreamError, match="somebody else") as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.TOKEN


@pytest.mark.parametrize(
    ("answer", "failure", "words"),
    [
        (Answer(body=b"eyJ.a.b", content_type="application/jwt"), Failure.DISCOVERY, "signed"),
        (Answer(500), Failure.UNREACHABLE, "500"),
        (Answer(401, b'{"error": "invalid_token"}'), Failure.PROVIDER_ERROR, "invalid_token"),
        (Answer(body=b'{"sub": "alice-1", "sub": "alice-1"}'), Failure.TOKEN, "a key twice"),
        (Answer(302, headers={"location": "https://evil.example/"}), Failure.PROVIDER_ERROR, "not followed"),
    ],
)
async def test_userinfo_that_cannot_be_had_is_no_reason_to_go_on_without(
    answer: Answer, failure: Failure, words: str
) -> None:
    """Or a group that is missing today would be taken away today."""
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        meeting.provider.answers["/userinfo"] = answer
        with pytest.raises(UpstreamError, match=words) as caught:
            await meeting.sign_in()
        assert caught.value.failure is failure


# The token endpoint


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(body=b'{"access_token": "a", "token_type": "Bearer"}'), Failure.TOKEN),
        (Answer(body=b'{"id_token": null}'), Failure.TOKEN),
        (Answer(body=b'{"id_token": ["a.b.c"]}'), Failure.TOKEN),
        (Answer(body=b'{"id_token": "a b"}'), Failure.TOKEN),
        (Answer(body=b'{"id_token": "a.b.c", "access_token": "a", "token_type": "DPoP"}'), Failure.TOKEN),
        (Answer(body=b'{"id_token": "a.b.c", "access_token": "a"}'), Failure.TOKEN),
        (Answer(body=b"<html>"), Failure.TOKEN),
        (Answer(body=b"[" * 100_000), Failure.TOKEN),
        (Answer(body=b'{"id_token": "a.b.c", "expires_in": %s}' % (b"9" * 5000)), Failure.TOKEN),
        (Answer(body=b" " * 300_000), Failure.UNREACHABLE),
        (Answer(401, b"<html>"), Failure.CLIENT_REFUSED),
        (Answer(400, b'{"error": "unauthorized_client"}'), Failure.CLIENT_REFUSED),
        (Answer(400, b'{"error": ["invalid_client"]}'), Failure.PROVIDER_ERROR),
        (Answer(400, b"{}"), Failure.PROVIDER_ERROR),
        (Answer(404, b"<html>"), Failure.PROVIDER_ERROR),
        (Answer(429, b'{"error": "slow_down"}'), Failure.UNREACHABLE),
        (Answer(502, b"<html>"), Failure.UNREACHABLE),
        (Answer(307, headers={"location": "https://evil.example/token"}), Failure.PROVIDER_ERROR),
    ],
)
async def test_an_answer_without_a_good_id_token_is_nobody(answer: Answer, failure: Failure) -> None:
    async with parley() as meeting:
        meeting.provider.answers["/token"] = answer
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is failure
        assert meeting.provider.asked("/userinfo") == []
