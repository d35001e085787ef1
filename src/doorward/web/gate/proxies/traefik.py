"""Traefik's ForwardAuth: GET to a fixed address, `X-Forwarded-*`, any answer but 2xx goes to the visitor as it is."""

from doorward.web.gate.dialect import FORWARDED, Fields, Headers, Identity, Question, read_forwarded


class Traefik:
    """`authResponseHeaders` deletes the listed names from the request before it copies ours, so empty is safe."""

    name = "traefik"
    prefix = False
    asks_by = FORWARDED

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:  # noqa: ARG002 -- the dialect's shape
        """Read `X-Forwarded-*`; the check's own method and target say nothing here."""
        return read_forwarded(fields)

    def identify(self, identity: Identity) -> Headers:
        """Every header, empty ones included."""
        return identity.headers

    def strip(self, cookie: bytes) -> Headers:
        """Listed among `authResponseHeaders`, an absent Cookie is removed and a present one replaced."""
        return ((b"cookie", cookie),) if cookie else ()

    def status(self, status: int) -> int:
        """Carry any status."""
        return status

    def redirects(self) -> bool:
        """Pass 3xx on with all headers."""
        return True
