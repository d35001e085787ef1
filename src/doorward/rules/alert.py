"""What operators are told of: the kinds, how soon the same is told again, and what has become of an alert."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NewType

AlertId = NewType("AlertId", str)
"""32 hex digits."""


class AlertKind(Enum):
    """What an alert is about. The words of each are in `outside.letters.alerts`."""

    NEW_DEVICE = "new_device"
    LOCKED_OUT = "locked_out"
    ADMIN_WITHOUT_FACTOR = "admin_without_factor"
    FAILURES_BURST = "failures_burst"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    BACKUP_FAILED = "backup_failed"
    DRILL_FAILED = "drill_failed"
    RESTORED = "restored"
    FACTORS_LOST = "factors_lost"
    CHAIN_BROKEN = "chain_broken"
    CHECKPOINT_NOT_SENT = "checkpoint_not_sent"
    ROTATION_FAILED = "rotation_failed"
    LOCKDOWN = "lockdown"
    LOCKDOWN_LIFTED = "lockdown_lifted"
    BREAK_GLASS_USED = "break_glass_used"
    KEY_NEW_PLACE = "key_new_place"

    @property
    def meaning(self) -> str:
        """When it is raised; the reference of alerts is made from this."""
        return _MEANINGS[self]

    @property
    def is_urgent(self) -> bool:
        """Whether no limit holds it back: somebody is in where nobody should be, or the evidence is not what it was."""
        return self in _URGENT

    @property
    def repeat_after(self) -> timedelta:
        """What is alike is told once in this time."""
        return _REPEAT_AFTER.get(self, timedelta(hours=1))


_MEANINGS: Final = {
    AlertKind.NEW_DEVICE: "Somebody signed in in a browser that their account was not used in before.",
    AlertKind.LOCKED_OUT: "An account is locked for an address after failed sign-ins.",
    AlertKind.ADMIN_WITHOUT_FACTOR: "An account that administers has no second factor.",
    AlertKind.FAILURES_BURST: "Sign-ins fail for many accounts in a short time.",
    AlertKind.IMPOSSIBLE_TRAVEL: "Two sign-ins to one account are further apart than anybody travels in the time.",
    AlertKind.BACKUP_FAILED: "A backup could not be made, or not be taken to its off-site place.",
    AlertKind.DRILL_FAILED: "A backup could not be restored in a drill.",
    AlertKind.RESTORED: "A backup was restored.",
    AlertKind.FACTORS_LOST: "Second factors of an account are missing in the database, though nobody took them away.",
    AlertKind.CHAIN_BROKEN: "The audit chain does not verify.",
    AlertKind.CHECKPOINT_NOT_SENT: "A checkpoint of the audit chain could not be sent to its other place.",
    AlertKind.ROTATION_FAILED: "A rotation of the master key ended, and something still needs the old one.",
    AlertKind.LOCKDOWN: "The gateway was locked down.",
    AlertKind.LOCKDOWN_LIFTED: "The lockdown was lifted.",
    AlertKind.BREAK_GLASS_USED: "A break-glass code was used.",
    AlertKind.KEY_NEW_PLACE: "A key for apps was used from a network it was not used from before.",
}
_URGENT: Final = frozenset(
    {
        AlertKind.CHAIN_BROKEN,
        AlertKind.FACTORS_LOST,
        AlertKind.RESTORED,
        AlertKind.LOCKDOWN,
        AlertKind.LOCKDOWN_LIFTED,
        AlertKind.BREAK_GLASS_USED,
    }
)
_DAY: Final = timedelta(days=1)
_REPEAT_AFTER: Final = {
    # Each is an act of somebody's, and no state that goes on.
    AlertKind.NEW_DEVICE: timedelta(0),
    AlertKind.RESTORED: timedelta(0),
    AlertKind.LOCKDOWN: timedelta(0),
    AlertKind.LOCKDOWN_LIFTED: timedelta(0),
    AlertKind.BREAK_GLASS_USED: timedelta(0),
    AlertKind.ADMIN_WITHOUT_FACTOR: 7 * _DAY,
    AlertKind.KEY_NEW_PLACE: _DAY,
    AlertKind.BACKUP_FAILED: _DAY,
    AlertKind.DRILL_FAILED: _DAY,
    AlertKind.FACTORS_LOST: _DAY,
    AlertKind.CHAIN_BROKEN: _DAY,
    AlertKind.CHECKPOINT_NOT_SENT: _DAY,
    AlertKind.ROTATION_FAILED: _DAY,
}


class AlertState(Enum):
    """What has become of it."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    UNSENT = "unsent"
    """There is nobody to tell: it stands in the list alone."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert in the queue, and afterwards in the list.

    `about` tells what is alike: an id, a digest or a word of ours, "" for the installation; never what a person wrote.
    `sealed`: canonical JSON of the `values` to tell and of who was `told`, for Place("alerts", "sealed", id).
    `trouble` is what was last in the way, cleaned and bounded.
    """

    id: AlertId
    kind: AlertKind
    about: str
    sealed: str
    state: AlertState
    queued_at: datetime
    next_try_at: datetime
    tries: int = 0
    done_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """How many alerts an hour are told, of one kind and of all; what is more is told as a number, later."""

    per_kind: int = 10
    overall: int = 30
