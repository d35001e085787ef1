"""The fast lane: uvicorn's HTTP protocol, with checks answered where their last byte is parsed.

Everything a check needs is in memory or one inline read away, so the answer needs no task, no scope and no event. What
comes between two requests gets a first glance, which repeats what was allowed before (`glance`); the rest is parsed
here. What is no check is passed on to the application as if this class were not there. The parser, pipelining and
shutdown stay uvicorn's; added are the guards it lacks: limits on the size of headers and against trailers, and time
limits for idle connections, slow headers, slow bodies and peers that do not read, which cost no timer per request.

Both lanes give the same bytes for any request: tests/property/test_lanes.py.
"""

import asyncio
import logging
from typing import Any, Final

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from doorward.web.gate.answer import to_wire
from doorward.web.gate.asgi_lane import HTTP_VERSIONS, RAW_TARGET, no_http, no_such_check
from doorward.web.gate.dialect import Dialect
from doorward.web.gate.endpoint import CHECK_PREFIXES, Gate, find_dialect
from doorward.web.gate.glance import MAX_HEADER_BYTES, MAX_HEADERS, Glance

REQUEST_TIMEOUT: Final = 30.0
"""Seconds a request may take from its first byte to its last."""
HEADER_TIMEOUT: Final = 15.0
"""Seconds a connection may take to send a whole request head, and a stranger's may stay open between requests."""
IDLE_TIMEOUT: Final = 150.0
"""Seconds a proxy's connection may stay open between requests. Longer than proxies keep theirs (Traefik 90, Caddy 120),
so that it is they who hang up: a connection closed while a question is on its way would be a visitor's error page."""
MAX_WAITING: Final = 16
"""Requests on one connection that may wait for earlier answers: each costs a hundred times the bytes it came in."""


_NOW: Final = -1.0
"""Instead of an instant: later than the last look at the clock, which a glance does not need."""


