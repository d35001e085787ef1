"""`/.well-known/jwks.json`: the keys that apps verify assertions with (RFC 7517, RFC 8037)."""

import hashlib
from typing import Final

from starlette.responses import Response

from doorward.flows.assertion_keys import AssertionKeys
from doorward.rules.assertion import KEEP_SET
from doorward.web.visit import Visit, find_header

ADDRESS: Final = "/.well-known/jwks.json"
_KEEP: Final = f"public, max-age={int(KEEP_SET.total_seconds())}"


class KeySetPage:
    """The set, for everybody: empty where nothing is signed."""

    def __init__(self, keys: AssertionKeys) -> None:
        self._keys = keys

    async def get(self, visit: Visit) -> Response:
        """Tell it, or that it is still the one somebody has."""
        body = self._keys.publish(visit.now)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"cache-control": _KEEP, "etag": tag}
        if tag.encode("ascii") in (find_header(visit.headers, b"if-none-match") or b""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/jwk-set+json", headers=headers)
