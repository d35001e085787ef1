"""One connection for one call: to an address that was checked, and to no other.

Imported by `fetch` when something is called for the first time: whoever calls nobody does not pay for it. The name is
resolved once, every address that comes back is judged, and a socket is opened to one of those; certificate and `Host`
stay those of the name. Connections are not kept: nothing of one call can reach the next, and no verdict grows old.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import httpcore2
from typing_extensions import override

from doorward.errors import PeerError
from doorward.interfaces import Fetched
from doorward.rules.outbound import Address, Destination, OutboundPolicy, find_objection

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""A host's addresses, in the order they are to be tried."""
Connect = Callable[[Address, int], Awaitable[httpcore2.AsyncNetworkStream]]

_HEAD_START: Final = 0.25
"""Seconds until the next address is tried beside the one before (RFC 8305, 8)."""
_MOST_ADDRESSES: Final = 6
_CONNECT_LIMIT: Final = 5.0
HEAD_SIZE: Final = 64 * 1024
"""Bytes a head and the framing of a body may take besides the body."""
_FOREIGN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's numbers for certificates that end at an authority nobody knows (X509_V_ERR_*)."""


def make_tls(ca_file: Path | None) -> ssl.SSLContext:
    """Who may prove who they are: the system's authorities, and those in `ca_file`. There is no way not to ask.

    PeerError when `ca_file` cannot be used.
    """
    context = httpcore2.default_ssl_context()
    # SECURITY: what the context above does by default is said again, for it is all that stands between a provider and
    # whoever is on the way: tests/contract/test_fetch_tls.py.
    context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, True
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.keylog_filename = None  # type: ignore[assignment]  # where SSLKEYLOGFILE would have the keys written
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # `ssl.SSLError` is one
            reason = os.strerror(error.errno) if type(error) is not ssl.SSLError and error.errno else "no PEM in it"
            raise PeerError(f"outbound.ca_file {ca_file} cannot be used: {reason}") from None
    return context


async def connect_by_system(address: Address, port: int) -> httpcore2.AsyncNetworkStream:
    """Open a socket to this very address."""
    # A stand-in without methods has the same name, for where anyio is not installed.
    system: httpcore2.AsyncNetworkBackend = httpcore2.AnyIOBackend()  # pyright: ignore[reportAssignmentType]
    return await system.connect_tcp(str(address), port)


