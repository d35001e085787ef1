"""Load: as much as there is room for (wrk), or so many a second (a loop of our own).

At a fixed rate, every request has an instant at which it is due, whatever became of those before it, and its time runs
from that instant: a server that stalls is charged for everyone who would have waited (no coordinated omission).
"""

import gc
import itertools
import os
import re
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import LOAD_CORE, Server, require

_CONNECTIONS = 64
_LUA = Path(__file__).with_name("load.lua")
_MAX_OPEN = 512
_NAP = 0.00002


class WrongAnswerError(Exception):
    """The server did not answer what this measurement is about."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """`cpu_us`: processor time of the server for each request, 0 for a server that is not ours."""

    per_second: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Timed:
    """When a request was due, and how long after that its answer had come, in seconds."""

    due: float
    took: float


def drive(url: str, requests: Path, seconds: float, server: Server | None = None) -> Throughput:
    """As many requests as it answers. WrongAnswerError when answers are not 2xx."""
    before = server.cpu_seconds() if server else 0.0
    done = subprocess.run(
        [require("taskset"), "-c", str(LOAD_CORE), require("wrk"), "-t1", f"-c{_CONNECTIONS}", f"-d{seconds:g}s",
         "-s", str(_LUA), url],
        env={**os.environ, "REQUESTS": str(requests)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    used = server.cpu_seconds() - before if server else 0.0
    numbers = re.search(r"^NUMBERS (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if numbers is None:
        raise WrongAnswerError(f"wrk failed:\n{done.stdout}{done.stderr}")
    count, micros, refused, broken = map(int, numbers.groups())
    if not count or refused or broken:
        raise WrongAnswerError(f"{url}: of {count} answers {refused} were not 2xx, and {broken} connections broke")
    return Throughput(count / micros * 1e6, used / count * 1e6)


def pace(
    address: tuple[str, int], requests: Sequence[bytes], rate: int, seconds: float, *, fresh: bool, shares: bool = False
) -> list[Timed]:
    """So many requests a second, evenly; with `fresh`, each on a connection of its own.

    With `shares`, this core is left to others between two requests. Without, whoever wants it takes it away for some
    milliseconds in the end, which would be charged to the server; with it, each request seems a little slower (0.1 ms).
    """
    os.sched_setaffinity(0, {LOAD_CORE})
    lines = _Fresh(address) if fresh else _Kept(address)
    poll = select.epoll()
    waiting: dict[int, tuple[socket.socket, float]] = {}
    timed: list[Timed] = []
    total, step = int(rate * seconds), 1 / rate
    gc.disable()
    try:
        began, sent = time.perf_counter(), 0
        while len(timed) < total:
            now = time.perf_counter()
            if sent < total and began + sent * step <= now and len(waiting) < _MAX_OPEN:
                line = lines.take()
                poll.register(line, select.EPOLLIN)
                line.send(requests[sent % len(requests)])
                waiting[line.fileno()] = (line, began + sent * step)
                sent += 1
                continue
            if shares:
                time.sleep(_NAP)
            for number, _ in poll.poll(0):
                line, due = waiting.pop(number)
                answer = line.recv(65536)
                timed.append(Timed(due, time.perf_counter() - due))
                if not (answer.startswith(b"HTTP/1.1 2") and answer.endswith(b"\r\n\r\n")):
                    raise WrongAnswerError(f"{address}: {answer[:200]!r}")
                poll.unregister(line)
                lines.give_back(line)
    finally:
        gc.enable()
        poll.close()
        lines.close()
    return timed


def percentile(timed: Sequence[Timed], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(each.took for each in timed)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class _Kept:
    """Connections that stay open, as many as are needed at once."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._idle: deque[socket.socket] = deque()

    def take(self) -> socket.socket:
        return self._idle.popleft() if self._idle else _connect(self._address, None)

    def give_back(self, line: socket.socket) -> None:
        self._idle.append(line)

    def close(self) -> None:
        for line in self._idle:
            line.close()


class _Fresh:
    """A new connection every time, from many addresses, so that no one of them runs out of ports."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        local = address[0].startswith("127.")
        self._sources: Iterator[str | None] = itertools.cycle(
            [f"127.0.1.{number}" for number in range(1, 101)] if local else [None]
        )

    def take(self) -> socket.socket:
        return _connect(self._address, next(self._sources))

    def give_back(self, line: socket.socket) -> None:
        line.close()

    def close(self) -> None:
        pass


def _connect(address: tuple[str, int], source: str | None) -> socket.socket:
    line = socket.create_connection(address, timeout=10, source_address=(source, 0) if source else None)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line
