"""What we ask of the world: Protocols only.

A method is named for what it guarantees: `take` returns a thing at most once, `advance` succeeds only from the state
you saw, `end_all_of` is complete when it returns. Durable (`Records`) and perishable (`Sessions`, `Tickets`,
`Counters`) are different promises. Anything here may raise UnavailableError; the caller then refuses, never allows.
"""

from doorward.interfaces.app_keys import AppKeyRecords
from doorward.interfaces.break_glass import BreakGlassRecords
from doorward.interfaces.evidence import AuditRecords
from doorward.interfaces.kept import Belongings, DecisionRecords, RetentionRecords
from doorward.interfaces.outside import (
    Assertion,
    Fetch,
    Fetched,
    Keyring,
    Mailer,
    Messenger,
    NewPasskey,
    Passkeys,
    PasswordHasher,
    Renewed,
    Upstream,
    Verified,
)
from doorward.interfaces.perishable import Counters, LiveView, SecondProofs, Sessions, Tickets, Use
from doorward.interfaces.records import (
    AccountRecords,
    AlertRecords,
    ChoreRecords,
    FactorRecords,
    KeyRecords,
    PreferenceRecords,
    Records,
    StoredPassword,
    Transaction,
    UpstreamRecords,
)
from doorward.interfaces.sealed import SealedStore, SealedValue
from doorward.interfaces.world import Clock, Log, Pause, Random, Tally

__all__ = [
    "AccountRecords",
    "AlertRecords",
    "AppKeyRecords",
    "Assertion",
    "AuditRecords",
    "Belongings",
    "BreakGlassRecords",
    "ChoreRecords",
    "Clock",
    "Counters",
    "DecisionRecords",
    "FactorRecords",
    "Fetch",
    "Fetched",
    "KeyRecords",
    "Keyring",
    "LiveView",
    "Log",
    "Mailer",
    "Messenger",
    "NewPasskey",
    "Passkeys",
    "PasswordHasher",
    "Pause",
    "PreferenceRecords",
    "Random",
    "Records",
    "Renewed",
    "RetentionRecords",
    "SealedStore",
    "SealedValue",
    "SecondProofs",
    "Sessions",
    "StoredPassword",
    "Tally",
    "Tickets",
    "Transaction",
    "Upstream",
    "UpstreamRecords",
    "Use",
    "Verified",
]
