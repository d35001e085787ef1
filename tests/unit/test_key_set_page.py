"""`/.well-known/jwks.json`, as whoever verifies assertions asks for it."""

import json

import pytest

from tests.fakes.door import Browser, Door, call_app

ADDRESS = "/.well-known/jwks.json"


@pytest.fixture
async def door():
    door = Door()
    await door.flows.assertion_keys.tend(door.clock.now(), wanted=True)
    return door


async def test_everybody_may_have_the_keys_and_keep_them_for_a_while(door):
    """No cookie goes with what caches may keep (K08)."""
    answer = await Browser(door).get(ADDRESS)
    assert answer.status == 200
    assert answer.header("content-type") == "application/jwk-set+json"
    assert answer.header("cache-control") == "public, max-age=300"
    assert answer.all("set-cookie") == []
    (key,) = json.loads(answer.text)["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")


async def test_where_nothing_is_signed_the_set_is_empty():
    answer = await Browser(Door()).get(ADDRESS)
    assert (answer.status, json.loads(answer.text)) == (200, {"keys": []})


async def test_who_has_them_is_told_that_they_are_the_same(door):
    first = await Browser(door).get(ADDRESS)
    again = await Browser(door).get(ADDRESS, if_none_match=first.header("etag"))
    assert (again.status, again.body) == (304, b"")
    other = await Browser(door).get(ADDRESS, if_none_match='"other"')
    assert other.status == 200


async def test_it_is_read_and_never_written(door):
    host = [(b"host", b"auth.example.test")]
    head = await call_app(door.server, "HEAD", ADDRESS, host)
    assert (head.status, head.body) == (200, b"")
    assert (await call_app(door.server, "POST", ADDRESS, host)).status == 405
