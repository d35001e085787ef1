"""The password policy: a floor that always stands."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import doorward.rules
from doorward.errors import InputError
from doorward.outside.wordlist import is_common_password, load_common_passwords
from doorward.rules.password import FLOOR_LENGTH, MAX_PASSWORD_BYTES, PasswordPolicy, check_password, parse_password

POLICY = PasswordPolicy()


def problems(password, *, name="alice", email="alice.liddell@example.test", policy=POLICY, is_common=None):
    return check_password(password, policy, name=name, email=email, is_common=is_common or (lambda _: False))


def test_a_good_password_has_no_problems():
    assert problems("Tr4vel-by-Night!") == []


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("Aa1!xyz", "8 characters"),
        ("lower-case-0nly", "upper-case"),
        ("UPPER-CASE-0NLY", "lower-case"),
        ("No-Digits-Here", "digit"),
        ("N0SpecialsHere", "special"),
        ("Aa1!Aa1!Aa1!", "repeats"),
        ("AAAAAAAAAAAA", "repeats"),
        ("My-Alice-2-Day", "user name"),
        ("x-ALICE.LIDDELL-7", "e-mail"),
    ],
)
def test_every_rule_says_what_is_wrong(password, words):
    """B-20, B-21, B-22."""
    assert any(words in problem for problem in problems(password))


def test_a_password_may_not_be_empty():
    """E22."""
    assert len(problems("")) >= 5


@given(st.text(max_size=40))
def test_a_password_without_problems_keeps_the_whole_floor(password):
    """B-20, B-21: whatever the text."""
    if not problems(password):
        assert len(password) >= FLOOR_LENGTH
        assert any(map(str.isupper, password))
        assert any(map(str.islower, password))
        assert any(map(str.isdecimal, password))
        assert any(not letter.isalnum() for letter in password)


def test_a_very_short_name_does_not_forbid_its_letter():
    assert problems("Tr4vel-by-Night!", name="a", email="") == []


def test_settings_can_raise_the_floor():
    """B-24."""
    assert any("20 characters" in problem for problem in problems("Tr4vel-by-Night!", policy=PasswordPolicy(20)))


def test_settings_cannot_lower_the_floor():
    """B-24."""
    with pytest.raises(ValueError, match="8"):
        PasswordPolicy(7)


@pytest.mark.parametrize("password", ["Password1!", "P@ssword2024!", "Passw0rd!", "!!Dragon99", "Qwerty-2024-"])
def test_a_common_password_in_its_best_clothes_is_common(password):
    """B-22."""
    found = problems(password, is_common=is_common_password)
    assert any("most common" in problem for problem in found)


def test_an_uncommon_password_is_not_taken_for_a_common_one():
    assert problems("Tr4vel-by-Night!", is_common=is_common_password) == []


def test_the_list_of_common_passwords_is_long_and_clean():
    """B-22: at least ten thousand, in lower case, each once."""
    common = load_common_passwords()
    lines = (Path(doorward.rules.__file__).parent / "common_passwords.txt").read_text("ascii").splitlines()
    assert len(common) == len(lines) >= 10_000
    assert {"password", "123456", "qwerty"} <= common
    assert all(word == word.lower().strip() and word for word in common)


def test_the_shipped_list_has_its_notice():
    notice = (Path(__file__).parents[2] / "NOTICE").read_text("utf-8")
    assert "common_passwords.txt" in notice
    assert "zxcvbn" in notice


@pytest.mark.parametrize("password", ["x" * (MAX_PASSWORD_BYTES + 1), "\u00e9" * 513, "a\u0300" * 5_000_000])
def test_a_huge_password_is_refused_before_any_work(password):
    """E13, E17: a megabyte of combining marks costs no normalising."""
    with pytest.raises(InputError, match="too long"):
        parse_password(password)


def test_the_longest_password_is_accepted():
    """E13."""
    assert len(parse_password("x" * MAX_PASSWORD_BYTES)) == MAX_PASSWORD_BYTES


@pytest.mark.parametrize("password", ["good\0x", "\0", "\ud800", "Tr4vel\udfff!"])
def test_what_no_keyboard_sends_is_refused(password):
    """E12, P14."""
    with pytest.raises(InputError):
        parse_password(password)


def test_two_keyboards_spell_one_password_alike():
    assert parse_password("Cafe\u0301") == parse_password("Caf\u00e9")
