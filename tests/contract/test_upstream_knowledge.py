"""What is remembered of a provider: its description and keys for a while, failures for a shorter one, nothing else."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from doorward.errors import PeerError
from doorward.interfaces import Fetched
from doorward.outside.upstream.client import UpstreamClient
from doorward.outside.upstream.knowledge import (
    KEYS_LIFE,
    METADATA_LIFE,
    MOST_PROVIDERS,
    REFETCH_PAUSE,
    Knowledge,
)
from doorward.rules.oidc import Departure, Failure, UpstreamError
from tests.contract.parley import make_client, parley
from tests.fakes.keys import make_key
from tests.fakes.lies import ID_TOKEN_LIES
from tests.fakes.loopback import Answer
from tests.fakes.provider import REDIRECT_URI, FakeProvider, never
from tests.fakes.system import FakeClock, FakeRandom

DISCOVERY = "/.well-known/openid-configuration"


async def test_description_and_keys_are_asked_for_once_in_their_time() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        await meeting.sign_in()
        assert (len(meeting.provider.asked(DISCOVERY)), len(meeting.provider.asked("/jwks"))) == (1, 1)
        meeting.clock.advance(timedelta(seconds=KEYS_LIFE))
        await meeting.sign_in()
        assert (len(meeting.provider.asked(DISCOVERY)), len(meeting.provider.asked("/jwks"))) == (1, 2)
        meeting.clock.advance(timedelta(seconds=METADATA_LIFE))
        await meeting.sign_in()
        assert (len(meeting.provider.asked(DISCOVERY)), len(meeting.provider.asked("/jwks"))) == (2, 3)


async def test_many_who_come_at_once_ask_once() -> None:
    async with parley() as meeting:
        await asyncio.gather(*(meeting.sign_in() for _ in range(20)))
        assert (len(meeting.provider.asked(DISCOVERY)), len(meeting.provider.asked("/jwks"))) == (1, 1)


async def test_many_who_come_with_a_new_key_ask_once_more() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        meeting.provider.rotate("ES256")
        found = await asyncio.gather(*(meeting.sign_in() for _ in range(20)))
        assert {who.subject for who in found} == {"alice-1"}
        assert len(meeting.provider.asked("/jwks")) == 2


async def test_one_who_goes_away_while_asking_leaves_it_to_the_next() -> None:
    async with parley() as meeting:
        meeting.provider.answers[DISCOVERY] = never
        first = asyncio.create_task(meeting.client.depart(meeting.provider.settings(), meeting.depart()))
        while not meeting.provider.asked(DISCOVERY):
            await asyncio.sleep(0)
        second = asyncio.create_task(meeting.sign_in())
        await asyncio.sleep(0)
        meeting.provider.answers.clear()
        first.cancel()
        assert (await second).subject == "alice-1"


async def test_keys_that_rotate_in_mid_flight_stop_nobody() -> None:
    async with parley() as meeting:
        settings, departure = meeting.provider.settings(), meeting.depart()
        await meeting.sign_in()
        back = await meeting.go(settings, departure)
        meeting.provider.rotate("ES256")
        arrival = meeting.arrive(departure, back)
        assert (await meeting.client.arrive(settings, arrival, now=meeting.clock.now())).subject == "alice-1"
        assert len(meeting.provider.asked("/jwks")) == 2


@pytest.mark.parametrize("named", [True, False])
async def test_a_new_key_needs_no_new_name(named: bool) -> None:
    async with parley("ES256") as meeting:
        for _ in range(2):
            meeting.provider.keys = [make_key("ES256", "key-1")]
            jwk = meeting.provider.keys[0].public_jwk(**({} if named else {"kid": None}))
            meeting.provider.answers["/jwks"] = Answer(body=json.dumps({"keys": [jwk]}).encode())
            if not named:
                meeting.provider.lie(lambda draft: draft.key.sign({"alg": "ES256"}, draft.claims))
            assert (await meeting.sign_in()).subject == "alice-1"
        assert len(meeting.provider.asked("/jwks")) == 2


async def test_a_key_that_was_withdrawn_is_not_believed_longer_than_keys_are_kept() -> None:
    async with parley() as meeting:
        old = meeting.provider.keys[0]
        await meeting.sign_in()
        meeting.provider.rotate()
        meeting.clock.advance(timedelta(seconds=KEYS_LIFE))
        meeting.provider.lie(lambda draft: old.sign(draft.header | {"kid": old.kid}, draft.claims))
        with pytest.raises(UpstreamError, match="does not publish"):
            await meeting.sign_in()


async def test_invented_key_names_do_not_make_us_ask_more_than_now_and_then() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        meeting.provider.lie(ID_TOKEN_LIES["kid to a file"])
        for _ in range(10):
            with pytest.raises(UpstreamError, match="does not publish"):
                await meeting.sign_in()
        assert len(meeting.provider.asked("/jwks")) == 2
        meeting.clock.advance(timedelta(seconds=REFETCH_PAUSE))
        for _ in range(10):
            with pytest.raises(UpstreamError, match="does not publish"):
                await meeting.sign_in()
        assert len(meeting.provider.asked("/jwks")) == 3
        meeting.clock.advance(timedelta(seconds=REFETCH_PAUSE))
        meeting.provider.lie(ID_TOKEN_LIES["a signature one bit off"])
        for _ in range(10):
            with pytest.raises(UpstreamError, match="the signature is wrong"):
                await meeting.sign_in()
        assert len(meeting.provider.asked("/jwks")) == 4


async def test_keys_that_cannot_be_had_anew_are_no_reason_to_forget_those_that_are_known() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        meeting.clock.advance(timedelta(seconds=REFETCH_PAUSE))
        meeting.provider.answers["/jwks"] = Answer(503)
        meeting.provider.lie(ID_TOKEN_LIES["kid to a file"])
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.UNREACHABLE
        meeting.provider.lie(None)
        assert (await meeting.sign_in()).subject == "alice-1"
        assert meeting.client.find_trouble(meeting.provider.settings()) is None


async def test_a_provider_that_is_down_is_left_alone_for_longer_and_longer_and_recovers_by_itself() -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings()
        assert meeting.client.find_trouble(settings) is None
        meeting.provider.answers[DISCOVERY] = Answer(503, b"<html>secret</html>")
        asked_at = []
        for second in range(400):
            with pytest.raises(UpstreamError) as caught:
                await meeting.client.depart(settings, meeting.depart())
            assert caught.value.failure is Failure.UNREACHABLE
            if len(meeting.provider.asked(DISCOVERY)) > len(asked_at):
                asked_at.append(second)
            meeting.clock.advance(timedelta(seconds=1))
        pauses = [after - before for before, after in pairwise(asked_at)]
        assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60, 60][: len(pauses)]
        assert len(pauses) >= 8
        trouble = meeting.client.find_trouble(settings)
        assert trouble is not None
        assert "answers 503" in trouble
        assert "secret" not in trouble
        meeting.provider.answers.clear()
        meeting.clock.advance(timedelta(seconds=60))
        assert (await meeting.sign_in()).subject == "alice-1"
        assert meeting.client.find_trouble(settings) is None


async def test_a_provider_that_nobody_reaches_is_unreachable() -> None:
    clock = FakeClock()
    async with FakeProvider(clock) as provider:
        settings = provider.settings()
    client = make_client(clock, settings.issuer)
    with pytest.raises(UpstreamError) as caught:
        await client.find_logout_url(settings, id_token="", return_url="https://auth.example.com/")
    assert caught.value.failure is Failure.UNREACHABLE


async def test_a_provider_that_answers_nothing_is_given_up() -> None:
    clock = FakeClock()
    async with FakeProvider(clock) as provider:
        provider.answers[DISCOVERY] = never
        client = make_client(clock, provider.url, timeout=0.05)
        with pytest.raises(UpstreamError) as caught:
            await client.find_logout_url(provider.settings(), id_token="", return_url="")
        assert caught.value.failure is Failure.UNREACHABLE


BAD_KEYS: dict[str, Answer] = {
    "none": Answer(body=b'{"keys": []}'),
    "no list": Answer(body=b'{"keys": {}}'),
    "a list alone": Answer(body=b"[]"),
    "too many": Answer(body=json.dumps({"keys": [{"kty": "oct"}] * 65}).encode()),
    "twice": Answer(body=b'{"keys": [], "keys": []}'),
    "deep": Answer(body=b'{"keys": ' + b"[" * 50_000),
    "too long": Answer(body=b'{"keys": []' + b" " * 300_000 + b"}"),
    "elsewhere": Answer(302, headers={"location": "https://evil.example/jwks"}),
    "missing": Answer(404),
    "a page": Answer(body=b"<html>", content_type="text/html"),
}


@pytest.mark.parametrize("answer", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_keys_that_are_none_verify_nothing(answer: Answer) -> None:
    async with parley() as meeting:
        meeting.provider.answers["/jwks"] = answer
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure in {Failure.DISCOVERY, Failure.UNREACHABLE}
        trouble = meeting.client.find_trouble(meeting.provider.settings())
        assert trouble is not None
        assert "evil" not in trouble


BAD_DESCRIPTIONS: dict[str, Answer] = {
    "missing": Answer(404, b'{"error": "secret"}'),
    "elsewhere": Answer(301, headers={"location": "https://evil.example/secret"}),
    "a page": Answer(body=b"<html>secret</html>"),
    "a list": Answer(body=b'["secret"]'),
    "a key twice": Answer(body=b'{"issuer": "secret", "issuer": "secret"}'),
    "deep": Answer(body=b"[" * 100_000),
    "10 MB": Answer(body=b" " * 10_000_000),
    "half a character": Answer(body=b'{"issuer": "\\udfff"}'),
    "not UTF-8": Answer(body=b'{"issuer": "\xff"}'),
    "5000 digits": Answer(body=b'{"issuer": ' + b"9" * 5000 + b"}"),
    "no content": Answer(204),
}


@pytest.mark.parametrize("answer", BAD_DESCRIPTIONS.values(), ids=BAD_DESCRIPTIONS)
async def test_a_description_that_is_none_leads_nowhere(answer: Answer) -> None:
    async with parley() as meeting:
        meeting.provider.answers[DISCOVERY] = answer
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.depart(meeting.provider.settings(), meeting.depart())
        assert caught.value.failure in {Failure.DISCOVERY, Failure.UNREACHABLE}
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "{url}/"),
        ("issuer", "https://evil.example"),
        ("issuer", "{URL}"),
        ("issuer", ["{url}"]),
        ("issuer", None),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "//evil.example"),
        ("authorization_endpoint", "https://user@evil.example/"),
        ("authorization_endpoint", "https://evil.example/#x"),
        ("authorization_endpoint", "https://evil.example/\r\nx: y"),
        ("authorization_endpoint", "https://evil.example\\@good.example/"),
        ("authorization_endpoint", "https://"),
        ("authorization_endpoint", "https://[::1"),
        ("authorization_endpoint", "https://good.example/" + "a" * 3000),
        ("token_endpoint", "file:///etc/passwd"),
        ("token_endpoint", ""),
        ("token_endpoint", None),
        ("jwks_uri", "unix:/run/docker.sock"),
        ("jwks_uri", {"url": "https://evil.example"}),
    ],
)
async def test_a_description_that_leads_astray_is_not_used(name: str, value: Any) -> None:
    async with parley() as meeting:
        url = meeting.provider.url
        told = value.format(url=url, URL=url.upper()) if isinstance(value, str) else value
        meeting.provider.metadata[name] = [url] if told == ["{url}"] else told
        with pytest.raises(UpstreamError) as caught:
            await meeting.client.depart(meeting.provider.settings(), meeting.depart())
        assert caught.value.failure is Failure.DISCOVERY


@pytest.mark.parametrize("endpoint", ["jwks_uri", "token_endpoint", "userinfo_endpoint"])
@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", "http://127.0.0.1:1/", "http://10.0.0.1/"])
async def test_an_address_inside_is_not_called_because_a_provider_says_so(endpoint: str, address: str) -> None:
    async with parley() as meeting:
        meeting.provider.profile_in_id_token = False
        meeting.provider.metadata[endpoint] = address
        with pytest.raises(UpstreamError) as caught:
            await meeting.sign_in()
        assert caught.value.failure is Failure.UNREACHABLE


async def test_providers_do_not_share_what_is_known_of_one() -> None:
    """Two that differ in anything that matters are two."""
    async with parley() as first, parley() as second:
        client = first.client
        settings = first.provider.settings()
        await client.depart(settings, first.depart())
        other = replace(settings, discovery_url=f"{first.provider.url}{DISCOVERY}?other")
        await client.depart(other, first.depart())
        await client.depart(replace(settings, id="other"), first.depart())
        assert len(first.provider.asked(DISCOVERY)) == 3
        stranger = replace(settings, issuer=second.provider.url)
        with pytest.raises(UpstreamError):
            await client.depart(stranger, first.depart())
        assert client.find_trouble(stranger) is not None
        assert client.find_trouble(settings) is None


async def test_no_more_than_so_many_providers_are_remembered() -> None:
    calls: list[str] = []

    class Silent:
        async def get(self, url: str) -> Any:
            calls.append(url)
            raise UpstreamError(Failure.UNREACHABLE, "down")

    knowledge = Knowledge(Silent(), FakeClock())  # type: ignore[arg-type]
    async with FakeProvider(FakeClock()) as provider:
        settings = [provider.settings(issuer=f"https://{number}.example") for number in range(2 * MOST_PROVIDERS)]
    for each in settings * 2:
        with pytest.raises(UpstreamError):
            await knowledge.get_metadata(each)
    assert sum(knowledge.find_trouble(each) is not None for each in settings) == MOST_PROVIDERS
    for each in settings[-10:]:
        with pytest.raises(UpstreamError):
            await knowledge.get_metadata(each)
    assert len(calls) == 4 * MOST_PROVIDERS  # the last ten were remembered


async def test_two_hundred_providers_that_fail_are_asked_once_however_many_want_to_go_there() -> None:
    asked: Counter[str] = Counter()

    async def fetch(method: str, url: str, **_rest: Any) -> Fetched:
        assert method == "GET"
        asked[url] += 1
        await asyncio.sleep(0)
        raise PeerError("nothing answers")

    clock, here = FakeClock(), asyncio.all_tasks()
    client = UpstreamClient(fetch=fetch, clock=clock, random=FakeRandom())
    departure = Departure(state="s", nonce="n", verifier="v" * 43, redirect_uri=REDIRECT_URI)
    failing = [FakeProvider(clock).settings(issuer=f"https://{number}.example") for number in range(200)]
    for _ in range(5):
        wishes = [client.depart(settings, departure) for settings in failing * 4]
        outcomes = await asyncio.gather(*wishes, return_exceptions=True)
        assert {str(each) for each in outcomes} == {"nothing answers"}
    assert len(asked) == 200
    assert set(asked.values()) == {1}
    assert asyncio.all_tasks() == here


async def test_what_a_test_finds_mended_is_asked_anew_at_once() -> None:
    async with parley() as meeting:
        settings = meeting.provider.settings()
        meeting.provider.answers[DISCOVERY] = Answer(503)
        with pytest.raises(UpstreamError):
            await meeting.sign_in()
        meeting.provider.answers.clear()
        await meeting.client.examine(settings, public_url="https://auth.example.com", now=meeting.clock.now())
        assert (await meeting.sign_in()).subject == "alice-1"


async def test_a_slow_answer_for_one_key_holds_up_nobody_whose_key_is_known() -> None:
    async with parley() as meeting:
        await meeting.sign_in()
        meeting.clock.advance(timedelta(seconds=REFETCH_PAUSE))
        meeting.provider.answers["/jwks"] = never
        settings = meeting.provider.settings()
        token = make_stranger(meeting.provider)
        waiting = asyncio.create_task(meeting.client.read_logout_token(settings, token, now=meeting.clock.now()))
        while len(meeting.provider.asked("/jwks")) < 2:
            await asyncio.sleep(0)
        assert (await meeting.sign_in()).subject == "alice-1"
        waiting.cancel()


def make_stranger(provider: FakeProvider) -> str:
    provider.lie(ID_TOKEN_LIES["kid to a file"])
    token = provider.make_logout_token()
    provider.lie(None)
    return token
