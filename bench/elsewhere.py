"""Providers in a process of their own: one that works, and 200 that fail, each in one of six ways.

`open_elsewhere` starts it. The first line that it prints is JSON, the issuers by id. Then it answers each line that it
reads: with what the good one was asked since, as `[path, seconds it took to answer]`, and with how many connections to
those that say nothing were open at most. It ends when nobody asks any more.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.processes import LOAD_CORE
from doorward.outside.system import SystemClock
from tests.fakes.loopback import Answer, Request
from tests.fakes.provider import Client, FakeProvider

GOOD = "good"
FAILING = 200
CLIENT_ID, CLIENT_SECRET = "doorward", "the-secret-of-a-bench"
CALLBACK = f"https://auth.example.com/login/callback/{GOOD}"
PEOPLE = 400
"""Accounts at the good one: `person0` and so on, by `login_hint`."""
_TIMED = ("/.well-known/openid-configuration", "/jwks", "/token", "/userinfo")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The process, as others see it. Issuers by id; `failing` has no particular order of failures."""

    good: Mapping[str, str]
    failing: Mapping[str, str]
    process: subprocess.Popen[str]

    def take_calls(self) -> list[tuple[str, float]]:
        """What the good one was asked since this was last asked: the path, and the seconds it took to answer."""
        return [(path, took) for path, took in self._ask()["calls"]]

    def most_silent(self) -> int:
        """How many connections to those that never answer were open at the same time, at most."""
        return int(self._ask()["silent"])

    def _ask(self) -> dict[str, Any]:
        asked, told = self.process.stdin, self.process.stdout
        assert asked is not None
        assert told is not None
        asked.write("\n")
        asked.flush()
        answer: dict[str, Any] = json.loads(told.readline())
        return answer


@contextmanager
def open_elsewhere() -> Iterator[Elsewhere]:
    """Start it, and end it with the block."""
    command = [sys.executable, "-m", "bench.elsewhere"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        issuers = json.loads(process.stdout.readline())
        yield Elsewhere({GOOD: issuers.pop(GOOD)}, issuers, process)


class Providers:
    """All of them, on addresses of 127.0.0.0/8, so that each is a host of its own."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, float]] = []
        self._silent = self._most_silent = 0
        self._closed: list[socket.socket] = []

    async def run(self) -> None:
        """Serve until standard input ends."""
        async with AsyncExitStack() as stack:
            good = await stack.enter_async_context(FakeProvider(SystemClock()))
            good.clients = {CLIENT_ID: Client(secret=CLIENT_SECRET, redirect_uris=(CALLBACK,))}
            good.users = {f"person{number}": _person(number) for number in range(PEOPLE)}
            for path in _TIMED:
                good.answers[path] = self._time(good)
            failing = {f"failing{number}": await self._fail(stack, number) for number in range(FAILING)}
            print(json.dumps({GOOD: good.issuer, **failing}), flush=True)
            while await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps({"calls": self._calls, "silent": self._most_silent}), flush=True)
                self._calls.clear()
                good.requests.clear()

    def _time(self, good: FakeProvider) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            began = time.perf_counter()
            made = good.answer(request)
            self._calls.append((request.path, time.perf_counter() - began))
            return made

        return answer

    async def _fail(self, stack: AsyncExitStack, number: int) -> str:
        """An issuer that nobody can sign in with."""
        host = f"127.0.2.{number + 1}"
        match number % 6:
            case 0:
                return f"http://provider{number}.invalid"
            case 1:
                # Bound and not listening: nobody else gets the port, and whoever calls is refused.
                self._closed.append(socket.socket())
                self._closed[-1].bind((host, 0))
                return f"http://{host}:{self._closed[-1].getsockname()[1]}"
            case 2:
                talk: Talk = self._say_nothing
            case 3:
                talk = _say(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            case 4:
                talk = _say(os.urandom(2048))
            case _:
                body = json.dumps({"issuer": "https://somebody.else.example"}).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                talk = _say(f"{head}Connection: close\r\n\r\n".encode() + body)
        server = await stack.enter_async_context(await asyncio.start_server(talk, host, 0))
        return f"http://{host}:{server.sockets[0].getsockname()[1]}"

    async def _say_nothing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._silent += 1
        self._most_silent = max(self._most_silent, self._silent)
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            self._silent -= 1
            writer.close()


def _say(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return talk


def _person(number: int) -> dict[str, object]:
    name = f"person{number}"
    return {"sub": f"sub-{number}", "name": name, "preferred_username": name,
            "email": f"{name}@elsewhere.example", "email_verified": True, "groups": ["family"]}  # fmt: skip


if __name__ == "__main__":
    os.sched_setaffinity(0, {LOAD_CORE})
    os.nice(5)
    asyncio.run(Providers().run())
