"""Nobody but the provider itself is spoken to: certificates are verified, always, against the name that was asked for."""

import asyncio
import ssl
from datetime import timedelta
from ipaddress import ip_address

import pytest

from doorward.errors import PeerError
from doorward.outside.connection import make_tls
from doorward.outside.fetch import GuardedFetch
from doorward.rules.outbound import OutboundPolicy, parse_allowance
from tests.fakes.peer import listening
from tests.integration.tls import Authority

NAME = "idp.test"


@pytest.fixture(scope="module")
def authority():
    return Authority()


def serving(folder, certificate, key):
    (folder / "chain.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    return context


async def call(folder, authority, context, *, host=NAME):
    """Call a server with this context, trusting the authority; the answer, and what the server saw."""
    ca_file = None
    if authority is not None:
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(authority.pem)

    async def resolve(_host):
        return [ip_address("127.0.0.1")]

    async with listening(tls=context) as peer:
        policy = OutboundPolicy((parse_allowance(f"127.0.0.1:{peer.port}"),))
        fetch = GuardedFetch(policy, ca_file=ca_file, resolve=resolve)
        try:
            found = await fetch("POST", f"https://{host}:{peer.port}/token", body=b"client_secret=x")
        except PeerError as error:
            return peer, str(error)
        return peer, found


async def test_a_certificate_of_an_authority_we_were_told_to_trust_is_accepted(tmp_path, authority):
    peer, found = await call(tmp_path, authority, serving(tmp_path, *authority.issue(NAME)))
    assert (found.status, found.body) == (200, b"{}")
    assert peer.names == [NAME]
    assert peer.heads[0]["host"] == f"{NAME}:{peer.port}"


async def test_an_address_may_stand_in_a_certificate_too(tmp_path, authority):
    _, found = await call(tmp_path, authority, serving(tmp_path, *authority.issue("127.0.0.1")), host="127.0.0.1")
    assert found.status == 200


@pytest.mark.parametrize(
    ("names", "lasting", "trusted", "words"),
    [
        ([NAME], timedelta(hours=1), False, "`outbound.ca_file`"),
        ([NAME], -timedelta(hours=1), True, "certificate has expired"),
        (["other.test"], timedelta(hours=1), True, "not valid for 'idp.test'"),
        (["*.idp.test"], timedelta(hours=1), True, "not valid for 'idp.test'"),
        (["127.0.0.1"], timedelta(hours=1), True, "not valid for 'idp.test'"),
    ],
)
async def test_a_certificate_that_proves_nothing_is_refused_before_a_secret_is_sent(
    tmp_path, authority, names, lasting, trusted, words
):
    context = serving(tmp_path, *authority.issue(*names, lasting=lasting))
    peer, said = await call(tmp_path, authority if trusted else None, context)
    assert said.startswith(f"idp.test:{peer.port} does not prove to be idp.test:{peer.port}: ")
    assert words in said
    assert peer.requests == []


async def test_a_certificate_that_signed_itself_is_refused(tmp_path, authority):
    """Even where it bears the name of an authority that is trusted."""
    alone = Authority()
    peer, said = await call(tmp_path, authority, serving(tmp_path, *alone.issue(NAME)))
    assert "does not prove to be" in said
    assert peer.requests == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_before_1_2_is_not_spoken(tmp_path, authority):
    context = serving(tmp_path, *authority.issue(NAME))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    peer, said = await call(tmp_path, authority, context)
    assert said == f"idp.test:{peer.port} hung up" or "does not speak TLS as we do" in said
    assert peer.requests == []
    assert make_tls(None).minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_server_without_tls_is_not_spoken_to():
    async def answer_at_once(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer_at_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        fetch = GuardedFetch(OutboundPolicy((parse_allowance(f"127.0.0.1:{port}"),)))
        with pytest.raises(PeerError, match="does not speak TLS as we do"):
            await fetch("GET", f"https://127.0.0.1:{port}/")


async def test_the_environment_cannot_have_the_keys_written_down(tmp_path, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    _, found = await call(tmp_path, authority, serving(tmp_path, *authority.issue(NAME)))
    assert found.status == 200
    assert not (tmp_path / "keys").exists() or "SECRET" not in (tmp_path / "keys").read_text()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PeerError, match=r"outbound\.ca_file .*ca\.pem cannot be used: (No such file|no PEM)"):
        await GuardedFetch(OutboundPolicy(), ca_file=path)("GET", "https://idp.test/")
