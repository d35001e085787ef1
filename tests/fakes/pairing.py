"""Pairing connected to a town, which keeps the `places` of addresses."""

from doorward.flows.pairing import Pairing, PairingTerms

CODE_KEY = b"p" * 32


def connect_pairing(town, keys, terms=PairingTerms(), policy=None):  # noqa: B008 -- a frozen value
    """The flow; `policy` tells the rules, the town's where nothing is said."""
    if not hasattr(town, "places"):
        town.places = {}
    return Pairing(
        records=town.store.records,
        tickets=town.store.tickets,
        counters=town.store.counters,
        throttle=town.throttle,
        keys=keys,
        policy=policy or (lambda: town.policy),
        find_place=lambda address: town.places.get(str(address), ""),
        code_key=CODE_KEY,
        clock=town.clock,
        random=town.random,
        tally=town.tally,
        log=town.log,
        terms=terms,
    )
