"""Where we may call out to, decided on resolved addresses, never on how an address is spelt (O01 to O15)."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


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

    `own_origins` (`https://auth.example.com`) are ours: never called.
    """

    allowances: tuple[Allowance, ...] = ()
    insecure_http: bool = False
    own_origins: frozenset[str] = frozenset()


def parse_allowance(text: str) -> Allowance:
    """Read an entry. InputError, saying what is wrong with it, otherwise."""
    raise NotImplementedError(text)


def find_objection(host: str, port: int, addresses: Iterable[Address], policy: OutboundPolicy) -> str | None:
    """Why nothing may be sent there, for the operator, with the entry that would allow it; None where it may."""
    raise NotImplementedError(host, port, addresses, policy)
