"""Real programs, started on free ports and ended with everything they started."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

READY_WITHIN = 60.0
_STEP = 0.02
_GRACE = 5.0
_PARTS = 10
_PART = 2200


class MissingProgramError(Exception):
    """A program the suite needs is not installed; the message says how to get it."""


class NotReadyError(Exception):
    """A program ended, or did not become ready in time; the message holds its log."""


def _own_ports() -> range:
    """The part of this process among those that a run is spread over. pytest-xdist calls them gw0, gw1 and so on."""
    first = 10_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS * _PART
    return range(first, first + _PART)


# Another run on this machine, which has another process number, most likely begins elsewhere.
_ports = itertools.islice(itertools.cycle(_own_ports()), os.getpid() * 97 % _PART, None)


def find_program(name: str, remedy: str) -> str:
    """The program's path: beside this Python, on PATH, or among the system's daemons."""
    beside = Path(sys.executable).parent
    places = os.pathsep.join([str(beside), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        raise MissingProgramError(f"{name} is not installed. Run: {remedy}")
    return found


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on.

    They lie below those that the kernel gives to whoever connects, and each process of a run has a part of its own:
    nobody takes one between this look and the program that is to listen.
    """
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as each, suppress(OSError):
            each.bind(("127.0.0.1", port))
            found.append(port)
    return found


def accepts(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


class Process:
    """One program in a process group of its own; its output goes to a file."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        with self.log_path.open("ab") as log:
            self._popen = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is its group's, too."""
        return self._popen.pid

    @property
    def log(self) -> str:
        """Everything it wrote so far."""
        return self.log_path.read_text("utf-8", "replace")

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready. NotReadyError, with its log, when it ends first or takes too long."""
        for _ in range(int(READY_WITHIN / _STEP)):
            if ready():
                return
            try:
                code = self._popen.wait(_STEP)
            except subprocess.TimeoutExpired:
                continue
            raise NotReadyError(f"{self.name} ended with {code}:\n{self.log}")
        raise NotReadyError(f"{self.name} was not ready within {READY_WITHIN:.0f} s:\n{self.log}")

    def wait(self) -> int:
        """Wait until it has ended by itself; its exit code. TimeoutExpired when it does not."""
        return self._popen.wait(READY_WITHIN)

    def stop(self) -> None:
        """End it and everything it started."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_GRACE)
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        self._popen.send_signal(number)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
