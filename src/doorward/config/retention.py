"""The settings of how long what is kept."""

from datetime import timedelta

from pydantic import Field

from doorward.config.section import Section
from doorward.config.values import Duration, OptionalDuration, Whole


class Retention(Section):
    """How long what is kept of people and their doings. Housekeeping removes what is older, and proves it."""

    sign_ins: Duration = Field(
        default=timedelta(days=180),
        description="The history of sign-ins that people see, with address and browser. At most a hundred of each "
        "account are kept in any case.",
    )
    decisions: Duration = Field(default=timedelta(days=30), description="What the gate decided, added up by day.")
    letters: Duration = Field(
        default=timedelta(days=30), description="That a mail was sent or given up. What it said is forgotten at once."
    )
    alerts: Duration = Field(default=timedelta(days=90), description="Alerts that were told or given up.")
    invites: Duration = Field(
        default=timedelta(days=30), description="Invitations, after they were taken back or have expired."
    )
    audit_private: OptionalDuration = Field(
        default=timedelta(days=365),
        description="Addresses, browsers and names in the audit trail. The records stay, and the chain goes on to "
        "verify. `off` keeps them for ever.",
    )
    decision_rows: Whole = Field(
        default=100_000,
        ge=1000,
        le=10_000_000,
        description="Decisions of the gate, added up by person, host and kind of path, are at most so many rows. Above "
        "that, whoever has the most of them loses the oldest.",
    )
