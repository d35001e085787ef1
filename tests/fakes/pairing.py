"""Pairing connected to a town."""

from doorward.flows.pairing import Pairing, PairingTerms

CODE_KEY = b"p" * 32


def connect_pairing(town, keys, terms=PairingTerms(), policy=None):  # noqa: B008 -- a frozen value
    """The flow; `policy` tells the rules, the town's where nothing is said."""
    return Pairing(
        records=town.store.records,
        tickets=town.store.tickets,
        counters=town.store.counters,
        throttle=town.throttle,
        keys=keys,
        policy=policy or (lambda: town.policy),
        find_place=town.lookout.name_place,
        code_key=CODE_KEY,
        clock=town.clock,
        random=town.random,
        tally=town.tally,
        log=town.log,
        terms=terms,
    )
