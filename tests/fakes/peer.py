"""A server on loopback that answers byte for byte what a test tells it to, or does not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(slots=True)
class Peer:
    """What came in."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The names that were asked for in TLS."""

    @property
    def heads(self) -> list[dict[str, str]]:
        """The headers of each request, by lower-case name."""
        return [
            dict(line.lower().split(": ", 1) for line in request.decode().partition("\r\n\r\n")[0].split("\r\n")[1:])
            for request in self.requests
        ]


@asynccontextmanager
async def listening(answer: Answer = OK, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Listen on 127.0.0.1 until the end of the block, on a port of the system's choice."""
    peer, talking = Peer(), set[asyncio.Task[None]]()
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: peer.names.append(name)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        peer.connections += 1
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            head = request.lower()
            if b"content-length:" in head:
                request += await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            peer.requests.append(request)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side hung up, which is what most of these tests are about; or the test is over
        finally:
            writer.close()
            talking.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(talking):
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await server.wait_closed()
