"""Providers in the configuration: both forms, and what they come to."""

from datetime import timedelta
from pathlib import Path

import pytest

from doorward.config.load import load_config, parse_config
from doorward.config.providers import build_provider, build_providers, list_entries
from doorward.config.schema import Config
from doorward.config.upstream import ProviderEntry
from doorward.config.values import Secret
from doorward.config.words import ICONS, Rename
from doorward.rules.provider import ALGORITHMS, ClientAuth, Kind, Par, Provider, ProviderId
from doorward.rules.throttle import Window
from doorward.web.pages import provider_icons
from tests.fakes.configured import OIDC, SECRET, load, notices_of, problems_of, providers_of, the_entry

VECTOR = Path(__file__).parents[1] / "vectors" / "forward-auth-config.yaml"


# The form of forward-auth


def test_google_of_the_documentation_is_google() -> None:
    """C-22, C-23, C-24, T-17: the type that forward-auth documents and refuses is accepted."""
    (provider,) = build_providers(load_config(VECTOR, environ={}).config)
    assert (provider.id, provider.kind, provider.name) == ("google", Kind.GOOGLE, "Google")
    assert provider.issuer == "https://accounts.google.com"
    assert (provider.client_id, provider.client_secret) == ("<client-id>", "<client-secret>")
    assert provider.scopes == ("openid", "email", "profile")
    assert provider.callback == "/api/auth/login"
    assert provider.enabled
    assert provider.from_file


def test_google_as_an_openid_provider_is_google_too() -> None:
    """C-22: forward-auth's own guide has it as `type: oidc` with Google's issuer."""
    raw = VECTOR.read_bytes().replace(b'type: "google"', b"type: oidc")
    (as_oidc,) = build_providers(parse_config(raw, environ={}).config)
    (as_google,) = build_providers(load_config(VECTOR, environ={}).config)
    assert as_oidc == as_google


def test_google_needs_no_issuer() -> None:
    """C-24: the issuer is for `type: oidc` only."""
    raw = VECTOR.read_bytes().replace(b"      issuer_url: https://accounts.google.com\n", b"")
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert provider.issuer == "https://accounts.google.com"


def test_github_of_the_documentation_is_github() -> None:
    """C-22, C-25."""
    raw = VECTOR.read_bytes().replace(b'type: "google"', b"type: github")
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert (provider.id, provider.kind, provider.name) == ("github", Kind.GITHUB, "GitHub")
    assert provider.issuer == "https://github.com"
    assert provider.scopes == ("user:email", "read:user")
    assert provider.client_id == "<client-id>"
    assert provider.callback == "/api/auth/login"


def test_an_openid_provider_is_called_by_its_host() -> None:
    """C-22, C-24: scopes have a default."""
    (provider,) = providers_of(f"authn: {{provider: {{type: oidc, oidc: {{{OIDC}}}}}}}")
    assert (provider.id, provider.kind, provider.name) == ("oidc", Kind.OIDC, "id.example.com")
    assert provider.scopes == ("openid", "email", "profile")
    assert provider.callback == "/login/callback/oidc"


def test_the_options_of_the_flat_form_stand_in_the_nested_one_too() -> None:
    keys = "name: Work, groups_claim: groups, admin_claim: roles, admin_value: boss, trust_mfa: true, enabled: false"
    (provider,) = providers_of(f"authn: {{provider: {{oidc: {{{OIDC}}}, {keys}}}}}")
    assert provider.name == "Work"
    assert (provider.groups_claim, provider.admin_claim, provider.admin_value) == ("groups", "roles", "boss")
    assert provider.trust_mfa
    assert not provider.enabled


@pytest.mark.parametrize("select", [True, False])
def test_which_account_is_asked_where_that_is_wanted(*, select: bool) -> None:
    """C-21."""
    raw = VECTOR.read_bytes().replace(b"select_account: false", f"select_account: {str(select).lower()}".encode())
    (provider,) = build_providers(parse_config(raw, environ={}).config)
    assert provider.prompt == ("select_account" if select else "")


@pytest.mark.parametrize(("own", "whole"), [("login", "login select_account"), ("select_account", "select_account")])
def test_which_account_is_asked_besides_what_the_provider_is_told_to_ask(own: str, whole: str) -> None:
    (provider,) = providers_of(f"authn: {{select_account: true, providers: [{{id: a, {OIDC}, prompt: {own}}}]}}")
    assert provider.prompt == whole


# The list


def test_every_option_of_a_provider_arrives() -> None:
    provider = the_entry(
        "name: Work, icon: key, discovery_url: https://id.example.com/x, scopes: [openid, groups], "
        "redirect_url: https://auth.example.com/api/auth/oidc/callback, token_auth_method: client_secret_post, "
        "algorithms: [ES256], par: require, prompt: login, max_age: 1h, acr_values: [gold, silver], "
        "groups_claim: realm_access.roles, groups_rename: {their-admins: admins, 'cn=a,ou=b': b}, groups_prefix: w-, "
        "admin_claim: role, admin_value: boss, allowed_emails: [Alice@Example.com], allowed_domains: ['@Example.org'], "
        "allowed_groups: [staff], auto_provision: false, link_by_email: true, trust_mfa: true, logout: false, "
        "check_every: 15m, enabled: false"
    )
    assert provider == Provider(
        id=ProviderId("work"),
        kind=Kind.OIDC,
        name="Work",
        icon="key",
        issuer="https://id.example.com",
        discovery_url="https://id.example.com/x",
        client_id="door",
        client_secret=SECRET,
        client_auth=ClientAuth.POST,
        scopes=("openid", "groups"),
        redirect_path="/api/auth/oidc/callback",
        algorithms=("ES256",),
        par=Par.REQUIRE,
        prompt="login",
        max_age=timedelta(hours=1),
        acr_values=("gold", "silver"),
        groups_claim="realm_access.roles",
        groups_rename=(("their-admins", "admins"), ("cn=a,ou=b", "b")),
        groups_prefix="w-",
        admin_claim="role",
        admin_value="boss",
        allowed_emails=frozenset({"alice@example.com"}),
        allowed_domains=frozenset({"example.org"}),
        allowed_groups=frozenset({"staff"}),
        auto_provision=False,
        link_by_email=True,
        trust_mfa=True,
        logout=False,
        check_every=timedelta(minutes=15),
        enabled=False,
    )


