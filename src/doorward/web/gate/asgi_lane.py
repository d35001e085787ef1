"""The check over plain ASGI: what servers without the fast lane use, and what the fast lane passes on."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from doorward.rules.reason import Reason
from doorward.web.gate.answer import Answer, header_block, split_block
from doorward.web.gate.endpoint import Gate, find_dialect
from doorward.web.gate.refuse import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RAW_TARGET = "doorward.target"
"""Scope key under which the fast lane leaves the request target as it stood on the wire."""


class GateEndpoint:
    """Everything under the gate's prefixes. What is no check there is 404: nothing answers 2xx by accident."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- bodies are not read
        """Answer one check."""
        target = read_target(scope)
        found = find_dialect(target)
        if found is None:
            answer = no_such_check(self._gate)
        else:
            dialect, rest = found
            client = scope.get("client")
            peer = client[0] if client else ""
            answer = self._gate.answer(dialect, scope["method"].encode("latin-1"), rest, scope["headers"], peer)
        await send({"type": "http.response.start", "status": answer.status, "headers": split_block(answer.head)})
        await send({"type": "http.response.body", "body": answer.body})


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
    body = problem(HTTPStatus.NOT_FOUND, Reason.BAD_REQUEST)
    headers = (
        *gate.settings.refusal_headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
    )
    return Answer(HTTPStatus.NOT_FOUND, header_block(headers), body)
