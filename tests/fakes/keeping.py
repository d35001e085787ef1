"""The flows of what is kept of people, in a town."""

from datetime import timedelta

from doorward.flows.erasure import Erasure
from doorward.flows.retention import Retention
from doorward.rules.retention import Kept


def connect_keeping(town):
    records = town.store.records
    limits = dict.fromkeys((kept for kept in Kept if not kept.ends_by_itself), timedelta(days=30))
    return {
        "retention": Retention(records=records, limits=limits, log=town.log),
        "erasure": Erasure(
            records=records, sessions=town.store.sessions, keyring=town.keyring, outbox=getattr(town, "post", None)
        ),
    }
