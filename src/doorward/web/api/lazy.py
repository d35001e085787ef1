"""The API, made when the first request for it comes.

FastAPI costs ten megabytes and a fifth of a second that most installations never need. It is imported on a thread, so
that checks go on meanwhile.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp:
    """An ASGI application that `make` makes at its first request."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve through the application."""
        app = self._app or await self._get()
        await app(scope, receive, send)

    async def _get(self) -> ASGIApp:
        async with self._turn:  # made by whoever came first; the others wait for it
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
            return self._app
