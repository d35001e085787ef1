"""Keys and access tokens at our own API, connected."""

from doorward.app.house import House
from doorward.app.settings import mfa_terms_of, trust_of
from doorward.config.schema import Config
from doorward.flows.key_entry import KeyEntry, TokenTerms
from doorward.flows.owing import OwnerStandings
from doorward.interfaces import Keyring
from doorward.web.gate.key_reader import KeyReader


def tokens_of(config: Config, keyring: Keyring) -> TokenTerms | None:
    """What access tokens are made of; None where they are off."""
    wanted = config.jwt
    if not wanted.is_on:
        return None
    secret = wanted.secret.reveal().encode() if wanted.secret is not None else keyring.derive("access-tokens")
    return TokenTerms(secret, wanted.issuer, wanted.audience, wanted.expiration_days)


def build_owner_standings(house: House) -> OwnerStandings:
    """Whether owners of keys owe a second factor. One for gate and API, so that neither is a way around the other."""
    words = trust_of(house.config)
    return OwnerStandings(
        live=house.live,
        terms=lambda: mfa_terms_of(house.config),
        providers=lambda: house.policy.providers,
        trusts=bool(words.amr or words.acr - {""}),
    )


def build_key_entry(house: House, gate: KeyReader, tokens: TokenTerms | None, standings: OwnerStandings) -> KeyEntry:
    """Whom a key stands for. Wrong ones count with those of the gate."""
    flows = house.flows
    return KeyEntry(
        live=house.live,
        verify=flows.app_keys.verify_key,
        find_lockdown=flows.lockdowns.find,
        wrong=gate.failures,
        compared=gate.compared,
        proven=gate.proven,
        note=flows.key_uses.note,
        tokens=tokens,
        max_lifetime=house.config.api_keys.max_lifetime,
        judge=standings.judge,
    )
