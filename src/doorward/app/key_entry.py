"""Keys and access tokens at our own API, connected."""

from doorward.app.house import House
from doorward.config.schema import Config
from doorward.flows.key_entry import KeyEntry, TokenTerms, WrongKeys
from doorward.interfaces import Keyring


def tokens_of(config: Config, keyring: Keyring) -> TokenTerms | None:
    """What access tokens are made of; None where they are off."""
    wanted = config.jwt
    if not wanted.is_on:
        return None
    secret = wanted.secret.reveal().encode() if wanted.secret is not None else keyring.derive("access-tokens")
    return TokenTerms(secret, wanted.issuer, wanted.audience, wanted.expiration_days)


def build_key_entry(house: House, wrong: WrongKeys, tokens: TokenTerms | None) -> KeyEntry:
    """Whom a key stands for. Wrong ones count with those of the gate."""
    flows = house.flows
    return KeyEntry(
        live=house.live,
        verify=flows.app_keys.verify_key,
        find_lockdown=flows.lockdowns.find,
        wrong=wrong,
        note=flows.key_uses.note,
        tokens=tokens,
        max_lifetime=house.config.api_keys.max_lifetime,
    )
