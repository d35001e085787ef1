"""One defence against forged requests, for every form and every unsafe API call.

Requirements A-25, A-26, D-13, C-07; attacks K02, K03, K05, K06.

A token is `random.mac` with mac = HMAC-SHA-256(key, binding + random). The binding is the session's fingerprint, or
before anybody signed in the hash of the pre-session cookie: so the sign-in form is guarded too, and the token rotates
with the session. It must come twice, in the cookie and in the form field, header or JSON field, both good for the same
binding. On top of that the browser's own word on where the request came from is heard: `Origin` and `Sec-Fetch-Site`.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from doorward.errors import ForbiddenError
from doorward.interfaces import Random
from doorward.rules.cookie import find_cookie

FIELD = "csrf_token"
HEADER = b"x-csrf-token"
_RANDOM_SIZE = 16
_SHAPE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class CsrfError(ForbiddenError):
    """CSRF_FAILED: the page is out of date, or the request was made elsewhere. `elsewhere` tells which.

    `page` is where the form can be had anew, "" where nobody said.
    """

    def __init__(self, message: str, *, elsewhere: bool) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere
        self.page = ""


@dataclass(frozen=True, slots=True)
class CsrfGuard:
    """Makes and checks tokens. `key`: 32 bytes of this purpose only. `origin`: scheme, host and port of our pages."""

    key: bytes
    origin: str
    cookie: str
    random: Random

    def issue(self, headers: Sequence[tuple[bytes, bytes]], binding: bytes) -> tuple[str, bool]:
        """The token for a page, and whether the cookie must be set.

        A good token in the cookie is used again, so that a second tab does not make the first one's form stale.
        """
        held = self._held(headers)
        if held and self._is_good(held, binding):
            return held, False
        entropy = _encode(self.random.token(_RANDOM_SIZE))
        return f"{entropy}.{self._mac(entropy, binding)}", True

    def check(self, headers: Sequence[tuple[bytes, bytes]], binding: bytes, sent: str | None) -> None:
        """Raise CsrfError unless this request comes from a page of ours, shown to this very browser and session.

        `sent` is the form or JSON field; None where there is none, then the header `X-CSRF-Token` is read.
        """
        self.check_origin(headers)
        if sent is None:
            values = [value for name, value in headers if name == HEADER]
            sent = values[0].decode("latin-1") if len(values) == 1 else None
        held = self._held(headers)
        # SECURITY: an empty binding would be the same for everybody; tests/unit/test_csrf.py would fail.
        if not binding or not sent or not held:
            raise CsrfError("the token is missing", elsewhere=False)
        if not self._is_good(sent, binding) or not self._is_good(held, binding):
            raise CsrfError("the token belongs to another page, browser or sign-in", elsewhere=False)

    def check_origin(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Raise CsrfError where the browser says that the request was made elsewhere.

        Absent both headers (old browsers, scripts), the token alone decides. `Referer` is not read: pages can blank it.
        """
        for name, value in headers:
            if name == b"origin" and value != self.origin.encode("ascii"):
                raise CsrfError("the request was made by another origin", elsewhere=True)
            if name == b"sec-fetch-site" and value != b"same-origin":
                raise CsrfError("the request was made by another site", elsewhere=True)

    def _held(self, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        lines = [value for name, value in headers if name == b"cookie"]
        value = find_cookie(lines, self.cookie.encode("ascii"))
        return value.decode("latin-1") if value is not None else None

    def _is_good(self, token: str, binding: bytes) -> bool:
        shape = _SHAPE.fullmatch(token)
        return shape is not None and hmac.compare_digest(shape[2], self._mac(shape[1], binding))

    def _mac(self, entropy: str, binding: bytes) -> str:
        text = b"doorward-csrf-v1:" + entropy.encode("ascii") + b":" + binding
        return _encode(hmac.digest(self.key, text, "sha256"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
