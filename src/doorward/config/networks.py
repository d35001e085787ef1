"""How far networks reach."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

from doorward.config.aliases import PRIVATE
from doorward.rules.policy import Network

_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
_PRIVATE: Final[tuple[Network, ...]] = tuple(ip_network(text) for text in (*PRIVATE, "169.254.0.0/16", "fe80::/10"))


def is_worldwide(networks: Iterable[Network]) -> bool:
    """Whether the networks together hold half or more of what the internet has (attack A02)."""
    every = list(networks)
    four = collapse_addresses(network for network in every if isinstance(network, IPv4Network))
    if sum(network.num_addresses for network in four) * 2 >= ip_network("0.0.0.0/0").num_addresses:
        return True
    six = collapse_addresses(network for network in every if isinstance(network, IPv6Network))
    held = sum(
        min(network.num_addresses, _GLOBAL_IPV6.num_addresses) for network in six if network.overlaps(_GLOBAL_IPV6)
    )
    return held * 2 >= _GLOBAL_IPV6.num_addresses


def is_private(network: Network) -> bool:
    """Whether nobody on the internet has an address in it."""
    return is_inside(network, _PRIVATE)


def is_inside(network: Network, others: Iterable[Network]) -> bool:
    """Whether all of a network is in one of the others."""
    return any(_holds(other, network) for other in others)


def _holds(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False
