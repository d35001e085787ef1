"""The exceptions of the house, told apart by who can mend the fault.

A refusal is not here: refusals are values (`rules.reason.Reason`). No HTTP here either; `web.errors` maps
these classes to statuses, and `cli` maps them to exit codes.
"""

from enum import Enum


class DoorwardError(Exception):
    """Base of all our exceptions; never raised itself."""


class ConfigError(DoorwardError):
    """The operator can mend it: the configuration is wrong. Exit code 78 (EX_CONFIG).

    `problems` holds every problem found, each a sentence with its path.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class InputError(DoorwardError):
    """The caller can mend it: what was sent is malformed or not acceptable. HTTP 400."""


class ForbiddenError(DoorwardError):
    """The caller may not do this. HTTP 403."""


class NotFoundError(DoorwardError):
    """What was named does not exist, or the caller may not know that it does. HTTP 404."""


class Clash(Enum):
    """What stands in the way. The value is the word for programs, which never changes."""

    CHANGED = "CONFLICT"
    """Something else changed first, or is there already."""
    TAKEN = "TAKEN"
    LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR"
    LAST_WAY = "LAST_WAY"
    NO_PASSWORD = "NO_PASSWORD"  # noqa: S105 -- a word
    NOT_WAITING = "NOT_WAITING"
    DISABLED = "DISABLED"
    TOO_MANY = "TOO_MANY"
    NO_MAIL = "NO_MAIL"
    MAIL_DONE = "MAIL_DONE"
    NEEDED = "NEEDED"
    PASSWORDS_CLOSED = "PASSWORDS_CLOSED"
    OWN_FACTORS = "OWN_FACTORS"
    LOCKDOWN = "LOCKDOWN"
    NO_READERS = "NO_READERS"


class ConflictError(DoorwardError):
    """It cannot be done as things stand: something else changed first, or `clash` says what. HTTP 409."""

    def __init__(self, message: str = "", clash: Clash = Clash.CHANGED) -> None:
        super().__init__(message)
        self.clash = clash


class UnavailableError(DoorwardError):
    """A part we need does not answer; trying again later may help. HTTP 503."""


class PeerError(DoorwardError):
    """A system we called answered wrongly. HTTP 502."""


class TamperError(DoorwardError):
    """Stored data is not what we wrote: refused, audited, never read as absent. HTTP 500."""
