"""The way out keeps its promises on real sockets: what goes along, and where it leads."""

import asyncio
from ipaddress import ip_address

import pytest

from doorward.errors import PeerError
from doorward.outside.connection import connect_by_system
from tests.contract.calls import PUBLIC, Resolver, answering, make_fetch
from tests.fakes.peer import listening

# What goes out


async def test_a_call_sends_what_it_was_given_and_brings_back_the_answer():
    answer = b"HTTP/1.1 201 Created\r\nX-Twice: a\r\nx-twice: b\r\nContent-Length: 4\r\n\r\nbody"
    async with answering(answer) as (peer, fetch, url):
        found = await fetch("POST", url + "?p=1", headers={"Authorization": "Basic eDp5"}, body=b"grant_type=x")
    assert (found.status, found.headers["x-twice"], found.body) == (201, "a", b"body")
    assert peer.requests[0].startswith(b"POST /token?p=1 HTTP/1.1\r\n")
    assert peer.requests[0].endswith(b"\r\n\r\ngrant_type=x")
    assert peer.heads == [
        {
            "host": f"127.0.0.1:{peer.port}",
            "accept": "application/json",
            "user-agent": "doorward",
            "accept-encoding": "identity",
            "connection": "close",
            "authorization": "basic edp5",
            "content-length": "12",
        }
    ]


async def test_a_caller_chooses_neither_host_nor_encoding():
    async with answering() as (peer, fetch, url):
        await fetch("GET", url, headers={"HOST": "evil.test", "Accept-Encoding": "gzip", "Accept": "text/html"})
    assert peer.heads[0]["host"] == f"127.0.0.1:{peer.port}"
    assert peer.heads[0]["accept-encoding"] == "identity"
    assert peer.heads[0]["accept"] == "text/html"


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "\x00"}])
async def test_a_header_cannot_become_two(headers):
    async with answering() as (peer, fetch, url):
        with pytest.raises(PeerError, match="nothing was sent") as refused:
            await fetch("GET", url, headers=headers)
    assert peer.requests == []
    assert "\r" not in str(refused.value)


async def test_an_address_that_cannot_be_called_is_never_looked_up():
    resolver = Resolver([PUBLIC])
    fetch = make_fetch(resolve=resolver)
    for url in ("file:///etc/passwd", "https://idp.test/%0d%0aX: y", "https://user:secret@idp.test/", "https://127.1/"):
        with pytest.raises(PeerError) as refused:
            await fetch("GET", url)
        assert "secret" not in str(refused.value)
    assert resolver.asked == []


async def test_proxies_of_the_environment_are_not_used(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password secret\n")
    async with listening() as proxy, answering() as (peer, fetch, url):
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        await fetch("GET", url)
    assert proxy.connections == 0
    assert "authorization" not in peer.heads[0]


async def test_a_redirect_is_an_answer_and_nothing_follows_it():
    async with listening() as elsewhere:
        target = f"http://127.0.0.1:{elsewhere.port}/steal"
        for status in (301, 302, 303, 307, 308):
            answer = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
            async with answering(answer) as (_, fetch, url):
                found = await fetch("POST", url, headers={"Authorization": "Basic eDp5"}, body=b"client_secret=x")
            assert (found.status, found.headers["location"]) == (status, target)
    assert elsewhere.connections == 0


async def test_cookies_are_not_kept_and_connections_not_used_again():
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with answering(answer) as (peer, fetch, url):
        await fetch("GET", url)
        await fetch("GET", url)
    assert peer.connections == 2
    assert "cookie" not in peer.heads[1]


# Where it leads


async def test_a_name_is_resolved_once_and_judged_before_anything_is_opened():
    async with listening() as peer:
        resolver = Resolver(["127.0.0.1"])
        with pytest.raises(PeerError, match=rf"add `idp\.test:{peer.port}` to `outbound\.allow`"):
            await make_fetch(resolve=resolver)("GET", f"http://idp.test:{peer.port}/")
        found = await make_fetch(f"idp.test:{peer.port}", resolve=resolver)("GET", f"http://idp.test:{peer.port}/")
    assert found.status == 200
    assert resolver.asked == ["idp.test", "idp.test"]
    assert peer.connections == 1
    assert peer.heads[0]["host"] == f"idp.test:{peer.port}"


async def test_a_second_answer_that_differs_is_judged_like_the_first():
    """Public first, then 127.0.0.1: what is judged is what is connected to, every time."""
    async with listening() as peer:
        resolver = Resolver([PUBLIC], ["127.0.0.1"])
        opened = []

        async def connect(address, port):
            opened.append(str(address))
            raise OSError(111, "refused")

        fetch = make_fetch(f"{PUBLIC}:{peer.port}", resolve=resolver, connect=connect)
        with pytest.raises(PeerError, match="cannot be reached"):
            await fetch("GET", f"http://idp.test:{peer.port}/")
        with pytest.raises(PeerError, match=r"127\.0\.0\.1, a loopback address"):
            await fetch("GET", f"http://idp.test:{peer.port}/")
    assert opened == [PUBLIC]
    assert peer.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "::1"],
        [PUBLIC, "::ffff:127.0.0.1"],
        [PUBLIC] * 50 + ["10.0.0.1"],
        ["::ffff:7f00:1"],
        [],
    ],
)
async def test_one_bad_address_among_many_is_enough(addresses):
    opened = []

    async def connect(address, port):
        opened.append(address)
        raise OSError(111, "refused")

    with pytest.raises(PeerError, match=r"has no address|to allow it"):
        await make_fetch(resolve=Resolver(addresses), connect=connect)("GET", "http://idp.test/")
    assert opened == []