class _Metered(httpcore2.AsyncNetworkStream):
    """A stream that gives up once more has come than any good answer has, be it head, body or what is between."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, left: int) -> None:
        self._inner, self._left = inner, left

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found = await self._inner.read(max_bytes, timeout)
        self._left -= len(found)
        if self._left < 0:
            raise _TooMuchError
        return found

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()

    @override
    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return _Metered(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._left)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _TooMuchError(Exception):
    """More came than fits."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """The network as one call may use it: one resolution, judged as a whole, one socket to one of those addresses."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolve, connect: Connect, *, limit: int) -> None:
        self._policy, self._resolve, self._connect, self._limit = policy, resolve, connect, limit
        self._stream: httpcore2.AsyncNetworkStream | None = None

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._find_addresses(host)
        # SECURITY: judged after the only resolution there is, so that no second answer can differ from the one that
        # was judged: tests/contract/test_fetch.py.
        self._require_open(host, port, addresses)
        try:
            async with asyncio.timeout(_CONNECT_LIMIT):
                stream = await _race(addresses[:_MOST_ADDRESSES], lambda address: self._connect(address, port))
        except TimeoutError:
            raise PeerError(f"{host} takes no connections on port {port}: nothing answers") from None
        self._stream = stream
        peer = ip_address(str(stream.get_extra_info("server_addr")[0]))
        if peer not in addresses:
            raise PeerError(f"the connection to {host} led to {peer}, which is none of its addresses")
        self._require_open(host, port, [peer])
        return _Metered(stream, self._limit)

    async def aclose(self) -> None:
        """Hang up, however far it got."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _find_addresses(self, host: str) -> Sequence[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            return await self._resolve(host)

    def _require_open(self, host: str, port: int, addresses: Sequence[Address]) -> None:
        objection = find_objection(host, port, addresses, self._policy)
        if objection is not None:
            raise PeerError(objection)


async def _race(
    addresses: Sequence[Address], connect: Callable[[Address], Awaitable[httpcore2.AsyncNetworkStream]]
) -> httpcore2.AsyncNetworkStream:
    """Try the addresses, each a little after the one before or when that failed; the first to connect wins."""
    waiting, running = list(addresses), list[asyncio.Task[httpcore2.AsyncNetworkStream]]()
    try:
        while True:
            if waiting:
                running.append(asyncio.ensure_future(_as_coroutine(connect(waiting.pop(0)))))
            await asyncio.wait(running, timeout=_HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for attempt in [each for each in running if each.done()]:
                running.remove(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                if not waiting and not running:
                    raise error
    finally:
        for attempt in running:
            attempt.cancel()
        for stream in await asyncio.gather(*running, return_exceptions=True):
            if not isinstance(stream, BaseException):
                await stream.aclose()


async def _as_coroutine(stream: Awaitable[httpcore2.AsyncNetworkStream]) -> httpcore2.AsyncNetworkStream:
    return await stream


async def call(
    backend: PinnedBackend,
    tls: ssl.SSLContext,
    method: str,
    destination: Destination,
    *,
    headers: Mapping[str, str],
    body: bytes,
    limit: int,
) -> Fetched:
    """Make one call and read its answer to the end. PeerError for whatever goes wrong."""
    place = destination.authority
    scheme, host = destination.scheme.encode(), destination.host.encode()
    connection = httpcore2.AsyncHTTPConnection(
        httpcore2.Origin(scheme, host, destination.port), ssl_context=tls, network_backend=backend
    )
    url = httpcore2.URL(scheme=scheme, host=host, port=destination.port, target=destination.target.encode())
    try:
        async with connection.stream(method, url, headers=list(headers.items()), content=body or None) as response:
            return await _read(response, place, limit)
    except _TooMuchError:
        raise PeerError(f"the answer of {place} is larger than anything it should send") from None
    except httpcore2.LocalProtocolError:
        raise PeerError(f"nothing was sent to {place}: a header has characters that no header may have") from None
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
        raise PeerError(_explain(error, place)) from None


async def _read(response: httpcore2.Response, place: str, limit: int) -> Fetched:
    if response.status < 200:  # noqa: PLR2004 -- "switching protocols": nothing that was asked for
        raise PeerError(f"{place} answered with status {response.status}")
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    # A few bytes that unpack to gigabytes are the oldest trick there is; asked for was the plain answer.
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise PeerError(f"{place} compressed its answer, which it was asked not to do")
    body = bytearray()
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                raise _TooMuchError
    return Fetched(response.status, headers, bytes(body))


def _explain(error: Exception, place: str) -> str:
    """What went wrong, for the operator. Nothing of what the other side sent stands in it."""
    chain = [error]
    while isinstance(chain[-1].__cause__, Exception):
        chain.append(chain[-1].__cause__)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = ""
            if cause.verify_code in _FOREIGN_AUTHORITY:
                hint = "; where its authority is one of your own, name that in `outbound.ca_file`"
            return f"{place} does not prove to be {place}: {cause.verify_message}{hint}"
        if isinstance(cause, ssl.SSLError):
            return f"{place} does not speak TLS as we do ({cause.reason or 'no reason given'})"
        if isinstance(cause, OSError) and cause.errno:
            return f"{place} cannot be reached: {os.strerror(cause.errno)}"
    if isinstance(error, httpcore2.ProtocolError):
        return f"{place} answered with something that is not HTTP, or not whole"
    return f"{place} hung up"
