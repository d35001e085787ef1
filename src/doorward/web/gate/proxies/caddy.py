"""Caddy's forward_auth: GET with the client's query appended to the check's, `X-Forwarded-*`, refusals passed on."""

from doorward.web.gate.dialect import FORWARDED, Fields, Headers, Identity, Question, read_forwarded


class Caddy:
    """`copy_headers` of Caddy before 2.11.2 leaves a client's value where ours is absent, so all are always sent."""

    name = "caddy"
    prefix = False
    asks_by = FORWARDED

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:  # noqa: ARG002 -- the dialect's shape
        """Read `X-Forwarded-*`; the query that Caddy appends to the check's own address is not looked at."""
        return read_forwarded(fields)

    def identify(self, identity: Identity) -> Headers:
        """Every header, empty ones included."""
        return identity.headers

    def strip(self, cookie: bytes) -> Headers:
        """Sent even when empty: older versions keep the client's header where ours is absent."""
        return ((b"cookie", cookie),)

    def status(self, status: int) -> int:
        """Carry any status."""
        return status

    def redirects(self) -> bool:
        """Pass 3xx on with all headers."""
        return True
