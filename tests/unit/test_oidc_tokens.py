"""JSON, tokens and keys of strangers, read strictly."""

import base64
import json
from typing import Any

import pytest

from doorward.errors import InputError
from doorward.outside.upstream.signatures import is_genuine
from doorward.rules.jose import (
    MOST_KEYS,
    MOST_TOKEN,
    PublicKey,
    TokenKind,
    call_algorithm,
    encode,
    find_key,
    parse_key_set,
    parse_token,
)
from doorward.rules.oidc import UpstreamError
from doorward.rules.provider import ALGORITHMS
from doorward.rules.strict_json import MOST_DEPTH, parse_json, parse_object
from tests.fakes.keys import SigningKey, make_key

# JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (' { "a" : [1, -2, 0.5, true, null, "b"] } ', {"a": [1, -2, 0.5, True, None, "b"]}),
        ('"[[[[[["', "[[[[[["),
        ('"\\"[{\\\\"', '"[{\\'),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ('{"a": {"a": 1}}', {"a": {"a": 1}}),
        ("18446744073709551615", 18446744073709551615),
        ("[" * MOST_DEPTH + "]" * MOST_DEPTH, None),
        ("[" + ",".join(["[]"] * 1000) + "]", [[]] * 1000),
    ],
)
def test_json_that_has_one_reading_is_read(text: str, value: object) -> None:
    found = parse_json(text.encode())
    assert value is None or found == value


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b'"abc\\', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'{"a": 1, "a": 1}', "a key twice"),
        (b'{"a": {"b": 1, "\\u0062": 1}}', "a key twice"),
        (b"NaN", "a number that is none"),
        (b"[-Infinity]", "a number that is none"),
        (b"1e400", "a number without end"),
        (b"-1e400", "a number without end"),
        (b"123456789012345678901", "too long"),
        (b"9" * 5000, "too long"),
        (b'"\\ud800"', "half a character"),
        (b'{"\\udfff": 1}', "half a character"),
        (b'["\\ude00\\ud83d"]', "half a character"),
        (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), "too deeply"),
        (b'{"a":' * 100_000, "too deeply|too long"),
        (b"[" * 100_000, "too deeply"),
        (b'"' + b'\\"' * 120_000, "not JSON"),
        (b" " * 300_000, "too long"),
    ],
)
def test_json_with_another_reading_is_refused_in_one_way(raw: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_json(raw)


@pytest.mark.parametrize("raw", [b"[]", b'"a"', b"1", b"null", b"true"])
def test_an_object_is_nothing_else(raw: bytes) -> None:
    with pytest.raises(InputError, match="not an object"):
        parse_object(raw)
    assert parse_object(b'{"a": 1}') == {"a": 1}


def test_the_limit_counts_bytes() -> None:
    assert parse_json(b"[1]", limit=3) == [1]
    with pytest.raises(InputError, match="too long"):
        parse_json(b"[1]", limit=2)


# Tokens


def token(header: dict[str, Any], claims: object = None) -> str:
    parts = [json.dumps(part).encode() for part in (header, {"sub": "a"} if claims is None else claims)]
    return f"{encode(parts[0])}.{encode(parts[1])}.{encode(b'signature')}"


def parse(text: str, kind: TokenKind = TokenKind.ID) -> Any:
    return parse_token(text, kind, algorithms=ALGORITHMS)


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "Ed25519"])
def test_a_token_is_taken_apart(algorithm: str) -> None:
    text = token({"alg": algorithm, "kid": "k", "typ": "JWT", "jwk": {}, "x5c": ["x"]})
    found = parse(text)
    assert (found.algorithm, found.kid) == (call_algorithm(algorithm), "k")
    assert found.signed.decode() == text.rpartition(".")[0]
    assert (found.signature, found.unverified_claims) == (b"signature", {"sub": "a"})
    assert parse(token({"alg": algorithm})).kid is None


