"""As much of a Docker daemon as Traefik asks of one: which containers run, and with which labels."""

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.integration.background import Neighbour

API = "1.44"


class Daemon(Neighbour):
    """Tells of containers at 127.0.0.1. `labels`: by container name."""

    def __init__(self, labels: dict[str, dict[str, str]]) -> None:
        super().__init__(_Answer)
        self.containers = {name: describe(name, label) for name, label in labels.items()}

    @property
    def endpoint(self) -> str:
        """Where it listens, as Docker clients write it."""
        return f"tcp://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Daemon
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._send(b"")

    def do_GET(self) -> None:
        path = re.sub(r"^/v[0-9.]+", "", self.path).partition("?")[0]
        name = re.fullmatch(r"/containers/(\w+)/json", path)
        if path == "/_ping":
            self._send(b"OK")
        elif path == "/version":
            self._send_json({"Version": "27.0.0", "ApiVersion": API, "MinAPIVersion": "1.24", "Os": "linux"})
        elif path == "/containers/json":
            self._send_json([self._list(container) for container in self.server.containers.values()])
        elif name and name[1] in self.server.containers:
            self._send_json(self.server.containers[name[1]])
        elif path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.server.ending.wait()
            self.close_connection = True
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _list(self, container: dict[str, Any]) -> dict[str, Any]:
        return {
            "Id": container["Id"],
            "Names": [container["Name"]],
            "Labels": container["Config"]["Labels"],
            "State": "running",
            "HostConfig": {"NetworkMode": "bridge"},
            "NetworkSettings": {"Networks": container["NetworkSettings"]["Networks"]},
        }

    def _send_json(self, content: object) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(200)
        self.send_header("Api-Version", API)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def describe(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """A running container as `docker inspect` tells of it."""
    return {
        "Id": name,
        "Name": f"/{name}",
        "State": {"Status": "running", "Running": True},
        "Config": {"Labels": labels},
        "HostConfig": {"NetworkMode": "bridge"},
        "NetworkSettings": {"Ports": {}, "Networks": {"bridge": {"IPAddress": "127.0.0.1"}}},
    }
