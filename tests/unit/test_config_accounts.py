"""Second factors, registration and recovery, as the configuration knows them."""

from datetime import timedelta

import pytest

from doorward.config.load import parse_config
from doorward.rules.mfa import MfaRequired
from doorward.rules.registration import Mode
from tests.fakes.configured import load, notices_of, problems_of

# Second factors


def test_nobody_must_have_a_second_factor_unless_it_is_said() -> None:
    """B-12."""
    mfa = load("").config.mfa
    assert (mfa.required, mfa.grace) == ("none", timedelta(days=7))


@pytest.mark.parametrize("word", [each.value for each in MfaRequired])
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


# Authenticator apps


def test_authenticator_apps_call_us_by_our_host_unless_it_is_said() -> None:
    """A-14."""
    assert load("").config.totp_issuer == "Doorward at auth.example.com"
    assert load("totp: {issuer: Example Inc.}").config.totp_issuer == "Example Inc."


@pytest.mark.parametrize("issuer", ["'a:b'", "'" + "x" * 65 + "'", '"a\\tb"', "5"])
def test_an_issuer_that_apps_would_misread_is_refused(issuer: str) -> None:
    (problem,) = problems_of(f"totp: {{issuer: {issuer}}}")
    assert problem.startswith("totp.issuer (line 2): ")


# Passkeys


def test_passkeys_are_bound_to_the_host_of_the_gateway() -> None:
    config = load("").config
    assert (config.rp_id, config.webauthn_origins) == ("auth.example.com", ("https://auth.example.com",))
    assert config.webauthn.verify == "preferred"


def test_passkeys_can_be_bound_to_a_parent_and_used_at_other_addresses() -> None:
    text = "webauthn: {rp_id: Example.com, origins: ['https://login.example.com', 'https://auth.example.com']}"
    config = load(text).config
    assert config.rp_id == "example.com"
    assert config.webauthn_origins == ("https://auth.example.com", "https://login.example.com")


@pytest.mark.parametrize(
    ("rp_id", "words"),
    [
        ("example.org", "is not within example.org"),
        ("ample.com", "is not within ample.com"),
        ("x.auth.example.com", "is not within x.auth.example.com"),
        ("com", "strangers have names of their own"),
        ("10.0.0.1", "is not a domain"),
        ("'[::1]'", "is not a domain"),
        ("'example.com:443'", "is not a domain"),
        ("'https://example.com'", "is not a domain"),
        ("''", "is not a domain"),
        ("5", "must be text"),
    ],
)
def test_a_name_that_browsers_would_refuse_is_refused(rp_id: str, words: str) -> None:
    (problem,) = problems_of(f"webauthn: {{rp_id: {rp_id}}}")
    assert problem.startswith("webauthn.rp_id (line 2): ")
    assert words in problem


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("https://auth.example.org", "auth.example.org is not within auth.example.com"),
        ("https://login.example.com", "set webauthn.rp_id to the parent they share"),
        ("http://auth.example.com", "over https only"),
    ],
)
def test_an_address_where_no_passkey_works_is_refused(origin: str, words: str) -> None:
    (problem,) = problems_of(f"webauthn: {{origins: '{origin}'}}")
    assert problem.startswith("webauthn.origins[0] (line 2): ")
    assert words in problem


def test_a_broken_name_brings_no_second_complaint_about_addresses() -> None:
    assert len(problems_of("webauthn: {rp_id: 10.0.0.1, origins: ['https://login.example.com']}")) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://10.0.0.1", "at an address such as 10.0.0.1"), ("http://auth.example.com", "over https only")],
)
def test_a_rule_that_asks_for_a_passkey_where_none_works_is_noted(url: str, words: str) -> None:
    text = (
        f"server: {{public_url: '{url}', insecure_http: true}}\n"
        "authz: {rules: [{domain: 10.0.0.1, who: any_user}, {domain: x.example.com, require: passkey}]}\n"
    ).replace("{domain: 10.0.0.1", f"{{domain: {url.removeprefix('http://')}")
    notices = [str(notice) for notice in parse_config(text.encode(), environ={}).notices]
    (notice,) = [notice for notice in notices if "passkey" in notice]
    assert notice.startswith("authz.rules[1].require (line 2): nobody can show a passkey: ")
    assert words in notice


def test_a_rule_that_asks_for_a_passkey_is_no_news_where_they_work() -> None:
    assert not [each for each in notices_of("authz: {rules: [{domain: a.b, require: passkey}]}") if "passkey" in each]


# Registration and recovery


def about(key: str, text: str) -> list[str]:
    return [notice for notice in notices_of(text) if notice.startswith(key)]


def test_registration_is_locked_after_the_first_user_unless_it_is_said() -> None:
    """E-24."""
    registration = load("").config.registration
    assert (registration.mode, registration.approval) == ("first_user_then_locked", False)
    assert not about("registration", "")


@pytest.mark.parametrize("mode", [each.value for each in Mode])
def test_every_mode_of_registration_is_read(mode: str) -> None:
    """B-13."""
    assert load(f"registration: {{mode: {mode}, approval: true}}").config.registration.mode == mode


@pytest.mark.parametrize("mode", ["true", "opened", "''"])
def test_no_other_mode_is(mode: str) -> None:
    (problem,) = problems_of(f"registration: {{mode: {mode}}}")
    assert problem.startswith("registration.mode (line 2): ")


def test_a_door_that_stands_open_is_noted() -> None:
    (notice,) = about("registration", "registration: {mode: open}")
    assert "anyone who can open the sign-in page" in notice
    assert not about("registration", "registration: {mode: open, approval: true}")


def test_approval_of_nobody_is_noted() -> None:
    (notice,) = about("registration", "registration: {mode: closed, approval: true}")
    assert notice.startswith("registration.approval (line 2): it has no effect")


def test_accounts_by_providers_without_a_provider_are_noted() -> None:
    (notice,) = about("registration", "registration: {mode: oidc_auto}")
    assert "no provider is set" in notice
    provider = "{id: work, type: github, client_id: door, client_secret: 9f86d081884c7d659a2feaa0c55ad015}"
    assert not about("registration", f"registration: {{mode: oidc_auto}}\nauthn: {{providers: [{provider}]}}")


def test_a_link_to_set_a_new_password_is_good_for_an_hour() -> None:
    assert load("").config.recovery.link_ttl == timedelta(hours=1)
    for span in ("5m", "1d"):
        load(f"recovery: {{link_ttl: {span}}}")


@pytest.mark.parametrize(("span", "words"), [("4m", "too short"), ("25h", "too long")])
def test_a_link_that_is_good_too_long_or_not_long_enough_is_refused(span: str, words: str) -> None:
    (problem,) = problems_of(f"recovery: {{link_ttl: {span}}}")
    assert problem.startswith("recovery.link_ttl (line 2): ")
    assert words in problem
