"""Codes of authenticator apps."""

from datetime import UTC, datetime, timedelta

import pytest

from doorward.rules.totp import (
    NO_STEP,
    PERIOD,
    find_step,
    make_code,
    parse_code,
    step_of,
    write_secret,
    write_uri,
)

SECRET = b"12345678901234567890"
NOW = datetime(2030, 1, 1, 12, 0, 10, tzinfo=UTC)
STEP = step_of(NOW)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_are_those_of_the_standard(at, code):
    """RFC 6238, appendix B. Six digits are the last of eight."""
    step = step_of(datetime.fromtimestamp(at, UTC))
    assert make_code(SECRET, step, digits=8) == code
    assert make_code(SECRET, step) == code[2:]
    assert find_step(SECRET, code[2:], datetime.fromtimestamp(at, UTC), after=NO_STEP) == step


def test_the_counter_is_that_of_the_older_standard():
    """RFC 4226, appendix D."""
    assert [make_code(SECRET, step) for step in range(4)] == ["755224", "287082", "359152", "969429"]


@pytest.mark.parametrize(("away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_one_step(away, taken):
    """A-14, B-11."""
    found = find_step(SECRET, make_code(SECRET, STEP + away), NOW, after=NO_STEP)
    assert found == (STEP + away if taken else None)


def test_a_code_from_a_used_step_or_an_older_one_is_refused():
    """F01."""
    for away in (-1, 0):
        assert find_step(SECRET, make_code(SECRET, STEP + away), NOW, after=STEP) is None
    assert find_step(SECRET, make_code(SECRET, STEP + 1), NOW, after=STEP) == STEP + 1


def test_the_first_step_of_all_has_none_before_it():
    epoch = datetime.fromtimestamp(0, UTC)
    assert find_step(SECRET, make_code(SECRET, 0), epoch, after=NO_STEP) == 0
    assert find_step(SECRET, make_code(SECRET, 1), epoch + timedelta(seconds=PERIOD - 1), after=NO_STEP) == 1


def test_spaces_are_the_only_thing_that_is_taken_out():
    assert parse_code(" 123 456 ") == "123456"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "0123456",
        "+123456",
        "-12345",
        "123_456",
        "123456\n",
        "123\t456",
        "123\u00a0456",
        "12345\u0665",
        "１２３４５６",
        "١٢٣٤٥٦",
        "1e5000",
        "123456\x00",
        "['123456']",
        " " * 100 + "123456",
        "123456" + " " * 100,
    ],
)
def test_other_spellings_of_digits_are_no_code(typed):
    """F03."""
    assert parse_code(typed) is None
    assert find_step(SECRET, typed, NOW, after=NO_STEP) is None


def test_the_secret_can_be_typed_and_scanned():
    assert write_secret(SECRET) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
    assert write_uri(SECRET, issuer="Home: Door", account="a:lice@example.test") == (
        "otpauth://totp/Home%20%20Door:a%20lice@example.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Home%20%20Door&algorithm=SHA1&digits=6&period=30"
    )
