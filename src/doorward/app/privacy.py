"""What is kept of people, connected: decisions of the gate, how long what stays, and what one may ask for."""

from doorward.app.parts import Parts
from doorward.flows.decisions import Decisions


def build_decisions(parts: Parts) -> Decisions:
    """What the gate decided, for whoever writes or reads it."""
    return Decisions(records=parts.storage.records, most=parts.config.retention.decision_rows)
