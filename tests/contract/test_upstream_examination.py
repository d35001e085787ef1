"""The test button: what can be found out about a provider without a person."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doorward.rules.oidc import Finding, Health
from doorward.rules.provider import ClientAuth, Par, Provider
from tests.contract.parley import PUBLIC_URL, Parley, make_client, parley
from tests.fakes.keys import make_key
from tests.fakes.loopback import Answer, Request
from tests.fakes.provider import CLIENT_ID, REDIRECT_URI, Client, FakeProvider, never
from tests.fakes.system import FakeClock

TITLES = [
    "Discovery",
    "Clocks",
    "Signing keys",
    "Client",
    "Redirect URI",
    "Signatures",
    "Scopes",
    "PKCE",
    "Sign-out",
]


async def examine(meeting: Parley, settings: Provider | None = None) -> dict[str, Finding]:
    chosen = settings or meeting.provider.settings()
    found = await meeting.client.examine(chosen, public_url=PUBLIC_URL, now=meeting.clock.now())
    assert len({finding.title for finding in found}) == len(found)
    return {finding.title: finding for finding in found}


async def test_a_provider_that_is_right_is_said_to_be_right_in_everything() -> None:
    async with parley() as meeting:
        found = await examine(meeting)
        assert list(found) == TITLES
        assert [finding for finding in found.values() if finding.health is not Health.GOOD] == []
        assert REDIRECT_URI in found["Redirect URI"].text
        assert found["Sign-out"].advice == "Back-channel logout URI: https://auth.example.com/logout/backchannel/fake"


async def test_nobody_is_signed_in_by_a_test() -> None:
    async with parley() as meeting:
        await examine(meeting)
        [probe] = meeting.provider.asked("/token")
        [request] = meeting.provider.asked("/authorize")
        assert probe.form["grant_type"] == "authorization_code"
        assert request.query["prompt"] == "none"


@pytest.mark.parametrize(("set_as", "announced"), [("{url}/", "{url}"), ("{url}", "{url}/")])
async def test_a_slash_too_many_or_too_few_is_named(set_as: str, announced: str) -> None:
    async with parley() as meeting:
        url = meeting.provider.url
        meeting.provider.metadata["issuer"] = announced.format(url=url)
        found = await examine(meeting, meeting.provider.settings(issuer=set_as.format(url=url)))
        assert list(found) == ["Discovery", "Redirect URI"]
        assert found["Discovery"].health is Health.BAD
        assert "differs by a slash" in found["Discovery"].text
        assert found["Discovery"].advice == f"Set the issuer to exactly: {announced.format(url=url)}"


async def test_the_name_of_another_provider_is_shown_where_it_is_one() -> None:
    async with parley() as meeting:
        meeting.provider.metadata["issuer"] = "https://sso.example.com/realms/home"
        found = await examine(meeting)
        assert "https://sso.example.com/realms/home" in found["Discovery"].advice


async def test_what_the_file_does_not_allow_is_said_once_with_what_it_takes_to_count() -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings(issuer="https://127.0.0.1:1")
        found = (await examine(meeting, settings))["Discovery"]
        assert found.health is Health.BAD
        assert "add `127.0.0.1:1` to `outbound.allow`" in found.text
        assert found.advice == "That stands in the configuration file, and counts after a restart."


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://secret.internal"},
        {"issuer": "secret", "authorization_endpoint": "https://a.example", "token_endpoint": "https://a.example"},
        {"secret": "secret"},
    ],
)
async def test_what_is_no_provider_is_not_repeated(document: dict[str, str]) -> None:
    """A test of an address tells nothing about what else may answer there."""
    async with parley() as meeting:
        meeting.provider.metadata = document
        found = await examine(meeting, meeting.provider.settings(issuer=meeting.provider.url))
        assert found["Discovery"].health is Health.BAD
        assert "secret" not in str(found)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>secret</html>", "text/html"),
        Answer(200, b'{"secret": "secret"}'),
        Answer(500, b"secret"),
        Answer(403, b'{"error": "secret"}'),
        Answer(302, headers={"location": "https://secret.example/"}),
        Answer(200, b"secret" * 100_000),
    ],
)
async def test_an_answer_that_is_no_description_is_not_repeated(answer: Answer) -> None:
    async with parley() as meeting:
        meeting.provider.answers["/.well-known/openid-configuration"] = answer
        found = await examine(meeting)
        assert list(found) == ["Discovery", "Redirect URI"]
        assert found["Discovery"].health is Health.BAD
        assert "secret" not in str(found)
        assert REDIRECT_URI in found["Redirect URI"].advice


async def test_a_provider_that_does_not_answer_is_said_not_to() -> None:
    clock = FakeClock()
    async with FakeProvider(clock) as provider:
        provider.answers["/.well-known/openid-configuration"] = never
        client = make_client(clock, provider.url, timeout=0.05)
        found = await client.examine(provider.settings(), public_url=PUBLIC_URL, now=clock.now())
    assert found[0].health is Health.BAD
    assert "did not answer" in found[0].text
    assert "must answer with JSON" in found[0].advice


@pytest.mark.parametrize(
    ("seconds", "health", "words"),
    [
        (30, Health.GOOD, "agree"),
        (31, Health.UNSURE, "31 seconds ahead of"),
        (-60, Health.UNSURE, "60 seconds behind"),
        (61, Health.BAD, "61 seconds ahead of"),
        (-3600, Health.BAD, "3600 seconds behind"),
    ],
)
async def test_clocks_that_differ_are_said_to(seconds: int, health: Health, words: str) -> None:
    async with parley() as meeting:
        meeting.provider.clock = FakeClock(meeting.clock.now() + timedelta(seconds=seconds))
        found = (await examine(meeting))["Clocks"]
        assert (found.health, words in found.text) == (health, True)


@pytest.mark.parametrize("date", ["", "now", "Tue, 99 Jan 2030 12:00:00 GMT", "Tue, 01 Jan 2030 12:00:00 +99999999999"])
async def test_a_clock_that_says_nothing_is_unsure(date: str) -> None:
    async with parley() as meeting:
        body = json.dumps(meeting.provider.metadata).encode()
        meeting.provider.answers["/.well-known/openid-configuration"] = Answer(body=body, headers={"date": date})
        assert (await examine(meeting))["Clocks"].health is Health.UNSURE


async def test_keys_that_cannot_be_used_are_said_not_to_be() -> None:
    async with parley() as meeting:
        meeting.provider.answers["/jwks"] = Answer(body=b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
        found = (await examine(meeting))["Signing keys"]
        assert found.health is Health.BAD
        assert "c2VjcmV0" not in found.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_secret": "wrong"}, "invalid_client: Who are you?"),
        ({"client_auth": ClientAuth.POST}, "(client_secret_post)"),
        ({"client_auth": None, "client_secret": "", "private_key": "no key"}, "private key that is set"),
    ],
)
async def test_a_client_that_is_not_taken_is_named_with_the_words_of_the_provider(
    changes: dict[str, Any], words: str
) -> None:
    async with parley() as meeting:
        found = (await examine(meeting, meeting.provider.settings(**changes)))["Client"]
        assert found.health is Health.BAD
        assert words in found.text
        assert "token_auth_method" in found.advice


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
async def test_a_private_key_that_is_none_is_named(pem: str) -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings(client_auth=ClientAuth.PRIVATE_KEY, private_key=pem)
        assert (await examine(meeting, settings))["Client"].health is Health.BAD


async def test_a_private_key_on_another_curve_is_named() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    async with parley() as meeting:
        for private in (ec.generate_private_key(ec.SECP256K1()), ed448.Ed448PrivateKey.generate()):
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
            settings = meeting.provider.settings(client_auth=ClientAuth.PRIVATE_KEY, private_key=pem)
            assert (await examine(meeting, settings))["Client"].health is Health.BAD


async def test_a_client_with_a_key_is_tested_with_it() -> None:
    async with parley() as meeting:
        key = make_key("ES256")
        meeting.provider.clients = {CLIENT_ID: Client(auth="private_key_jwt", public_pem=key.public_pem())}
        settings = meeting.provider.settings(client_secret="", private_key=key.private_pem())
        assert (await examine(meeting, settings))["Client"].health is Health.GOOD


@pytest.mark.parametrize(
    ("answer", "health", "words"),
    [
        (
            Answer(400, b'{"error": "invalid_request", "error_description": "Odd."}'),
            Health.UNSURE,
            "invalid_request: Odd.",
        ),
        (Answer(500, b"<html>secret</html>"), Health.UNSURE, "answers 500"),
        (Answer(200, b"{}"), Health.UNSURE, "answers 200"),
        (Answer(401, b"<html>secret</html>"), Health.BAD, "does not take"),
        (
            Answer(400, json.dumps({"error": "x", "error_description": "a\x00\r\nb\u202e" + "y" * 9000}).encode()),
            Health.UNSURE,
            "x: a\ufffd b\ufffdyyy",
        ),
    ],
)
async def test_an_answer_that_tells_little_about_the_client_is_not_taken_for_more(
    answer: Answer, health: Health, words: str
) -> None:
    async with parley() as meeting:
        meeting.provider.answers["/token"] = answer
        found = (await examine(meeting))["Client"]
        assert found.health is health
        assert words in found.text
        assert "secret<" not in found.text
        assert len(found.text) < 600
        assert found.text.isprintable()


async def test_a_redirect_uri_that_is_not_registered_is_found() -> None:
    async with parley() as meeting:
        meeting.provider.clients = {CLIENT_ID: Client(redirect_uris=("https://elsewhere.example/",))}
        found = (await examine(meeting))["Redirect URI"]
        assert found.health is Health.BAD
        assert "redirect_uri is not registered" in found.text
        assert found.advice.endswith(REDIRECT_URI)


async def test_a_redirect_uri_is_tried_with_a_pushed_request_where_there_are_those() -> None:
    async with parley() as meeting:
        meeting.provider.metadata["pushed_authorization_request_endpoint"] = f"{meeting.provider.url}/par"
        assert (await examine(meeting))["Redirect URI"].health is Health.GOOD
        meeting.provider.clients = {CLIENT_ID: Client(redirect_uris=("https://elsewhere.example/",))}
        assert (await examine(meeting))["Redirect URI"].health is Health.BAD
        assert meeting.provider.asked("/authorize") == []


async def test_a_redirect_uri_is_not_blamed_for_a_secret_that_is_wrong() -> None:
    """Nobody should go and register again what is registered."""
    async with parley() as meeting:
        meeting.provider.metadata["pushed_authorization_request_endpoint"] = f"{meeting.provider.url}/par"
        found = await examine(meeting, meeting.provider.settings(client_secret="another secret, as long as the first"))
        assert found["Client"].health is Health.BAD
        assert found["Redirect URI"].health is Health.UNSURE
        assert "says nothing about" in found["Redirect URI"].text
        assert found["Redirect URI"].advice.endswith(REDIRECT_URI)


async def test_pushed_requests_that_are_demanded_and_not_there_leave_it_open() -> None:
    async with parley() as meeting:
        found = (await examine(meeting, meeting.provider.settings(par=Par.REQUIRE)))["Redirect URI"]
        assert found.health is Health.UNSURE
        assert "no pushed authorization requests" in found.text


def back(**query: str) -> Answer:
    from urllib.parse import urlencode

    return Answer(302, headers={"location": f"{REDIRECT_URI}?{urlencode(query)}"})


@pytest.mark.parametrize(
    ("answer", "health", "words"),
    [
        (back(error="login_required"), Health.GOOD, "takes"),
        (back(error="interaction_required"), Health.GOOD, "takes"),
        (back(code="a-code"), Health.GOOD, "takes"),
        (
            back(error="invalid_scope", error_description="No\nsuch <scope>"),
            Health.UNSURE,
            "invalid_scope: No such <scope>",
        ),
        (Answer(302, headers={"location": "https://secret.example/login"}), Health.UNSURE, "real sign-in"),
        (
            Answer(302, headers={"location": REDIRECT_URI + ".evil.example/?error=secret"}),
            Health.UNSURE,
            "real sign-in",
        ),
        (Answer(200, b"<html>secret</html>"), Health.UNSURE, "real sign-in"),
        (Answer(400, b"<html>secret: Redirect_URI unknown</html>"), Health.BAD, "refuses"),
        (Answer(400, b"<html>secret</html>"), Health.UNSURE, "real sign-in"),
        (Answer(500, b"redirect_uri"), Health.UNSURE, "real sign-in"),
    ],
)
async def test_what_the_browser_would_be_told_tells_about_the_redirect_uri(
    answer: Answer, health: Health, words: str
) -> None:
    async with parley() as meeting:
        meeting.provider.answers["/authorize"] = answer
        found = (await examine(meeting))["Redirect URI"]
        assert found.health is health
        assert words in found.text
        assert "secret" not in str(found)
        assert REDIRECT_URI in found.text + found.advice


@pytest.mark.parametrize(
    ("metadata", "settings", "title", "health", "words"),
    [
        ({"id_token_signing_alg_values_supported": ["HS256"]}, {}, "Signatures", Health.BAD, "none of the signatures"),
        ({"id_token_signing_alg_values_supported": None}, {}, "Signatures", Health.UNSURE, "does not say how"),
        ({"id_token_signing_alg_values_supported": ["ES256"]}, {}, "Signatures", Health.GOOD, ": ES256."),
        ({"id_token_signing_alg_values_supported": ["Ed25519", 1]}, {}, "Signatures", Health.GOOD, ": EdDSA."),
        ({"scopes_supported": None}, {}, "Scopes", Health.UNSURE, "does not say"),
        ({"scopes_supported": ["openid"]}, {}, "Scopes", Health.UNSURE, "email, profile"),
        ({}, {"scopes": ("email",)}, "Scopes", Health.BAD, "openid"),
        ({}, {"groups_claim": "groups"}, "Scopes", Health.UNSURE, "a scope groups, which is not asked for"),
        ({}, {"groups_claim": "roles"}, "Scopes", Health.GOOD, "every scope"),
        ({"code_challenge_methods_supported": ["plain"]}, {}, "PKCE", Health.UNSURE, "sent all the same"),
        ({"code_challenge_methods_supported": None}, {}, "PKCE", Health.UNSURE, "sent all the same"),
        ({"backchannel_logout_supported": False}, {}, "Sign-out", Health.GOOD, "signs out there."),
        (
            {"backchannel_logout_supported": False, "end_session_endpoint": None},
            {},
            "Sign-out",
            Health.UNSURE,
            "stays signed in",
        ),
        ({}, {"logout": False}, "Sign-out", Health.GOOD, "back-channel"),
    ],
)
async def test_each_point_is_told_apart(
    metadata: dict[str, Any], settings: dict[str, Any], title: str, health: Health, words: str
) -> None:
    async with parley() as meeting:
        meeting.provider.metadata |= metadata
        found = (await examine(meeting, meeting.provider.settings(**settings)))[title]
        assert found.health is health
        assert words in found.text


@pytest.mark.parametrize(("scopes", "health"), [((), Health.UNSURE), (("offline_access",), Health.GOOD)])
async def test_a_tie_needs_a_refresh_token(scopes: tuple[str, ...], health: Health) -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings(check_every=timedelta(hours=1), scopes=("openid", *scopes))
        assert (await examine(meeting, settings))["Renewal"].health is health


async def test_a_provider_that_only_tells_browsers_of_a_sign_out_is_given_that_address() -> None:
    async with parley() as meeting:
        meeting.provider.metadata |= {"backchannel_logout_supported": False, "frontchannel_logout_supported": True}
        found = (await examine(meeting))["Sign-out"]
        assert found.advice == "Front-channel logout URI: https://auth.example.com/logout/frontchannel/fake"


async def test_nothing_secret_of_ours_is_in_the_findings() -> None:
    async with parley() as meeting:

        def repeat(request: Request) -> Answer:
            said = {"error": "invalid_request", "error_description": " ".join(request.form.values())}
            return Answer(400, json.dumps(said).encode())

        meeting.provider.answers["/token"] = repeat
        settings = replace(meeting.provider.settings(), client_auth=ClientAuth.POST)
        found = await examine(meeting, settings)
        [probe] = meeting.provider.asked("/token")
        for name in ("client_secret", "code", "code_verifier"):
            assert probe.form[name] not in str(found)


@pytest.mark.parametrize("path", ["/token", "/authorize", "/jwks"])
async def test_silence_at_one_point_does_not_hide_the_others(path: str) -> None:
    clock = FakeClock()
    async with FakeProvider(clock) as provider:
        provider.answers[path] = never
        client = make_client(clock, provider.url, timeout=1)
        found = await client.examine(provider.settings(), public_url=PUBLIC_URL, now=clock.now())
    assert [finding.title for finding in found] == TITLES
    assert len([finding for finding in found if finding.health is not Health.GOOD]) == 1
