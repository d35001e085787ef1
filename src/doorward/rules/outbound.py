"""Where we may call out to, decided on resolved addresses, never on how an address is spelt (O01 to O15).

Two questions, in this order: is this an address we could call at all (`parse_destination`, on the text), and may
anything be sent there (`find_objection`, on what the name resolved to)? By default the answer is yes for https, port
443 and public addresses of others; `outbound.allow` opens more, entry by entry.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from doorward.errors import InputError
from doorward.rules.request import MAX_TARGET, parse_host, parse_target

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PLAIN = re.compile(r"[\x21-\x7e]+")
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?]+)(?P<path>/[^?]*)?(?P<query>\?.*)?")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED = re.compile(r"\[(?P<inside>[^\[\]]+)\](?::(?P<port>.*))?")
_PORTS: Final = {"https": 443, "http": 80}
_HIGHEST_PORT: Final = 65535
_EXAMPLES: Final = "`auth.lan`, `auth.lan:8443`, `10.0.0.0/8` or `[::1]:9000`"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry of `outbound.allow`: a host name, or a network; with a port, for that port only.

    `10.0.0.0/8`, `auth.lan`, `auth.lan:8443`, `127.0.0.1:9000`, `[::1]:9000`. A host name opens private addresses for
    that name alone, a network for whatever resolves into it. Without a port: the port of the scheme.
    """

    host: str = ""
    network: Network | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What the operator has opened beyond the default: https, port 443, public addresses, nobody but others.

    `own_origins` (`https://auth.example.com`) are ours: never called. One with an address for a host
    (`http://0.0.0.0:9091`) is what we listen on, whatever name leads there.
    """

    allowances: tuple[Allowance, ...] = ()
    insecure_http: bool = False
    own_origins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Destination:
    """An address to call, in parts. `host` is a canonical name, or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query as they go on the wire."""

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them."""
        return _join(self.host, None if self.port == _PORTS[self.scheme] else self.port)

    @property
    def address(self) -> Address | None:
        """The address, where the host is one."""
        return _find_address(self.host)


class _Range(NamedTuple):
    network: Network
    words: str
    by_name: bool = False
    """Whether an allowance for a host name opens it, too. What no server of yours has must be named by its address."""


def _ranges(*rows: tuple[str, str, bool]) -> tuple[_Range, ...]:
    return tuple(_Range(ip_network(network), words, by_name) for network, words, by_name in rows)


# IANA's registries of special-purpose addresses, spelt out: `ipaddress` judges differently from release to release.
_SPECIAL_IPV4: Final = _ranges(
    ("0.0.0.0/8", "an unspecified address", False),
    ("10.0.0.0/8", "a private address", True),
    ("100.64.0.0/10", "a shared address of carriers and overlay networks", True),
    ("127.0.0.0/8", "a loopback address", True),
    ("168.63.129.16/32", "an address of the cloud platform itself", False),
    ("169.254.0.0/16", "a link-local address, where clouds keep their metadata", False),
    ("172.16.0.0/12", "a private address", True),
    ("192.0.0.0/24", "a reserved address", False),
    ("192.0.2.0/24", "a documentation address", False),
    ("192.88.99.0/24", "a reserved address", False),
    ("192.168.0.0/16", "a private address", True),
    ("198.18.0.0/15", "a benchmarking address", False),
    ("198.51.100.0/24", "a documentation address", False),
    ("203.0.113.0/24", "a documentation address", False),
    ("224.0.0.0/4", "a multicast address", False),
    ("255.255.255.255/32", "the broadcast address", False),
    ("240.0.0.0/4", "a reserved address", False),
)
_SPECIAL_IPV6: Final = _ranges(
    ("::/128", "an unspecified address", False),
    ("::1/128", "a loopback address", True),
    ("2001::/23", "a reserved address", False),  # Teredo and other tunnels among them
    ("2001:db8::/32", "a documentation address", False),
    ("2002::/16", "an IPv4 address in the clothes of 6to4", False),
    ("3fff::/20", "a documentation address", False),
    ("fd00:ec2::/32", "an address of the cloud platform itself", False),
    ("fc00::/7", "a private address", True),
    ("fe80::/10", "a link-local address", False),
    ("ff00::/8", "a multicast address", False),
)
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
_RESERVED_IPV6: Final = _Range(IPv6Network("::/0"), "a reserved address")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def parse_allowance(text: str) -> Allowance:
    """Read an entry. InputError, saying what is wrong with it, otherwise."""
    if not _PLAIN.fullmatch(text) or "%" in text:  # a zone (`fe80::1%eth0`) is no part of where something leads
        raise InputError(f"is neither a host nor a network; write {_EXAMPLES}")
    if "://" in text:
        raise InputError("is a URL; name its host alone, with the port where it is not 443")
    if bracketed := _BRACKETED.fullmatch(text):
        return Allowance(network=_parse_network(bracketed["inside"]), port=_parse_port(bracketed["port"]))
    if text.count(":") > 1:  # IPv6 without a port
        return Allowance(network=_parse_network(text))
    name, colon, number = text.partition(":")
    port = _parse_port(number if colon else None)
    if "/" in name or _is_number(name):
        return Allowance(network=_parse_network(name), port=port)
    try:
        return Allowance(host=parse_host(name)[0], port=port)
    except InputError:
        raise InputError(f"is neither a host nor a network; write {_EXAMPLES}") from None


