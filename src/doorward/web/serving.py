"""Listening and answering: sockets, and uvicorn without its own ideas about signals and logs."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from doorward.errors import ConfigError

BACKLOG = 2048
GRACE_SECONDS = 10
"""How long requests under way may take after the end was asked for."""
_KEEP_ALIVE_SECONDS = 120  # longer than proxies keep theirs, so that they are the ones to close
_PROBE_SECONDS = 0.5
MAX_ASKED = 32 * 1024
"""Bytes that may come between two answers of a `BriefProtocol`."""


class BriefProtocol(HttpToolsProtocol):
    """For who is asked short questions (metrics): uvicorn limits neither size nor time of what is sent (P05)."""

    _asked = 0
    _patience: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        super().connection_made(transport)
        self._begin_anew()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is too much."""
        self._asked += len(data)
        if self._asked > MAX_ASKED:
            self.transport.abort()
        else:
            super().data_received(data)

    @override
    def on_response_complete(self) -> None:
        """Begin to count anew."""
        self._begin_anew()
        super().on_response_complete()

    def _begin_anew(self) -> None:
        self._asked = 0
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(_KEEP_ALIVE_SECONDS, self.transport.abort)


class Listener(uvicorn.Server):
    """One listening socket and the application behind it."""

    def __init__(self, app: ASGIApp, listening: socket.socket, *, protocol: type[HttpToolsProtocol]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # one function of ours reads forwarded headers (web/client.py)
                server_header=False,
                date_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._listening = listening

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are the composition root's business: there are two listeners and one end."""
        yield

    async def run_until_ended(self) -> None:
        """Answer until `end` is called, then finish what is under way."""
        await self.serve(sockets=[self._listening])

    def end(self) -> None:
        """Ask for the end: nothing new is taken, requests under way have `GRACE_SECONDS`."""
        self.should_exit = True


def open_socket(host: str, port: int, path: str, *, setting: str) -> socket.socket:
    """Listen on `host` ("" = everywhere, both families) and `port`, or on a unix socket at `path`.

    ConfigError, naming the setting, when that is not possible.
    """
    try:
        return _open_unix(path) if path else _open_tcp(host, port)
    except OSError as error:
        where = path or f"{host or '*'}:{port}"
        raise ConfigError(f"{setting}: cannot listen on {where}: {error.strerror or error}") from error


def name_socket(listening: socket.socket) -> str:
    """Where a socket listens, with the port it really got."""
    if listening.family == socket.AF_UNIX:
        return f"unix:{listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _open_tcp(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # IPv6 may be built in and switched off
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _open_unix(path: str) -> socket.socket:
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        # Who may reach it is decided by the folder it stands in; a proxy runs as another user.
        os.chmod(path, 0o660)  # noqa: PTH101 -- a path of text from the configuration
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _remove_stale(path: str) -> None:
    """Remove the socket of a process that is gone; one that answers is left alone, and binding then fails."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 -- as above
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108 -- as above
