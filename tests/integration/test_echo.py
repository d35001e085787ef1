"""The app that stands for all apps leaves nothing behind, or each failing test would fail with noise."""

import asyncio

from tests.integration.echo import EchoApp

QUIET = b""
HALF = b"GET / HTT"
WEBSOCKET = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"


def test_stopping_ends_every_connection_in_order() -> None:
    """One that says nothing, one in the middle of a request, one that talks on; nothing is left to be cancelled."""
    faults: list[str] = []

    async def visit() -> set[asyncio.Task[None]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault["message"]))
        app = EchoApp()
        await app.start()
        visitors = []
        for sent in (QUIET, HALF, WEBSOCKET):
            reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
            visitors.append(writer)
            writer.write(sent)
        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 101 Switching Protocols\r\n"
        await app.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for writer in visitors:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in visitors), return_exceptions=True)
        return left

    assert asyncio.run(visit()) == set()
    assert faults == []
