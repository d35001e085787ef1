"""Whose request it is: the one function that computes the client address, and which peers may speak for others.

Used alike by the gate, the limiter, the audit and the Secure decision (B-07, T-07).
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from doorward.errors import InputError
from doorward.rules.policy import Address, Network, in_networks

_MAX_REMEMBERED = 4096
_MAX_FORWARDED = 2048


@dataclass(slots=True)
class Trust:
    """Which peers are proxies of ours. Empty means nobody (A02).

    `hops`, where set, is the number of proxies in front of us: that many entries from the right of `X-Forwarded-For`
    are theirs to vouch for, whatever their addresses. `unix`: a peer on our unix socket is a proxy.
    """

    networks: tuple[Network, ...] = ()
    unix: bool = False
    hops: int | None = None
    _peers: dict[str, bool] = field(default_factory=dict, repr=False)
    _chains: dict[tuple[str, bytes], Address | None] = field(default_factory=dict, repr=False)

    def trusts(self, peer: str) -> bool:
        """Whether the socket's peer ("" for a unix socket) is a proxy of ours."""
        known = self._peers.get(peer)
        if known is None:
            if len(self._peers) >= _MAX_REMEMBERED:
                self._peers.clear()
            known = self._peers[peer] = self._judge(peer)
        return known

    def client_address(self, peer: str, forwarded_for: bytes | None) -> Address | None:
        """The visitor's address; None where it is unknown. InputError when a trusted proxy's list is malformed.

        From a peer that is no proxy of ours the header is ignored and the peer is the visitor. From a proxy the list is
        walked from the right, past our own proxies, to the first other address.
        """
        key = (peer, forwarded_for or b"")
        if key in self._chains:
            return self._chains[key]
        found = self._walk(peer, forwarded_for)
        if len(self._chains) >= _MAX_REMEMBERED:
            self._chains.clear()
        self._chains[key] = found
        return found

    def _walk(self, peer: str, forwarded_for: bytes | None) -> Address | None:
        if not self.trusts(peer):
            return read_peer(peer)
        if not forwarded_for:
            # The proxy told us nothing: its own address must not pass for the visitor's in a network rule.
            return None
        if len(forwarded_for) > _MAX_FORWARDED:
            raise InputError("X-Forwarded-For is too long")
        chain = [parse_address(part) for part in forwarded_for.split(b",")]
        if self.hops is not None:
            return chain[-min(self.hops, len(chain))]
        for address in reversed(chain):
            if not in_networks(address, self.networks):
                return address
        return chain[0]

    def _judge(self, peer: str) -> bool:
        if not peer:
            return self.unix
        address = read_peer(peer)
        return address is not None and in_networks(address, self.networks)


def parse_address(raw: bytes) -> Address:
    """One address of a forwarded list, with IPv4 in IPv6 unmapped (A10). InputError for anything else (A07)."""
    try:
        return unmap(ip_address(raw.decode("ascii").strip(" \t")))
    except ValueError:
        raise InputError("X-Forwarded-For holds something that is not an address") from None


def read_peer(peer: str) -> Address | None:
    """The socket's peer as an address; None for a unix socket or what cannot be read (A22)."""
    try:
        return unmap(ip_address(peer.partition("%")[0])) if peer else None
    except ValueError:
        return None


def unmap(address: IPv4Address | IPv6Address) -> Address:
    """IPv4-mapped IPv6 as the IPv4 it is. A scoped address is refused: it means nothing outside its own machine."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("a scoped address")
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
    return address
