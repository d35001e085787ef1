"""Who stands at the door, as far as the connection and the cookies of our own host tell."""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from doorward.rules.names import clean_text

MAX_USER_AGENT = 256
"""Characters of a User-Agent that are kept (J19)."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One browser at one address.

    `browser` is `hash_browser` of the pre-session cookie, empty when the browser sent none; tickets are bound to it.
    `device` is the device marker cookie as sent (`rules.device`), empty when there is none; it is checked by the flows.
    `key` is the id of the key that was shown in place of a session, "" where none was.
    """

    address: IPv4Address | IPv6Address | None
    user_agent: str
    browser: bytes
    device: str = ""
    key: str = ""

    @property
    def address_text(self) -> str:
        """The address for records, empty when it is unknown."""
        return str(self.address) if self.address else ""

    @property
    def agent_text(self) -> str:
        """The User-Agent, fit to store and show."""
        return clean_text(self.user_agent, MAX_USER_AGENT)

    def private(self) -> dict[str, str]:
        """What an audit record keeps of a visitor where it can be erased later."""
        told = {"address": self.address_text, "user_agent": self.agent_text}
        return {**told, "by_key": self.key} if self.key else told


def hash_browser(cookie: str) -> bytes:
    """SHA-256 of the pre-session cookie: what a ticket stores, so that the store holds nothing usable."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest() if cookie else b""
