"""A cookie remembers how somebody signed in, and that they signed out since."""

import pytest

from doorward.rules.provider import ProviderId
from doorward.web.way import Way


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("", Way()),
        ("google", Way("google")),
        ("-google", Way("google", left=True)),
        ("-", Way(left=True)),
        ("-a-", Way("a-", left=True)),
    ],
)
def test_the_cookie_is_read_back_as_it_was_written(text: str, way: Way) -> None:
    assert Way.read(text) == way
    assert way.text == text


@pytest.mark.parametrize("text", ["--", "--a", "Google", "a b", "a\n", "\n", "a" * 33, "ü", "a.b", "<script>"])
def test_what_makes_no_sense_says_nothing(text: str) -> None:
    assert Way.read(text) == Way()


def test_a_sign_in_forgets_that_somebody_left() -> None:
    assert Way("google").leave().text == "-google"
    assert Way("google").leave().leave().text == "-google"
    assert Way.through(ProviderId("github")).text == "github"
    assert Way.through(None).text == ""
