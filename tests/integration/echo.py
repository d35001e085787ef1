"""The protected app: records exactly what reached it, byte for byte, and says so in its answer."""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it reached the app; names in lower case, values as sent, duplicates kept."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def like(self, name: str) -> list[str]:
        """Every value of a header in any spelling that CGI, WSGI or PHP would read as it."""
        return [value for key, value in self.headers if key.replace("_", "-").replace(".", "-") == name.lower()]


class EchoApp:
    """Serves HTTP/1.1 and websocket echo. `arrivals` is everything that ever got through."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and hang up."""
        if self._server is not None:
            self._server.close()
        # Not cancelled: a loop that ends would report each of them as a fault.
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        task.add_done_callback(self._open.pop)
        await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (arrival := await _read(reader)) is not None:
                self.arrivals.append(arrival)
                if "websocket" in arrival.all("upgrade"):
                    await _echo_frames(arrival, reader, writer)
                    return
                writer.write(_answer(arrival))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Arrival | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple((name.lower(), value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))
    fields = dict(headers)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Arrival(method, target, headers, body)


def _answer(arrival: Arrival) -> bytes:
    content = json.dumps(
        {"method": arrival.method, "target": arrival.target, "headers": arrival.headers, "body": arrival.body.hex()}
    ).encode()
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        "X-Echo: app\r\n"
        "Access-Control-Allow-Origin: https://app.example.com\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + (b"" if arrival.method == "HEAD" else content)


async def _echo_frames(arrival: Arrival, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    key = arrival.all("sec-websocket-key")[0].encode()
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID, usedforsecurity=False).digest()).decode()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    while True:
        first, second = await reader.readexactly(2)
        size, mask = second & 0x7F, await reader.readexactly(4)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(await reader.readexactly(size)))
        writer.write(bytes([first, size]) + payload)
        await writer.drain()
        if first & 0x0F == 8:
            return
