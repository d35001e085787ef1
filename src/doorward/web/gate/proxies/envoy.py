"""Envoy's ext_authz over HTTP, and what copies its contract (Gateway API ExternalAuth): the visitor's own request line.

The check arrives as the original method on our prefix plus the original path and query, with the original Host. Only
200 allows. A 5xx would be read as "the service failed" and opens where an operator set `failure_mode_allow`.
"""

from http import HTTPStatus

from doorward.errors import InputError
from doorward.web.gate.dialect import Fields, Headers, Identity, Question, require


class Envoy:
    """Envoy passes a client's header through where we do not return it, unless we name it for removal."""

    name = "envoy"
    prefix = True
    asks_by = None

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:
        """Read the request line and Host; the scheme is `X-Forwarded-Proto`, which the recipe sets."""
        if not target.startswith(b"/"):
            raise InputError("the check's path does not continue with the visitor's")
        return (method, require(fields, b"x-forwarded-proto"), require(fields, b"host"), target)

    def carry(self, identity: Identity, left: Headers) -> Headers:
        """What has a value is set; what has none is named for removal, because Envoy keeps what we leave out."""
        headers = (*identity.headers, *left)
        empty = [name for name, value in headers if not value]
        return (
            *((name, value) for name, value in headers if value),
            *(((b"x-envoy-auth-headers-to-remove", b",".join(empty)),) if empty else ()),
        )

    def status(self, status: int) -> int:
        """Any status but 5xx, which Envoy takes for a fault of ours and may let pass."""
        return HTTPStatus.FORBIDDEN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else status

    def redirects(self) -> bool:
        """Pass 3xx on; the recipe allows Location to the client."""
        return True
