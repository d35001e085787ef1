"""What one connection may cost: bytes and seconds, on the main listener and on that of the metrics (P05)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from doorward.rules.policy import Audience, Effect, Policy, Rule, parse_host_pattern
from doorward.web.gate.fast_lane import HEADER_TIMEOUT, IDLE_TIMEOUT, MAX_WAITING, REQUEST_TIMEOUT, bind
from doorward.web.gate.glance import MAX_HEADERS
from doorward.web.serving import MAX_ASKED, BriefProtocol
from tests.fakes.gate import PROXY, STRANGER, World, ask, make_user
from tests.fakes.line import FakeTransport

HEAD = b"POST /login HTTP/1.1\r\nhost: auth.example.test\r\n"


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    skipped = 0.0

    @override
    def time(self) -> float:
        return super().time() + self.skipped

    async def skip(self, seconds: float) -> None:
        self.skipped += seconds
        for _ in range(5):
            await asyncio.sleep(0)


class Told:
    """An application that reads the whole body and remembers what it was told."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.events: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        self.headers = scope["headers"]
        more = True
        while more:
            message = await receive()
            self.events.append(message["type"])
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Connection:
    def __init__(self, loop: Loop, protocol_class: type[HttpToolsProtocol], peer: str = STRANGER) -> None:
        self.loop = loop
        self.told = Told()
        config = Config(
            self.told, http=protocol_class, ws="none", lifespan="off", log_config=None, timeout_keep_alive=120
        )
        config.load()
        self.protocol = protocol_class(config, ServerState(), {}, loop)
        self.transport = FakeTransport(peer)
        self.protocol.connection_made(self.transport)

    async def send(self, data: bytes) -> None:
        self.protocol.data_received(data)
        await self.loop.skip(0)

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()


def run(
    act: Callable[[Connection], Awaitable[None]], protocol_class: type[HttpToolsProtocol], peer: str = STRANGER
) -> None:
    loop = Loop()

    async def connect() -> None:
        connection = Connection(loop, protocol_class, peer)
        try:
            await act(connection)
        finally:
            # Whoever still waits for a peer to read is let go, or a failure would not end.
            connection.protocol.resume_writing()
            connection.protocol.connection_lost(None)
            await loop.skip(0)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(connect())


@pytest.fixture
def lane() -> type[HttpToolsProtocol]:
    return bind(World(Policy([])).make_gate())


