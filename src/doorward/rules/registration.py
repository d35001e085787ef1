"""Who may make an account for themselves: the modes, and what each opens (B-13, E-24)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

MODE_SETTING: Final = "registration.mode"
"""The console's and the command line's word; it stands above the file's."""


class Mode(Enum):
    """The value is the word in configuration, pages and API."""

    FIRST_USER_THEN_LOCKED = "first_user_then_locked"
    """The setup link makes the first account, an administrator; then nobody comes unasked. Invitations count."""
    CLOSED = "closed"
    """Nobody, invited or not. Administrators still add accounts."""
    INVITE = "invite"
    """Who has an invitation."""
    OPEN = "open"
    """Anyone."""
    OIDC_AUTO = "oidc_auto"
    """Who signs in with a provider that may make accounts, or has an invitation."""

    @property
    def takes_strangers(self) -> bool:
        """Whether anyone may register, unasked. The first account never comes this way: it needs the setup link (R01).

        Were it otherwise, whoever finds a new gateway first would own it.
        """
        return self is Mode.OPEN

    @property
    def takes_invited(self) -> bool:
        """Whether an invitation counts: it is an administrator's word for one guest."""
        return self is not Mode.CLOSED

    @property
    def takes_provided(self) -> bool:
        """Whether a provider with `auto_provision` makes accounts: there the operator said who comes."""
        return self not in {Mode.CLOSED, Mode.INVITE}


class Entry(Enum):
    """What becomes of somebody new whom a provider has proven."""

    SHUT = "shut"
    WAITING = "waiting"
    """The account is made, and an administrator has to let it in."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Openness:
    """What a visitor without invitation finds.

    `asks_email`: the address is asked for first, and a link sent to it. `approval`: an administrator has to let the new
    account in.
    """

    mode: Mode
    open: bool
    asks_email: bool
    approval: bool


def decide_mode(setting: str | None, in_file: Mode) -> Mode:
    """Decide which mode counts. A setting that cannot be read opens nothing."""
    if setting is None:
        return in_file
    return next((mode for mode in Mode if mode.value == setting), Mode.CLOSED)


def decide_entry(mode: Mode, *, provisions: bool, invited: bool, vouched: bool, approval: bool) -> Entry:
    """Decide whether a provider's word makes an account (docs/guides/providers has this as a table).

    `provisions`: its `auto_provision`. `invited`: with an invitation that counts, an administrator's word for exactly
    this guest, who needs nobody else's. `vouched`: the provider says that they administer, which the operator believes.
    """
    if invited and mode.takes_invited:
        return Entry.OPEN
    if not (provisions and mode.takes_provided):
        return Entry.SHUT
    return Entry.WAITING if approval and not vouched else Entry.OPEN


def describe(mode: Mode, *, has_mail: bool, approval: bool) -> Openness:
    """Say what a visitor without invitation finds."""
    opened = mode.takes_strangers
    return Openness(mode, open=opened, asks_email=opened and has_mail, approval=approval)
