"""The assertion, for apps that speak WSGI: Flask, Django, Bottle, Pyramid."""

from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import quote

from doorward.verify.gatekeeper import LEEWAY, REASONS, Gatekeeper, answer
from doorward.verify.keys import KeySource, KeysUnavailableError
from doorward.verify.strict import RefusedError
from doorward.verify.token import HEADER, Algorithm

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiAssertionMiddleware:
    """Lets through what the gateway has signed: who asks is in `environ["doorward.claims"]`. Everything else is 401.

    What it is given is what `AssertionMiddleware` is given.
    """

    def __init__(
        self,
        app: App,
        *,
        issuer: str,
        audience: str,
        public_url: str | Collection[str],
        keys: KeySource | None = None,
        header: str = HEADER,
        algorithm: Algorithm = "EdDSA",
        anonymous: bool = False,
        leeway: int = LEEWAY,
    ) -> None:
        self._app = app
        self._name = "HTTP_" + header.upper().replace("-", "_")
        self._gatekeeper = Gatekeeper(
            issuer=issuer,
            audience=audience,
            public_url=public_url,
            keys=keys,
            algorithm=algorithm,
            anonymous=anonymous,
            leeway=leeway,
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        # The server has joined a header that came twice by a comma, which stands in no assertion.
        values = [environ[self._name]] if self._name in environ else []
        # It has decoded the path as well: an escaped slash looks like a plain one here, and is refused.
        path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
        try:
            environ["doorward.claims"] = self._gatekeeper.judge(values, environ["REQUEST_METHOD"], path)
        except (RefusedError, KeysUnavailableError) as error:
            status, headers, body = answer(error)
            start_response(f"{status} {REASONS[status]}", headers)
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
        return self._app(environ, start_response)
