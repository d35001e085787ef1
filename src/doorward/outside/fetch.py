"""The only way out: a call that is guarded in what it asks for, where it leads, how long it takes, what comes back.

Owns the limits. What may be called is decided in `rules.outbound`; how a connection keeps to it stands in
`connection`, which is loaded with the first call.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doorward.errors import InputError, PeerError
from doorward.interfaces import Fetched
from doorward.outside.resolver import SystemResolver
from doorward.rules.outbound import OutboundPolicy, parse_destination

if TYPE_CHECKING:
    import ssl

    from doorward.outside.connection import Connect, Resolve

_MOST_CALLS: Final = 256
"""As many as there are providers that are remembered: when the others are all silent, one that works need not wait."""
_MOST_CALLS_TO_ONE: Final = 8
"""So that a provider that answers nothing does not hold up the others."""
_ALWAYS: Final = {"accept-encoding": "identity", "connection": "close"}
_UNLESS_SAID: Final = {"accept": "application/json", "user-agent": "Doorward"}


@dataclass(slots=True)
class _Lane:
    """The calls to one host."""

    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MOST_CALLS_TO_ONE))
    callers: int = 0


class GuardedFetch:
    """`interfaces.Fetch`. Keeps nothing between calls, so there is nothing to close.

    `timeout` is for a whole call, from the wait for its turn to the last byte. `resolve` and `connect` are the
    system's unless a test has its own.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        ca_file: Path | None = None,
        timeout: timedelta = timedelta(seconds=10),
        resolve: "Resolve | None" = None,
        connect: "Connect | None" = None,
    ) -> None:
        self._policy, self._ca_file, self._timeout = policy, ca_file, timeout.total_seconds()
        self._resolve, self._connect = resolve or SystemResolver(), connect
        self._tls: ssl.SSLContext | None = None
        self._making = asyncio.Lock()
        self._room = asyncio.Semaphore(_MOST_CALLS)
        self._lanes: dict[str, _Lane] = {}

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        limit: int = 256 * 1024,
    ) -> Fetched:
        """Ask. See `interfaces.Fetch`."""
        try:
            destination = parse_destination(url, insecure_http=self._policy.insecure_http)
        except InputError as error:
            raise PeerError(f"cannot be called: {error}") from None
        given = {name.lower(): value for name, value in (headers or {}).items()}
        sent = {**_UNLESS_SAID, **given, **_ALWAYS, "host": destination.authority}
        try:
            async with asyncio.timeout(self._timeout), self._turn(destination.authority):
                async with self._making:
                    if self._tls is None:  # loading the library and reading certificates would hold up the checks
                        self._tls = await asyncio.to_thread(_make_tls, self._ca_file)
                from doorward.outside import connection

                backend = connection.PinnedBackend(
                    self._policy,
                    self._resolve,
                    self._connect or connection.connect_by_system,
                    limit=limit + connection.HEAD_SIZE,
                )
                try:
                    return await connection.call(
                        backend, self._tls, method, destination, headers=sent, body=body, limit=limit
                    )
                finally:
                    await backend.aclose()
        except TimeoutError:
            raise PeerError(f"{destination.authority} did not answer within {self._timeout:g} seconds") from None

    @asynccontextmanager
    async def _turn(self, authority: str) -> AsyncGenerator[None]:
        """Wait until there is room for a call to this host, and then for a call at all."""
        lane = self._lanes.setdefault(authority, _Lane())
        lane.callers += 1
        try:
            async with lane.room, self._room:
                yield
        finally:
            lane.callers -= 1
            if not lane.callers:
                del self._lanes[authority]


def _make_tls(ca_file: Path | None) -> "ssl.SSLContext":
    from doorward.outside import connection

    return connection.make_tls(ca_file)
