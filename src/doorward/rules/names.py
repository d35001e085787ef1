"""Names people give: user names, group names, e-mail addresses, display names. Untrusted text in, canonical out.

Every entrance (pages, API, CLI, import) uses these, so that what is stored can always stand in a header, a log line
and a comparison. Length caps come before any Unicode work (attack E17).
"""

import re
import unicodedata

from doorward.errors import InputError

_USER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_GROUP_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/@-]{0,62}[A-Za-z0-9])?")
_EMAIL_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_EMAIL_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
NOBODYS_NAMES = frozenset({"anonymous", "cli", "system", "unknown"})
"""Words of the audit record for who is no account: nobody new is called so."""
_MAX_EMAIL = 254
_MAX_EMAIL_LOCAL = 64
_MAX_DISPLAY = 128
_MAX_BYTES = 1024
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def parse_user_name(text: str) -> str:
    """Canonical name for an account: as `read_user_name`, and none that the audit record has for nobody's account."""
    name = read_user_name(text)
    if name in NOBODYS_NAMES:
        raise InputError("this name is what the audit record calls somebody without an account: choose another")
    return name


def read_user_name(text: str) -> str:
    """Canonical user name of an account there may be already: lower-case ASCII letters, digits, `.`, `_`, `-` (E16).

    1 to 64 characters. Accounts whose names were reserved later are still spoken of, and still sign in.
    """
    name = _cap(text, "the user name").strip(" ").lower() if text.isascii() else text
    if not _USER_NAME.fullmatch(name):
        raise InputError(
            "a user name has 1 to 64 letters, digits, dots, dashes or underscores, "
            "and begins and ends with a letter or digit"
        )
    return name


def parse_group_name(text: str) -> str:
    """A group name: ASCII, no separators, exactly as written (C04). InputError otherwise."""
    if not _GROUP_NAME.fullmatch(_cap(text, "the group name")):
        raise InputError(
            "a group name has 1 to 64 letters, digits or . _ : / @ -, and begins and ends with a letter or digit"
        )
    return text


def parse_email(text: str) -> str:
    """An e-mail address in lower case: exactly one ASCII @, strict ASCII parts (E19). InputError otherwise."""
    address = _cap(text, "the e-mail address").strip(" ")
    local, at, domain = address.lower().partition("@")
    if (
        not address.isascii()
        or not at
        or len(address) > _MAX_EMAIL
        or len(local) > _MAX_EMAIL_LOCAL
        or not _EMAIL_LOCAL.fullmatch(local)
        or not _EMAIL_DOMAIN.fullmatch(domain)
    ):
        raise InputError("that is not an e-mail address we can use")
    return f"{local}@{domain}"


def parse_display_name(text: str) -> str:
    """A name to show: any script, NFC, no control or invisible formatting characters, 1 to 128 characters."""
    _cap(text, "the name")
    name = unicodedata.normalize("NFC", text).strip()
    if not name or len(name) > _MAX_DISPLAY:
        raise InputError("a name has 1 to 128 characters")
    # Joiners are part of how some scripts and emoji are written; other format characters only disguise, and a name of
    # joiners alone shows nothing.
    plain = [letter for letter in name if letter not in "\u200c\u200d"]
    if not plain or any(unicodedata.category(letter) in _BAD_CATEGORIES for letter in plain):
        raise InputError("a name may not hold control or invisible characters")
    return name


def parse_login(text: str) -> str | None:
    """What somebody typed as user name or e-mail, canonical; None where it can be neither (attack E04).

    None is not an error: the sign-in goes on with no account, so that nothing tells the two apart.
    """
    if len(text) > _MAX_EMAIL or not text.isascii():
        return None
    try:
        return parse_email(text) if "@" in text else read_user_name(text)
    except InputError:
        return None


def clean_text(text: str, limit: int) -> str:
    """Text from a stranger (a User-Agent, say) fit to store and show: printable, at most `limit` characters (J19)."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:limit])


def _cap(text: str, what: str) -> str:
    if len(text) > _MAX_BYTES:
        raise InputError(f"{what} is too long")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InputError(f"{what} is not valid text") from None
    if size > _MAX_BYTES:
        raise InputError(f"{what} is too long")
    return text
