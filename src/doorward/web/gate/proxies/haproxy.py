"""HAProxy with our Lua action (deploy/haproxy) on its own HTTP client: `X-Forwarded-*`, refusals passed on."""

from doorward.web.gate.dialect import FORWARDED, Fields, Headers, Identity, Question, read_forwarded


class Haproxy:
    """The action deletes the client's identity headers first and sets exactly what an allow carries."""

    name = "haproxy"
    prefix = False
    asks_by = FORWARDED

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:  # noqa: ARG002 -- the dialect's shape
        """Read `X-Forwarded-*` as the action sets them, replacing whatever the client sent."""
        return read_forwarded(fields)

    def identify(self, identity: Identity) -> Headers:
        """Every header, empty ones included."""
        return identity.headers

    def strip(self, cookie: bytes) -> Headers:
        """Sent even when empty; the action replaces the request's Cookie by it, or removes it."""
        return ((b"cookie", cookie),)

    def status(self, status: int) -> int:
        """Carry any status."""
        return status

    def redirects(self) -> bool:
        """Pass 3xx on with our Location."""
        return True
