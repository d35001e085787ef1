"""Which services alerts may be sent to: by the word before `://` in the address of a target."""

import re
from typing import Final
from urllib.parse import unquote

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
_REFUSED: Final = re.compile(r"verify|redirect|template|attach|attachment|pgp|pgpkey|smime\w*|retry|wait")
_OPTIONS: Final = re.compile(r"[?&;]")
_MOST: Final = 2000


def parse_target(url: str) -> str:
    """The scheme of a target's address, in lower case. InputError, which never repeats the address, otherwise."""
    shape = _SHAPE.fullmatch(url) if len(url) <= _MOST else None
    if shape is None:
        raise InputError("this is not the address of a target; write `ntfys://ntfy.example.com/topic`")
    scheme = shape["scheme"].lower()
    if scheme not in SCHEMES:
        raise InputError(f"`{scheme}://` is none of the services alerts can be sent to: {', '.join(sorted(SCHEMES))}")
    for part in _OPTIONS.split(url)[1:]:
        option = _read_name(part.partition("=")[0])
        if _REFUSED.fullmatch(option):
            raise InputError(f"the address must not say `{option}=`")
    return scheme


def _read_name(text: str) -> str:
    """The name of an option, whatever its spelling: Apprise decodes names, and takes off what is around them."""
    while (plain := unquote(text)) != text:
        text = plain
    return re.sub(r"[^a-z0-9_]", "", text.lower())