def test_what_is_not_allowed_here_is_not_allowed_whatever_is() -> None:
    for algorithm in ("none", "HS256", "ES256K", "RSA1_5"):
        with pytest.raises(InputError, match="algorithm"):
            parse_token(token({"alg": algorithm}), TokenKind.ID, algorithms=[algorithm])
    with pytest.raises(InputError, match="algorithm"):
        parse_token(token({"alg": "RS256"}), TokenKind.ID, algorithms=["ES256"])


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": None},
        {"b64": True},
        {"kid": 1},
        {"kid": "k" * 1025},
        {"typ": 1},
        {"typ": None},
        {"typ": "at+jwt"},
        {"typ": "JOSE"},
        {"alg": {"RS256": 1}},
        {"x": "y" * 8192},
    ],
    ids=lambda header: str(header)[:30],
)
def test_a_header_that_asks_for_more_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        parse(token({"alg": "RS256"} | header))


@pytest.mark.parametrize(
    ("kind", "name", "taken"),
    [
        (TokenKind.ID, "JWT", True),
        (TokenKind.ID, "jwt", True),
        (TokenKind.ID, "application/jwt", True),
        (TokenKind.ID, "logout+jwt", False),
        (TokenKind.LOGOUT, "logout+jwt", True),
        (TokenKind.LOGOUT, "application/logout+JWT", True),
        (TokenKind.LOGOUT, "JWT", True),
        (TokenKind.LOGOUT, "at+jwt", False),
    ],
)
def test_a_token_is_of_the_kind_it_is_presented_as(kind: TokenKind, name: str, taken: bool) -> None:
    text = token({"alg": "RS256", "typ": name})
    if taken:
        assert parse(text, kind).algorithm == "RS256"
    else:
        with pytest.raises(InputError, match="another type"):
            parse(text, kind)


GOOD = token({"alg": "RS256"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        GOOD + ".",
        "." + GOOD,
        GOOD.replace(".", ".."),
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace(".", ". "),
        GOOD[:-1] + "+",
        GOOD[:-1] + "é",
        GOOD + "A",
        "A" + GOOD,
        "x" * (MOST_TOKEN + 1),
        token({"alg": "RS256"}, []),
        token({"alg": "RS256"}, "claims"),
        json.dumps({"payload": "x", "signatures": []}),
    ],
    ids=lambda text: text[:20],
)
def test_anything_but_three_parts_in_their_one_spelling_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


def test_the_last_letter_of_a_part_has_one_spelling() -> None:
    """Four letters decode to the same bytes where bits are left over."""
    head, _, signature = GOOD.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) + b"x"
    good = encode(raw)
    assert len(good) % 4 != 0
    assert parse(f"{head}.{good}").signature == raw
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if letter != good[-1]:
            other = f"{head}.{good[:-1]}{letter}"
            try:
                assert parse(other).signature != raw
            except InputError:
                continue


# Keys

KEYS = {algorithm: make_key(algorithm, "k") for algorithm in ("RS256", "ES256", "ES384", "ES512", "EdDSA")}


def key_set(*keys: object) -> tuple[PublicKey, ...]:
    return parse_key_set(json.dumps({"keys": keys}).encode())


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signature_key_is_read_and_fits_what_it_is_for(algorithm: str) -> None:
    [key] = key_set(KEYS[algorithm].public_jwk(key_ops=["verify"], x5c=["x"]))
    assert [name for name in ALGORITHMS if key.fits(name)] == [algorithm]
    assert "x5c" not in key.members
    assert not key.fits("HS256")
    assert not key.fits("none")


