"""The line between the proxies and the gate: passes bytes on, and can be cut or held.

With it, "the gate is down" and "the gate is slow" are states a test sets, not accidents it waits for.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from tests.integration.background import Background


class State(Enum):
    """What the line does with a connection."""

    THROUGH = "through"
    HELD = "held"
    """Connections are accepted and read, and nothing ever comes back."""
    SAYING = "saying"
    """Every question gets the same bytes, and the end."""


class Line:
    """A TCP relay on one port."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._state = State.THROUGH
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._held = asyncio.Event()
        self._saying = b""
        self.port = 0
        self.behind = 0
        """The gate's port."""

    def start(self) -> None:
        """Listen on a free port."""
        self._background.run(self._listen())

    def stop(self) -> None:
        """Listen no more and drop every connection."""
        self._background.run(self._close())

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nobody listens, as when the gate is down."""
        self._background.run(self._close())
        try:
            yield
        finally:
            self._background.run(self._listen())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Questions are taken and not answered, as when the gate hangs."""
        self._background.run(self._become(State.HELD))
        try:
            yield
        finally:
            self._background.run(self._become(State.THROUGH))

    @contextmanager
    def leads_to(self, port: int) -> Iterator[None]:
        """Something else stands where the gate would."""
        gate, self.behind = self.behind, port
        self._background.run(self._drop())
        try:
            yield
        finally:
            self.behind = gate
            self._background.run(self._drop())

    @contextmanager
    def says(self, raw: bytes) -> Iterator[None]:
        """Something that is not the gate answers, with these bytes."""
        self._saying = raw
        self._background.run(self._become(State.SAYING))
        try:
            yield
        finally:
            self._background.run(self._become(State.THROUGH))

    def wait_for_question(self) -> None:
        """Wait until a held line has received something. TimeoutError when nothing comes."""
        self._background.run(self._wait_for_question())

    def hang_up(self) -> None:
        """Drop the connections that are being held, without an answer."""
        self._background.run(self._drop())

    async def _wait_for_question(self) -> None:
        await asyncio.wait_for(self._held.wait(), 30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()

    async def _become(self, state: State) -> None:
        self._held.clear()
        self._state = state
        await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._state is State.HELD:
                while await reader.read(65536):
                    self._held.set()
                return
            if self._state is State.SAYING:
                await reader.read(65536)
                writer.write(self._saying)
                await writer.drain()
                return
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.behind)
            self._writers.add(inner_writer)
            try:
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
            finally:
                self._writers.discard(inner_writer)
                inner_writer.close()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
