"""Mail is handed to a real SMTP server, or it is said why not, and whether trying again may help."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from doorward.errors import PeerError, UnavailableError
from doorward.outside.letters.renderer import LetterWriter
from doorward.outside.smtp import Security, SmtpMailer, SmtpServer
from doorward.rules.letter import LetterKind
from tests.fakes.peer import listening
from tests.fakes.system import FakeClock
from tests.integration.tls import Authority

NAME = "localhost"
MAIL = {
    "to": "alice@example.test",
    "subject": "Grüße",
    "text": "Schöne Grüße\n.\nund mehr\n",
    "html": "<p>Schöne Grüße</p>",
    "message_id": "<1@auth.example.test>",
}


class Sink:
    """What a server was given. `answers`: what it says to a command instead of taking it."""

    def __init__(self, **answers):
        self.answers, self.mails, self.logins, self.helos = answers, [], [], []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802 -- the library's name
        session.host_name = hostname
        self.helos.append(hostname)
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login, data.password, session.ssl is not None))
        return AuthResult(success=data.password == b"secret", handled=False)


@asynccontextmanager
async def serving(sink, *, starttls=None, tls=None, auth=False):
    """A real SMTP server on loopback; its address."""
    loop = asyncio.get_running_loop()

    def make():
        return SMTP(
            sink,
            loop=loop,
            hostname="mail.example.test",
            tls_context=starttls,
            authenticator=sink.authenticate if auth else None,
            auth_require_tls=False,
        )

    server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls)
    try:
        yield SmtpServer(
            "127.0.0.1", server.sockets[0].getsockname()[1], Security.NONE, "door@example.test", "auth.example.test"
        )
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def certified(tmp_path, authority):
    """Makes the server side of TLS, and writes what vouches for it."""
    (tmp_path / "ca.pem").write_bytes(authority.pem)

    def make(*names, **options):
        (tmp_path / "chain.pem").write_bytes(b"".join(authority.issue(*names, **options)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "chain.pem")
        return context

    return make


async def send(server, **changes):
    clock = FakeClock()
    await SmtpMailer(server, clock=clock).send(**{**MAIL, **changes})


async def test_a_mail_arrives_as_it_was_written():
    sink = Sink()
    async with serving(sink) as server:
        await send(server)
    ((sender, recipients, content, over_tls),) = sink.mails
    assert (sender, recipients, over_tls) == ("door@example.test", ["alice@example.test"], False)
    assert sink.helos == ["auth.example.test"]
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 200
    mail = message_from_bytes(content, policy=default)
    assert mail["From"] == "Doorward <door@example.test>"
    assert mail["To"] == "alice@example.test"
    assert mail["Subject"] == "Grüße"
    assert mail["Message-ID"] == "<1@auth.example.test>"
    assert mail["Date"].datetime == FakeClock().now()
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = mail.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == MAIL["text"]
    assert html.get_content().strip() == MAIL["html"]
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_mail_goes_over_tls_and_the_password_only_there(certified, tmp_path, security):
    sink, context = Sink(), certified("127.0.0.1")
    where = {"starttls": context} if security is Security.STARTTLS else {"tls": context}
    async with serving(sink, auth=True, **where) as offered:
        server = replace(offered, security=security, ca_file=tmp_path / "ca.pem", username="door", password="secret")
        await send(server)
    assert sink.logins == [(b"door", b"secret", security is Security.STARTTLS)]
    assert len(sink.mails) == 1


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
@pytest.mark.parametrize(
    ("names", "lasting", "vouched", "words"),
    [
        (["127.0.0.1"], timedelta(hours=1), False, "unable to get local issuer"),
        (["127.0.0.1"], -timedelta(hours=1), True, "expired"),
        (["other.test"], timedelta(hours=1), True, "mismatch"),
    ],
)
async def test_a_server_that_does_not_prove_who_it_is_gets_neither_password_nor_mail(
    certified, tmp_path, security, names, lasting, vouched, words
):
    sink, context = Sink(), certified(*names, lasting=lasting)
    where = {"starttls": context} if security is Security.STARTTLS else {"tls": context}
    async with serving(sink, auth=True, **where) as offered:
        server = replace(
            offered,
            security=security,
            ca_file=tmp_path / "ca.pem" if vouched else None,
            username="door",
            password="secret",
        )
        with pytest.raises(UnavailableError, match=f"does not prove who it is: .*{words}"):
            await send(server)
    assert (sink.mails, sink.logins) == ([], [])


async def test_a_server_that_takes_starttls_away_gets_neither_password_nor_mail():
    """Whoever stands between may strip the offer: what was asked for is demanded, not hoped for."""
    sink = Sink()
    async with serving(sink, auth=True) as offered:
        server = replace(offered, security=Security.STARTTLS, username="door", password="secret")
        with pytest.raises(UnavailableError, match="STARTTLS extension not supported"):
            await send(server)
    assert (sink.mails, sink.logins) == ([], [])


async def test_a_password_in_the_clear_stays_on_this_machine():
    sink = Sink()
    async with serving(sink, auth=True) as offered:
        server = replace(offered, username="door", password="secret")
        await send(server)
        assert len(sink.mails) == 1
        for host in ("mail.example.test", "192.0.2.1"):
            with pytest.raises(UnavailableError, match="not sent without TLS"):
                await send(replace(server, host=host))
        assert replace(server, host="localhost").is_here
    assert len(sink.logins) == 1


async def test_a_wrong_password_may_be_mended_while_the_mail_waits():
    sink = Sink()
    async with serving(sink, auth=True) as server:
        with pytest.raises(UnavailableError, match="does not take the user name and password: 535") as caught:
            await send(replace(server, username="door", password="wrong-one"))
    assert "wrong-one" not in str(caught.value)
    assert "wrong-one" not in repr(replace(server, password="wrong-one"))


async def test_a_server_that_is_down_may_be_up_later():
    async with serving(Sink()) as server:
        pass
    with pytest.raises(UnavailableError, match="cannot be used"):
        await send(server)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 try again later", UnavailableError), ("550 never", PeerError), ("421 bye", UnavailableError)],
)
async def test_no_for_now_and_no_for_good_are_told_apart(command, answer, error):
    sink = Sink(**{command: answer})
    async with serving(sink) as server:
        with pytest.raises(error, match=f"did not take the mail: {answer}"):
            await send(server)
    assert sink.mails == []


@pytest.mark.parametrize(
    "greeting", [b"554 no mail here\r\n", b"421 busy\r\n", b"SSH-2.0-x\r\n", b"\x00\xff" * 50 + b"\r\n", b""]
)
async def test_what_does_not_greet_as_a_mail_server_may_do_so_later(greeting):
    async def greet(reader, writer):
        writer.write(greeting)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(UnavailableError):
            await send(SmtpServer("127.0.0.1", port, Security.NONE, "door@example.test", "auth.example.test"))


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever():
    async with listening() as peer:
        server = SmtpServer("127.0.0.1", peer.port, Security.NONE, "door@example.test", "auth.example.test")
        with pytest.raises(UnavailableError, match=r"in time|within"):
            await send(replace(server, timeout=timedelta(milliseconds=50)))


async def test_a_connection_that_breaks_after_the_mail_was_taken_breaks_nothing():
    sink = Sink()

    class Rude(SMTP):
        async def smtp_QUIT(self, arg):  # noqa: N802
            self.transport.abort()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Rude(sink, loop=loop, hostname="x"), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await send(SmtpServer("127.0.0.1", port, Security.NONE, "door@example.test", "auth.example.test"))
    assert len(sink.mails) == 1


@pytest.mark.parametrize(
    "to",
    [
        "a@example.test\r\nRCPT TO:<b@example.test>",
        "a@example.test, b@example.test",
        "<a@example.test>",
        '"a b"@example.test',
        "a@example.test> SIZE=1",
        "ä@example.test",
        "",
    ],
)
async def test_an_address_that_says_more_than_an_address_gets_no_mail(to):
    sink = Sink()
    async with serving(sink) as server:
        with pytest.raises(PeerError, match="no mail can go to that address"):
            await send(server, to=to)
    assert sink.mails == []


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
async def test_nothing_people_wrote_becomes_a_header_or_a_command(end):
    """C01, K12: a subject is one line; a body that says `.` does not end the mail."""
    evil = f"Hi{end}Bcc: all@example.test{end}{end}.{end}MAIL FROM:<x@example.test>{end}{{{{7*7}}}}%(x)s<img onerror=x>"
    sink = Sink()
    written = LetterWriter("https://auth.example.test").render(
        LetterKind.INVITE, "de", {"url": "https://auth.example.test/i", "note": evil}
    )
    async with serving(sink) as offered:
        server = replace(offered, sender_name=evil)
        await send(
            server,
            subject=evil,
            text=written.text + f"\r\n.\r\nMAIL FROM:<x@example.test>\r\n{evil}",
            html=written.html,
        )
    ((_, recipients, content, _),) = sink.mails
    assert recipients == ["alice@example.test"]
    mail = message_from_bytes(content, policy=default)
    assert sorted(mail.keys()) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    assert "{{7*7}}%(x)s<img onerror=x>" in mail["Subject"]
    assert [address.addr_spec for address in mail["From"].addresses] == ["door@example.test"]
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "{{7*7}}%(x)s<img onerror=x>" in text
    assert "<img" not in html
    assert "{{7*7}}%(x)s&lt;img onerror=x&gt;" in html


async def test_authorities_that_cannot_be_read_are_named(tmp_path):
    async with serving(Sink()) as server:
        (tmp_path / "ca.pem").write_text("no certificate")
        for name in ("ca.pem", "missing.pem"):
            with pytest.raises(UnavailableError, match=f"{name} cannot be read"):
                await send(replace(server, security=Security.TLS, ca_file=tmp_path / name))
