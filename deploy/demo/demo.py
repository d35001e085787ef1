"""`make demo`: Doorward, a real Traefik and two small apps on this machine, until Ctrl-C.

Everything lies in .demo/, where the account stays for the next time. Plain http and *.localhost names, which browsers
lead to this machine by themselves: good enough to look at, and for nothing else.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any, Self

import yaml
from app import DemoApp

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "files" / "traefik" / "dynamic.yml"
DOMAIN = "doorward.localhost"
PREFERRED_PORT = 8000
READY_WITHIN = 60.0
SETUP_MARK = "/setup?token="
STARTED_MARK = "event=started"
_STEP = 0.05
_GRACE = 8.0
_LAST_LINES = 15


class DemoError(Exception):
    """The demo cannot go on; the message is for the person at the terminal."""


class Stop(Exception):  # noqa: N818 -- not an error: Ctrl-C
    """Somebody asked the demo to end."""


class Child:
    """A program of the demo, in a process group of its own, so that Ctrl-C reaches it from here and in order.

    Its output goes to a file, but for the setup link, which is a secret and goes to the terminal alone.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.link = ""
        self.started = False
        self._log = folder / f"{name}.log"
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name=f"{name}.log", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready. DemoError with its last words when it does not get so."""
        for _ in range(int(READY_WITHIN / _STEP)):
            if ready():
                return
            self.check(_STEP)
        raise DemoError(f"{self.name} did not get ready. Its log: {self._log}\n{self._last_words()}")

    def check(self, patience: float) -> None:
        """Watch it for a moment. DemoError when it ended."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return
        self._reader.join()
        raise DemoError(f"{self.name} ended by itself ({code}). Its log: {self._log}\n{self._last_words()}")

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream, self._log.open("w", encoding="utf-8") as log:
            for line in stream:
                if SETUP_MARK in line:
                    self.link = line.strip()
                else:
                    log.write(line)
                    log.flush()
                    self.started = self.started or STARTED_MARK in line

    def _last_words(self) -> str:
        return "".join(f"  {line}\n" for line in self._log.read_text("utf-8").splitlines()[-_LAST_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="demo", description="Doorward, Traefik and two small apps on this machine.")
    parser.add_argument("--port", type=int, default=PREFERRED_PORT, help="the port browsers use (%(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where everything is kept (%(default)s)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with ExitStack() as started:
            run(options.port, options.folder.resolve(), started)
    except Stop:
        say(f"Everything has ended. The account stays in {options.folder}; delete that folder to begin anew.")
        return 0
    except DemoError as error:
        print(f"The demo cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


def run(port: int, folder: Path, started: ExitStack) -> None:
    """Start everything, tell where it is, and watch until somebody asks to end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    started.enter_context(lock(folder))
    if not is_free(port):
        taken, port = port, free_port()
        say(f"Port {taken} is taken by something else, so this demo uses {port}.")
    gate = f"http://auth.{DOMAIN}:{port}"
    apps = {
        "notes": DemoApp("Notes", "Every user may open it.", gate),
        "vault": DemoApp("Vault", "Only keepers may open it. Somebody made you one.", gate),
    }
    for app in apps.values():
        started.callback(app.stop)
        app.start()

    inner = free_port()
    write(folder / "doorward.yaml", make_doorward(port, inner, folder / "data"))
    doorward = started.enter_context(
        Child("doorward", [beside("doorward"), "serve", "--config", "doorward.yaml"], folder)
    )
    dynamic = make_routes(inner, {name: app.port for name, app in apps.items()})
    write(folder / "traefik-dynamic.yml", dynamic)
    write(folder / "traefik.yml", make_traefik(port, folder / "traefik-dynamic.yml"))
    traefik = started.enter_context(Child("traefik", [beside("traefik"), "--configFile=traefik.yml"], folder))
    # Said after the link: by then there is one, or nobody needs one.
    doorward.wait_until(lambda: doorward.started)
    traefik.wait_until(lambda: listens(port))

    notes, vault = (f"http://{name}.{DOMAIN}:{port}" for name in apps)
    command = f"{beside('doorward')} user groups NAME keepers --config {folder / 'doorward.yaml'}"
    setup = SETUP.format(link=doorward.link) if doorward.link else ""
    say(WELCOME.format(gate=gate, setup=setup, notes=notes, vault=vault, command=command))
    while True:
        for child in (doorward, traefik):
            child.check(0.5)


def make_doorward(port: int, inner: int, data: Path) -> dict[str, Any]:
    """Doorward's configuration."""
    return {
        "server": {"addr": f"127.0.0.1:{inner}", "public_url": f"http://auth.{DOMAIN}:{port}"},
        "prometheus": {"addr": "off"},
        "storage": {"path": str(data)},
        "proxy": {"trusted": ["127.0.0.1/32"]},
        "cookie": {"domain": DOMAIN},
        "authz": {
            "rules": [
                {"name": "notes for everybody", "domain": f"notes.{DOMAIN}", "who": "any_user"},
                {"name": "vault for keepers", "domain": f"vault.{DOMAIN}", "groups": ["keepers"]},
            ],
            "groups": [{"name": "keepers", "users": []}],
        },
        "apps": [
            {
                "name": "Notes", "icon": "book", "hosts": [f"notes.{DOMAIN}"],
                "description": "A demo app that every user may open.",
            },
            {
                "name": "Vault", "icon": "key", "hosts": [f"vault.{DOMAIN}"],
                "description": "A demo app for keepers only. Whoever is none reads why.",
                "contact": "whoever started this demo",
            },
        ],
    }  # fmt: skip


def make_traefik(port: int, dynamic: Path) -> dict[str, Any]:
    """Traefik's static configuration: one plain entry point on loopback."""
    return {
        "entryPoints": {"web": {"address": f"127.0.0.1:{port}", "http": {"aliasHeadersStrategy": "delete"}}},
        "providers": {"file": {"filename": str(dynamic)}},
        "log": {"level": "WARN"},
    }


def make_routes(inner: int, apps: dict[str, int]) -> dict[str, Any]:
    """Traefik's routes. The check is the guide's, word for word, but for the port it asks at."""
    check = yaml.safe_load(GUIDE.read_text("utf-8"))["http"]["middlewares"]["doorward"]
    check["forwardAuth"]["address"] = f"http://127.0.0.1:{inner}/api/authz/traefik"
    unseen = "!PathPrefix(`/api/authz/`) && !Path(`/api/auth/forwardauth`)"
    routers: dict[str, Any] = {"auth": {"rule": f"Host(`auth.{DOMAIN}`) && {unseen}", "service": "auth"}}
    for name in apps:
        routers[name] = {"rule": f"Host(`{name}.{DOMAIN}`)", "middlewares": ["doorward"], "service": name}
    services = {
        name: {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
        for name, port in {"auth": inner, **apps}.items()
    }
    return {"http": {"middlewares": {"doorward": check}, "routers": routers, "services": services}}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a configuration file; JSON is YAML, too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def lock(folder: Path) -> IO[str]:
    """Make sure that no other demo uses this folder, as long as the file stays open."""
    held = (folder / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise DemoError(f"another demo runs in {folder}. End it with Ctrl-C first.") from None
    return held


def beside(program: str) -> str:
    """A program installed with this Python, or on PATH."""
    found = shutil.which(program, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        raise DemoError(f"{program} is not installed here. Start the demo with `make demo`, which installs it.")
    return found


def is_free(port: int) -> bool:
    """Whether a server of ours can have this port on loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port))
            return port > 0
    return False


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, flush=True)


def _stop(_number: int, _frame: FrameType | None) -> None:
    # Asked once is enough: what is ended in order must not be interrupted half-way.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stop


WELCOME = """
Doorward is running:

    {gate}
{setup}
Two apps stand behind it:

    {notes}    for every user
    {vault}    for keepers, which nobody is yet

To make somebody one:

    {command}

This is plain http, on this machine alone. Ctrl-C ends everything."""

SETUP = """
Nobody can sign in yet. Open this link first, within 15 minutes, to create the administrator. It works once:

    {link}
"""

if __name__ == "__main__":
    sys.exit(main())
