"""A visitor who sends exactly the bytes a test wrote: no client library to tidy them up."""

import http.client
import os
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

PATIENCE = 40.0
"""Seconds; longer than any proxy's patience with the gate."""

NAVIGATION = (
    ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Site", "none"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"),
)
SCRIPT = (
    ("Accept", "application/json"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Site", "same-origin"),
)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The only value of a header, "" when there is none."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""


class Connection:
    """One TLS connection to a proxy, from an address of our choice."""

    def __init__(self, port: int, authority: Path, *, name: str, source: str = "127.0.0.1") -> None:
        context = ssl.create_default_context(cafile=authority)
        context.check_hostname = False
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
        try:
            self.socket = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def exchange(self, raw: bytes, *, method: str = "GET") -> Reply:
        """Send these bytes, read one answer. ConnectionError when the proxy hangs up instead."""
        self.socket.sendall(raw)
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        try:
            body = b"" if response.status == http.client.SWITCHING_PROTOCOLS else response.read()
            return Reply(response.status, tuple(response.getheaders()), body)
        finally:
            response.close()

    def send_text_frame(self, text: str) -> bytes:
        """Send a websocket text frame; the payload of the frame that comes back."""
        payload, mask = text.encode(), os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + masked)
        head = self._read(2)
        assert head[0] == 0x81, f"not a text frame: {head!r}"
        return self._read(head[1])

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the proxy hung up")
            data += part
        return data


def write_request(method: str, target: str, host: str, headers: Headers = (), body: bytes = b"") -> bytes:
    """The bytes of a request; nothing is checked, nothing is escaped."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at an address of their own, on the far side of one proxy."""

    port: int
    authority: Path
    source: str = "127.9.9.9"
    journal: list[Reply] = field(default_factory=list)
    """Every reply this visitor got."""

    def connect(self, name: str = "app.example.com") -> Connection:
        """A connection to the proxy."""
        return Connection(self.port, self.authority, name=name, source=self.source)

    def send(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        host: str = "app.example.com",
        body: bytes = b"",
        cookie: str = "",
        name: str = "",
    ) -> Reply:
        """One request on a connection of its own. `name` is the TLS name where it is not the host's."""
        if cookie:
            headers = (*headers, ("Cookie", cookie))
        with self.connect(name or host) as connection:
            reply = connection.exchange(write_request(method, target, host, headers, body), method=method)
        self.journal.append(reply)
        return reply

    def navigate(self, target: str, *, host: str = "app.example.com", cookie: str = "") -> Reply:
        """Open a page the way a browser does."""
        return self.send("GET", target, NAVIGATION, host=host, cookie=cookie)
