"""Configurations with providers in them, and what reading them comes to."""

import pytest

from doorward.config.load import Loaded, parse_config
from doorward.config.providers import build_providers
from doorward.errors import ConfigError
from doorward.rules.provider import Provider

SITE = "server: {public_url: 'https://auth.example.com'}\n"
SECRET = "9f86d081884c7d659a2feaa0c55ad015"
OIDC = f"issuer_url: https://id.example.com, client_id: door, client_secret: {SECRET}"


def load(text: str, **environ: str) -> Loaded:
    return parse_config((SITE + text).encode(), environ=environ)


def providers_of(text: str, **environ: str) -> tuple[Provider, ...]:
    return build_providers(load(text, **environ).config)


def the_entry(keys: str, **environ: str) -> Provider:
    (provider,) = providers_of(f"authn: {{providers: [{{id: work, {OIDC}, {keys}}}]}}", **environ)
    return provider


def problems_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(text, **environ)
    return list(refused.value.problems)


def notices_of(text: str, **environ: str) -> list[str]:
    return [str(notice) for notice in load(text, **environ).notices]
