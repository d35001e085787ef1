"""The keys that are made here, by purpose, and kept sealed under the master key.

The master key only seals. Everything else that is a key is random and stored, so that a new master key changes none of
them, and a new key of one purpose changes no other (attack M09).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from doorward.rules.envelope import Place

SESSION: Final = "session"
"""The MAC of session cookies."""
DERIVE: Final = "derive"
"""What keys for many small purposes are derived from (`Keyring.derive`)."""
AUDIT: Final = "audit"
"""What signs checkpoints of the audit chain."""
ASSERTION: Final = "assertion"
"""What signs assertions to apps about who is asking."""
OF_OLD: Final = "derive/"
"""Before the name of a purpose: its key as it was derived from the master key before there was a root."""

INSTALLATION: Final = "installation"
"""The setting that holds this installation's random name, which every sealed value is bound to."""

SEALING: Final = "sealing"
"""The setting that says in which form everything is sealed here; no older one is read once it does."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the records hold it. `number` grows and never comes again; of a purpose the highest counts.

    `sealed`: the secret, for `place_of(number)`; "" once it is forgotten. `public`: what may be known of it, where
    there is such a part.
    """

    number: int
    purpose: str
    sealed: str
    created_at: datetime
    public: str = ""
    retired_at: datetime | None = None


def place_of(number: int) -> Place:
    """Where the secret of a key stands."""
    return Place("signing_keys", "sealed", str(number))
