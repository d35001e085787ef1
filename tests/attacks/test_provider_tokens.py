"""What a provider answers, or somebody in its place: tokens, keys and people that are none, on the real callback (H, I)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.attacks.abroad import CLIENT_ID, Scene, is_refusal
from tests.attacks.stage import handed_out
from tests.fakes.keys import SigningKey, encode, make_key, rsa_key
from tests.fakes.lies import ID_TOKEN_LIES
from tests.fakes.loopback import Answer as Said
from tests.fakes.provider import Draft, Lie

HUGE = b'{"x": "' + b"a" * 10_000_000 + b'"}'
DEEP = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
GARBAGE: dict[str, Said] = {
    "nothing": Said(),
    "words": Said(body=b"<html>qqcanary</html>", content_type="text/html"),
    "a list": Said(body=b"[]"),
    "null": Said(body=b"null"),
    "half an object": Said(body=b'{"a": '),
    "two objects": Said(body=b"{}{}"),
    "a key twice": Said(body=b'{"access_token": "a", "access_token": "b"}'),
    "NaN": Said(body=b'{"expires_in": NaN}'),
    "a number without end": Said(body=b'{"expires_in": 1e999}'),
    "5000 digits": Said(body=b'{"expires_in": ' + b"9" * 5000 + b"}"),
    "100000 brackets": Said(body=DEEP),
    "half a character": Said(body=b'{"x": "\\ud800"}'),
    "no UTF-8": Said(body=b'{"x": "\xff"}'),
    "a BOM": Said(body=b"\xef\xbb\xbf{}"),
    "UTF-16": Said(body='{"x": 1}'.encode("utf-16")),
    "10 MB": Said(body=HUGE),
    "a bomb": Said(body=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"}),
    "a redirect": Said(307, headers={"location": "http://127.0.0.1:1/qqcanary"}),
    "another redirect": Said(302, headers={"location": "https://evil.example/"}),
    "204": Said(204),
    "an error": Said(400, b'{"error": "<script>qqcanary()</script>", "error_description": "a\\r\\nqqcanary"}'),
    "an error of 100 kB": Said(400, json.dumps({"error": "qqcanary" * 12_500}).encode()),
    "trouble": Said(503, b"qqcanary"),
    "a wrong secret": Said(401, b'{"error": "invalid_client"}'),
}  # (I10, H17)
"""Answers that are none, wherever they come from."""


def refused(scene: Scene, provider: str = "idp", user: str = "") -> None:
    """Somebody unknown comes back from a provider that lies: nobody gets in, and nothing of the lie is shown."""
    browser = scene.stage.browser()
    user = user or scene.newcomer(provider=provider)
    back = scene.agree(scene.leave(browser, provider), user, provider=provider)
    with scene.nothing_happens(asks=True, provider=provider):
        answer = scene.come_back(browser, back, provider)
    assert is_refusal(answer, 502), answer
    assert b"qqcanary" not in answer.head + answer.body
    # The code was used up by that, and the state too.
    with scene.nothing_happens(provider=provider):
        assert is_refusal(scene.come_back(browser, back, provider), 400)


@pytest.mark.parametrize("lie", ID_TOKEN_LIES.values(), ids=ID_TOKEN_LIES)
def test_no_lie_in_an_id_token_is_believed(scene: Scene, lie: Lie) -> None:
    """I01, I02, I04, I05, I07, I08, I10, I11, I13, H03, H11, H14, H15, T-08: and userinfo is not asked instead."""
    scene.idp.profile_in_id_token = False
    asked = scene.asked("/userinfo")
    try:
        with scene.lying(lie):
            refused(scene)
    finally:
        scene.idp.profile_in_id_token = True
    assert scene.asked("/userinfo") == asked


def test_the_same_without_a_lie_is_believed(scene: Scene) -> None:
    """H12: what the tests around this one change is all that keeps people out."""
    assert handed_out(scene.sign_in(scene.stage.browser(), scene.newcomer()))
    scene.idp.profile_in_id_token = False
    try:
        assert handed_out(scene.sign_in(scene.stage.browser(), scene.newcomer()))
    finally:
        scene.idp.profile_in_id_token = True


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_an_answer_of_the_token_endpoint_that_is_none_is_nobody(scene: Scene, said: Said) -> None:
    """I10, H17: nothing of it in the page."""
    with scene.answering("/token", said):
        refused(scene)


@pytest.mark.parametrize(
    "changes",
    [
        {"id_token": None},
        {"id_token": ""},
        {"id_token": 1},
        {"id_token": ["x"]},
        {"id_token": {"alg": "none"}},
        {"id_token": "a" * 200_000},
        {"access_token": 1},
        {"token_type": "mac"},
        {"token_type": None},
    ],
    ids=str,
)
def test_a_token_answer_without_what_it_must_have_is_nobody(scene: Scene, changes: Mapping[str, Any]) -> None:
    """T-08, C-07: above all, userinfo is no way in beside a missing ID token."""
    asked = scene.asked("/userinfo")

    def respond(request: Any) -> Said:
        document = {**json.loads(scene.idp.answer(request).body), **changes}
        return Said(body=json.dumps({name: value for name, value in document.items() if value is not None}).encode())

    with scene.answering("/token", respond):
        refused(scene)
    assert scene.asked("/userinfo") == asked


@pytest.mark.parametrize(
    "said",
    [
        *GARBAGE.values(),
        Said(body=b'{"sub": "bob-2", "email": "root@example.test", "email_verified": true}'),
        Said(body=b'{"email": "root@example.test", "email_verified": true}'),
        Said(body=b'{"sub": ""}'),
        Said(body=b'{"sub": 1}'),
        Said(body=b'{"sub": ["idp-guest"]}'),
        Said(body=b'{"sub": null}'),
    ],
    ids=[*GARBAGE, "of somebody else", "of nobody", "an empty sub", "a number", "a list", "null as sub"],
)
def test_userinfo_that_is_not_about_this_person_is_refused(scene: Scene, said: Said) -> None:
    """H12, T-08: nobody comes in with half of what was to be known about them."""
    scene.idp.profile_in_id_token = False
    try:
        with scene.answering("/userinfo", said):
            refused(scene)
    finally:
        scene.idp.profile_in_id_token = True


def test_userinfo_of_the_same_person_in_other_letters_is_somebody_elses(scene: Scene) -> None:
    """H12, H11: byte for byte."""
    name = scene.newcomer()
    sub = scene.idp.users[name]["sub"]
    scene.idp.profile_in_id_token = False
    try:
        for other in (sub.upper(), f"{sub} ", f" {sub}", f"{sub}\0", sub[:-1], sub.replace("s", "ſ")):
            scene.idp.userinfo = {"sub": other}
            refused(scene, user=name)
    finally:
        scene.idp.profile_in_id_token, scene.idp.userinfo = True, {}


def test_a_token_of_before_or_of_another_place_is_none(scene: Scene) -> None:
    """H03, I16: a good one from an earlier sign-in, from another provider, for another client; to both of them."""
    taken: dict[str, str] = {}

    def keep(draft: Draft) -> str:
        taken["old"] = draft.sign()
        return taken["old"]

    name = scene.newcomer()
    with scene.lying(keep):
        assert handed_out(scene.sign_in(scene.stage.browser(), name))
    for lie in (
        lambda _draft: taken["old"],
        lambda draft: scene.fakes["other"].make_id_token("alice", nonce=draft.claims["nonce"], aud=CLIENT_ID),
    ):
        with scene.lying(lie):
            refused(scene)
    # The same bytes, given out by another provider with other keys.
    with scene.lying(lambda _draft: taken["old"], "other"):
        refused(scene, "other")


# Keys


def key_set(*jwks: object) -> Said:
    """Keys as they are published."""
    return Said(body=json.dumps({"keys": list(jwks)}).encode())


KEY = make_key("RS256", "key-1")
POINT = make_key("ES256", "key-1")
KEYS: dict[str, Said] = {
    **GARBAGE,
    "no keys": key_set(),
    "keys that are no list": Said(body=json.dumps({"keys": KEY.public_jwk()}).encode()),
    "keys that are no objects": key_set("key-1", 1, None, []),
    "one of symmetric type": key_set({"kty": "oct", "kid": "key-1", "alg": "HS256", "k": encode(KEY.public_pem())}),
    "the right one as symmetric": key_set(KEY.public_jwk(kty="oct", k="AAAA")),
    "with its private half": key_set(KEY.public_jwk(d="AQAB")),
    "for encryption": key_set(KEY.public_jwk(use="enc")),
    "for another algorithm": key_set(KEY.public_jwk(alg="PS256")),
    "for none": key_set(KEY.public_jwk(alg="none")),
    "a short one": key_set(SigningKey("RS256", "key-1", rsa_key(9, 1024)).public_jwk()),
    "with an exponent of one": key_set(KEY.public_jwk(e="AQ")),
    "with an even exponent": key_set(KEY.public_jwk(e="Ag")),
    "a point of the same name": key_set(POINT.public_jwk()),
    "a point of the same name, too": key_set(KEY.public_jwk(), POINT.public_jwk()),
    "two of the same name": key_set(KEY.public_jwk(), make_key("RS256", "key-2").public_jwk(kid="key-1")),
    "another name": key_set(KEY.public_jwk(kid="Key-1")),
    "a number as name": key_set(KEY.public_jwk(kid=1)),
    "a certificate beside nothing": key_set(
        {"kty": "RSA", "kid": "key-1", "x5c": ["MIIB"], "x5u": "https://evil.example"}
    ),
    "a thousand": key_set(*[make_key("ES256", f"k{number}").public_jwk() for number in range(40)] * 25),
}


@pytest.mark.parametrize("said", KEYS.values(), ids=KEYS)
def test_keys_that_do_not_fit_verify_nothing(maze: Scene, said: Said) -> None:
    """I02, I05, I10, H18: neither alone nor beside the right one."""
    with maze.spare(jwks_uri=f"{maze.idp.url}/other-keys") as name, maze.answering("/other-keys", said):
        refused(maze, maze.forget(name))


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES384", "EdDSA"])
def test_no_lie_is_believed_in_another_algorithm(maze: Scene, algorithm: str) -> None:
    """I02, I11, I01: whatever the provider signs with; the truth is believed."""
    kept = maze.idp.keys
    maze.idp.keys = [make_key(algorithm, f"key-{algorithm}")]
    lies = ("alg 'none'", "HS256 with PEM", "HS512 with DER", "HS256 with JWK", "a signature of zeros",
            "a signature in DER", "a signature one bit off", "signed with a key that it brings along", "no alg")  # fmt: skip
    try:
        with maze.spare() as name:
            assert handed_out(maze.sign_in(maze.stage.browser(), maze.newcomer(), name))
            for lie in lies:
                with maze.lying(ID_TOKEN_LIES[lie]):
                    refused(maze, name)
    finally:
        maze.idp.keys = kept


def test_made_up_key_names_do_not_make_us_ask_again_and_again(scene: Scene) -> None:
    """I05, I16: forty sign-ins with tokens of unknown keys fetch the keys a few times, and memory stays flat."""
    assert handed_out(scene.sign_in(scene.stage.browser()))
    before = scene.asked("/jwks")

    def name_another(draft: Draft) -> str:
        draft.header["kid"] = f"{'k' * 4000}{scene.asked('/token')}"
        return draft.sign()

    with scene.lying(name_another):
        for _ in range(40):
            refused(scene, user="alice")
    assert scene.asked("/jwks") - before <= 15
    assert handed_out(scene.sign_in(scene.stage.browser()))
