"""The ancestor's documented configuration loads unchanged, with the same meaning."""

from datetime import timedelta
from pathlib import Path

import pytest

from doorward.config.load import load_config, parse_config
from doorward.config.values import Listen, Secret
from doorward.errors import ConfigError


def problems_of(text: bytes) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse_config(text, environ={})
    return list(refused.value.problems)


PATH = Path(__file__).parents[1] / "vectors" / "forward-auth-config.yaml"


def test_every_key_keeps_its_meaning() -> None:
    """C-12, C-13, C-14, C-15, C-16, C-17, C-18, C-19, C-20, C-21, C-22, C-23, C-24, C-25, C-28, C-29, C-30."""
    config = load_config(PATH, environ={}).config
    assert config.server.addr == Listen("", 8080)
    assert config.cookie.name == "forward-auth-session"
    assert config.cookie.domain == "example.com"
    assert (config.logger.level, config.logger.format) == ("info", "json")
    assert (config.prometheus.addr, config.prometheus.path) == (Listen("", 9120), "/metrics")
    assert config.authn.state_ttl == timedelta(minutes=10)
    assert config.authn.select_account is False
    provider = config.authn.provider
    assert provider is not None
    assert provider.type == "google"
    assert provider.redirect_url == "https://auth.example.com/api/auth/login"
    assert provider.oidc.client_id == "<client-id>"
    assert provider.oidc.client_secret == Secret("<client-secret>")
    assert provider.oidc.issuer_url == "https://accounts.google.com"
    assert provider.oidc.scopes == ("openid", "email", "profile")
    assert provider.github.scopes == ("user:email", "read:user")
    assert config.storage.type == "redis"
    assert config.storage.redis.addr == "redis:6379"
    assert config.storage.redis.password == Secret("redis-password")
    assert config.session.ttl == timedelta(hours=24)


def test_the_public_address_comes_from_the_redirect_url() -> None:
    """C-23."""
    loaded = load_config(PATH, environ={})
    assert loaded.config.server.public_url == "https://auth.example.com"
    assert loaded.origins["server.public_url"] == "derived from authn.provider.redirect_url"


def test_notices_say_that_the_client_is_a_sample_and_redis_cannot_be_started() -> None:
    """C-24, C-28."""
    text = "\n".join(str(notice) for notice in load_config(PATH, environ={}).notices)
    assert "authn.provider (line 15): the client id or secret is still the sample from the documentation" in text
    assert "storage.type (line 40): sessions in Redis are not available yet" in text


def test_redirect_url_elsewhere_is_a_problem() -> None:
    """C-23."""
    raw = PATH.read_bytes().replace(b"server:\n", b"server:\n  public_url: https://login.example.com\n")
    (problem,) = problems_of(raw)
    assert problem.startswith("authn.provider.redirect_url")


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        (b'type: "google"', b"type: okta", "authn.provider.type"),
        (b"https://auth.example.com/api/auth/login", b"auth.example.com/login", "authn.provider.redirect_url"),
        (b"https://auth.example.com/api/auth/login", b"https://auth.example.com/oauth", "authn.provider.redirect_url"),
        (
            b"https://auth.example.com/api/auth/login",
            b"https://auth.example.com/api/auth/login/",
            "authn.provider.redirect_url",
        ),
        (b"https://accounts.google.com", b"http://accounts.google.com", "authn.provider.oidc.issuer_url"),
        (b'      client_id: "<client-id>"', b"", "authn.provider.oidc.client_id"),
        (b'      client_secret: "<client-secret>"', b"", "authn.provider.oidc.client_secret"),
    ],
)
def test_the_provider_is_checked(old: bytes, new: bytes, start: str) -> None:
    """C-22, C-23, C-24."""
    raw = PATH.read_bytes().replace(old, new, 1)
    assert any(problem.startswith(start) for problem in problems_of(raw))
