"""What may be a password (B-20 to B-24). Always active; settings can only tighten it.

The byte cap comes before any Unicode work (attacks E13, E17). Refused for new passwords only: a policy that grew does
not lock out who signs in with an older password.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from doorward.errors import InputError

MAX_PASSWORD_BYTES: Final = 1024
"""UTF-8 bytes of a password field; longer is refused unread."""

FLOOR_LENGTH: Final = 8
_MIN_NAME = 3  # shorter names occur in any text
_MIN_CORE = 4  # shorter words stand in every list
_LEET = str.maketrans("@4301!$57", "aaeoiisst")
_EDGES = re.compile(r"^[^a-z]+|[^a-z]+$")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """`min_length` in characters, at least 8 (B-20): a floor that settings can only raise (B-24)."""

    min_length: int = FLOOR_LENGTH

    def __post_init__(self) -> None:
        if self.min_length < FLOOR_LENGTH:
            raise ValueError("the shortest password has at least 8 characters")


def parse_password(text: str) -> str:
    """Read a password field: capped, then NFC, so that two keyboards spell it alike. InputError when it cannot be one.

    SECURITY: the cap stands before the normalising, which is quadratic (tests/unit/test_password_rules.py: E13, E17).
    """
    # The count of characters first: encoding a text of megabytes is work too.
    if len(text) > MAX_PASSWORD_BYTES:
        raise InputError("the password is too long")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError("the password is not valid text") from None
    if size > MAX_PASSWORD_BYTES:
        raise InputError("the password is too long")
    if "\0" in text:  # some hashes end at a NUL (E12)
        raise InputError("the password holds a character that no keyboard sends")
    return unicodedata.normalize("NFC", text)


def check_password(
    password: str, policy: PasswordPolicy, *, name: str, email: str, is_common: Callable[[str], bool]
) -> list[str]:
    """List what is wrong with a new password, each a sentence for whoever chose it.

    `name` and `email` are the account's, canonical. `is_common` knows the list of common passwords, in lower case.
    """
    problems: list[str] = []
    if len(password) < policy.min_length:
        problems.append(f"It needs at least {policy.min_length} characters.")
    if not any(letter.isupper() for letter in password):
        problems.append("It needs an upper-case letter.")
    if not any(letter.islower() for letter in password):
        problems.append("It needs a lower-case letter.")
    if not any(letter.isdecimal() for letter in password):
        problems.append("It needs a digit.")
    if not any(not letter.isalnum() for letter in password):
        problems.append("It needs a special character.")
    if _is_repetitive(password):
        problems.append("It repeats itself.")
    if any(is_common(spelling) for spelling in _spellings(password)):
        problems.append("It is, or is built on, one of the most common passwords.")
    lowered = password.lower()
    if any(len(part) >= _MIN_NAME and part in lowered for part in (name.lower(), email.lower().partition("@")[0])):
        problems.append("It may not contain your user name or e-mail address.")
    return problems


def _is_repetitive(password: str) -> bool:
    # A text is some shorter text repeated exactly if it occurs inside its own doubling (one letter repeated, B-22).
    lowered = password.lower()
    return bool(lowered) and (lowered + lowered).find(lowered, 1) < len(lowered)


def _spellings(password: str) -> set[str]:
    """The password as a list of common ones may know it: `P@ssword2024!` is `password` in its best clothes."""
    lowered = password.lower()
    plain = lowered.translate(_LEET)
    cores = {_EDGES.sub("", lowered), _EDGES.sub("", plain), _EDGES.sub("", lowered).translate(_LEET)}
    return {lowered, plain} | {core for core in cores if len(core) >= _MIN_CORE}
