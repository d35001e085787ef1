"""Recovery codes."""

import re

import pytest

from doorward.rules.factor import RECOVERY_CODES
from doorward.rules.identity import UserId
from doorward.rules.recovery_code import ENTROPY, hash_code, make_codes, parse_code
from tests.fakes.system import FakeRandom

KEY = b"k" * 32


def test_a_set_is_ten_different_codes_of_eighty_bits():
    """F10. B-11."""
    codes = make_codes(FakeRandom().token(ENTROPY))
    assert len(set(codes)) == RECOVERY_CODES == 10
    assert ENTROPY * 8 // RECOVERY_CODES == 80
    shape = re.compile(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}")
    assert all(map(shape.fullmatch, codes))


def test_every_bit_counts():
    assert make_codes(bytes(ENTROPY))[0] == "0000-0000-0000-0000"
    assert make_codes(b"\xff" * ENTROPY)[0] == "zzzz-zzzz-zzzz-zzzz"
    assert make_codes(b"\x80" + bytes(ENTROPY - 1))[0] == "g000-0000-0000-0000"
    assert make_codes(bytes(9) + b"\x01" + bytes(ENTROPY - 10))[0] == "0000-0000-0000-0001"


def test_a_set_needs_all_its_randomness():
    with pytest.raises(ValueError, match="bytes"):
        make_codes(bytes(ENTROPY - 1))


@pytest.mark.parametrize(
    "typed",
    [
        "01ab-cdef-ghjk-mnpq",
        "01AB-CDEF-GHJK-MNPQ",
        "01abcdefghjkmnpq",
        " 01ab cdef ghjk mnpq ",
        "oiab-cdef-ghjk-mnpq",
        "OLab--cdefghjk mnpq",
    ],
)
def test_case_dashes_spaces_and_look_alikes_do_not_matter(typed):
    assert parse_code(typed) == "01abcdefghjkmnpq"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "01ab-cdef-ghjk-mnp",
        "01ab-cdef-ghjk-mnpqr",
        "u1ab-cdef-ghjk-mnpq",
        "01ab_cdef_ghjk_mnpq",
        "01ab-cdef-ghjk-mnpq\n",
        "01ab-cdef-ghj\u212a-mnpq",
        "０1ab-cdef-ghjk-mnpq",
        "-" * 60 + "01abcdefghjkmnpq",
    ],
)
def test_anything_else_is_no_code(typed):
    assert parse_code(typed) is None


def test_what_is_stored_is_good_for_one_account_and_one_key():
    stored = hash_code("01abcdefghjkmnpq", UserId("alice"), KEY)
    assert len(stored) == 32
    assert stored == hash_code("01abcdefghjkmnpq", UserId("alice"), KEY)
    assert stored != hash_code("01abcdefghjkmnpq", UserId("bob"), KEY)
    assert stored != hash_code("01abcdefghjkmnpq", UserId("alice"), b"j" * 32)