def parse_destination(url: str, *, insecure_http: bool) -> Destination:
    """Read an address to call. InputError, saying what is wrong with it, for all that two parsers could read apart."""
    if len(url) > MAX_TARGET:
        raise InputError("the address is too long")
    # SECURITY: before anything is cut in pieces, so that nothing below ever sees a line end, a space, or a letter that
    # a resolver would fold to ASCII: tests/property/test_outbound.py.
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise InputError(
            "the address has characters that no address may have (a host with letters beyond ASCII is written "
            "in its `xn--` form)"
        )
    if "#" in url:
        raise InputError("the address must not have a fragment (`#`)")
    shape = _URL.fullmatch(url)
    if shape is None:
        raise InputError("the address must begin with `https://` and a host")
    if shape["scheme"] == "http" and not insecure_http:
        raise InputError("the address must use https (`outbound.insecure_http: true` would allow http)")
    if "@" in shape["authority"]:
        raise InputError("the address must not have a user name or password in it")
    host, port = parse_host(shape["authority"])
    host = host.strip("[]")
    if _is_number(host) and _find_address(host) is None:  # `127.1`, `2130706433`, `0x7f000001`
        raise InputError("the host looks like an IP address, but is none in its full form")
    _, target, _ = parse_target(((shape["path"] or "/") + (shape["query"] or "")).encode("ascii"))
    return Destination(shape["scheme"], host, int(port or _PORTS[shape["scheme"]]), target)


def find_objection(host: str, port: int, addresses: Iterable[Address], policy: OutboundPolicy) -> str | None:
    """Why nothing may be sent there, for the operator, with the entry that would allow it; None where it may.

    `addresses` are all that `host` resolved to: a single one that may not be called is reason enough, for who answers
    the question could change its mind on which to use.
    """
    found = list(addresses)
    if not found:
        return f"{host} has no address"
    if _is_own(host, port, found, policy.own_origins):
        return f"{_join(host, port)} is this gateway itself, which is never called"
    for address in found:
        objection = _find_objection_to(address, host, port, policy)
        if objection is not None:
            return objection
    return None


def _find_objection_to(address: Address, host: str, port: int, policy: OutboundPolicy) -> str | None:
    usual = {443, 80} if policy.insecure_http else {443}
    fitting = [
        allowance
        for allowance in policy.allowances
        if (port in usual if allowance.port is None else allowance.port == port)
    ]
    plain = _unwrap(address)
    if any(allowance.network is not None and plain in allowance.network for allowance in fitting):
        return None
    special = _find_special(plain)
    is_named = any(allowance.host == host for allowance in fitting)
    if special is None:
        if is_named or port in usual:
            return None
        entry = _join(host, port)
        return f"port {port} of {host} is not open to us; to allow it, add `{entry}` to `outbound.allow`"
    if is_named and special.by_name:
        return None
    entry = _join(host if special.by_name else str(plain), None if port in usual else port)
    subject = f"{host} is" if _find_address(host) is not None else f"{host} is at {plain},"
    return f"{subject} {special.words}; to allow it, add `{entry}` to `outbound.allow`"


def _find_special(address: Address) -> _Range | None:
    """What is special about it; None for an address of the public internet."""
    if isinstance(address, IPv4Address):
        return next((special for special in _SPECIAL_IPV4 if address in special.network), None)
    if address in _NAT64:  # how networks without IPv4 reach public addresses of IPv4
        carried = _find_special(IPv4Address(int(address) & 0xFFFFFFFF))
        return None if carried is None else carried._replace(by_name=False)
    for special in _SPECIAL_IPV6:
        if address in special.network:
            return special
    return None if address in _GLOBAL_IPV6 else _RESERVED_IPV6


def _is_own(host: str, port: int, addresses: list[Address], own_origins: frozenset[str]) -> bool:
    for origin in own_origins:
        own = parse_destination(origin, insecure_http=True)
        # Who is served on one of the two usual ports is mostly served on the other, too.
        ports = set(_PORTS.values()) if own.port in _PORTS.values() else {own.port}
        if host == own.host and port in ports:
            return True
        listening = own.address
        if listening is None or port != own.port:
            continue
        for address in map(_unwrap, addresses):
            here = address.is_loopback or address.is_unspecified
            if address == listening or (listening.is_unspecified and here):
                return True
    return False


def _unwrap(address: Address) -> Address:
    """What is to be judged: IPv4 in the clothes of IPv6 as IPv4, for that is what is connected to; without a zone."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _is_number(host: str) -> bool:
    # A host whose last label is a number is an IPv4 address to resolvers, whatever it looks like (`127.1`).
    return _NUMBER_LABEL.fullmatch(host.rpartition(".")[2].lower()) is not None


def _find_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _parse_network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
        is_exact = ip_network(text.partition("/")[0]).network_address == network.network_address
    except ValueError:
        raise InputError(f"is neither a host nor a network; write {_EXAMPLES}") from None
    if not is_exact:
        raise InputError(f"has bits beyond its length; write `{network}`")
    if network.prefixlen == 0:
        raise InputError("would allow every address there is; name hosts or smaller networks")
    if isinstance(network, IPv6Network) and network.overlaps(_MAPPED):
        raise InputError("is IPv4 in the clothes of IPv6; write it as IPv4")
    return network


def _parse_port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= _HIGHEST_PORT:
        raise InputError("has no port between 1 and 65535 after its colon")
    return int(text)


def _join(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"
