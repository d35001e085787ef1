"""The state of lockdown: what holds while an incident is being contained, and where it is noted (E-90)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from doorward.errors import InputError
from doorward.rules.names import clean_text

LOCKDOWN_SETTING: Final = "incident.lockdown"
"""One row: whatever reads it in the transaction of its act refuses from the moment the lockdown is committed."""
MAX_NETWORKS: Final = 64
MAX_REASON: Final = 200

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Lockdown:
    """A lockdown in force.

    `by` is who began it, as the audit trail names actors. `networks`: where the console is open; from anywhere where it
    is empty. `readable` is False where what is stored cannot be read: it holds all the same, the console is shut to
    everybody, and the command line lifts it.
    """

    since: datetime
    by: str
    reason: str = ""
    networks: tuple[Network, ...] = ()
    readable: bool = True

    def admits(self, address: IPv4Address | IPv6Address | None) -> bool:
        """Whether somebody at this address may use the console. An unknown address is in no network."""
        # SECURITY: which networks there were cannot be told; tests/unit/test_lockdown.py asks from one.
        if not self.readable:
            return False
        if not self.networks:
            return True
        if address is None:
            return False
        plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        return any(plain.version == network.version and plain in network for network in self.networks)

    def write(self) -> str:
        """As it is stored."""
        value = {
            "by": self.by,
            "networks": [str(network) for network in self.networks],
            "reason": self.reason,
            "since": self.since.astimezone(UTC).isoformat(),
        }
        return json.dumps(value, sort_keys=True)


def read_lockdown(text: str | None) -> Lockdown | None:
    """What is stored; None where there is no lockdown.

    SECURITY: what cannot be read is a lockdown, and not none: whoever can damage one row would end it otherwise.
    tests/unit/test_lockdown.py damages it.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
        networks = tuple(ip_network(network) for network in value["networks"])
        return Lockdown(datetime.fromisoformat(value["since"]), str(value["by"]), str(value["reason"]), networks)
    except (ValueError, TypeError, KeyError):
        return Lockdown(datetime(1970, 1, 1, tzinfo=UTC), "unknown", readable=False)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks from which the console is to be open, as somebody typed them; InputError for what is none."""
    found: list[Network] = []
    for text in texts:
        try:
            network = ip_network(text.strip())
        except ValueError:
            raise InputError(
                f"{clean_text(text, 60)!r} is no network: write 192.0.2.0/24, with zeros behind the mask"
            ) from None
        if network not in found:
            found.append(network)
    if len(found) > MAX_NETWORKS:
        raise InputError(f"at most {MAX_NETWORKS} networks")
    return tuple(found)
