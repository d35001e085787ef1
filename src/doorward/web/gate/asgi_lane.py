"""The check over plain ASGI: what servers without the fast lane use, and what the fast lane passes on."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from doorward.rules.reason import Reason
from doorward.web.gate.answer import Answer, header_block, split_block
from doorward.web.gate.dialect import Dialect
from doorward.web.gate.endpoint import Gate, find_dialect
from doorward.web.gate.refuse import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RAW_TARGET = "doorward.target"
"""Scope key under which the fast lane leaves the request target as it stood on the wire."""

HTTP_VERSIONS = frozenset({"1.0", "1.1"})
"""What is spoken here. Parsers let 0.9 and 2.0 pass in clear text; whoever sends that means something else (P02)."""


class GateEndpoint:
    """Everything under the gate's prefixes. What is no check there is 404: nothing answers 2xx by accident."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- bodies are not read
        """Answer one check."""
        answer = await self._answer(scope)
        await send({"type": "http.response.start", "status": answer.status, "headers": split_block(answer.head)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope) -> Answer:
        if scope.get("http_version", "1.1") not in HTTP_VERSIONS:
            return no_http(self._gate, HTTPStatus.BAD_REQUEST)
        found = find_dialect(read_target(scope))
        if found is None:
            return no_such_check(self._gate)
        dialect, rest = found
        client = scope.get("client")
        peer = client[0] if client else ""
        method = scope["method"].encode("latin-1")
        for waiting in self._gate.find_unverified(dialect, method, rest, scope["headers"], peer):
            try:
                await self._gate.keys.prove(waiting)
            except Exception:  # noqa: BLE001 -- whatever happens, the answer is a refusal
                return unavailable(self._gate, dialect)
        return self._gate.answer(dialect, method, rest, scope["headers"], peer)


def read_target(scope: Scope) -> bytes:
    """The request target as it stood on the wire, as far as the server tells."""
    target = scope.get(RAW_TARGET)
    if isinstance(target, bytes):
        return target
    query: bytes = scope.get("query_string", b"")
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
    return path + b"?" + query if query else path


def no_such_check(gate: Gate) -> Answer:
    """The answer under the gate's prefixes where there is no check."""
    return _refuse(gate, HTTPStatus.NOT_FOUND, Reason.BAD_REQUEST)


def unavailable(gate: Gate, dialect: Dialect) -> Answer:
    """The answer where nobody can say at the moment whether a key is good."""
    return _refuse(gate, dialect.status(HTTPStatus.SERVICE_UNAVAILABLE), Reason.UNAVAILABLE)


def _refuse(gate: Gate, status: int, reason: Reason) -> Answer:
    body = problem(status, reason)
    headers = (
        *gate.settings.refusal_headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
    )
    return Answer(status, header_block(headers), body)


def no_http(gate: Gate, status: int) -> Answer:
    """The answer to what is no HTTP, or too much of it: the connection ends."""
    return Answer(
        status, header_block((*gate.settings.refusal_headers, (b"content-length", b"0"), (b"connection", b"close")))
    )
