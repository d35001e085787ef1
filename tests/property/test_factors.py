"""Whatever is typed or sent as proof of a factor is read in one way, or refused as what it is."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.errors import InputError
from doorward.outside.passkeys import WebAuthn
from doorward.rules.passkey import check_authenticator_data, check_cbor, encode_base64url, parse_base64url
from doorward.rules.recovery_code import ENTROPY, make_codes
from doorward.rules.recovery_code import parse_code as parse_recovery_code
from doorward.rules.totp import NO_STEP, WINDOW, find_step, make_code, parse_code, step_of
from tests.fakes.authenticator import cbor
from tests.fakes.keys import encode

SITE = WebAuthn(rp_id="auth.example.test", rp_name="Doorward", origins=["https://auth.example.test"])
CHALLENGE = bytes(32)
SECRET = b"k" * 20
RP_ID_HASH = hashlib.sha256(b"auth.example.test").digest()
MOST_DEPTH = 7
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- made aware
WRITTEN = st.recursive(
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=30) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 9), inner, max_size=4),
    max_leaves=12,
)


def depth_of(value):
    """How many containers that hold something are around the innermost item."""
    inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return 1 + max(map(depth_of, inner)) if inner else 0


@given(INSTANTS, st.integers(-3, 3))
def test_a_code_is_right_near_its_step_and_nowhere_after_it_was_used(now, away):
    step = step_of(now)
    code = make_code(SECRET, step + away)
    found = find_step(SECRET, code, now, after=NO_STEP)
    if abs(away) <= WINDOW:
        assert found is not None
        assert find_step(SECRET, code, now, after=found) is None
        assert find_step(SECRET, code, now + timedelta(seconds=30), after=found) in {None, found + 1, found + 2}
    elif found is not None:
        # By chance: two steps with one code.
        assert make_code(SECRET, found) == code


@given(st.text(max_size=80))
def test_what_is_read_as_a_code_is_six_digits_and_nothing_but_spaces_around_them(typed):
    code = parse_code(typed)
    if code is not None:
        assert code.isascii()
        assert code.isdigit()
        assert typed.replace(" ", "") == code


@given(st.binary(min_size=ENTROPY, max_size=ENTROPY))
def test_every_recovery_code_is_read_as_it_is_written(entropy):
    codes = make_codes(entropy)
    for code in codes:
        canonical = parse_recovery_code(code)
        assert canonical == code.replace("-", "")
        assert parse_recovery_code(code.upper()) == parse_recovery_code(canonical) == canonical


@given(st.text(max_size=80))
def test_reading_a_recovery_code_twice_changes_nothing(typed):
    canonical = parse_recovery_code(typed)
    assert canonical is None or parse_recovery_code(canonical) == canonical


@given(st.binary(max_size=100))
def test_base64url_is_read_back_and_no_other_text_gives_the_same_bytes(raw):
    text = encode_base64url(raw)
    assert parse_base64url(text) == raw


@given(st.text(max_size=40))
def test_text_is_the_one_spelling_of_its_bytes_or_refused(text):
    try:
        raw = parse_base64url(text)
    except InputError:
        return
    assert encode_base64url(raw) == text


@given(WRITTEN, st.binary(max_size=4))
def test_cbor_as_it_is_written_has_its_length(value, more):
    raw = cbor(value)
    if depth_of(value) > MOST_DEPTH:
        with pytest.raises(InputError):
            check_cbor(raw + more)
    else:
        assert check_cbor(raw + more) == len(raw)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(raw):
    for check in (check_cbor, check_authenticator_data):
        try:
            check(raw)
        except InputError:
            continue


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
def test_no_answer_of_a_browser_is_more_than_refused(blob, data, signature):
    """Well-formed outside, whatever inside: an InputError and nothing else."""
    client_data = json.dumps(
        {"type": "webauthn.create", "challenge": encode(CHALLENGE), "origin": "https://auth.example.test"}
    ).encode()
    response = {
        "clientDataJSON": encode(client_data),
        "attestationObject": encode(cbor({"fmt": "none", "attStmt": {}, "authData": data}) if data else blob),
        "authenticatorData": encode(data),
        "signature": encode(signature),
    }
    answer = json.dumps({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response})
    for read in (
        lambda: SITE.read_registration(answer, CHALLENGE),
        lambda: SITE.read_assertion(answer, CHALLENGE, public_key=blob or b"\xa0", verify=False),
    ):
        try:
            read()
        except InputError:
            continue
        raise AssertionError("that was no passkey")


@given(WRITTEN)
def test_no_key_is_more_than_refused(key):
    """A credential whose key is any CBOR there is."""
    data = RP_ID_HASH + b"\x45" + bytes(4) + bytes(16) + (3).to_bytes(2) + bytes(3) + cbor(key)
    test_no_answer_of_a_browser_is_more_than_refused.hypothesis.inner_test(b"", data, b"")
