"""Import and export of accounts, connected to a town."""

from doorward.app.importing import read_source
from doorward.flows.importing import Importing
from tests.fakes.outbox import FakeOutbox


def connect_importing(town):
    """The flow of imports, which reads files as the house does."""
    return {
        "importing": Importing(
            records=town.store.records,
            keyring=town.keyring,
            random=town.random,
            read=read_source,
            outbox=FakeOutbox(),
        )
    }
