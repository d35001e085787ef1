"""The list of common passwords that is shipped with us; see NOTICE for where it is from."""

from functools import cache
from pathlib import Path

from doorward import rules


@cache
def load_common_passwords() -> frozenset[str]:
    """Read the list, in lower case. Read when the first password is chosen, and kept."""
    text = (Path(rules.__file__).parent / "common_passwords.txt").read_text(encoding="ascii")
    return frozenset(text.split("\n")) - {""}


def is_common_password(password: str) -> bool:
    """Whether a password, in lower case, is on the list (B-22)."""
    return password in load_common_passwords()
