"""A profile stands below the file and the environment, setting by setting, and whatever it causes is blamed on it."""

from datetime import timedelta
from typing import get_args

import pytest

from doorward.config.environment import find_field
from doorward.config.finding import format_key
from doorward.config.load import Loaded, parse_config
from doorward.config.profiles import PROFILES
from doorward.config.reference import make_reference
from doorward.config.schema import Config
from doorward.config.show import list_settings, show_config
from doorward.errors import ConfigError

HOME = "server: {public_url: https://auth.example.com}\n"
NAMES = sorted(PROFILES)


def load(text: str, *, environ: dict[str, str] | None = None, **overrides: object) -> Loaded:
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return parse_config(text.encode(), environ=environ or {}, overrides=dotted)


def problems_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text, environ=environ)
    return list(refused.value.problems)


def test_the_table_and_the_setting_know_the_same_names() -> None:
    assert set(get_args(Config.model_fields["profile"].annotation)) == set(PROFILES)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_that_of_a_setting_and_differs_from_its_default(name: str) -> None:
    """What a profile repeats of the defaults would stay behind when a default changes unnoticed."""
    loaded = load(f"profile: {name}\n", environ={"COOKIE_SECURE": "true"})
    told, defaults = list_settings(loaded), list_settings(load("server: {}\n"))
    for path in PROFILES[name]:
        key = format_key(path)
        assert find_field(path) is not None
        assert told[key]["value"] != defaults[key]["value"], key


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_what_the_table_says_differs_from_the_defaults(name: str) -> None:
    told, defaults = list_settings(load(f"profile: {name}\n")), list_settings(load("server: {}\n"))
    other = {key for key, setting in told.items() if setting["value"] != defaults[key]["value"]}
    assert other - {"profile"} == {format_key(path) for path in PROFILES[name]}
    assert all(told[key]["origin"] == f"profile {name}" for key in other - {"profile"})


def test_balanced_is_the_defaults() -> None:
    assert load("profile: balanced\n").config == Config()


def test_the_file_a_variable_and_the_command_line_are_stronger_setting_by_setting() -> None:
    text = HOME + "profile: strict\nsession: {ttl: 1h}\nheaders: {frame: sameorigin}\n"
    environ = {"DOORWARD__LIMITS__LOGIN": "7/1m", "INACTIVITY_TIMEOUT_MINUTES": "5"}
    loaded = load(text, environ=environ, password__min_length=20)
    config = loaded.config
    assert config.session.ttl == timedelta(hours=1)
    assert config.session.idle_timeout == timedelta(minutes=5)
    assert config.session.remember_ttl is None
    assert [window.limit for window in config.limits.login] == [7]
    assert [window.limit for window in config.limits.otp_verify] == [3]
    assert config.headers.frame == "sameorigin"
    assert config.password.min_length == 20


def test_a_value_in_the_file_stands_even_where_it_is_the_default() -> None:
    assert load(HOME + "profile: trek\ncookie: {name: doorward}\n").config.cookie.name == "doorward"


def test_forward_auths_own_keys_are_stronger_than_its_profile() -> None:
    """C-14, C-30."""
    text = "profile: forward-auth\nserver: {public_url: https://a.example.com, cookieName: x}\nsession: {session_ttl: 1h}\n"
    config = load(text).config
    assert (config.cookie.name, config.session.ttl) == ("x", timedelta(hours=1))


def test_a_variable_chooses_the_profile_over_the_file() -> None:
    loaded = load(HOME + "profile: strict\n", environ={"DOORWARD__PROFILE": "tempo"})
    assert loaded.config.profile == "tempo"
    assert loaded.config.cookie.name == "authToken"


def test_the_configuration_shown_names_the_profile() -> None:
    loaded = load(HOME + "profile: strict\nsession: {ttl: 1h}\n")
    listed = list_settings(loaded)
    assert listed["session.idle_timeout"] == {"value": "30m", "origin": "profile strict"}
    assert listed["session.ttl"] == {"value": "1h", "origin": "the configuration line 3"}
    assert listed["profile"] == {"value": "strict", "origin": "the configuration line 2"}
    assert listed["totp.issuer"]["origin"] == "default"
    (line,) = [line for line in show_config(loaded).splitlines() if "idle_timeout: 30m" in line]
    assert line.endswith("# profile strict")