def test_what_is_not_said_of_a_provider_is_the_careful_choice() -> None:
    provider = the_entry("name: Work")
    assert provider.client_auth is None
    assert provider.algorithms == ALGORITHMS
    assert provider.par is Par.AUTO
    assert provider.max_age is provider.check_every is None
    assert provider.logout
    assert provider.enabled
    flags = ("auto_provision", "link_by_email", "assume_verified", "trust_mfa")
    assert [name for name in flags if getattr(provider, name)] == []
    assert provider.groups_claim == provider.admin_claim == provider.prompt == ""
    assert provider.callback == "/login/callback/work"


def test_several_providers_stand_side_by_side() -> None:
    found = providers_of(
        f"authn: {{provider: {{oidc: {{{OIDC}}}}}, providers: ["
        f"{{id: hub, type: github, client_id: a, client_secret: {SECRET}}}, "
        f"{{id: goo, type: google, client_id: a, client_secret: {SECRET}}}]}}"
    )
    assert [(each.id, each.kind, each.name) for each in found] == [
        ("oidc", Kind.OIDC, "id.example.com"),
        ("hub", Kind.GITHUB, "GitHub"),
        ("goo", Kind.GOOGLE, "Google"),
    ]
    assert [each.scopes[0] for each in found] == ["openid", "user:email", "openid"]


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ("logout: true", False),
        ("allowed_emails: [a@b.c]", True),
        ("allowed_domains: [b.c]", True),
        ("allowed_groups: [staff], groups_claim: groups", True),
        ("allowed_domains: [b.c], auto_provision: false", False),
        ("auto_provision: true", True),
    ],
)
def test_an_account_is_made_for_strangers_only_where_it_was_said_who_may_come(keys: str, *, made: bool) -> None:
    assert the_entry(keys).auto_provision is made


@pytest.mark.parametrize(
    ("keys", "made"), [("", True), ("auto_provision: true", True), ("auto_provision: false", False)]
)
def test_the_one_provider_of_forward_auth_makes_accounts_as_it_did(keys: str, *, made: bool) -> None:
    (provider,) = providers_of(f"authn: {{provider: {{oidc: {{{OIDC}}}, {keys}}}}}")
    assert provider.auto_provision is made


@pytest.mark.parametrize("written", ["{their: ours, b: c}", "[their=ours, b=c]", "['their = ours', ' b=c ']"])
def test_groups_are_renamed_in_either_spelling(written: str) -> None:
    assert the_entry(f"groups_claim: groups, groups_rename: {written}").groups_rename == (
        ("their", "ours"),
        ("b", "c"),
    )


def test_one_group_is_renamed_without_a_list() -> None:
    assert the_entry("groups_claim: groups, groups_rename: 'cn=x,dc=y=ours'").groups_rename == (("cn=x,dc=y", "ours"),)


# Straight to a provider, passwords, limits, words of a second factor


def test_the_settings_around_providers_have_careful_defaults() -> None:
    """C-20, D-25."""
    config = Config()
    assert config.authn.password is True
    assert config.authn.straight == "only"
    assert config.authn.state_ttl == timedelta(minutes=10)
    assert config.limits.oidc == (Window(10, timedelta(minutes=1)), Window(20, timedelta(minutes=15)))
    assert config.mfa.trust_idp.amr == ("mfa", "otp", "hwk", "swk")
    assert config.mfa.trust_idp.acr == ()
    assert config.outbound.allow == ()
    assert config.outbound.insecure_http is False
    assert config.outbound.timeout == timedelta(seconds=10)


@pytest.mark.parametrize("word", ["off", "only", "last", "work"])
def test_going_straight_to_a_provider_is_a_word_or_an_id(word: str) -> None:
    text = f"authn: {{straight: {word}, providers: [{{id: work, {OIDC}}}]}}"
    assert load(text).config.authn.straight == word
    assert not any("authn.straight" in notice for notice in notices_of(text))


def test_going_straight_to_nowhere_known_is_said_and_nonsense_refused() -> None:
    (notice,) = [each for each in load("authn: {straight: other}").notices if each.path == "authn.straight"]
    assert notice.calm
    assert problems_of("authn: {straight: 'no such'}")[0].startswith("authn.straight (line 2): 'no such' is neither")


# Values


def test_the_drawings_that_can_be_named_are_those_there_are() -> None:
    assert ICONS == provider_icons.NAMES


def test_a_key_and_a_secret_are_values_that_hide() -> None:
    config = load(f"authn: {{providers: [{{id: a, {OIDC}, groups_claim: g, groups_rename: {{x: y}}}}]}}").config
    (entry,) = config.authn.providers
    assert entry.client_secret == Secret(SECRET)
    assert entry.groups_rename == (Rename("x", "y"),)
    assert list(list_entries(config)) == [("authn.providers[0]", entry)]
    assert build_provider(entry, config).id == "a"
    assert ProviderEntry.model_validate(dict(entry)) == entry
