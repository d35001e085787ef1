"""What is kept of people, connected: decisions of the gate, how long what stays, and what one may ask for."""

from doorward.app.parts import Parts
from doorward.flows.decisions import Decisions
from doorward.flows.erasure import Erasure
from doorward.flows.letters import Outbox
from doorward.flows.retention import Retention
from doorward.rules.retention import Kept


def build_decisions(parts: Parts) -> Decisions:
    """What the gate decided, for whoever writes or reads it."""
    return Decisions(records=parts.storage.records, most=parts.config.retention.decision_rows)


def build_retention(parts: Parts) -> Retention:
    """How long what is kept, as the configuration says."""
    kept = parts.config.retention
    limits = {
        Kept.SIGN_INS: kept.sign_ins,
        Kept.DECISIONS: kept.decisions,
        Kept.LETTERS: kept.letters,
        Kept.ALERTS: kept.alerts,
        Kept.INVITES: kept.invites,
        Kept.AUDIT_PRIVATE: kept.audit_private,
    }
    return Retention(records=parts.storage.records, limits=limits, log=parts.log)


def build_erasure(parts: Parts, outbox: Outbox) -> Erasure:
    """What a person may ask for."""
    return Erasure(records=parts.storage.records, sessions=parts.sessions, keyring=parts.keyring, outbox=outbox)