class FastLane(HttpToolsProtocol):
    """One connection. `gate` and `glance` are set by `bind`, which makes the class uvicorn is given."""

    gate: Gate
    glance: Glance

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._dialect: Dialect | None = None
        self._rest = b""
        self._is_check = False
        self._refused = False
        self._unparsed = 0
        self._in_head = True
        self._in_request = False
        self._at_rest = False
        """Whether a glance may answer: the peer is trusted, no request has begun and none is being answered."""
        self._is_trusted = False
        self._glance = self.glance.answer
        self._peer = ""
        self._idle_since = self._request_since = 0.0
        self._paused_since: float | None = None
        self._is_ending = False
        self._idle_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, and begin to watch its silence."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        self._at_rest = self._is_trusted = self.gate.trust.trusts(self._peer)
        self._idle_since = self.loop.time()
        self._idle_timer = self.loop.call_later(HEADER_TIMEOUT, self._on_idle)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Answer or parse what came, unless the head has grown beyond all reason (P05)."""
        if self._at_rest:
            wire = self._glance(data, self._peer)
            if wire is not None:
                self.transport.write(wire)
                self._idle_since = _NOW
                return
        if self._refused:
            return
        if self._in_head:
            self._unparsed += len(data)
            if self._unparsed > MAX_HEADER_BYTES and self._head_is_too_large(data):
                self._refuse(431)
                return
        super().data_received(data)
        self._settle()

    @override
    def resume_writing(self) -> None:
        """Go on after the peer has read what was written."""
        super().resume_writing()
        self._paused_since = None
        self._settle()

    @override
    def pause_writing(self) -> None:
        """Answer no more while the peer does not read."""
        super().pause_writing()
        self._paused_since = self.loop.time()
        self._at_rest = False

    @override
    def on_message_begin(self) -> None:
        """Begin a request. The scope is made only where the request is passed on."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = self._in_request = True
        self._request_since = self.loop.time()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What stands behind a body (a trailer) is none, and there may be any number of them (P05)."""
        if self._in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        """Recognise a check, or pass the request on."""
        self._in_head = False
        self._unparsed = 0
        self._is_check = False
        parser: Any = self.parser  # uvicorn declares what it lets go of with the connection as None, too
        if parser.get_http_version() not in HTTP_VERSIONS:
            self._refuse(400)
        if len(self.headers) > MAX_HEADERS:
            self._refuse(431)
        if self._refused:
            return
        url = self.url
        if (
            url.startswith(CHECK_PREFIXES)
            and not self._is_busy()
            and not self.pipeline
            and not self.expect_100_continue
            and not self.flow.write_paused
        ):
            found = find_dialect(url)
            self._dialect, self._rest = found if found is not None else (None, b"")
            # What has to be awaited is not for this lane.
            self._is_check = self._dialect is None or not self.gate.find_unverified(
                self._dialect, parser.get_method(), self._rest, self.headers, self._peer
            )
            if self._is_check:
                return
        if len(self.pipeline) >= MAX_WAITING:
            self._refused = True
            self.transport.abort()
            return
        headers, expect = self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        self.scope[RAW_TARGET] = url  # type: ignore[literal-required]
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        """A check's body means nothing and is not kept (P03)."""
        if not self._is_check and not self._refused:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """Answer a check."""
        self._in_head = True
        self._in_request = False
        if self._refused:
            return
        if not self._is_check:
            super().on_message_complete()
            return
        parser: Any = self.parser  # as above
        method: bytes = parser.get_method()
        if self._dialect is None:
            answer = no_such_check(self.gate)
        else:
            answer = self.gate.answer(self._dialect, method, self._rest, self.headers, self._peer)
        close = (
            parser.get_http_version() == "1.0"
            or not parser.should_keep_alive()
            or answer.head.endswith(b"connection: close\r\n")
        )
        self.transport.write(to_wire(answer, head_only=method == b"HEAD", close=close))
        self._idle_since = self.loop.time()
        if close:
            self._refused = True
            self.transport.close()

    @override
    def on_response_complete(self) -> None:
        """Note the end of a request that was passed on."""
        self._idle_since = self.loop.time()
        super().on_response_complete()
        # Idle connections are watched here; uvicorn's timer would not know of checks answered meanwhile.
        self._unset_keepalive_if_required()
        self._settle()

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. It may be a visitor's, passed on by a proxy, so it looks like any refusal (K14)."""
        self._refuse(400)

    @override
    def _unsupported_upgrade_warning(self) -> None:
        # Visitors of protected apps open websockets all day; that a check tells of one is no news.
        pass

    def _settle(self) -> None:
        self._at_rest = (
            self._is_trusted
            and not self._in_request
            and not self._refused
            and not self._is_busy()
            and not self.pipeline
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _is_busy(self) -> bool:
        # uvicorn declares the cycle as always there; before the first request that was passed on, it is not.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _head_is_too_large(self, data: bytes) -> bool:
        # What follows the end of the head in the same read is a body, or further requests.
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._unparsed - len(data) + end > MAX_HEADER_BYTES

    def _refuse(self, status: int) -> None:
        if self._refused:
            return
        self._refused = True
        self.transport.write(to_wire(no_http(self.gate, status), head_only=False, close=True))
        self.transport.close()

    def _on_idle(self) -> None:
        self._idle_timer = None
        if self._is_ending:  # and still here: the peer does not read
            self.transport.abort()
            return
        now = self.loop.time()
        if self._idle_since == _NOW:
            self._idle_since = now
        left = 0.0 if self.transport.is_closing() else self._find_left(now)
        if left <= 0:
            self._is_ending = True
            self.transport.close()
            left = HEADER_TIMEOUT
        # Looked at again soon: a request that begins meanwhile is waited for less long than a rest.
        self._idle_timer = self.loop.call_later(min(left, HEADER_TIMEOUT), self._on_idle)

    def _find_left(self, now: float) -> float:
        if self._paused_since is not None:
            return self._paused_since + HEADER_TIMEOUT - now
        if not self._is_busy():
            if self._in_request:
                return self._request_since + HEADER_TIMEOUT - now
            return self._idle_since + (IDLE_TIMEOUT if self._is_trusted else HEADER_TIMEOUT) - now
        # A body that never ends keeps a request under way for ever; an answer takes as long as it takes.
        return self._request_since + REQUEST_TIMEOUT - now if self._in_request else HEADER_TIMEOUT


def bind(gate: Gate) -> type[FastLane]:
    """The protocol class for `uvicorn.Config(http=…)`, tied to this gate."""
    # Requests are told to the log by the gate and the pages themselves, with queries redacted; uvicorn's own lines are
    # not wanted, and "Invalid HTTP request" is a stranger's doing, not a fault: any number of lines, at will (P15).
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return type("BoundFastLane", (FastLane,), {"gate": gate, "glance": Glance(gate)})
