"""One HTTP connection without a network: bytes in, bytes out, through uvicorn's protocol or our fast lane."""

import asyncio
from collections.abc import Sequence
from typing import Any

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from doorward.web.gate.asgi_lane import RAW_TARGET, GateEndpoint
from doorward.web.gate.endpoint import Gate
from doorward.web.gate.fast_lane import bind


class FakeTransport(asyncio.Transport):
    """Keeps what is written until it is closed."""

    def __init__(self, peer: str) -> None:
        super().__init__()
        self.written = b""
        self._peer = peer
        self._closing = False
        self.aborted = False

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self._peer, 40000), "sockname": ("127.0.0.1", 8080)}.get(name, default)

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self.written += bytes(data)

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def close(self) -> None:
        self._closing = True

    @override
    def abort(self) -> None:
        self._closing = self.aborted = True

    @override
    def pause_reading(self) -> None:
        """Flow control is the network's."""

    @override
    def resume_reading(self) -> None:
        """Flow control is the network's."""


class AsgiLane(HttpToolsProtocol):
    """uvicorn as it is, but for the raw target, which the fast lane tells the application too."""

    @override
    def on_headers_complete(self) -> None:
        self.scope[RAW_TARGET] = self.url  # type: ignore[literal-required]
        super().on_headers_complete()

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Not the subject here."""


async def exchange(gate: Gate, chunks: Sequence[bytes], *, fast: bool, peer: str) -> tuple[bytes, bool]:
    """Send the chunks on one new connection; what came back, and whether it was closed."""
    protocol_class = bind(gate) if fast else AsgiLane
    config = Config(
        GateEndpoint(gate),  # type: ignore[arg-type]
        http=protocol_class,
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
    )
    config.load()
    protocol = protocol_class(config, ServerState(), {}, asyncio.get_running_loop())
    transport = FakeTransport(peer)
    protocol.connection_made(transport)
    for chunk in chunks:
        if transport.is_closing():
            break
        protocol.data_received(chunk)
        for _ in range(20):
            await asyncio.sleep(0)
    closed = transport.is_closing()
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    return transport.written, closed
