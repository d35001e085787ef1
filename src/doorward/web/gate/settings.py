"""What the gate needs to know besides the policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from doorward.web.gate.dialect import Headers
from doorward.web.gate.identity import FORWARDED, IdentityHeaders


@dataclass(frozen=True, slots=True)
class GateSettings:
    """`public_url` is our own address without a trailing slash; `cookie_domain` "" for a host-only cookie."""

    public_url: str
    cookie_name: bytes
    cookie_domain: str
    cookie_secure: bool
    identity: IdentityHeaders = FORWARDED
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    """Shared secret by dialect; a dialect without one needs none."""
    private_cookies: frozenset[bytes] = frozenset()
    """Names of ours besides the session's that an app must not see."""
    client_headers: Headers = ()
    """Security headers for every answer that reaches a visitor."""

    @property
    def refusal_headers(self) -> Headers:
        """The headers of every answer that is no allow: those of `client_headers`, and no cache keeps it (K08)."""
        own = tuple(header for header in self.client_headers if header[0] != b"cache-control")
        return (*own, (b"cache-control", b"no-store"))
