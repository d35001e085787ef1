"""What the gate needs to know besides the policy."""

import hmac
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
    """Shared secret by dialect; empty where none is asked for."""
    private_cookies: frozenset[bytes] = frozenset()
    """Names of ours besides the session's that an app must not see."""
    client_headers: Headers = ()
    """Security headers for every answer that reaches a visitor."""
    assertion_header: bytes = b""
    """The name of the header with the signed assertion; "" where no app is sent one. Like every name of ours it is set
    on every allow, empty for apps that are sent none."""

    pairs_devices: bool = True
    """Whether a device may ask for a key of its own, which a program that is refused is told of."""

    def accepts_secret(self, dialect: str, shown: bytes) -> bool:
        """Whether a proxy that shows this may ask in this dialect.

        SECURITY: once any secret is set, a dialect without one is shut: who shares the proxy's address would ask there.
        tests/unit/test_proxy_secret.py would fail.
        """
        if not self.secrets:
            return True
        secret = self.secrets.get(dialect)
        return secret is not None and hmac.compare_digest(shown, secret)

    @property
    def refusal_headers(self) -> Headers:
        """The headers of every answer that is no allow: those of `client_headers`, and no cache keeps it (K08)."""
        own = tuple(header for header in self.client_headers if header[0] != b"cache-control")
        return (*own, (b"cache-control", b"no-store"))
