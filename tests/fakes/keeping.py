"""The flows of what is kept of people, in a town."""

from datetime import timedelta

from doorward.flows.audit_trail import AuditTrail
from doorward.flows.audit_watch import AuditWatch
from doorward.flows.erasure import Erasure
from doorward.flows.retention import Retention
from doorward.rules.checkpoint import Pace
from doorward.rules.retention import Kept
from tests.fakes.alarm import FakeAlarm


def connect_keeping(town):
    records = town.store.records
    limits = dict.fromkeys((kept for kept in Kept if not kept.ends_by_itself), timedelta(days=30))
    trail = AuditTrail(
        records=records, keyring=town.keyring, random=town.random, pace=Pace(1000, timedelta(days=1)), is_sent=False
    )
    return {
        "audit": trail,
        "audit_watch": AuditWatch(
            records=records, trail=trail, places={}, copy_out=None, alarm=FakeAlarm(), log=town.log
        ),
        "retention": Retention(records=records, limits=limits, log=town.log),
        "erasure": Erasure(
            records=records, sessions=town.store.sessions, keyring=town.keyring, outbox=getattr(town, "post", None)
        ),
    }
