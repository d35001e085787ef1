"""Variables people already have: each sets what it says, and nothing but what it holds is taken."""

import pytest

from doorward.config import aliases
from doorward.config.load import Loaded, parse_config
from doorward.config.show import list_settings
from doorward.errors import ConfigError

BASE = "server: {public_url: https://auth.example.com}\n"
PROVIDER = (
    "authn: {provider: {type: oidc, oidc: {issuer_url: https://id.example.org, client_id: x, client_secret: "
    "9f86d081884c7d659a2feaa0c55ad015}}}\n"
)
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]

SETS: dict[str, tuple[str, dict[str, object]]] = {
    "ALLOW_INTERNAL_NETWORK": ("true", {"outbound.allow": PRIVATE}),
    "APP_URL": ("https://door.example.com", {"server.public_url": "https://door.example.com"}),
    "COOKIE_SECURE": ("true", {"cookie.secure": True}),
    "CSRF_COOKIE_NAME": ("bt_csrf_token", {"csrf.cookie_name": "bt_csrf_token"}),
    "CSRF_HTTP_ONLY": ("false", {"csrf.http_only": False}),
    "CSRF_SAME_SITE": ("lax", {"csrf.same_site": "lax"}),
    "CSRF_SECURE": ("true", {"csrf.secure": True}),
    "FORCE_HTTPS": ("true", {"https.force": True}),
    "HTTPS": ("true", {"cookie.secure": True}),
    "HSTS_INCLUDE_SUBDOMAINS": ("true", {"headers.hsts.include_subdomains": True}),
    "INACTIVITY_TIMEOUT_MINUTES": ("45", {"session.idle_timeout": "45m"}),
    "JWT__ExpirationDays": ("3", {"session.ttl": "3d", "jwt.expiration_days": 3}),
    "SESSION_DURATION": ("12h", {"session.ttl": "12h"}),
    "SESSION_DURATION_REMEMBER": ("30d", {"session.remember_ttl": "30d"}),
    "TRUST_PROXY": ("2", {"proxy.hops": 2}),
    "OIDC_ADMIN_GROUP": ("rulers", {"authn.provider.admin_value": "rulers", "authn.provider.admin_claim": "groups"}),
    "OIDC_AUTO_PROVISION": ("true", {"authn.provider.auto_provision": True}),
    "OIDC_CLIENT_ID": ("door", {"authn.provider.oidc.client_id": "door"}),
    "OIDC_CLIENT_SECRET": ("4e07408562bedb8b60ce05c1decfe3ad", {"authn.provider.oidc.client_secret": "***"}),
    "OIDC_ISSUER_URL": ("https://sso.example.org", {"authn.provider.oidc.issuer_url": "https://sso.example.org"}),
    "OIDC_PROVIDER_NAME": ("Work", {"authn.provider.name": "Work"}),
    "OIDC_REDIRECT_URI": (
        "https://auth.example.com/api/auth/oidc/callback",
        {"authn.provider.redirect_url": "https://auth.example.com/api/auth/oidc/callback"},
    ),
    "OIDC_SCOPES": ("openid email", {"authn.provider.oidc.scopes": ["openid", "email"]}),
    "OIDC_TOKEN_AUTH_METHOD": ("client_secret_post", {"authn.provider.token_auth_method": "client_secret_post"}),
}
"""Variable -> what is written there, and what it then sets. Names that have tests of their own are in `ELSEWHERE`."""

ELSEWHERE = {"AUTH_ENABLED", "JWT__Audience", "JWT__Issuer", "OIDC_CLIENT_SECRET_FILE"}


def load(text: str, **environ: str) -> Loaded:
    return parse_config(text.encode(), environ=environ)


def test_every_variable_is_tried_here() -> None:
    assert set(SETS) == set(aliases.VARIABLES) - ELSEWHERE


@pytest.mark.parametrize("name", sorted(SETS))
def test_the_variable_sets_what_it_says_over_the_file(name: str) -> None:
    """Names to keep; B-09, E-20, and the rest of those that the five programs read."""
    text, wanted = SETS[name]
    around = BASE + "proxy: {trusted: [10.0.0.0/8]}\n" + (PROVIDER if name.startswith("OIDC_") else "")
    loaded = load(around, **{name: text})
    told = list_settings(loaded)
    for key, value in wanted.items():
        assert told[key] == {"value": value, "origin": f"variable {name}"}
    assert any(f"{name}: this variable sets " in str(notice) for notice in loaded.notices)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALLOW_INTERNAL_NETWORK", "yes"),
        ("JWT__ExpirationDays", "0"),
        ("JWT__ExpirationDays", "7d"),
        ("JWT__ExpirationDays", "12345"),
        ("INACTIVITY_TIMEOUT_MINUTES", "2h"),
        ("TRUST_PROXY", "-1"),
        ("COOKIE_SECURE", "1"),
    ],
)
def test_what_the_variable_cannot_hold_is_a_problem(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(BASE, **{name: text})
    assert any(problem.startswith(f"{name}: ") for problem in refused.value.problems)


@pytest.mark.parametrize("text", ["false", "False", ""])
def test_an_internal_network_that_is_not_allowed_changes_nothing(text: str) -> None:
    """B-09."""
    assert load(BASE, ALLOW_INTERNAL_NETWORK=text).config.outbound.allow == ()


def test_the_internal_network_does_not_hold_this_machine() -> None:
    """B-10."""
    assert not {"127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"} & set(aliases.INTERNAL)


def test_our_own_variable_is_stronger() -> None:
    told = list_settings(load(BASE, JWT__ExpirationDays="3", DOORWARD__SESSION__TTL="1h"))
    assert told["session.ttl"]["value"] == "1h"


def test_the_variable_is_stronger_than_the_profile() -> None:
    """E-20: Tempo's own name for it, in Tempo's profile."""
    told = list_settings(load(BASE + "profile: tempo\n", JWT__ExpirationDays="2"))
    assert told["session.ttl"] == {"value": "2d", "origin": "variable JWT__ExpirationDays"}


@pytest.mark.parametrize("name", ["JWT_SECRET", "JWT__SecretKey", "SECRET_KEY"])
def test_a_key_of_sessions_in_the_environment_is_told_to_be_for_nothing(name: str) -> None:
    """B-05: it is state and no setting, so that a rotation lasts."""
    loaded = parse_config(BASE.encode(), environ={name: "x" * 40})
    (notice,) = [str(each) for each in loaded.notices if name in str(each)]
    assert "not used" in notice
    assert "doorward keys rotate signing" in notice
    assert "x" * 40 not in notice
