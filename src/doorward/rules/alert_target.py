"""Which services alerts may be sent to: by the word before `://` in the address of a target."""

import re
from typing import Final

from doorward.errors import InputError

SCHEMES: Final = frozenset(
    {
        "discord",
        "form",
        "forms",
        "gchat",
        "gotify",
        "gotifys",
        "guilded",
        "hassio",
        "hassios",
        "json",
        "jsons",
        "mailto",
        "mailtos",
        "matrix",
        "matrixs",
        "mmost",
        "mmosts",
        "ncloud",
        "nclouds",
        "nctalk",
        "nctalks",
        "ntfy",
        "ntfys",
        "opsgenie",
        "pagerduty",
        "pbul",
        "pover",
        "rocket",
        "rockets",
        "signal",
        "signals",
        "slack",
        "tgram",
        "threema",
        "victorops",
        "workflow",
        "workflows",
        "wxteams",
        "zulip",
    }
)
"""SECURITY: what speaks HTTP or SMTP and nothing else. None of them starts a program, writes a file, or talks to the
machine it runs on, as other words that Apprise knows do. tests/unit/test_alert_target.py would fail."""
MAIL_SCHEMES: Final = frozenset({"mailto", "mailtos"})
MAIL_PORTS: Final = frozenset({25, 465, 587})
_SHAPE: Final = re.compile(r"(?P<scheme>[a-zA-Z0-9]{1,20})://(?P<rest>[\x21-\x7e]+)")
_REFUSED: Final = re.compile(
    r"[?&](?P<option>verify|redirect|template|attach|attachment|pgp|pgpkey|smime\w*|retry|wait)=", re.IGNORECASE
)
_MOST: Final = 2000


def parse_target(url: str) -> str:
    """The scheme of a target's address, in lower case. InputError, which never repeats the address, otherwise."""
    shape = _SHAPE.fullmatch(url) if len(url) <= _MOST else None
    if shape is None:
        raise InputError("this is not the address of a target; write `ntfys://ntfy.example.com/topic`")
    scheme = shape["scheme"].lower()
    if scheme not in SCHEMES:
        raise InputError(f"`{scheme}://` is none of the services alerts can be sent to: {', '.join(sorted(SCHEMES))}")
    option = _REFUSED.search(url)
    if option is not None:
        raise InputError(f"the address must not say `{option['option'].lower()}=`")
    return scheme
