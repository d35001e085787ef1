"""Where a browser may be sent after signing in (attacks D): read as a browser reads, rebuilt, never echoed.

Accepted are a path on our own host, beginning with exactly one `/`, and an absolute URL of a host the policy knows.
Everything two parsers could read differently is refused before parsing: backslashes, control characters, spaces,
non-ASCII, user information, fragments, dot segments. The query survives byte by byte.
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import unquote, urlsplit

from doorward.errors import InputError
from doorward.rules.request import MAX_TARGET, parse_host, parse_target

_ABSOLUTE = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?]+)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[\x21-\x7e]+")
_NUMBER_LABEL = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|$)")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def parse_return_url(text: str, *, public_url: str, is_known_host: Callable[[str], bool]) -> str:
    """The absolute URL to go to, rebuilt from its parts. InputError for anything doubtful.

    `public_url` is our own (scheme, host, port). `is_known_host` says whether a canonical host is one the policy
    serves. `http` is accepted only where we are served over http ourselves (D10).
    """
    if len(text) > MAX_TARGET:
        raise InputError("the return address is too long")
    # SECURITY: before any parser sees it. Parsers strip tabs and line ends and read `\` as `/` (D02, D03, D06, D09).
    if not _PLAIN.fullmatch(text) or "\\" in text or "#" in text:
        raise InputError("the return address has characters that no return address may have")
    home = urlsplit(public_url)
    if text.startswith("/"):
        return f"{home.scheme}://{home.netloc}{_parse_target(text)}"
    shape = _ABSOLUTE.fullmatch(text)
    if shape is None:  # `https:evil`, `https:///evil`, `javascript:`: no authority is not "relative" (D04, D10)
        raise InputError("the return address is neither a path nor an absolute address")
    scheme = shape["scheme"].lower()
    if scheme == "http" and home.scheme != "http":
        raise InputError("the return address must use https")
    host, port = parse_host(shape["host"])  # no userinfo, no escapes, no Unicode passes this (D06, D07, D09)
    _check_number_host(host)
    if host != parse_host(home.netloc)[0] and not is_known_host(host):
        raise InputError("the return address is not a host of this gateway")
    target = _parse_target((shape["path"] or "/") + (shape["query"] or ""))
    suffix = "" if port in {"", _DEFAULT_PORTS[scheme]} else f":{int(port)}"
    return f"{scheme}://{host}{suffix}{target}"


def _parse_target(target: str) -> str:
    """Check path and query; the text comes back as it was."""
    path, _, _ = parse_target(target.encode("ascii"))
    # Decoded once and twice: what an app or a proxy behind us might make of it must stay on this host, too (D01, D13).
    for reading in (target.partition("?")[0], path, unquote(path)):
        if reading.startswith("//") or "\\" in reading or _DOT_SEGMENT.search(reading):
            raise InputError("the return address could be read as another host")
    return target


def _check_number_host(host: str) -> None:
    # A host whose last label is a number is an IPv4 address to a browser, whatever it looks like (`1.2.3` is 1.2.0.3).
    if _NUMBER_LABEL.fullmatch(host.rpartition(".")[2]):
        try:
            IPv4Address(host)
        except AddressValueError:
            raise InputError("the host is malformed") from None
