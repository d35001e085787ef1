"""The assertion, for apps that speak ASGI: Starlette, FastAPI, Django, Quart, Litestar."""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import quote

from doorward.verify.gatekeeper import LEEWAY, Gatekeeper, answer
from doorward.verify.keys import KeySource, KeysUnavailableError
from doorward.verify.strict import RefusedError
from doorward.verify.token import HEADER, Algorithm

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AssertionMiddleware:
    """Lets through what the gateway has signed: who asks is in `scope["doorward"]`. Everything else is 401.

    `issuer`: the address of the gateway. `audience`: what it calls this app. `public_url`: the address at which people
    open this app, or several; with the part of the path that a proxy takes away, where one does. `keys`: where the keys
    come from; by default from the gateway. `anonymous`: what nobody had to sign in for passes, too, and is None.
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
        self._name = header.lower().encode("ascii")
        self._gatekeeper = Gatekeeper(
            issuer=issuer,
            audience=audience,
            public_url=public_url,
            keys=keys,
            algorithm=algorithm,
            anonymous=anonymous,
            leeway=leeway,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        values = [value for name, value in scope["headers"] if name.lower() == self._name]
        try:
            # A websocket begins with a GET.
            claims = await self._gatekeeper.judge_aside(values, scope.get("method", "GET"), _path_of(scope))
        except (RefusedError, KeysUnavailableError) as error:
            await _refuse(error, scope, send)
            return
        await self._app({**scope, "doorward": claims}, receive, send)


def _path_of(scope: Scope) -> str:
    raw = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"])
    path: str = raw.partition(b"?")[0].decode("latin-1")
    return path


async def _refuse(error: RefusedError | KeysUnavailableError, scope: Scope, send: Send) -> None:
    status, headers, body = answer(error)
    if scope["type"] == "websocket":
        # Before it is accepted: the server answers 403.
        await send({"type": "websocket.close", "code": 1008})
        return
    raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
