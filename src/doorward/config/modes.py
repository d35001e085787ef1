"""The settings of special ways of knowing who somebody is: by the network, or by a proxy's word."""

import re
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from doorward.config.section import Section
from doorward.config.values import Many, NetworkValue, Peer, refuse
from doorward.errors import InputError
from doorward.rules.names import read_user_name

_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OURS: Final = ("x-forwarded-", "x-original-", "x-doorward-", "sec-", "access-control-", "proxy-", "content-", "if-")
_TAKEN: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection", "cookie", "date",
    "dnt", "expect", "forwarded", "from", "host", "keep-alive", "origin", "pragma", "range", "referer", "te", "trailer",
    "transfer-encoding", "upgrade", "upgrade-insecure-requests", "user-agent", "via", "x-csrf-token", "x-real-ip",
    "x-requested-with",
})  # fmt: skip
"""What visitors and proxies say for other reasons."""


def parse_account(value: object) -> str:
    """The user name of an account."""
    if value == "":
        return ""
    try:
        return read_user_name(value if isinstance(value, str) else "\0")
    except InputError as error:
        raise refuse(str(error), "write alice") from None


def parse_header_name(value: object) -> str:
    """The name of a request header, in lower case."""
    hint = "write Remote-User, or what your proxy calls it"
    if value == "":
        return ""
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        raise refuse("a header's name has letters, digits and dashes", hint)
    name = value.lower()
    if name in _TAKEN or name.startswith(_OURS):
        raise refuse(f"{value} has another meaning already", hint)
    return name


class TrustedHeader(Section):
    """A proxy that has signed people in itself, and says in a header who it is. A way of signing in, not a way round.

    The sign-in page takes the proxy's word in place of a password; second factors and everything else stay. The proxy
    must set this header, or remove it, on every request: whoever can send one past it is whoever they like.
    """

    name: Annotated[str, PlainValidator(parse_header_name)] = Field(
        default="",
        description="The header that holds a user name or e-mail address, such as `Remote-User`. Unset: off.",
    )
    networks: Many[Peer] = Field(
        default=(),
        description="Which peers may say so: addresses in `proxy.trusted`, and `unix`. From others the header counts "
        "for nothing.",
    )


class SingleUserSection(Section):
    """One account for whoever comes from certain networks, without signing in. For apps only, and never with rights.

    Whatever asks for a second factor, a passkey or a recent sign-in asks for a real one, and so do our own pages.
    """

    user: Annotated[str, PlainValidator(parse_account)] = Field(
        default="",
        description="The account's user name. One that is missing, disabled, waiting, an administrator or for the "
        "console only counts as nobody.",
    )
    networks: Many[NetworkValue] = Field(
        default=(),
        description="Where visitors must come from. A proxy's own address is nobody's, so that a proxy that does not "
        "say who asks lets nobody in.",
    )
