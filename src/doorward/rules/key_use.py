"""From where a key is used: what is kept of it, and which network is a new one (E-76)."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from doorward.errors import TamperError

MAX_NETWORKS: Final = 32
"""So many networks of a key are remembered, the newest; one that is older counts as new again."""
TELL_EVERY: Final = timedelta(days=1)
_PREFIXES: Final = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """From where a key was used last, from which networks before, and when its owner was last told of a new one."""

    address: str = ""
    agent: str = ""
    networks: tuple[str, ...] = ()
    told_at: datetime | None = None

    def write(self) -> bytes:
        """As it is sealed."""
        value = {
            "address": self.address,
            "agent": self.agent,
            "networks": list(self.networks),
            "told": self.told_at.isoformat() if self.told_at else "",
        }
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def see(self, address: str, agent: str, at: datetime) -> tuple["KeyPlace", bool]:
        """What is kept after a use, and whether its owner is to be told: from a new network, and not told today yet.

        The first network of all is where it was set up. An unknown address is in none.
        """
        network = network_of(address)
        networks = (*(each for each in self.networks if each != network), network)[-MAX_NETWORKS:]
        if not network:
            return KeyPlace(address, agent, self.networks, self.told_at), False
        is_new = bool(self.networks) and network not in self.networks
        tells = is_new and (self.told_at is None or not timedelta(0) <= at - self.told_at < TELL_EVERY)
        return KeyPlace(address, agent, networks, at if tells else self.told_at), tells


def read_place(raw: bytes) -> KeyPlace:
    """What was sealed. TamperError where it is not what we write."""
    try:
        value = json.loads(raw)
        told = datetime.fromisoformat(value["told"]) if value["told"] else None
        return KeyPlace(str(value["address"]), str(value["agent"]), tuple(map(str, value["networks"])), told)
    except (ValueError, KeyError, TypeError):
        raise TamperError("where a key was used last is not what we wrote") from None


def network_of(address: str) -> str:
    """The network that an address is in, as far as neighbours go: its /24 or /48. "" for what is no address."""
    try:
        plain: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return ""
    if isinstance(plain, IPv6Address) and plain.ipv4_mapped is not None:
        plain = plain.ipv4_mapped
    return str(ip_network((plain, _PREFIXES[plain.version]), strict=False))