@pytest.mark.parametrize("claimed", ["127.0.0.1", "10.0.0.9"])
async def test_a_connection_that_leads_elsewhere_is_hung_up_on_before_anything_is_said(claimed):
    """The peer's address is looked at once more when the connection stands."""
    async with listening() as peer:

        async def connect(address, port):
            return await connect_by_system(ip_address("127.0.0.1"), peer.port)

        fetch = make_fetch("idp.test", resolve=Resolver([PUBLIC, "10.0.0.9"]), connect=connect)
        with pytest.raises(PeerError, match=r"led to 127\.0\.0\.1, which is none of its addresses"):
            await fetch("POST", "http://idp.test/", body=b"client_secret=x")
    assert peer.requests == []


async def test_the_next_address_is_tried_when_one_does_not_answer():
    async with listening() as peer:
        tried = []

        async def connect(address, port):
            tried.append(str(address))
            if str(address) == "10.0.0.1":
                await asyncio.Event().wait()
            if str(address) == "10.0.0.2":
                raise OSError(113, "no route")
            return await connect_by_system(address, port)

        resolver = Resolver(["10.0.0.1", "10.0.0.2", "127.0.0.1"])
        found = await make_fetch(f"idp.test:{peer.port}", resolve=resolver, connect=connect)(
            "GET", f"http://idp.test:{peer.port}/"
        )
    assert found.status == 200
    assert tried == ["10.0.0.1", "10.0.0.2", "127.0.0.1"]


async def test_when_two_addresses_answer_at_once_one_is_hung_up_on():
    async with listening() as peer:
        gate, opened = asyncio.Event(), []

        async def connect(address, port):
            stream = await connect_by_system(ip_address("127.0.0.1"), port)
            opened.append(stream)
            if len(opened) == 2:
                gate.set()
            await gate.wait()
            return stream

        allow = [f"127.0.0.0/8:{peer.port}"]
        fetch = make_fetch(*allow, resolve=Resolver(["127.0.0.1", "127.0.0.2"]), connect=connect)
        await fetch("GET", f"http://idp.test:{peer.port}/")
    assert len(opened) == 2
    assert [stream.get_extra_info("socket").fileno() for stream in opened] == [-1, -1]


async def test_we_do_not_call_ourselves():
    async with listening() as peer:
        fetch = make_fetch(f"127.0.0.1:{peer.port}", own=[f"http://0.0.0.0:{peer.port}"])
        with pytest.raises(PeerError, match="this gateway itself"):
            await fetch("GET", f"http://127.0.0.1:{peer.port}/")
    assert peer.connections == 0


async def test_the_system_resolver_is_asked_off_the_loop_and_gives_packed_addresses():
    with pytest.raises(PeerError, match=r"localhost is at (127\.0\.0\.1|::1), a loopback address"):
        await make_fetch()("GET", "http://localhost/")
    with pytest.raises(PeerError, match=r"nowhere\.invalid has no address: "):
        await make_fetch()("GET", "http://nowhere.invalid/")
