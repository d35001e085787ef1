"""What signs assertions in a town: the real thing over the fake store."""

from doorward.flows.assertion_keys import AssertionKeys, Minter
from doorward.outside.assertion_signatures import AssertionSignatures


class View:
    """`flows.assertion_keys.AssertionView` on a fake store."""

    def __init__(self, store):
        self._store = store

    def stamp(self):
        return self._store.state.changes

    def revision(self):
        return self._store.state.revision

    def find_setting(self, name):
        return self._store.state.settings.get(name)

    def list_keys(self, purpose):
        return [each for each in reversed(self._store.state.keys) if each.purpose == purpose]


def connect_assertions(town, **settings):
    """Keys and minter of a town."""
    keys = AssertionKeys(
        records=town.store.records,
        view=View(town.store),
        keyring=town.keyring,
        signatures=AssertionSignatures(),
        random=town.random,
        is_wanted=lambda: any(app.assertion for app in town.apps),
        **settings,
    )
    minter = Minter(keys=keys, random=town.random, issuer=town.public_url, groups_of=lambda user: user.every_group)
    return {"assertion_keys": keys, "minter": minter}
