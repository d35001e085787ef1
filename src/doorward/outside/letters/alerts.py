"""The words of each alert: those of a mail to administrators, and of a message to another service."""

from collections.abc import Mapping
from typing import Final

from doorward.outside.letters.wording import Wording
from doorward.rules.alert import AlertKind

_WHO: Final = "Account: %(who)s"
_BY: Final = "By: %(by)s"
_WHAT: Final = "Which: %(what)s"
_WHEN: Final = "When: %(at)s"
_WHERE: Final = "Browser: %(device)s"
_FROM: Final = "Address: %(address)s"
_PLACE: Final = "Place: %(place)s"
_BEFORE: Final = "Before: %(before)s"
_WHY: Final = "What was wrong: %(reason)s"
_COUNT: Final = "How many: %(count)s"
_ACCOUNTS: Final = "Accounts: %(accounts)s"
_FACTS: Final = (_WHO, _BY, _WHAT, _WHY, _COUNT, _ACCOUNTS, _WHEN, _WHERE, _FROM, _PLACE, _BEFORE)
_LOOK: Final = "Look at it"
_ALERTS: Final = "/admin/alerts"


def _wording(subject: str, sentence: str, note: str = "") -> Wording:
    return Wording(subject, (sentence, *_FACTS), _LOOK, _ALERTS, (note,) if note else ())


ALERTS: Final[Mapping[AlertKind, Wording]] = {
    AlertKind.NEW_DEVICE: _wording(
        "Sign-in in a new browser", "Somebody signed in at %(host)s in a browser their account was not used in before."
    ),
    AlertKind.LOCKED_OUT: _wording(
        "An account is locked", "An account at %(host)s is locked for an address after failed sign-ins."
    ),
    AlertKind.ADMIN_WITHOUT_FACTOR: _wording(
        "An administrator has no second factor",
        "Somebody administers %(host)s with a password alone.",
        "Let them set up an authenticator app or a passkey, or require one of all administrators on the page Policy.",
    ),
    AlertKind.FAILURES_BURST: _wording(
        "Sign-ins fail for many accounts",
        "Within a short time sign-ins at %(host)s failed for many accounts: somebody may be trying passwords.",
    ),
    AlertKind.IMPOSSIBLE_TRAVEL: _wording(
        "Two sign-ins, too far apart",
        "An account at %(host)s was signed in to from two places that are further apart than anybody travels in the "
        "time between.",
        "Ask its owner. If one of them was not theirs, end the account's sessions and set a new password.",
    ),
    AlertKind.BACKUP_FAILED: _wording(
        "A backup failed", "A backup of %(host)s could not be made, or not be taken to its off-site place."
    ),
    AlertKind.DRILL_FAILED: _wording(
        "A backup cannot be restored",
        "A backup of %(host)s was restored to try it out, and that failed.",
        "Do not count on this backup: make a new one and try it out.",
    ),
    AlertKind.RESTORED: _wording(
        "A backup was restored", "What is stored at %(host)s was replaced by what a backup held. All sessions ended."
    ),
    AlertKind.FACTORS_LOST: _wording(
        "Second factors are missing in the database",
        "Second factors of %(who)s at %(host)s are gone, though nobody took them away. Nobody is let in by it.",
        "Find out who can write to the database. Then reset the second factors of the account to let it in again.",
    ),
    AlertKind.CHAIN_BROKEN: _wording(
        "The audit chain does not verify",
        "Records of what was done at %(host)s were edited, removed or put in by somebody.",
        "Keep a copy of the database as it is now, and compare it with your exports and checkpoints.",
    ),
    AlertKind.CHECKPOINT_NOT_SENT: _wording(
        "A checkpoint could not be sent",
        "A checkpoint of the audit chain of %(host)s could not be sent to its other place.",
    ),
    AlertKind.ROTATION_FAILED: _wording(
        "A rotation of keys is not done", "A rotation of keys at %(host)s ended with values that are not re-sealed."
    ),
    AlertKind.LOCKDOWN: _wording(
        "The gateway is locked down", "%(host)s was locked down: all sessions ended, and nobody new is let in."
    ),
    AlertKind.LOCKDOWN_LIFTED: _wording("The lockdown is lifted", "The lockdown of %(host)s was lifted."),
    AlertKind.BREAK_GLASS_USED: _wording(
        "A break-glass code was used",
        "Somebody came in at %(host)s with a code of the printed kit.",
        "If nobody of you did, lock the gateway down at once: doorward incident lockdown",
    ),
    AlertKind.KEY_NEW_PLACE: _wording(
        "A key was used from a new network",
        "A key for apps of %(who)s at %(host)s was used from a network it was not used from before.",
        "If nobody knows of it, take the key back: doorward key revoke",
    ),
}
HELD: Final = Wording(
    "More alerts were held back",
    ("More alerts of one kind came up at %(host)s than are told one by one.", "How many more: %(held)s", _WHEN),
    _LOOK,
    _ALERTS,
)
TEST: Final = Wording("Alerts work", ("This is a test. Doorward at %(host)s can send alerts here.",))
