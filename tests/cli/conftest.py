"""A folder with a configuration, commands run in it, and a server started on it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from typer.testing import CliRunner

from doorward.cli import build
from tests.integration.gateway import doorward
from tests.integration.processes import Process, accepts, free_ports

GOOD = "Tr4vel-by-Night!"
OTHER = "An0ther-Long-Road?"

CONFIG = """
server: {{addr: "127.0.0.1:{main}", public_url: "http://auth.door.localhost:{main}"}}
prometheus: {{addr: "127.0.0.1:{metrics}"}}
proxy: {{trusted: ["127.0.0.1/32"]}}
cookie: {{domain: door.localhost}}
storage: {{type: {storage}}}
authz:
  rules:
    - {{name: everybody, domain: app.door.localhost, who: any_user}}
    - {{name: staff, domain: staff.door.localhost, groups: [staff]}}
"""


@dataclass
class Place:
    """A folder in which commands are run as an operator would."""

    folder: Path
    storage: str = "sqlite"
    ports: list[int] = field(default_factory=lambda: free_ports(2))

    def __post_init__(self):
        self.write()

    @property
    def config(self):
        return self.folder / "doorward.yaml"

    def write(self, more=""):
        text = CONFIG.format(main=self.ports[0], metrics=self.ports[1], storage=self.storage)
        self.config.write_text(text + more, "utf-8")

    def run(self, *arguments, typed=None):
        """Run a command in this process; exceptions come out as they are."""
        return CliRunner().invoke(build(arguments[0]), arguments, input=typed, catch_exceptions=False)

    def answer(self, *arguments, typed=None):
        """What a command answers in JSON; must work."""
        result = self.run(*arguments, "--json", typed=typed)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def add(self, name, *options, password=GOOD):
        return self.answer("user", "add", name, "--password-stdin", *options, typed=password + "\n")

    @contextmanager
    def serving(self) -> Iterator["Server"]:
        process = Process("doorward", doorward("serve"), self.folder)
        server = Server(process, *self.ports)
        try:
            process.wait_until(lambda: accepts(self.ports[0]) and server.get("/readyz").status_code == 200)
            yield server
        finally:
            process.stop()


@dataclass
class Server:
    """A running Doorward, seen from the proxy's side."""

    process: Process
    main: int
    metrics: int
    visitors: int = 0

    def get(self, path, **headers):
        return self.send("GET", path, **headers)

    def send(self, method, path, *, content=b"", **headers):
        told = {"host": f"auth.door.localhost:{self.main}", "x-forwarded-proto": "http"}
        told["x-forwarded-for"] = f"203.0.113.{self.visitors % 250}"
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, f"http://127.0.0.1:{self.main}{path}", headers=told, content=content)

    def check(self, cookie, host="app.door.localhost"):
        """A check as Traefik asks it; the status."""
        return self.get(
            "/api/auth/forwardauth",
            cookie=f"doorward={cookie}",
            x_forwarded_method="GET",
            x_forwarded_host=host,
            x_forwarded_uri="/",
        ).status_code

    def fill(self, path, **fields):
        """Open a page and send its form, from an address of its own (attempts are limited by address); the answer."""
        self.visitors += 1
        page = self.get(path)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        assert "csrf_token" in hidden
        jar = "; ".join(line.partition(";")[0] for line in page.headers.get_list("set-cookie"))
        return self.send(
            "POST",
            path.partition("?")[0],
            cookie=jar,
            origin=f"http://auth.door.localhost:{self.main}",
            content_type="application/x-www-form-urlencoded",
            content=urlencode({name: unescape(value) for name, value in hidden.items()} | fields).encode(),
        )

    def sign_in(self, name, password=GOOD):
        """The session cookie's value."""
        answer = self.fill("/login", login=name, password=password)
        assert answer.status_code == 303, answer.text
        return session_cookie(answer)


def session_cookie(answer):
    lines = [line for line in answer.headers.get_list("set-cookie") if line.startswith("doorward=")]
    assert len(lines) == 1
    return lines[0].partition(";")[0].removeprefix("doorward=")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)
