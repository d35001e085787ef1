"""The words of each mail. A sentence whose values are not given is left out, so a letter says what is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from doorward.rules.letter import LetterKind


@dataclass(frozen=True, slots=True)
class Wording:
    """English sentences with `%(value)s` in them. `site` and `host` are always there, the others come with the letter.

    `action` stands on the link, which leads to the letter's `url`, or to `path` of ours where it brings none.
    """

    subject: str
    lines: tuple[str, ...]
    action: str = ""
    path: str = ""
    notes: tuple[str, ...] = ()


_WHERE: Final = "Browser: %(device)s"
_FROM: Final = "Address: %(address)s"
_WHEN: Final = "When: %(at)s"
_FACTOR: Final = "Which: %(factor)s"
_KEY: Final = "Key: %(key)s"
_OPENS: Final = "It opens: %(opens)s"
_NOT_YOU: Final = (
    "If it was not you, change your password at once and end all other sessions on the page Sessions, or tell your "
    "administrator."
)
_BY: Final = "By: %(by)s"
_LASTS: Final = "The link works once, until %(until)s."
_ADDRESS_SLIP: Final = "If you know nothing of this, somebody mistyped their address: do nothing, and nothing happens."

WORDINGS: Final[Mapping[LetterKind, Wording]] = {
    LetterKind.RESET: Wording(
        "Set a new password",
        (
            "Somebody, probably you, asked for a new password for your account at %(host)s.",
            _WHEN,
            _WHERE,
            _FROM,
            _LASTS,
        ),
        "Set a new password",
        notes=("If it was not you, do nothing: your password stays as it is.",),
    ),
    LetterKind.EMAIL_CONFIRM: Wording(
        "Confirm your e-mail address",
        ("This address is to become that of your account at %(host)s.", _LASTS),
        "Confirm this address",
        notes=(_ADDRESS_SLIP,),
    ),
    LetterKind.EMAIL_CHANGED: Wording(
        "Your e-mail address was changed",
        (
            "Your account at %(host)s has another e-mail address now, or none. This is the last mail to the old one.",
            _BY,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        notes=("If it was not you, tell your administrator at once: mail about your account goes elsewhere now.",),
    ),
    LetterKind.INVITE: Wording(
        "You are invited to %(host)s",
        (
            "You are invited to make an account at %(host)s.",
            "Invited by: %(inviter)s",
            "%(note)s",
            "The link is good until %(until)s.",
        ),
        "Make an account",
        notes=("If you do not want one, do nothing.",),
    ),
    LetterKind.REGISTRATION_CONFIRM: Wording(
        "Make your account",
        ("Somebody, probably you, wants to make an account at %(host)s with this address.", _LASTS),
        "Go on",
        notes=(_ADDRESS_SLIP,),
    ),
    LetterKind.REGISTRATION_KNOWN: Wording(
        "You have an account already",
        (
            "Somebody, probably you, wanted to make an account at %(host)s with this address. You have one already.",
            "Sign in as you always do. If you forgot the password, ask for a new one on the sign-in page.",
            _WHEN,
            _WHERE,
            _FROM,
        ),
        notes=("If it was not you, do nothing: nobody was told that you have an account.",),
    ),
    LetterKind.REGISTRATION_WAITS: Wording(
        "Somebody waits to be let in",
        ("%(who)s made an account at %(host)s and waits for an administrator to let them in.", _WHEN),
        "Look at it",
        "/admin/users",
    ),
    LetterKind.REGISTRATION_APPROVED: Wording(
        "You are let in",
        ("An administrator has let your account at %(host)s in. You can sign in now.",),
        "Sign in",
        "/login",
    ),
    LetterKind.NEW_DEVICE: Wording(
        "A new sign-in",
        ("Somebody, probably you, signed in to your account at %(host)s in a new browser.", _WHEN, _WHERE, _FROM),
        notes=(_NOT_YOU,),
    ),
    LetterKind.PASSWORD_CHANGED: Wording(
        "Your password was changed",
        ("The password of your account at %(host)s was changed. Other sessions have ended.", _BY, _WHEN, _WHERE, _FROM),
        notes=("If it was not you, ask for a new password on the sign-in page at once, or tell your administrator.",),
    ),
    LetterKind.FACTOR_ADDED: Wording(
        "A way to sign in was added",
        ("Your account at %(host)s has a new second factor or passkey.", _FACTOR, _BY, _WHEN, _WHERE, _FROM),
        notes=(_NOT_YOU,),
    ),
    LetterKind.FACTOR_REMOVED: Wording(
        "A way to sign in was removed",
        ("A second factor or passkey of your account at %(host)s was removed.", _FACTOR, _BY, _WHEN, _WHERE, _FROM),
        notes=(_NOT_YOU,),
    ),
    LetterKind.PROVIDER_CONNECTED: Wording(
        "A way to sign in was added",
        ("Your account at %(host)s can be signed in to with %(provider)s now.", _WHEN, _WHERE, _FROM),
        "Look at it",
        "/account",
        notes=(_NOT_YOU,),
    ),
    LetterKind.PROVIDER_DISCONNECTED: Wording(
        "A way to sign in was removed",
        (
            "Your account at %(host)s cannot be signed in to with %(provider)s any more.",
            _BY,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        "Look at it",
        "/account",
        notes=(_NOT_YOU,),
    ),
    LetterKind.ACCOUNT_DELETED: Wording(
        "Your account was deleted",
        (
            "Your account at %(host)s was deleted, with all that was stored of it. This is the last mail about it.",
            _BY,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        notes=("If it was not you, tell your administrator: nobody can bring it back, but you can get a new one.",),
    ),
    LetterKind.RECOVERY_CODE_USED: Wording(
        "A recovery code was used",
        (
            "One of the recovery codes of your account at %(host)s was used to sign in.",
            "Codes left: %(left)s",
            _WHEN,
            _WHERE,
            _FROM,
        ),
        notes=(_NOT_YOU,),
    ),
    LetterKind.PASSKEY_REFUSED: Wording(
        "A passkey looks copied",
        (
            "A passkey of your account at %(host)s was refused because it looks like a copy.",
            _FACTOR,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        "Remove the passkey",
        "/account/security",
        notes=(
            "Somebody else may have it. Sign in another way, remove it there and make a new one, even if it was you.",
            "If you cannot, tell your administrator.",
        ),
    ),
    LetterKind.KEY_MADE: Wording(
        "A new key for apps",
        (
            "Your account at %(host)s has a new key, with which a device or program can act for you.",
            _KEY,
            _OPENS,
            _BY,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        "Look at your keys",
        "/keys",
        notes=("If it was not you, take the key back and change your password at once.",),
    ),
    LetterKind.KEY_REVOKED: Wording(
        "Keys for apps were taken back",
        ("Keys of your account at %(host)s were taken back: what used them is not let in any more.", _KEY, _BY, _WHEN),
        "Look at your keys",
        "/keys",
    ),
    LetterKind.KEY_ASLEEP: Wording(
        "A key for apps was put to sleep",
        (
            "A key of your account at %(host)s was not used for %(days)s days. It opens nothing until you wake it.",
            _KEY,
            _WHEN,
        ),
        "Look at your keys",
        "/keys",
    ),
    LetterKind.KEY_NEW_PLACE: Wording(
        "A key for apps was used from a new network",
        (
            "A key of your account at %(host)s was used from a network it was not used from before.",
            _KEY,
            _WHEN,
            _WHERE,
            _FROM,
        ),
        "Look at your keys",
        "/keys",
        notes=("If it was not you, take the key back at once.",),
    ),
    LetterKind.ALERT: Wording(
        "Something to look at", ("There is something to look at at %(host)s.", _WHEN), "Look at it", "/admin/alerts"
    ),
    LetterKind.TEST: Wording("Mail works", ("This is a test. Doorward at %(host)s can send mail.",)),
}

GREETING: Final = "Hello %(name)s,"
BARE_GREETING: Final = "Hello,"
LINK_TOO: Final = "If the button does not work, open this address:"
FOOT: Final = "Sent by Doorward at %(site)s. Nobody reads answers to this mail."
