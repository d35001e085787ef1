"""The one ASGI application: the gate first, everything else after.

Order: check endpoints by raw prefix, before any router; sizes of what came; health; the Host header, which must be
ours; then static files, the API, and the pages from one table. Every answer but the gate's own leaves through
`SecureHeaders`. Nothing under the check prefixes is answered by anything but the gate, so nothing there is 2xx by
accident (C12).
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doorward.errors import DoorwardError, InputError
from doorward.interfaces import Clock, Log, Random
from doorward.rules.backup import MAX_SIZE
from doorward.rules.request import parse_host
from doorward.web.errors import Refusal, status_of, wants_page
from doorward.web.form import read_form
from doorward.web.gate.asgi_lane import HTTP_VERSIONS, RAW_TARGET
from doorward.web.gate.endpoint import CHECK_PREFIXES
from doorward.web.headers import HeaderPolicy, RawHeaders, SecureHeaders, complete
from doorward.web.health import Health
from doorward.web.pages.assets import Assets
from doorward.web.pages.errors import ErrorPages
from doorward.web.pages.threshold import Threshold
from doorward.web.refused import RefusedRequests
from doorward.web.route import Route, Routes, find_route
from doorward.web.visit import Reader, read_language

MAX_HEADERS = 128
MAX_HEADER_BYTES = 32 * 1024
_UPLOAD: Final = "/api/v1/backups/upload"
_CORRELATION_SIZE = 6
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_MAX_LOGGED = 200
_IN_QUERY = "%&=+;:@/?!$'()*,~-._"


@dataclass(frozen=True, slots=True)
class Server:
    """The application. `gate` and `api` are ASGI applications; `routes` maps the path of each page.

    What lies under `/api` is the API's, but for pages that stand there by their exact path.

    `max_body`: the bytes that a form, or a request to the API, may have. `https_only`: whoever came by plain http is
    sent to `public_url`; health is asked for from within, and the gate answers for the apps.
    """

    gate: ASGIApp
    api: ASGIApp
    routes: Routes
    threshold: Threshold
    assets: Assets
    errors: ErrorPages
    reader: Reader
    health: Health
    headers: HeaderPolicy
    public_url: str
    clock: Clock
    random: Random
    log: Log
    max_body: int = 64 * 1024
    https_only: bool = False
    _inner: ASGIApp = field(init=False)
    _refused: RefusedRequests = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_refused", RefusedRequests(self.log, self.clock))
        object.__setattr__(self, "_inner", SecureHeaders(self._guarded, self.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] == "http":
            if is_check(scope):
                await self.gate(scope, receive, send)
            else:
                await self._inner(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:  # a websocket: nothing of ours speaks it, and a check of one arrives as plain HTTP
            await send({"type": "websocket.close", "code": 1000})

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            if scope["method"] == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        correlation_id = self.random.token(_CORRELATION_SIZE).hex()
        # The API's own answers carry the same reference as its log lines.
        scope["doorward.correlation_id"] = correlation_id
        try:
            await self._route(scope, receive, watched, correlation_id)
        except Exception as error:
            if started:
                # Half an answer is out: the connection must break, or the rest would pass for a whole one.
                raise
            await self._answer_error(error, scope, receive, watched, correlation_id)

    async def _route(self, scope: Scope, receive: Receive, send: Send, correlation_id: str) -> None:
        headers: RawHeaders = list(scope["headers"])
        check_sizes(headers)
        check_line(scope)
        path: str = scope["path"]
        if path in {"/healthz", "/readyz"}:
            await (await self._answer_health(path, scope["method"]))(scope, receive, send)
            return
        if self.https_only and self.reader.scheme_of(scope) == "http":
            await _move(self.public_url, scope)(scope, receive, send)
            return
        self._check_host(headers)
        if path.startswith("/static/"):
            await self._answer_asset(path, scope, headers)(scope, receive, send)
        elif self._is_api(path):
            await self.api(scope, limited(headers, receive, self._most_of(scope, path)), send)
        else:
            response = await self._answer_page(path, scope, receive, correlation_id)
            await response(scope, receive, send)

    def _most_of(self, scope: Scope, path: str) -> int:
        """How much a request to the API may bring. One takes a whole file, and reads none of it before who asks."""
        return MAX_SIZE if path == _UPLOAD and scope["method"] == "POST" else self.max_body

    async def _answer_page(self, path: str, scope: Scope, receive: Receive, correlation_id: str) -> Response:
        found = find_route(self.routes, path)
        if found is None:
            raise Refusal(404)
        route, tail = found
        method = scope["method"]
        if method == "OPTIONS":
            return _carry(route, Response(status_code=204, headers={"allow": route.methods}))
        visit = await self.reader.read(scope, now=self.clock.now(), correlation_id=correlation_id)
        visit.tail = tail
        if method in {"GET", "HEAD"} and route.get is not None:
            response = self.threshold.stop(route, visit) or await route.get(visit)
        elif method == "POST" and route.post is not None:
            # Nothing of a form is read that somebody may not send.
            response = self.threshold.stop(route, visit) or await route.post(
                visit, await read_form(visit.headers, receive, limit=self.max_body)
            )
        else:
            raise Refusal(405, headers=[(b"allow", route.methods.encode("ascii"))])
        return _carry(route, response)

    def _is_api(self, path: str) -> bool:
        return path == "/api" or (path.startswith("/api/") and path not in self.routes)

    def _answer_asset(self, path: str, scope: Scope, headers: RawHeaders) -> Response:
        # The raw path must be the plain one: an escaped spelling of a file's address is no address of it.
        raw = scope.get("raw_path")
        asset = self.assets.find(path) if raw is None or raw == path.encode("utf-8") else None
        if asset is None:
            raise Refusal(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise Refusal(405, headers=[(b"allow", b"GET, HEAD")])
        etag = next(value for name, value in asset.headers if name == b"etag")
        fresh = any(name == b"if-none-match" and etag in value for name, value in headers)
        response = Response(status_code=304) if fresh else Response(asset.content)
        response.raw_headers[:] = [
            (name, value) for name, value in asset.headers if not (fresh and name == b"content-length")
        ]
        return response

    async def _answer_health(self, path: str, method: str) -> Response:
        if method not in {"GET", "HEAD"}:
            raise Refusal(405, headers=[(b"allow", b"GET, HEAD")])
        trouble = await self.health.find_trouble() if path == "/readyz" else ""
        return Response(f"{trouble or 'ok'}\n", 503 if trouble else 200, media_type="text/plain")

    def _check_host(self, headers: RawHeaders) -> None:
        values = [value for name, value in headers if name == b"host"]
        if len(values) != 1:
            raise InputError("there must be one Host header")
        try:
            host, port = parse_host(values[0].decode("ascii"))
        except UnicodeDecodeError:
            raise InputError("the host is malformed") from None
        home = urlsplit(self.public_url)
        own_host, own_port = parse_host(home.netloc)
        standard = _DEFAULT_PORTS[home.scheme]
        # SECURITY: another name for us would be another origin with our forms on it (B19, L15);
        # tests/unit/test_server.py would fail.
        if host != own_host or (port or standard) != (own_port or standard):
            raise Refusal(421, detail=f"asked for {host}, which is not us: have the proxy pass the Host header on")

    async def _answer_error(
        self, error: Exception, scope: Scope, receive: Receive, send: Send, correlation_id: str
    ) -> None:
        status = status_of(error)
        self._note(error, status, scope, correlation_id)
        headers: RawHeaders = list(scope["headers"])
        response = self.errors.respond(
            error,
            navigates=not self._is_api(scope["path"]) and wants_page(lambda name: _first(headers, name)),
            correlation_id=correlation_id,
            now=self.clock.now(),
            language=read_language(headers),
        )
        if isinstance(error, Refusal) and status == 413:  # noqa: PLR2004 -- the rest of the body is not read
            response.raw_headers.append((b"connection", b"close"))
        found = find_route(self.routes, scope["path"])
        if found is not None:
            _carry(found[0], response)
        await response(scope, receive, send)

    def _note(self, error: Exception, status: int, scope: Scope, correlation_id: str) -> None:
        # What nobody foresaw may carry anything in its message; its kind and place are enough to find it.
        known = isinstance(error, DoorwardError | Refusal)
        self._refused.note(
            status,
            method=scope["method"][:_MAX_LOGGED],
            path=scope["path"][:_MAX_LOGGED],
            error=type(error).__name__,
            detail=str(error)[:_MAX_LOGGED] if known else _place_of(error),
            correlation_id=correlation_id,
        )


def is_check(scope: Scope) -> bool:
    """Whether a request is the gate's, by its path as sent or as decoded."""
    raw: bytes = scope.get("raw_path") or b""
    decoded = scope["path"].encode("utf-8", "surrogateescape")
    return raw.startswith(CHECK_PREFIXES) or decoded.startswith(CHECK_PREFIXES)


