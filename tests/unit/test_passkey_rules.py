"""What must hold of passkeys besides their signature, and how strictly their bytes are read."""

from dataclasses import replace

import pytest

from doorward.errors import InputError
from doorward.rules.factor import FactorId, Passkey
from doorward.rules.identity import UserId
from doorward.rules.passkey import (
    check_authenticator_data,
    check_cbor,
    digest_of,
    encode_base64url,
    find_flaw,
    handle_of,
    parse_base64url,
    use,
)
from tests.fakes.authenticator import AT, ED, UP, cbor
from tests.fakes.system import START

PASSKEY = Passkey(FactorId("1" * 32), UserId("alice"), b"d" * 32, "", "Phone", 5, True, True, False, START)


@pytest.mark.parametrize(("stored", "sent", "flaw"), [(0, 0, None), (0, 1, None), (5, 6, None), (5, 4000, None)])
def test_a_counter_grows_or_there_is_none(stored, sent, flaw):
    """G08."""
    passkey = replace(PASSKEY, sign_count=stored)
    assert find_flaw(passkey, sign_count=sent, backup_eligible=True) is flaw


@pytest.mark.parametrize(("stored", "sent"), [(5, 5), (5, 4), (5, 0), (1, 1)])
def test_a_counter_that_does_not_grow_says_that_there_are_two(stored, sent):
    assert find_flaw(replace(PASSKEY, sign_count=stored), sign_count=sent, backup_eligible=True) == "counter"


def test_a_passkey_never_becomes_fit_for_backup_nor_unfit():
    """G17."""
    assert find_flaw(PASSKEY, sign_count=6, backup_eligible=False) == "backup_eligible"
    other = replace(PASSKEY, backup_eligible=False)
    assert find_flaw(other, sign_count=6, backup_eligible=True) == "backup_eligible"


def test_use_keeps_counter_backup_and_instant():
    used = use(PASSKEY, sign_count=9, backed_up=True, now=START)
    assert used == replace(PASSKEY, sign_count=9, backed_up=True, last_used_at=START)


def test_a_credential_is_found_by_its_digest_and_a_handle_is_the_account():
    assert digest_of(b"id") == digest_of(b"id") != digest_of(b"ie")
    assert handle_of(UserId("abc")) == b"abc"


@pytest.mark.parametrize("raw", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64url_has_a_way_there_and_back(raw):
    assert parse_base64url(encode_base64url(raw)) == raw


@pytest.mark.parametrize(
    "text", ["YQ==", "YQ=", "YR", "Y", "Y!Q", " YQ", "YQ\n", "+/+/", "YQ\u00e9", "Y\ud800", "ＹＱ", "Y Q"]
)
def test_base64url_has_one_spelling(text):
    """G14."""
    with pytest.raises(InputError):
        parse_base64url(text)


@pytest.mark.parametrize(
    "value",
    [
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        2**32,
        -1,
        -25,
        b"",
        b"x" * 300,
        "text",
        [],
        [1, [2, [3]]],
        {},
        {"a": 1, "b": [b"c", {"d": True}]},
    ],
)
def test_cbor_as_authenticators_write_it_has_a_length(value):
    raw = cbor(value)
    assert check_cbor(raw) == len(raw)
    assert check_cbor(raw + b"more") == len(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x81" * 1000 + b"\x00",
        b"\x81" * 8 + b"\x00",
        b"\x9b\x7f" + b"\xff" * 7,
        b"\x5b\x7f" + b"\xff" * 7,
        b"\xbb\xff" + b"\xff" * 7,
        b"\x9f\xff",
        b"\x5f\x41a\xff",
        b"\xc0\x61a",
        b"\xd8\x23\x61a",
        b"\xf9\x7e\x00",
        b"\xf7",
        b"\xf8\x20",
        b"\x1c",
        b"\x18\x17",
        b"\x19\x00\xff",
        b"\x1a\x00\x00\xff\xff",
        b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x18",
        b"\x19\x01",
        b"\x41",
        b"\x82\x00",
        b"\xa1\x00",
        b"\x99\x02\x01" + b"\x00" * 513,
    ],
)
def test_other_cbor_is_refused_without_reading_it(raw):
    with pytest.raises(InputError):
        check_cbor(raw)


FIXED = bytes(32) + bytes([UP]) + bytes(4)
ATTESTED = bytes(16) + (4).to_bytes(2) + b"name" + cbor({1: 2})


def flagged(flags):
    return bytes(32) + bytes([flags]) + bytes(4)


@pytest.mark.parametrize(
    "raw",
    [
        FIXED,
        flagged(UP | AT) + ATTESTED,
        flagged(UP | ED) + cbor({"credProtect": 2}),
        flagged(UP | AT | ED) + ATTESTED + cbor({}),
    ],
)
def test_authenticator_data_is_as_long_as_it_says(raw):
    check_authenticator_data(raw)
    for wrong in (raw + b"\x00", raw[:-1], b""):
        with pytest.raises(InputError):
            check_authenticator_data(wrong)
