"""How well an account is protected, and whether its owner gets back in when something is lost: in plain words."""

from dataclasses import dataclass
from typing import Final

from doorward.rules.factor import Factors

_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Score:
    """`level`: "poor", "fair" or "good"; `advice` are sentences on what would help, most needed first."""

    level: str
    title: str
    advice: tuple[str, ...]


def rate(factors: Factors, *, has_email: bool) -> Score:
    """Rate an account by its factors, and by whether a link to a new password can be mailed to it."""
    advice: list[str] = []
    if not factors.protects:
        advice.append("Add a passkey or an authenticator app, so that a stolen password is not enough.")
    elif not factors.unused_codes:
        advice.append("Make recovery codes: without them a lost phone or key locks you out.")
    elif factors.unused_codes < _FEW:
        advice.append("Few recovery codes are left. Make new ones.")
    if factors.protects and factors.totp is None and len(factors.passkeys) == 1 and not factors.passkeys[0].backed_up:
        advice.append("Your only passkey is on one device. Add a second one, or an authenticator app.")
    if not has_email:
        advice.append("Add an e-mail address, so that we can warn you.")
    if not factors.protects:
        return Score("poor", "Only one lock protects your account", tuple(advice))
    if not factors.unused_codes:
        return Score("fair", "Your account is well locked, but you could lock yourself out", tuple(advice))
    return Score("good", "Your account is well protected, and you can get back in", tuple(advice))
