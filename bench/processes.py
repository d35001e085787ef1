"""Processes on a core of their own, and what they cost."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 60.0


class MissingError(Exception):
    """Something the measurement needs is not there."""


@dataclass(slots=True)
class Server:
    """A running server. `ready_s`: from its start until it answered."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_s: float = 0.0

    @property
    def pids(self) -> list[int]:
        """The process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return [self.process.pid, *(int(pid) for pid in children.split())]

    def cpu_seconds(self) -> float:
        """Processor time used so far, in user and kernel."""
        return sum(sum(map(int, _stat(pid)[11:13])) for pid in self.pids) / _TICKS

    def busy_seconds(self) -> float:
        """The same of the process alone, to the microsecond: for those that do next to nothing."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9

    def count_open(self) -> int:
        """Open sockets and files."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def rss_mb(self) -> float:
        """Resident memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def stop(self) -> None:
        """End it, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def require(program: str) -> str:
    """The path of a program. MissingError, with what to do, when it is not installed."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingError(f"{program} is missing; please run: sudo apt-get install {program}")
    return found


def require_cores() -> None:
    """MissingError where server and load cannot have a core each."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise MissingError("two cores are needed: one for the server, one for the load")


def start(name: str, command: Sequence[str], port: int, folder: Path, path: str, environ: Mapping[str, str]) -> Server:
    """Start a server on its core and wait until `path` answers with a 2xx."""
    log = (folder / f"{name}.log").open("wb")
    began = time.perf_counter()
    process = subprocess.Popen(
        [require("taskset"), "-c", str(SERVER_CORE), *command],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environ},
    )  # fmt: skip
    log.close()
    server = Server(name, port, process)
    while not _answers(port, path):
        if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
            server.stop()
            raise MissingError(f"{name} did not start:\n{(folder / f'{name}.log').read_text('utf-8', 'replace')}")
        time.sleep(0.002)
    server.ready_s = time.perf_counter() - began
    return server


def start_doorward(folder: Path, port: int, *, lane: str = "fast") -> Server:
    """The real program on the configuration in `folder`."""
    program = (
        [str(Path(sys.executable).parent / "doorward")] if lane == "fast" else [sys.executable, "-m", "bench.asgi"]
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[1])} if lane != "fast" else {}
    return start(lane, [*program, "serve", "--config", "doorward.yaml"], port, folder, "/readyz", environ)


def start_nginx(folder: Path, port: int) -> Server:
    """nginx, answering 204 and doing nothing else."""
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid nginx.pid; error_log stderr;\n"
        f"events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; keepalive_requests 100000000;\n"
        f"  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }} }}\n",
        "ascii",
    )
    command = [require("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    return start("nginx", command, port, folder, "/", {})


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return line.recv(12).startswith(b"HTTP/1.1 2")
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
