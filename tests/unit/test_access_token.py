"""Access tokens: written, read, and everything that is nearly one."""

import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.access_token import MOST_TOKEN, AccessToken, is_token, read_token, write_token
from doorward.rules.app_key import KeyId
from doorward.rules.identity import UserId
from doorward.rules.jose import encode

NOW = datetime(2026, 8, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SECRET = b"a secret of at least 32 characters"
KEY_ID = KeyId("0a1b2c3d4e5f")
HEADER = {"alg": "HS256", "typ": "doorward-at+jwt"}
CLAIMS = {
    "iss": "Tempo",
    "aud": "clients",
    "sub": "u-anna",
    "name": "anna",
    "jti": KEY_ID,
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
    "purpose": "doorward-access",
}


def read(
    text: str, *, secret: bytes = SECRET, issuer: str = "Tempo", audience: str = "clients", now: datetime = NOW
) -> tuple[KeyId, bytes] | None:
    """Read a token as the installation of these tests would."""
    return read_token(text, secret=secret, issuer=issuer, audience=audience, now=now)


def sign(claims: object, *, header: object = HEADER, secret: bytes = SECRET, algorithm: str = "sha256") -> str:
    """Whatever somebody who has the secret could make."""
    raw = claims if isinstance(claims, bytes) else json.dumps(claims, separators=(",", ":")).encode()
    signed = f"{encode(json.dumps(header, separators=(',', ':')).encode())}.{encode(raw)}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), algorithm))}"


def write() -> str:
    """A token that counts for a minute."""
    token = AccessToken(KEY_ID, UserId("u-anna"), "anna", NOW, NOW + timedelta(minutes=1))
    return write_token(token, secret=SECRET, issuer="Tempo", audience="clients")


def test_a_token_says_whose_it_is_and_is_read_back_as_its_row_and_itself() -> None:
    """Issuer, audience, an id of its own; the row's hash is of the whole of it (E-20, E-22)."""
    text = write()
    assert text == sign(CLAIMS)
    assert read(text) == (KEY_ID, text.encode())
    assert is_token(text)


def test_what_is_written_like_one_is_told_from_the_tokens_of_apps() -> None:
    """An app's own token is the app's own business; a bad one of ours is a wrong key."""
    assert is_token(write()[:-1])
    assert not is_token(sign(CLAIMS, header={"alg": "HS256", "typ": "JWT"}))
    assert not is_token("dw_0a1b2c3d4e5f")
    assert not is_token("")


def test_it_counts_to_the_second_and_not_one_longer() -> None:
    """No leeway at either end (E-22)."""
    text, second = write(), timedelta(seconds=1)
    end = NOW.replace(microsecond=0) + timedelta(minutes=1)
    assert read(text, now=end - timedelta(microseconds=1)) is not None
    assert read(text, now=end) is None
    assert read(text, now=NOW.replace(microsecond=0)) is not None
    assert read(text, now=NOW - second) is None


def test_it_is_for_one_issuer_one_audience_and_one_secret() -> None:
    """Compared as a whole, never as a part (E-22, H14)."""
    text = write()
    assert read(text, issuer="Temp") is None
    assert read(text, issuer="tempo") is None
    assert read(text, audience="clients/") is None
    assert read(text, secret=SECRET + b"!") is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "doorward-at+jwt"},
        {"alg": "HS512", "typ": "doorward-at+jwt"},
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256"},
        {"typ": "doorward-at+jwt", "alg": "HS256"},
        {**HEADER, "crit": ["x"]},
        {**HEADER, "kid": "../../dev/null"},
        {**HEADER, "jwk": {"kty": "oct", "k": "AA"}},
        [],
    ],
)
def test_only_the_one_header_is_taken(header: object) -> None:
    """No algorithm but HS256, and nothing that a header may ask for (I01, I02, I04)."""
    assert read(sign(CLAIMS, header=header)) is None


def test_another_hash_under_the_same_header_is_refused() -> None:
    """The algorithm is ours to know (I02)."""
    assert read(sign(CLAIMS, algorithm="sha512")) is None
    assert read(sign(CLAIMS, algorithm="sha1")) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("purpose", "doorward-assertion"),
        ("purpose", None),
        ("iss", ["Tempo"]),
        ("aud", ["clients"]),
        ("jti", "0A1B2C3D4E5F"),
        ("jti", "0a1b2c3d4e5"),
        ("jti", 123456789012),
        ("jti", "0a1b2c3d4e5f\n"),
        ("iat", float(CLAIMS["iat"])),  # type: ignore[arg-type]
        ("iat", True),
        ("iat", CLAIMS["iat"] + 1),  # type: ignore[operator]
        ("exp", str(CLAIMS["exp"])),
        ("exp", None),
        ("exp", -1),
        ("exp", False),
        ("nbf", 0),
        ("admin", True),
    ],
)
def test_a_claim_that_is_not_as_we_write_it_is_refused_whoever_signed(name: str, value: Any) -> None:
    """Others may sign with the same secret; what they mean by it opens nothing here (I14, H15)."""
    assert read(sign(CLAIMS | {name: value})) is None


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_a_claim_that_is_missing_is_refused(name: str) -> None:
    """Without an end, an issuer, a purpose it is no token of ours."""
    assert read(sign({key: value for key, value in CLAIMS.items() if key != name})) is None


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"a":1',
        json.dumps(CLAIMS).replace("}", ', "jti": "0a1b2c3d4e5f"}').encode(),
        json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "1e400").encode(),
        json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "NaN").encode(),
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_claims_that_read_two_ways_or_none_are_refused(claims: bytes) -> None:
    """One reading or none (I10)."""
    assert read(sign(claims)) is None


def test_only_three_parts_in_their_one_spelling_are_read() -> None:
    """No unsigned, encrypted, padded or repeated form (I07, I08)."""
    text = write()
    header, claims, signature = text.split(".")
    for other in (
        "",
        ".",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}=",
        f"{header}.{claims}=.{signature}",
        f"{header}.{claims}.{signature}.{signature}",
        f"{header}..{claims}.{signature}",
        f" {text}",
        f"{text}\n",
        f"{text}\u00e9",
        f"{header}.{claims}.{signature[:-1]}",
        text.replace("-", "+").replace("_", "/") + "=",
        json.dumps({"payload": claims, "signatures": []}),
    ):
        assert read(other) is None, other


def test_claims_in_another_spelling_of_base64_are_refused() -> None:
    """What is signed is the text, and there is one text for it."""
    raw = json.dumps(CLAIMS, separators=(",", ":")).encode() + b" "
    while len(raw) % 3 != 1:
        raw += b" "
    spelt = encode(raw)
    other = spelt[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[spelt[-1]]
    header = write().split(".", maxsplit=1)[0]
    signed = f"{header}.{other}"
    assert read(f"{signed}.{encode(hmac.digest(SECRET, signed.encode(), 'sha256'))}") is None


def test_what_is_too_long_is_not_looked_at() -> None:
    """A megabyte costs nothing."""
    assert read(sign(CLAIMS | {"name": "a" * MOST_TOKEN})) is None


@given(st.text(max_size=200), st.integers(min_value=0, max_value=400))
def test_whatever_is_put_in_its_place_never_counts_and_never_fails(noise: str, place: int) -> None:
    """Any text, and any text within a token."""
    text = write()
    assert read(noise) is None
    changed = text[:place] + noise + text[place:]
    assert changed == text or read(changed) is None


@given(st.binary(max_size=200))
def test_whatever_is_signed_never_fails(claims: bytes) -> None:
    """Even with the secret."""
    assert read(sign(claims)) is None
