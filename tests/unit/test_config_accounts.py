"""Second factors, registration, recovery and mail, as the configuration knows them."""

from datetime import timedelta

import pytest

from tests.fakes.configured import load, problems_of

# Second factors


def test_nobody_must_have_a_second_factor_unless_it_is_said() -> None:
    """B-12."""
    mfa = load("").config.mfa
    assert (mfa.required, mfa.grace) == ("none", timedelta(days=7))


@pytest.mark.parametrize("word", ["none", "admins", "all", "per_rule"])
def test_who_must_have_a_second_factor_is_one_of_four_words(word: str) -> None:
    """B-12."""
    assert load(f"mfa: {{required: {word}, grace: off}}").config.mfa.required == word
    assert load("", DOORWARD__MFA__REQUIRED=word).config.mfa.required == word


def test_no_grace_is_said_as_off() -> None:
    assert load("mfa: {grace: off}").config.mfa.grace is None


@pytest.mark.parametrize("value", ["true", "no", "everybody", "per_app", "5"])
def test_no_other_word_says_who_must_have_one(value: str) -> None:
    (problem,) = problems_of(f"mfa: {{required: {value}}}")
    assert problem.startswith("mfa.required (line 2): ")


def test_a_grace_of_years_is_refused() -> None:
    assert problems_of("mfa: {required: all, grace: 91d}") == [
        "mfa.grace (line 2): 91d is too long to protect anybody -- at most 90d"
    ]
    assert load("mfa: {required: all, grace: 90d}").config.mfa.grace == timedelta(days=90)
