"""The settings of how long what is kept."""

from pydantic import Field

from doorward.config.section import Section
from doorward.config.values import Whole


class Retention(Section):
    """How long what is kept of people and their doings. Housekeeping removes what is older, and proves it."""

    decision_rows: Whole = Field(
        default=100_000,
        ge=1000,
        le=10_000_000,
        description="Decisions of the gate, added up by person, host and kind of path, are at most so many rows. Above "
        "that, whoever has the most of them loses the oldest.",
    )
