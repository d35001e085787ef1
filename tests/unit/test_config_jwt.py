"""Access tokens, as the configuration knows them: off unless they are meant, and never signed with what anybody knows."""

import pytest

from doorward.config.load import parse_config
from doorward.config.show import show_config
from tests.fakes.configured import load, problems_of

GOOD = "nRk5sVlJ0qzEw2bYtB8uXh3mPdCf7aGi"
NAMED = "issuer: Tempo, audience: clients"


def test_there_are_none_unless_issuer_and_audience_are_set() -> None:
    """E-20, E-22: seven days, and a secret of their own unless one is given."""
    without, named = load("").config.jwt, load(f"jwt: {{{NAMED}}}").config.jwt
    assert (without.is_on, without.expiration_days, without.secret) == (False, 7, None)
    assert (named.is_on, named.issuer, named.audience, named.secret) == (True, "Tempo", "clients", None)


@pytest.mark.parametrize("half", ["issuer: Tempo", "audience: Tempo", f"secret: {GOOD}"])
def test_half_of_it_is_a_mistake(half: str) -> None:
    """E-22: whoever sets one means to have tokens."""
    assert problems_of(f"jwt: {{{half}}}")


def test_a_secret_is_shown_nowhere_and_may_stand_in_a_file(tmp_path) -> None:
    """E-02, E-04."""
    file = tmp_path / "secret"
    file.write_text(GOOD + "\n")
    file.chmod(0o600)
    for given in (f"secret: {GOOD}", f"secret_file: {file}"):
        loaded = load(f"jwt: {{{NAMED}, {given}}}")
        assert loaded.config.jwt.secret is not None
        assert loaded.config.jwt.secret.reveal() == GOOD
        assert GOOD not in show_config(loaded)


@pytest.mark.parametrize(
    "secret",
    [
        "CHANGE_THIS_IN_PRODUCTION_USE_ENVIRONMENT_VARIABLE",
        "changeme-changeme-changeme-changeme",
        "your-256-bit-secret-your-256-bit-secret",
        "super-secret-jwt-key-for-development-only",
        "a-string-secret-at-least-256-bits-long",
        "ThisIsMyPasswordForEverythingAndMore!!",
        "your_jwt_signing_key_goes_here_0000000",
        "REPLACE-THIS-WITH-SOMETHING-LONG-ENOUGH",
        "default-development-key-do-not-use-it-",
        "a" * 64,
        "ababababababababababababababababababab",
        "0123456789012345678901234567890123456789",
        GOOD[:31],
        "secret",
        "",
    ],
)
def test_a_placeholder_or_a_short_secret_stops_the_start(secret: str) -> None:
    """E-01, E-03, E-21: what stands in examples signs nothing here."""
    problems = problems_of(f"jwt: {{{NAMED}, secret: '{secret}'}}")
    assert problems
    assert not secret or secret == "secret" or secret not in str(problems)


@pytest.mark.parametrize("days", ["0", "366", "-1", "1.5", "soon"])
def test_how_long_a_token_counts_has_bounds(days: str) -> None:
    """E-20."""
    assert problems_of(f"jwt: {{{NAMED}, expiration_days: {days}}}")


def test_names_from_elsewhere_are_understood() -> None:
    """E-20, E-22: one number for sessions and tokens, however long."""
    base = b"server: {public_url: https://auth.example.com}\n"
    names = {"JWT__Issuer": "Tempo", "JWT__Audience": "Tempo", "JWT__ExpirationDays": "400"}
    jwt = parse_config(base, environ=names).config.jwt
    assert (jwt.issuer, jwt.audience, jwt.expiration_days) == ("Tempo", "Tempo", 365)