def check_line(scope: Scope) -> None:
    """Refuse a request line that no browser or proxy sends us, though a parser makes something of it (P02).

    An absolute address would be a second word on the host; a fragment is not the server's business.
    """
    target: bytes = scope.get(RAW_TARGET, b"/")
    version: str = scope.get("http_version", "1.1")
    if version not in HTTP_VERSIONS or not target.startswith(b"/") or b"#" in target:
        raise InputError("the request line is malformed")


def check_sizes(headers: RawHeaders) -> None:
    """Refuse what no browser of ours sends (attacks J10, P05)."""
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise Refusal(431)


def limited(headers: RawHeaders, receive: Receive, limit: int) -> Receive:
    """`receive` that gives no more than `limit` bytes of body. A length told beforehand is refused unread."""
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or len(value) > len(str(limit)) or int(value) > limit):
            raise Refusal(413)
    left = limit

    async def receive_some() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise Refusal(413)
        return message

    return receive_some


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _move(public_url: str, scope: Scope) -> Response:
    """The same address by https; a form is sent again as it was."""
    # SECURITY: whom they asked for is not heard, or a Host of somebody's choice would lead them anywhere (T-20).
    # tests/unit/test_https.py would fail.
    query = scope["query_string"].decode("latin-1")
    target = quote(scope["path"]) + (f"?{quote(query, safe=_IN_QUERY)}" if query else "")
    response = Response(status_code=308)
    response.raw_headers.append((b"location", f"{public_url}{target}".encode("ascii")))
    return response


def _carry(route: Route, response: Response) -> Response:
    response.raw_headers[:] = complete(response.raw_headers, route.headers)
    return response


def _first(headers: RawHeaders, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _place_of(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else ""
