"""From the settings to the providers themselves, and to what may be called out to."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from doorward.config.schema import Config
from doorward.config.upstream import Provider as Nested
from doorward.config.upstream import ProviderEntry, ProviderOptions
from doorward.config.values import Listen, Secret
from doorward.rules.outbound import OutboundPolicy
from doorward.rules.provider import (
    GITHUB_ISSUER,
    GITHUB_SCOPES,
    GOOGLE_ISSUER,
    OIDC_SCOPES,
    SHARED_CALLBACKS,
    ClientAuth,
    Kind,
    Par,
    Provider,
    ProviderId,
)

_SELECT_ACCOUNT: Final = "select_account"
_CLIENT_AUTHS: Final = {each.value: each for each in ClientAuth}
_ISSUERS: Final = {Kind.GOOGLE: GOOGLE_ISSUER, Kind.GITHUB: GITHUB_ISSUER}
_NAMES: Final = {Kind.GOOGLE: "Google", Kind.GITHUB: "GitHub"}
_EVERYWHERE: Final = ("", "0.0.0.0", "::")  # noqa: S104 -- compared, not bound
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def build_providers(config: Config) -> tuple[Provider, ...]:
    """The providers of the file, enabled or not, `authn.provider` first."""
    return tuple(build_provider(entry, config) for _, entry in list_entries(config))


def build_provider(entry: ProviderEntry, config: Config) -> Provider:
    """One provider as a value. What is wrong with it is found by `check_providers`."""
    kind = find_kind(entry.type, entry.issuer_url)
    issuer = entry.issuer_url or _ISSUERS.get(kind, "")
    provision = entry.auto_provision
    return Provider(
        id=ProviderId(entry.id),
        kind=kind,
        name=entry.name or _NAMES.get(kind) or urlsplit(issuer).hostname or entry.id,
        icon=entry.icon,
        issuer=issuer,
        discovery_url=entry.discovery_url,
        client_id=entry.client_id,
        client_secret=_reveal(entry.client_secret),
        private_key=_reveal(entry.private_key),
        client_auth=_CLIENT_AUTHS.get(entry.token_auth_method),
        scopes=entry.scopes or (GITHUB_SCOPES if kind is Kind.GITHUB else OIDC_SCOPES),
        redirect_path=urlsplit(entry.redirect_url).path,
        algorithms=entry.algorithms,
        par=Par(entry.par),
        prompt=_add_prompt(entry.prompt, _SELECT_ACCOUNT) if config.authn.select_account else entry.prompt,
        max_age=entry.max_age,
        acr_values=entry.acr_values,
        groups_claim=entry.groups_claim,
        groups_rename=tuple((rename.theirs, rename.ours) for rename in entry.groups_rename),
        groups_prefix=entry.groups_prefix,
        admin_claim=entry.admin_claim,
        admin_value=entry.admin_value,
        allowed_emails=frozenset(entry.allowed_emails),
        allowed_domains=frozenset(entry.allowed_domains),
        allowed_groups=frozenset(entry.allowed_groups),
        # SECURITY: unset, a provider at which everybody can have an account gives nobody one here.
        # Held by test_an_account_is_made_for_strangers_only_where_it_was_said_who_may_come.
        auto_provision=_names_somebody(entry) if provision is None else provision,
        link_by_email=entry.link_by_email,
        assume_verified=entry.assume_verified,
        trust_mfa=entry.trust_mfa,
        logout=entry.logout,
        check_every=entry.check_every,
        enabled=entry.enabled,
        from_file=True,
    )


def build_outbound(config: Config) -> OutboundPolicy:
    """What may be called besides public addresses, and what is ourselves and never called (O15)."""
    listeners = (config.server.addr, config.prometheus.addr)
    own = {config.server.public_url, *(url for addr in listeners if addr is not None for url in _own_urls(addr))}
    return OutboundPolicy(
        allowances=config.outbound.allow,
        insecure_http=config.outbound.insecure_http,
        own_origins=frozenset(own),
    )


def find_kind(word: str, issuer: str) -> Kind:
    """What a provider speaks. Google's issuer is Google also where it is called `oidc`, as forward-auth wants it."""
    kind = Kind(word)
    return Kind.GOOGLE if kind is Kind.OIDC and issuer == GOOGLE_ISSUER else kind


def list_callbacks(provider_id: str, public_url: str) -> tuple[str, ...]:
    """The addresses to which a provider may send the browser back, the usual one first."""
    return tuple(public_url + path for path in (f"/login/callback/{provider_id}", *SHARED_CALLBACKS))


def list_entries(config: Config) -> Iterator[tuple[str, ProviderEntry]]:
    """Every provider of the file in the flat form, with its place."""
    if config.authn.provider is not None:
        yield "authn.provider", _flatten(config.authn.provider)
    for position, entry in enumerate(config.authn.providers):
        yield f"authn.providers[{position}]", entry


def _flatten(nested: Nested) -> ProviderEntry:
    """Forward-auth's form as the flat one."""
    client = nested.github if nested.type == "github" else nested.oidc
    issuer = "" if nested.type == "github" else nested.oidc.issuer_url
    return ProviderEntry.model_construct(
        **{name: getattr(nested, name) for name in ProviderOptions.model_fields},
        id=find_kind(nested.type, issuer).value,
        type=nested.type,
        redirect_url=nested.redirect_url,
        client_id=client.client_id,
        client_secret=client.client_secret,
        issuer_url=issuer,
        scopes=client.scopes,
        auto_provision=True if nested.auto_provision is None else nested.auto_provision,
    )


def _names_somebody(entry: ProviderEntry) -> bool:
    return bool(entry.allowed_emails or entry.allowed_domains or entry.allowed_groups)


def _add_prompt(prompt: str, word: str) -> str:
    words = prompt.split()
    return " ".join(words if word in words else [*words, word])


def _reveal(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""


def _own_urls(addr: Listen) -> Iterator[str]:
    """The origins at which a listener answers on this machine."""
    if addr.path or not addr.port:
        return
    host = f"[{addr.host}]" if ":" in addr.host else addr.host
    names = _LOOPBACK if addr.host in _EVERYWHERE or host in _LOOPBACK else (host,)
    yield from (f"http://{name}:{addr.port}" for name in names)