@pytest.mark.parametrize("written", ["strickt", "Strict"])
def test_an_unknown_name_is_a_problem_with_the_list(written: str) -> None:
    (problem,) = problems_of(HOME + f"profile: {written}\n")
    assert problem.startswith(f"profile (line 2): '{written}' is not known here -- write 'balanced', 'strict'")
    assert all(f"'{name}'" in problem for name in NAMES)
    assert problem.endswith("did you mean strict?")


@pytest.mark.parametrize("written", ["5", "[strict]", "{strict: true}"])
def test_what_is_no_name_is_a_problem_with_the_list(written: str) -> None:
    (problem,) = problems_of(HOME + f"profile: {written}\n")
    assert "write 'balanced'" in problem


def test_a_profile_with_nothing_after_it_is_none() -> None:
    assert load(HOME + "profile:\n").config.profile == "balanced"


def test_a_broken_section_is_a_problem_by_itself() -> None:
    (problem,) = problems_of(HOME + "profile: strict\nsession: 5\n")
    assert problem.startswith("session (line 3): this must be a section")


@pytest.mark.parametrize("domain", ["cookie: {domain: example.com}", "cookie: {domain: .example.com}"])
def test_the_strict_cookie_has_the_prefix_that_its_reach_allows(domain: str) -> None:
    assert load(HOME + "profile: strict\n").config.cookie.name == "__Host-doorward"
    assert load(HOME + f"profile: strict\n{domain}\n").config.cookie.name == "__Secure-doorward"


def test_what_a_profile_needs_is_asked_for_in_its_name() -> None:
    lan = "server: {public_url: 'http://auth.lan', insecure_http: true}\n"
    for name in ("strict", "forward-auth"):
        (problem,) = problems_of(f"{lan}profile: {name}\n")
        assert problem.startswith("cookie.secure: browsers keep no Secure cookie from http://auth.lan")
        assert f"profile {name} sets cookie.secure -- " in problem
    (problem,) = problems_of(f"{lan}profile: strict\ncookie: {{secure: auto}}\n")
    assert problem.startswith("cookie.name: browsers keep a cookie of this name over https only")
    assert "profile strict sets cookie.name" in problem


def test_a_setting_of_the_file_that_a_profile_makes_meaningless_is_told_why() -> None:
    (problem,) = problems_of(HOME + "profile: trek\nsession:\n  remember_idle_timeout: 5h\n")
    assert problem.startswith("session.remember_idle_timeout (line 4): ")
    assert "profile trek sets session.remember_ttl -- remove it" in problem


def test_what_the_operator_wrote_is_not_blamed_on_the_profile() -> None:
    (problem,) = problems_of(HOME + "profile: strict\nsession: {idle_timeout: 1m}\n")
    assert "profile" not in problem


def test_traefik_managers_cookie_without_secure_is_accepted_where_it_cannot_be_otherwise() -> None:
    """A-11, A-37: off until COOKIE_SECURE=true. Over https it must be said aloud that it stays off."""
    assert load("profile: traefik-manager\n").config.cookie_secure is False
    assert load(HOME + "profile: traefik-manager\n", environ={"COOKIE_SECURE": "true"}).config.cookie_secure is True
    (problem,) = problems_of(HOME + "profile: traefik-manager\n")
    assert problem.startswith("cookie.secure: without Secure the cookie also travels over plain http")
    assert "profile traefik-manager sets cookie.secure" in problem
    text = "server: {public_url: 'https://auth.example.com', insecure_http: true}\nprofile: traefik-manager\n"
    assert load(text).config.cookie_secure is False


def test_the_reference_lists_every_profile_and_every_value_of_it() -> None:
    page = make_reference()["configuration.md"]
    table = page[page.index("## Profiles") : page.index("## `server`")]
    assert all(f"`{name}`" in table for name in NAMES)
    for path in {path for values in PROFILES.values() for path in values}:
        assert f"| `{format_key(path)}` |" in table
