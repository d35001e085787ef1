"""What each proxy really asks, caught on the wire: tests/vectors/proxies.

`python -m tests.integration.vectors` writes the files anew, with the proxies that are installed. test_vectors.py says when
they are stale; tests/unit/test_proxy_vectors.py has the gate read them.
"""

import json
import re
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.integration.background import Background
from tests.integration.echo import Arrival, EchoApp
from tests.integration.recipes import PROXIES, ROOT, Ports
from tests.integration.tls import make_certificates
from tests.integration.wire import NAVIGATION, SCRIPT, Headers, Visitor

VECTORS = ROOT / "tests" / "vectors" / "proxies"
NAMES = ("traefik", "caddy", "nginx", "haproxy", "envoy")
ADDRESS = "127.9.9.9"

UPGRADE: Headers = (
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"), ("Sec-Fetch-Mode", "websocket"), ("Origin", "https://app.example.com"),
)  # fmt: skip
PREFLIGHT: Headers = (("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "PUT"))
CLAIMS: Headers = (
    ("X-Forwarded-User-Email", "root@example.com"), ("Remote-User", "root"), ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "OPTIONS"),
    ("X-Original-URL", "https://evil.example/"), ("X_Forwarded_Host", "evil.example"),
)  # fmt: skip
COOKIE = (("Cookie", "a=1; doorward=token.mac; b=2"),)

VISITS: dict[str, tuple[str, str, Headers, bytes]] = {
    "a page being opened": ("GET", "/a%20b/c?x=1&y=%2F", (*NAVIGATION, *COOKIE), b""),
    "a script": ("GET", "/data", SCRIPT, b""),
    "a posted form": ("POST", "/form?x=1", NAVIGATION, b"a=1&b=2"),
    "a websocket": ("GET", "/ws", UPGRADE, b""),
    "a preflight": ("OPTIONS", "/data", PREFLIGHT, b""),
    "false claims": ("GET", "/x", (*NAVIGATION, *CLAIMS), b""),
    "an upper-case host with a port": ("GET", "/x", NAVIGATION, b""),
}
"""What a visitor does: method, target, headers, body. All at app.example.com."""

ODD_HOST = "APP.example.com:443"


def catch(name: str, folder: Path, background: Background) -> list[dict[str, Any]]:
    """Run the proxy with its guide's files in front of something that writes down what it is asked."""
    caught = []
    with ExitStack() as stack:
        recorder, app = EchoApp(), EchoApp()
        for server in (recorder, app):
            background.run(server.start())
            stack.callback(lambda server=server: background.run(server.stop()))
        certificates = make_certificates(folder)
        proxy = stack.enter_context(PROXIES[name](folder, Ports(recorder.port, app.port), certificates))
        visitor = Visitor(proxy.port, certificates.authority, ADDRESS)
        for visit, (method, target, headers, body) in VISITS.items():
            recorder.arrivals.clear()
            host = ODD_HOST if "host" in visit else "app.example.com"
            visitor.send(method, target, headers, host=host, body=body, name="app.example.com")
            caught.append({"visit": visit, "asked": [method, target], **_describe(recorder.arrivals[0], recorder.port)})
    return caught


def _describe(arrival: Arrival, port: int) -> dict[str, Any]:
    return {
        "method": arrival.method,
        "target": arrival.target,
        "headers": sorted([name, _steady(value, port)] for name, value in arrival.headers),
    }


def _steady(value: str, port: int) -> str:
    # What differs from run to run and from machine to machine, and means nothing here.
    value = value.replace(f"127.0.0.1:{port}", "127.0.0.1:8080").replace(socket.gethostname(), "proxy")
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "an-id", value)


def main() -> int:
    """Write the files anew."""
    with Background() as background:
        for name in NAMES:
            with tempfile.TemporaryDirectory() as folder:
                caught = catch(name, Path(folder), background)
            (VECTORS / f"{name}.json").write_text(json.dumps(caught, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
