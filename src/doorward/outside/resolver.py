"""The addresses of a name, asked of the system, so that no name waits for another.

The event loop's own way has few threads (uvloop's two), and a name server that is silent holds each for many seconds:
two providers whose names cannot be found would keep people from a third that is in `/etc/hosts`.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from doorward.errors import PeerError
from doorward.rules.outbound import Address

LookUp = Callable[[str], Sequence[Any]]
"""`socket.getaddrinfo` for a host. It may wait for long, and raises OSError or UnicodeError."""

_MOST_NAMES: Final = 256


def ask_system(host: str) -> Sequence[Any]:
    """Ask `/etc/hosts` and DNS, in the order that the system is set up for."""
    return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)


class SystemResolver:
    """Looks up each name in a thread of its own; whoever asks for it meanwhile waits for the same answer.

    A thread cannot be called back. So it lives until the system gives up, though nobody may wait any more, and does not
    keep the program from ending.
    """

    def __init__(self, look_up: LookUp = ask_system) -> None:
        self._look_up = look_up
        self._asked: dict[str, asyncio.Future[Sequence[Any] | Exception]] = {}

    async def __call__(self, host: str) -> Sequence[Address]:
        """The addresses, in the order they are to be tried. PeerError where the system knows none."""
        if host not in self._asked:
            if len(self._asked) >= _MOST_NAMES:
                raise PeerError(f"{host} is not looked up: the name server owes us {_MOST_NAMES} other answers")
            self._asked[host] = self._ask(host)
        found = await asyncio.shield(self._asked[host])
        if isinstance(found, Exception):
            silent = isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN
            reason = "the name server does not answer" if silent else "the name is not known"
            raise PeerError(f"{host} has no address: {reason}")
        return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))

    def _ask(self, host: str) -> "asyncio.Future[Sequence[Any] | Exception]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Any] | Exception] = loop.create_future()

        def settle(found: Sequence[Any] | Exception) -> None:
            del self._asked[host]
            answer.set_result(found)

        def look_up() -> None:
            found: Sequence[Any] | Exception
            try:
                found = self._look_up(host)
            except (OSError, UnicodeError) as error:
                found = error
            with suppress(RuntimeError):  # the loop has ended: nobody waits for this any more
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return answer