def test_what_stands_behind_a_body_is_no_header(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        await connection.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        await connection.send(b"1\r\nx\r\n0\r\n" + b"cookie: doorward=stolen\r\n" * (2 * MAX_HEADERS))
        await connection.send(b"\r\n")
        assert [name for name, _ in connection.told.headers] == [b"host", b"transfer-encoding"]
        assert connection.transport.written.startswith(b"HTTP/1.1 200")
        await connection.send(HEAD + b"x-later: 1\r\ncontent-length: 0\r\n\r\n")
        assert (b"x-later", b"1") in connection.told.headers

    run(act, lane)


def test_a_body_that_does_not_end_is_given_up(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        await connection.send(HEAD + b"content-length: 100\r\n\r\n")
        for _ in range(int(REQUEST_TIMEOUT) - 1):
            await connection.loop.skip(1)
            await connection.send(b"x")
        assert connection.is_open
        await connection.loop.skip(HEADER_TIMEOUT)
        assert not connection.is_open

    run(act, lane)


def test_an_answer_that_takes_long_is_waited_for(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        answer = asyncio.Event()

        async def think(_scope, _receive, send) -> None:
            await answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        connection.protocol.app = think
        await connection.send(HEAD + b"content-length: 0\r\n\r\n")
        for _ in range(10):
            await connection.loop.skip(HEADER_TIMEOUT)
        assert connection.is_open
        answer.set()
        await connection.loop.skip(0)
        assert connection.transport.written.startswith(b"HTTP/1.1 200")
        await connection.loop.skip(HEADER_TIMEOUT)
        assert not connection.is_open

    run(act, lane)


def test_a_peer_that_does_not_read_is_let_go(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        connection.protocol.pause_writing()
        await connection.send(HEAD + b"content-length: 0\r\n\r\n")
        await connection.loop.skip(HEADER_TIMEOUT - 1)
        connection.protocol.resume_writing()
        await connection.loop.skip(HEADER_TIMEOUT - 1)
        assert connection.transport.written.startswith(b"HTTP/1.1 200")
        assert connection.is_open
        connection.protocol.pause_writing()
        await connection.send(HEAD + b"content-length: 0\r\n\r\n")
        await connection.loop.skip(2 * HEADER_TIMEOUT)
        assert not connection.is_open
        assert not connection.transport.aborted
        await connection.loop.skip(HEADER_TIMEOUT)
        assert connection.transport.aborted

    run(act, lane)


def test_few_requests_wait_for_earlier_answers(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        request = HEAD + b"content-length: 0\r\n\r\n"
        await connection.send(request * MAX_WAITING)
        for _ in range(MAX_WAITING):
            await connection.loop.skip(0)
        assert connection.transport.written.count(b"HTTP/1.1 200") == MAX_WAITING
        await connection.send(request * (MAX_WAITING + 2))
        assert connection.transport.aborted

    run(act, lane)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost:"])
def test_silence_and_half_a_head_are_not_waited_for(lane: type[HttpToolsProtocol], sent: bytes) -> None:
    async def act(connection: Connection) -> None:
        if sent:
            await connection.send(sent)
        await connection.loop.skip(HEADER_TIMEOUT - 1)
        assert connection.is_open
        await connection.loop.skip(2)
        assert not connection.is_open

    run(act, lane)


def test_a_proxy_may_rest_longer_than_it_keeps_its_connections_itself(lane: type[HttpToolsProtocol]) -> None:
    """A connection closed while a question is on its way would be an error page for a visitor."""

    async def act(connection: Connection) -> None:
        assert IDLE_TIMEOUT > 120
        for _ in range(3):
            for _ in range(8):
                await connection.loop.skip(HEADER_TIMEOUT)
            assert connection.is_open
            await connection.send(b"GET /api/authz/nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.transport.written.startswith(b"HTTP/1.1 404")
        for _ in range(11):
            await connection.loop.skip(HEADER_TIMEOUT)
        assert not connection.is_open

    run(act, lane, PROXY)


def test_even_a_proxy_is_not_waited_for_in_the_middle_of_a_head(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        for _ in range(8):
            await connection.loop.skip(HEADER_TIMEOUT)
        await connection.send(b"GET /api/authz/nowhere HTTP/1.1\r\nhost:")
        await connection.loop.skip(HEADER_TIMEOUT - 1)
        assert connection.is_open
        for _ in range(2):
            await connection.loop.skip(HEADER_TIMEOUT)
        assert not connection.is_open

    run(act, lane, PROXY)


def test_a_head_without_end_is_refused(lane: type[HttpToolsProtocol]) -> None:
    async def act(connection: Connection) -> None:
        await connection.send(b"GET / HTTP/1.1\r\n")
        for _ in range(20):
            if connection.is_open:
                await connection.send(b"a:b\r\n" * 1000)
        assert not connection.is_open
        assert connection.transport.written.startswith(b"HTTP/1.1 431")

    run(act, lane)


def test_what_is_no_http_writes_no_line(lane: type[HttpToolsProtocol], caplog: pytest.LogCaptureFixture) -> None:
    """P15: whoever can connect could fill the log."""

    async def act(connection: Connection) -> None:
        await connection.send(b"hello\r\n\r\n")
        assert not connection.is_open
        assert connection.transport.written.startswith(b"HTTP/1.1 400")

    run(act, lane)
    assert caplog.records == []


def test_a_websocket_that_nobody_here_speaks_writes_no_line(
    lane: type[HttpToolsProtocol], caplog: pytest.LogCaptureFixture
) -> None:
    async def act(connection: Connection) -> None:
        await connection.send(HEAD + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n")

    run(act, lane)
    assert caplog.records == []


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /metrics HTTP/1.1\r\n",
        b"POST /metrics HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_metrics_are_asked_for_in_few_bytes(begin: bytes) -> None:
    async def act(connection: Connection) -> None:
        await connection.send(begin)
        sent = 0
        while connection.is_open:
            assert sent <= MAX_ASKED
            await connection.send(b"a:b\r\n" * 100)
            sent += 500

    run(act, BriefProtocol)


def test_metrics_are_asked_for_soon_and_again() -> None:
    async def act(connection: Connection) -> None:
        for number in range(1, 200):
            connection.transport.written = b""
            await connection.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\nx-filler: %b\r\n\r\n" % (b"x" * 1000))
            assert connection.transport.written.startswith(b"HTTP/1.1 200"), number
            await connection.loop.skip(60)
        await connection.send(b"GET /metrics HTTP/1.1\r\n")
        await connection.loop.skip(120)
        assert not connection.is_open

    run(act, BriefProtocol)


def test_too_many_headers_are_refused_once(lane: type[HttpToolsProtocol]) -> None:
    """P05: whatever follows on the connection is not looked at."""

    async def act(connection: Connection) -> None:
        crowd = (
            HEAD + b"".join(b"x-%d: 1\r\n" % number for number in range(MAX_HEADERS + 1)) + b"content-length: 0\r\n\r\n"
        )
        await connection.send(crowd + crowd)
        assert not connection.is_open
        assert connection.transport.written.count(b"HTTP/1.1 431") == 1
        written = connection.transport.written
        await connection.send(crowd)
        assert connection.transport.written == written
        assert connection.told.events == []

    run(act, lane)


def test_a_connection_that_only_repeats_what_is_allowed_is_alive() -> None:
    """A glance looks at no clock; the watch of idle connections must not take that for silence."""
    host = parse_host_pattern("app.example.test")
    assert host is not None
    world = World(Policy([Rule("app", Effect.ALLOW, (host,), audience=Audience.ANY_USER)]))
    cookie = world.sign_in(make_user("alice"))
    lines = [*ask("app.example.test"), (b"cookie", f"doorward={cookie}".encode())]
    question = b"GET /api/auth/forwardauth HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n"

    async def act(connection: Connection) -> None:
        for _ in range(40):
            connection.transport.written = b""
            await connection.send(question)
            assert connection.transport.written.startswith(b"HTTP/1.1 200")
            await connection.loop.skip(HEADER_TIMEOUT)
            assert connection.is_open
        for _ in range(12):
            await connection.loop.skip(HEADER_TIMEOUT)
        assert not connection.is_open

    run(act, bind(world.make_gate()), PROXY)
