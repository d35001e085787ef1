"""Pairing devices, connected."""

from doorward.app.parts import Parts
from doorward.flows.app_keys import AppKeys
from doorward.flows.lookout import Lookout
from doorward.flows.pairing import Pairing, PairingTerms
from doorward.flows.throttle import Throttle


def build_pairing(parts: Parts, *, throttle: Throttle, keys: AppKeys, lookout: Lookout) -> Pairing:
    """The flow, from the device's first question to its key."""
    wanted = parts.config.pairing
    return Pairing(
        records=parts.storage.records,
        tickets=parts.storage.tickets,
        counters=parts.storage.counters,
        throttle=throttle,
        keys=keys,
        policy=lambda: parts.policy.present,
        find_place=lookout.name_place,
        code_key=parts.keyring.derive("pairing-codes"),
        clock=parts.clock,
        random=parts.random,
        tally=parts.counts,
        log=parts.log,
        terms=PairingTerms(wanted.enabled, wanted.lifetime, wanted.waiting),
    )
