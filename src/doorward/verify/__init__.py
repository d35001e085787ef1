"""For apps behind Doorward: verify the signed assertion of who asks for what (docs/guides/assertions.md).

Nothing here needs the rest of Doorward, and nothing but joserfc besides the standard library: an app takes this package
and that library alone. `AssertionMiddleware` is for ASGI, `WsgiAssertionMiddleware` for WSGI, `verify` for anything.
"""

from doorward.verify.asgi import AssertionMiddleware
from doorward.verify.keys import FixedKeys, KeySource, KeysUnavailableError, RemoteKeys
from doorward.verify.strict import RefusedError
from doorward.verify.token import HEADER, verify
from doorward.verify.wsgi import WsgiAssertionMiddleware

__all__ = [
    "HEADER",
    "AssertionMiddleware",
    "FixedKeys",
    "KeySource",
    "KeysUnavailableError",
    "RefusedError",
    "RemoteKeys",
    "WsgiAssertionMiddleware",
    "verify",
]
