"""What is wrong with the providers of the file, in the words the console uses, and what would surprise an operator."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from doorward.config.finding import Finding
from doorward.config.providers import build_provider, build_providers, list_callbacks, list_entries
from doorward.config.schema import Config
from doorward.config.upstream import ProviderEntry
from doorward.rules.provider import Kind, Provider, check_provider, check_together, split_problem
from doorward.rules.ways import LAST, OFF, ONLY, PasswordWay

_SAMPLE: Final = re.compile(r"^<.*>$")
_NESTED: Final = "authn.provider"
_CLIENT: Final = frozenset({"client_id", "client_secret", "scopes"})


def check_providers(config: Config) -> Iterator[Finding]:
    """Everything that is wrong with them, each by itself and beside one another."""
    built: list[Provider] = []
    known = 0
    for place, entry in list_entries(config):
        provider = build_provider(entry, config)
        built.append(provider)
        yield from _check_redirect(place, entry, config)
        yield from _check_transport(place, provider, config)
        together = check_together(built)
        for problem in (*check_provider(provider), *together[known:]):
            name, words = split_problem(problem)
            if name == "redirect_url" and problem not in together:
                continue  # said above, with the addresses that can be written instead
            yield Finding(_find_place(place, entry, name), words, also=_causes(place, name))
        known = len(together)


def note_providers(config: Config) -> Iterator[Finding]:
    """What is allowed, and is likely to be meant otherwise."""
    for place, entry in list_entries(config):
        yield from _note_provider(place, entry, build_provider(entry, config), config)
    enabled = [provider.id for provider in build_providers(config) if provider.enabled]
    straight = config.authn.straight
    if straight not in {OFF, ONLY, LAST, *enabled}:
        yield Finding(
            "authn.straight",
            f"{straight} is no provider of this file that is switched on",
            "it counts once the console has one of this name",
            calm=True,
        )
    if config.outbound.insecure_http:
        yield Finding(
            "outbound.insecure_http",
            "DANGER: client secrets and sign-ins may travel to providers without protection",
            "use https",
        )


def note_ways(password: PasswordWay, shadowed: Iterable[tuple[Provider, str]]) -> list[Finding]:
    """What only the data can tell: passwords that are open though they should not be, providers that do not count."""
    notes = []
    if password.open and not password.wanted:
        name = "authn.password" if password.set_by == "file" else "sign-in passwords"
        notes.append(Finding(name, password.because, "`doorward sign-in passwords status` says how it stands"))
    notes += [Finding(f"provider {each.id}", why, "change or remove it in the console") for each, why in shadowed]
    return notes


def _check_redirect(place: str, entry: ProviderEntry, config: Config) -> Iterator[Finding]:
    possible = list_callbacks(entry.id, config.server.public_url)
    if entry.redirect_url and entry.redirect_url not in possible:
        yield Finding(
            f"{place}.redirect_url",
            f"browsers cannot come back to {entry.redirect_url!r}: this gateway is {config.server.public_url}",
            f"write {', '.join(possible[:-1])} or {possible[-1]}, and the same at the provider",
            ("server.public_url", f"{place}.id"),
        )


def _check_transport(place: str, provider: Provider, config: Config) -> Iterator[Finding]:
    for name, url in (("issuer_url", provider.issuer), ("discovery_url", provider.discovery_url)):
        if url.startswith("http:") and not config.outbound.insecure_http and provider.kind is Kind.OIDC:
            yield Finding(
                f"{place}.oidc.{name}" if place == _NESTED and name == "issuer_url" else f"{place}.{name}",
                "this is not https, so secrets and sign-ins would travel readably",
                "use https; `outbound.insecure_http: true` would accept it",
                ("outbound.insecure_http",),
            )


def _find_place(place: str, entry: ProviderEntry, name: str) -> str:
    """Where the setting stands that a problem is about."""
    if place == _NESTED and name == "issuer_url":
        return f"{place}.oidc.{name}"
    if place == _NESTED and name in _CLIENT:
        return f"{place}.{'github' if entry.type == 'github' else 'oidc'}.{name}"
    return f"{place}.{name}"


def _causes(place: str, name: str) -> tuple[str, ...]:
    """What a setting rests on, so that nothing is said about it while that is broken itself."""
    causes = ["type", "token_auth_method", *(["oidc.issuer_url"] if place == _NESTED else [])]
    causes += ["private_key"] if name == "client_secret" else []
    return tuple(f"{place}.{cause}" for cause in causes)


def _note_provider(place: str, entry: ProviderEntry, provider: Provider, config: Config) -> Iterator[Finding]:
    if _SAMPLE.search(provider.client_id) or _SAMPLE.search(provider.client_secret):
        yield Finding(place, "the client id or secret is still the sample from the documentation")
    limited = provider.allowed_emails or provider.allowed_domains or provider.allowed_groups
    if provider.kind is not Kind.OIDC and provider.auto_provision and not limited and _lets_everybody_in(config):
        yield Finding(
            f"{place}.auto_provision",
            f"whoever has an account at {provider.name} gets one here, and a rule lets in whoever is signed in",
            "say who may come in allowed_emails or allowed_domains, or name users or groups in the rule",
        )
    if provider.assume_verified:
        yield Finding(
            f"{place}.assume_verified",
            f"whoever may write any address into their account at {provider.name} is its owner to every rule here",
            "have the provider verify addresses, and remove this",
        )
    if provider.trust_mfa and not (config.mfa.trust_idp.amr or config.mfa.trust_idp.acr):
        yield Finding(f"{place}.trust_mfa", "it has no effect: mfa.trust_idp names no word that counts", "name one")
    if provider.check_every is not None and provider.kind is Kind.OIDC and "offline_access" not in provider.scopes:
        yield Finding(
            f"{place}.check_every",
            "most providers give what is needed for it only with the scope offline_access",
            f"add it to {_find_place(place, entry, 'scopes')}",
            calm=True,
        )


def _lets_everybody_in(config: Config) -> bool:
    return any(rule.effect == "allow" and rule.who == "any_user" for rule in config.authz.rules)
