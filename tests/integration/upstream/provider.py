"""The provider as a process, and the orders a test may give it."""

import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.integration.processes import Process, accepts, free_ports
from tests.integration.tls import Authority
from tests.integration.upstream.node import HERE, INSTALLED, MissingNodeError, find_node

SECRET = "a secret of the test client, long enough for anything"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "ada": {
        "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace", "preferred_username": "ada",
        "groups": ["engine", "poets"], "amr": ["pwd", "otp"], "acr": "urn:doorward:test:mfa",
    },
    "ben": {
        "email": "ben@example.com", "email_verified": True, "name": "Ben", "preferred_username": "ben",
        "groups": ["engine"], "amr": ["pwd"],
    },
    "cyd": {
        "email": "cyd@example.com", "email_verified": False, "name": "Cyd", "preferred_username": "cyd", "groups": [],
    },
    "dan": {
        "email": "dan@example.com", "email_verified": True, "name": "Dan", "preferred_username": "dan", "groups": [],
    },
    "root": {
        "email": "root@example.com", "email_verified": True, "name": "Root", "preferred_username": "root",
        "groups": [], "amr": ["pwd"],
    },
}  # fmt: skip


class RealProvider:
    """The certified provider on a port of its own. `issuer` is its address; `authority` verifies its certificate.

    It is not started by being made: a gateway may be told of a provider that is down.
    """

    def __init__(self, folder: Path, *, trusting: Path, authority: Authority | None = None) -> None:
        """`trusting` is a file with the authority behind the hosts it will call."""
        if not INSTALLED.exists():
            raise MissingNodeError("the provider is not installed. Run: make provider")
        self.port, self._control = free_ports(2)
        self.issuer = f"https://127.0.0.1:{self.port}"
        self.authority = folder / "ca.pem"
        self._folder = folder
        self._process: Process | None = None
        self.signer = authority or Authority("Authority of the test provider")
        certificate, key = self.signer.issue("127.0.0.1")
        self.authority.write_bytes(self.signer.pem)
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        self._settings: dict[str, Any] = {
            "issuer": self.issuer,
            "control": self._control,
            "tls": {"key": str(folder / "key.pem"), "cert": str(folder / "cert.pem"), "ca": str(trusting)},
            "reach": {},
            "clients": [],
            "people": PEOPLE,
        }

    @property
    def log(self) -> str:
        """Everything it wrote so far."""
        return "" if self._process is None else self._process.log

    def register(self, clients: Sequence[Mapping[str, Any]]) -> None:
        """Let it know these clients when it starts (OpenID Connect Dynamic Client Registration 1.0, section 2)."""
        self._settings["clients"] += clients

    def start(self) -> None:
        """Start it; returns when it listens."""
        settings = self._folder / "settings.json"
        settings.write_text(json.dumps(self._settings), "utf-8")
        process = Process("provider", [find_node(), str(HERE / "provider.mjs"), str(settings)], self._folder)
        self._process = process
        try:
            process.wait_until(lambda: accepts(self.port) and accepts(self._control))
        except BaseException:
            process.stop()
            raise

    def stop(self) -> None:
        """End it, with all it remembers."""
        if self._process is not None:
            self._process.stop()

    def order(self, order: str, **what: Any) -> dict[str, Any]:
        """Have it do something; see `orders` in provider.mjs."""
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=30)
        try:
            connection.request("POST", f"/{order}", json.dumps(what), {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == http.HTTPStatus.OK, f"{order}: {text}"
            answer: dict[str, Any] = json.loads(text)
            return answer
        finally:
            with suppress(OSError):
                connection.close()

    def reach(self, hosts: Mapping[str, int]) -> None:
        """Tell it where on loopback the hosts are that it calls."""
        self._settings["reach"] |= hosts
        if self._process is not None:
            self.order("reach", **hosts)

    def requests(self, path: str) -> list[dict[str, Any]]:
        """What has come to this path since this was last asked; requests to others are forgotten."""
        return [each for each in self.order("journal")["requests"] if each["path"] == path]


def client(name: str, callback: str, *, method: str = "client_secret_basic", **more: Any) -> dict[str, Any]:
    """A client as it is registered. `more` adds or replaces."""
    made: dict[str, Any] = {
        "client_id": name,
        "redirect_uris": [callback],
        "token_endpoint_auth_method": method,
        **({"client_secret": SECRET} if method.startswith("client_secret") else {}),
    }
    return made | more