def test_a_key_without_a_purpose_fits_its_family_alone() -> None:
    [key] = key_set(KEYS["RS256"].public_jwk(alg=None, use=None))
    assert {name for name in ALGORITHMS if key.fits(name)} == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    [key] = key_set(KEYS["EdDSA"].public_jwk(alg="Ed25519"))
    assert key.fits("EdDSA")


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("RS256", {"use": "enc"}),
        ("RS256", {"use": ["sig"]}),
        ("RS256", {"key_ops": []}),
        ("RS256", {"key_ops": "verify"}),
        ("RS256", {"kty": "oct", "k": "AQAB"}),
        ("RS256", {"kty": ["RSA"]}),
        ("RS256", {"kty": None}),
        ("RS256", {"d": None, "n": "A" * 100}),
        ("RS256", {"n": "f" + "A" * 2000}),
        ("RS256", {"n": "=="}),
        ("RS256", {"n": "A"}),
        ("RS256", {"e": "AQ"}),
        ("RS256", {"e": "BA"}),
        ("RS256", {"e": "AQAAAAE"}),
        ("RS256", {"e": 65537}),
        ("RS256", {"alg": ["RS256"]}),
        ("RS256", {"kid": ["k"]}),
        ("RS256", {"kid": "k" * 1025}),
        ("ES256", {"crv": "P-521"}),
        ("ES256", {"crv": ["P-256"]}),
        ("ES256", {"x": "AQAB"}),
        ("ES256", {"y": 1}),
        ("EdDSA", {"crv": "Ed448"}),
        ("EdDSA", {"crv": "X25519"}),
        ("EdDSA", {"x": "AQAB"}),
    ],
    ids=str,
)
def test_a_key_that_is_not_usable_is_left_out(algorithm: str, changes: dict[str, Any]) -> None:
    assert key_set(KEYS[algorithm].public_jwk(**changes)) == ()


def test_a_key_whose_private_half_is_published_is_left_out() -> None:
    assert key_set(KEYS["RS256"].public_jwk() | {"d": "AQAB"}) == ()


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b'{"keys": null}', b'{"keys": {}}', b"<html>", b'{"keys": [], "keys": []}']
)
def test_what_is_no_set_of_keys_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        parse_key_set(raw)


def test_a_set_of_keys_is_bounded() -> None:
    assert key_set(*[{"kty": "oct"}] * MOST_KEYS) == ()
    with pytest.raises(InputError, match="more than"):
        key_set(*[{"kty": "oct"}] * (MOST_KEYS + 1))
    assert key_set("key", None, 1, [], KEYS["ES256"].public_jwk())[0].kind == "EC"


def test_a_key_is_found_by_its_exact_name_or_because_it_is_the_only_one() -> None:
    rsa, point = key_set(KEYS["RS256"].public_jwk(kid="r"), KEYS["ES256"].public_jwk(kid="p"))
    keys = (rsa, point)
    assert find_key(keys, parse(token({"alg": "RS256", "kid": "r"}))) == rsa
    assert find_key(keys, parse(token({"alg": "RS256", "kid": "R"}))) is None
    assert find_key(keys, parse(token({"alg": "RS256", "kid": ""}))) is None
    assert find_key(keys, parse(token({"alg": "ES256"}))) == point
    assert find_key(keys, parse(token({"alg": "ES384"}))) is None
    with pytest.raises(InputError, match="not for the algorithm"):
        find_key(keys, parse(token({"alg": "ES256", "kid": "r"})))
    with pytest.raises(InputError, match="several"):
        find_key((rsa, rsa), parse(token({"alg": "RS256", "kid": "r"})))
    with pytest.raises(InputError, match="several"):
        find_key((rsa, rsa), parse(token({"alg": "RS256"})))


# Signatures


def signed(key: SigningKey) -> str:
    return key.sign({"alg": key.algorithm}, {"sub": "a"})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_is_verified_with_the_key_that_fits(algorithm: str) -> None:
    key = make_key(algorithm)
    [public] = key_set(key.public_jwk())
    assert is_genuine(parse(signed(key)), public)
    assert not is_genuine(parse(signed(key)[:-6] + "AAAAAA"), public)


def test_a_key_that_does_not_fit_is_never_tried() -> None:
    [public] = key_set(KEYS["RS256"].public_jwk())
    with pytest.raises(UpstreamError, match="not for its algorithm"):
        is_genuine(parse(signed(KEYS["ES256"])), public)
