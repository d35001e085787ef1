"""The signed assertion to apps, connected."""

from doorward.app.parts import Parts, PolicyInForce
from doorward.config.schema import Config
from doorward.flows.assertion_keys import AssertionKeys, Minter
from doorward.flows.stored_keys import SameInstallation
from doorward.interfaces import Random
from doorward.outside.assertion_signatures import AssertionSignatures
from doorward.outside.keyring import FileKeyring
from doorward.rules.assertion import Algorithm
from doorward.rules.identity import User
from doorward.storage.sqlite import SqliteLiveView, SqliteStorage


def open_assertion_keys(
    config: Config,
    policy: PolicyInForce,
    storage: SqliteStorage,
    view: SqliteLiveView,
    keyring: FileKeyring,
    random: Random,
    same: SameInstallation,
) -> AssertionKeys:
    """The keys, of which there is none before an app asks for what they sign."""
    return AssertionKeys(
        records=storage.records,
        view=view,
        keyring=keyring,
        signatures=AssertionSignatures(),
        random=random,
        is_wanted=lambda: any(app.assertion for app in policy.present.apps),
        algorithm=Algorithm(config.assertion.algorithm),
        every=config.rotation.assertion_key,
        same=same,
    )


def connect_minter(parts: Parts) -> Minter:
    """What the gate has assertions made by."""

    def groups_of(user: User) -> frozenset[str]:
        return parts.policy.present.groups_of(user)

    return Minter(
        keys=parts.assertion_keys,
        random=parts.random,
        issuer=parts.config.server.public_url,
        groups_of=groups_of,
        lifetime=parts.config.assertion.lifetime,
    )
