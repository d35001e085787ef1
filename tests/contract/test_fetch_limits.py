"""The way out waits for nobody longer than it should, takes no more than it should, and says what went wrong."""

import asyncio
import gzip
import json
import subprocess
import sys
from datetime import timedelta
from ipaddress import ip_address

import pytest

from doorward.errors import PeerError
from doorward.outside import connection
from doorward.outside.connection import connect_by_system
from tests.contract.calls import PUBLIC, Resolver, answering, make_fetch, silence
from tests.fakes.peer import listening

SHORT = timedelta(milliseconds=150)


async def begin_and_stop(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await silence(writer)


async def begin_head_and_stop(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nX-A")
    await silence(writer)


async def go_on_with(writer, start, piece):
    writer.write(start)
    while True:
        writer.write(piece)
        await writer.drain()


async def headers_without_end(writer):
    await go_on_with(writer, b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"a" * 1000 + b"\r\n")


async def header_without_end(writer):
    await go_on_with(writer, b"HTTP/1.1 200 OK\r\nX: ", b"a" * 4096)


async def hints_without_end(writer):
    await go_on_with(writer, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50)


async def body_without_end(writer):
    await go_on_with(writer, b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 4096)


async def chunks_without_end(writer):
    await go_on_with(writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 500)


async def trailers_without_end(writer):
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    await go_on_with(writer, start, b"X-Trailer: " + b"a" * 1000 + b"\r\n")


@pytest.mark.parametrize("answer", [silence, begin_and_stop, begin_head_and_stop])
async def test_an_answer_that_does_not_come_is_not_waited_for(answer):
    async with answering(answer, timeout=SHORT) as (peer, fetch, url):
        with pytest.raises(PeerError, match=rf"127\.0\.0\.1:{peer.port} did not answer within 0\.15 seconds"):
            await fetch("GET", url)


async def test_neither_resolver_nor_connection_is_waited_for_longer():
    async def never(*arguments):
        await asyncio.Event().wait()

    with pytest.raises(PeerError, match="did not answer within"):
        await make_fetch(timeout=SHORT, resolve=never)("GET", "http://idp.test/")
    with pytest.raises(PeerError, match="did not answer within"):
        await make_fetch(timeout=SHORT, resolve=Resolver([PUBLIC]), connect=never)("GET", "http://idp.test/")


@pytest.mark.parametrize(
    "answer",
    [
        headers_without_end,
        header_without_end,
        hints_without_end,
        body_without_end,
        chunks_without_end,
        trailers_without_end,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"a" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"a" * 5000 + b"\r\n0\r\n\r\n",
    ],
)
async def test_an_answer_without_measure_is_cut_off(answer):
    async with answering(answer) as (_, fetch, url):
        with pytest.raises(PeerError, match=r"larger than anything it should send|not HTTP"):
            await fetch("GET", url, limit=4096)


async def test_an_answer_of_exactly_the_limit_is_taken():
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + b"a" * 4096) as (_, fetch, url):
        assert len((await fetch("GET", url, limit=4096)).body) == 4096


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity, gzip", b"zip-of-our-own"])
async def test_a_compressed_answer_is_refused(coding):
    body = gzip.compress(b"{}")
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (coding, len(body), body)
    async with answering(answer) as (_, fetch, url):
        with pytest.raises(PeerError, match="compressed its answer"):
            await fetch("GET", url)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2 secret-banner\r\n",
        b"<html>secret-banner</html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsecret-banner",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nsecret-banner",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nsecret-banner",
    ],
)
async def test_an_answer_that_is_none_is_refused_without_repeating_it(answer):
    async with answering(answer) as (_, fetch, url):
        with pytest.raises(PeerError, match=r"not HTTP|with status 101|hung up") as refused:
            await fetch("GET", url)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_closed_port_is_said_to_be_closed():
    async with listening() as peer:
        pass
    with pytest.raises(PeerError, match=rf"127\.0\.0\.1:{peer.port} cannot be reached: Connection refused"):
        await make_fetch(f"127.0.0.1:{peer.port}")("GET", f"http://127.0.0.1:{peer.port}/")


async def test_a_silent_host_does_not_hold_up_another():
    reached = asyncio.Event()

    async def say_nothing(writer):
        reached.set()
        await silence(writer)

    async with listening(say_nothing) as silent, listening() as other:
        fetch = make_fetch(f"127.0.0.1:{silent.port}", f"127.0.0.1:{other.port}")
        stuck = [asyncio.create_task(fetch("GET", f"http://127.0.0.1:{silent.port}/")) for _ in range(100)]
        await reached.wait()
        found = await fetch("GET", f"http://127.0.0.1:{other.port}/")
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert found.status == 200
    assert silent.connections <= 8


async def test_silent_hosts_do_not_hold_up_another_however_many_there_are():
    """200 providers that nothing comes from, and one that works."""
    reached, all_reached = set(), asyncio.Event()

    async def connect(address, port):
        if address.is_loopback:
            return await connect_by_system(address, port)
        reached.add(address)
        if len(reached) == 200:
            all_reached.set()
        return await asyncio.Event().wait()

    async def resolve(host):
        return [ip_address(PUBLIC) + int(host.partition(".")[0])]

    async with listening() as other:
        fetch = make_fetch(f"127.0.0.1:{other.port}", resolve=resolve, connect=connect)
        stuck = [asyncio.create_task(fetch("GET", f"http://{number}.test/")) for number in range(200)]
        called = asyncio.create_task(all_reached.wait())
        await asyncio.wait([called, *stuck], return_when=asyncio.FIRST_COMPLETED)
        assert called.done()
        found = await fetch("GET", f"http://127.0.0.1:{other.port}/")
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert found.status == 200


async def test_certificates_are_read_once_however_many_call_at_first(monkeypatch):
    read = []

    def make_tls(ca_file):
        read.append(ca_file)
        return actual(ca_file)

    actual = connection.make_tls
    monkeypatch.setattr(connection, "make_tls", make_tls)
    async with answering() as (_, fetch, url):
        await asyncio.gather(*(fetch("GET", url) for _ in range(20)))
    assert read == [None]


async def test_calls_wait_for_their_turn_and_all_of_them_get_it():
    async with answering() as (peer, fetch, url):
        found = await asyncio.gather(*(fetch("GET", url) for _ in range(60)))
        assert [each.status for each in found] == [200] * 60
    assert peer.connections == 60


async def test_who_calls_nobody_loads_nothing_for_it():
    """An installation without providers is not to be larger for their sake."""
    program = (
        "import json, sys\n"
        "from doorward.outside.fetch import GuardedFetch\n"
        "from doorward.rules.outbound import OutboundPolicy\n"
        "GuardedFetch(OutboundPolicy())\n"
        "print(json.dumps(sorted({'httpcore2', 'h11', 'truststore'} & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
