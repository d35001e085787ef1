r"""The request a proxy asks about, in one canonical form, or refused (attacks B).

What is refused outright (InputError): control bytes, spaces, raw non-ASCII, `#`, `\`, broken percent-escapes,
escapes of control bytes or of bytes that are not UTF-8, hosts that are no host names, methods that are not `[A-Z]+`.

What is *ambiguous* is not refused but marked: a path that some servers read as another path (`//`, `.` and `..`
segments, `;`, an encoded slash, backslash, dot or percent sign). Rules that look at the path then judge the worst
reading: an allow never matches it, a deny or a require always does (`rules.policy`). Rules that do not look at the
path do not care.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from doorward.errors import InputError

MAX_TARGET = 8192
"""Bytes of path and query; longer is refused (B28)."""

_METHOD = re.compile(r"[A-Z]{1,20}")
_BAD_TARGET = re.compile(rb"[^\x21-\x7e]|[#\\]|%(?![0-9A-Fa-f]{2})")
_SIMPLE_PATH = re.compile(rb"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~!$&'()*+,=:@-]+)*/?")
_AMBIGUOUS = re.compile(
    rb"//|;|/\.{1,2}(?:/|$)|%(?:2[eEfF]|5[cC]|3[bB]|25|23|3[fF])",
)
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_IPV6_HOST = re.compile(r"\[[0-9a-f:.]{2,45}\]")
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({b"same-origin", b"none"})
_CONTROL_END = 0x20
_DELETE = 0x7F


class AccessRequest(NamedTuple):
    """A request in the form rules see.

    `host` is lower case without port or trailing dot; `path` is percent-decoded once, without the query; `target` is
    path and query as they came, for the way back after signing in. `client` is the visitor's address where it is known.
    `cross_site`: a page of another origin has the browser do something here (`acts_from_elsewhere`). `websocket`: it
    may begin one. `key_in_url`: the key it shows stood in its address, and is not in `target` any more.
    """

    method: str
    scheme: str
    host: str
    path: str
    target: str
    ambiguous: bool
    client: IPv4Address | IPv6Address | None
    port: str = ""
    preflight: bool = False
    cross_site: bool = False
    websocket: bool = False
    key_in_url: bool = False

    @property
    def url(self) -> str:
        """The address as the visitor typed it, from canonical parts."""
        return f"{self.scheme}://{self.host}{':' + self.port if self.port else ''}{self.target}"


def parse_host(text: str) -> tuple[str, str]:
    """Split into canonical host and port ("" when none). InputError for anything that is not a plain host (B15-B20)."""
    host, port = text.lower(), ""
    if host.startswith("["):
        end = host.find("]")
        host, rest = host[: end + 1], host[end + 1 :]
        if not _IPV6_HOST.fullmatch(host) or (rest and not rest.startswith(":")):
            raise InputError("the host is malformed")
        if rest:
            port = parse_port(rest[1:])
        return _check_ipv6(host), port
    if ":" in host:
        host, _, port = host.partition(":")
        port = parse_port(port)
    host = host.removesuffix(".")
    if not _HOST.fullmatch(host):
        raise InputError("the host is malformed")
    return host, port


def parse_port(text: str) -> str:
    """A port as written in a URL, checked. InputError when it is none."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= 65535:  # noqa: PLR2004 -- the highest port
        raise InputError("the port is malformed")
    return text


def parse_method(text: str) -> str:
    """An HTTP method: capital letters only. InputError otherwise."""
    if not _METHOD.fullmatch(text):
        raise InputError("the method is malformed")
    return text


def parse_scheme(text: str) -> str:
    """`http` or `https`; `ws` and `wss` are read as those (Traefik sends them). InputError otherwise."""
    try:
        return _SCHEMES[text.lower()]
    except KeyError:
        raise InputError("the scheme is not http or https") from None


def acts_from_elsewhere(
    method: str, host: str, *, origin: bytes | None, site: bytes | None, websocket: bool = False
) -> bool:
    """Whether a page of another origin has the browser change something here, or open a websocket.

    `origin` and `site` are the headers `Origin` and `Sec-Fetch-Site`, None where they are absent; without both nothing
    is known, as of every program that is no browser. Ports are compared only by browsers that send `Sec-Fetch-Site`:
    what proxies say of ports differs too much.
    """
    if method in _SAFE and not websocket:
        return False
    if site is not None and site not in _OWN_SITES:
        return True
    if origin is None:
        return False
    _, mark, rest = origin.decode("latin-1").partition("://")
    try:
        return not mark or parse_host(rest)[0] != host
    except InputError:
        return True


def parse_target(raw: bytes) -> tuple[str, str, bool]:
    """Split a raw request target into (canonical path, target as it came, ambiguous). InputError when malformed."""
    path, _, _ = raw.partition(b"?")
    if len(raw) > MAX_TARGET:
        raise InputError("the address is too long")
    if _SIMPLE_PATH.fullmatch(path) and path:
        if _BAD_TARGET.search(raw):
            raise InputError("the address has characters that no address may have")
        return path.decode("ascii"), raw.decode("ascii"), False
    if not raw.startswith(b"/") or _BAD_TARGET.search(raw):
        raise InputError("the address has characters that no address may have")
    decoded = unquote_to_bytes(path)
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("the path is not UTF-8") from None
    if any(ord(letter) < _CONTROL_END or ord(letter) == _DELETE for letter in text):
        raise InputError("the path has control characters")
    return text, raw.decode("ascii"), _AMBIGUOUS.search(path) is not None


def _check_ipv6(host: str) -> str:
    try:
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except ValueError:
        raise InputError("the host is malformed") from None
