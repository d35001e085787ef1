"""Messages to other services, by Apprise in its own process, with real servers on this machine to take them."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from doorward.errors import UnavailableError
from doorward.outside.notify import AppriseMessenger
from doorward.rules.outbound import OutboundPolicy, parse_allowance
from tests.integration.processes import free_ports

TOKEN = "tk_s3cret"
SOURCE = Path(__file__).parents[2] / "src"


class Answering:
    """A server that takes any request and answers with `status`; `asked` are the heads and bodies."""

    def __init__(self, port):
        self.port, self.status, self.asked, self.more = port, 200, [], ""
        self.silent = False

    async def __call__(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        self.asked.append((head.decode(), (await reader.readexactly(length)).decode()))
        if self.silent:
            await reader.read()
        body = f'{{"said": "{TOKEN} was here"}}'
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n{self.more}\r\n{body}".encode())
        writer.close()


@asynccontextmanager
async def answering():
    (port,) = free_ports(1)
    taken = Answering(port)
    server = await asyncio.start_server(taken, "127.0.0.1", port)
    try:
        yield taken
    finally:
        server.close()


def messenger(url, *allowed, timeout=30, **settings):
    policy = OutboundPolicy(tuple(parse_allowance(each) for each in allowed), **settings)
    return AppriseMessenger({"phone": url}, policy, timeout=timedelta(seconds=timeout))


async def refused(office):
    with pytest.raises(UnavailableError) as error:
        await office.send("phone", title="t", text="x")
    assert TOKEN not in str(error.value)
    return str(error.value)


async def test_a_webhook_gets_title_and_text():
    """E-78, B-10: on a private network only because the configuration names it."""
    async with answering() as taken:
        office = messenger(f"json://127.0.0.1:{taken.port}/{TOKEN}", f"127.0.0.1:{taken.port}")
        await office.send("phone", title="Grüße", text="Erste Zeile\nZweite – “Ä”")
    ((head, body),) = taken.asked
    assert head.startswith(f"POST /{TOKEN} HTTP/1.1\r\n")
    assert (json.loads(body)["title"], json.loads(body)["message"]) == ("Grüße", "Erste Zeile\nZweite – “Ä”")


async def test_ntfy_gets_its_message():
    async with answering() as taken:
        office = messenger(f"ntfy://127.0.0.1:{taken.port}/topic", f"127.0.0.1:{taken.port}")
        await office.send("phone", title="t", text="x")
    ((_, body),) = taken.asked
    assert json.loads(body)["topic"] == "topic"


async def test_mail_goes_out_by_another_server_than_ours():
    class Sink:
        def __init__(self):
            self.mails = []

        async def handle_DATA(self, server, session, envelope):  # noqa: N802 -- the library's name
            self.mails.append((envelope.rcpt_tos, envelope.content))
            return "250 OK"

    (port,) = free_ports(1)
    taken = Sink()
    controller = Controller(taken, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{port}?from=door@example.test&to=ops@example.test&mode=insecure"
        await messenger(url, f"127.0.0.1:{port}").send("phone", title="Lockdown", text="x")
    finally:
        controller.stop()
    ((to, content),) = taken.mails
    assert to == ["ops@example.test"]
    assert b"Lockdown" in content


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_what_a_target_answers_is_told_by_its_number_alone(status):
    async with answering() as taken:
        taken.status = status
        said = await refused(messenger(f"json://127.0.0.1:{taken.port}/{TOKEN}", f"127.0.0.1:{taken.port}"))
    assert said == f"it answered {status}"


async def test_a_target_cannot_send_us_elsewhere():
    """O05: a redirect is an answer, and no errand."""
    async with answering() as taken, answering() as other:
        taken.status, taken.more = 307, f"Location: http://127.0.0.1:{other.port}/\r\n"
        allowed = [f"127.0.0.1:{each.port}" for each in (taken, other)]
        assert await refused(messenger(f"json://127.0.0.1:{taken.port}/", *allowed)) == "it answered 307"
        assert other.asked == []


async def test_nothing_is_sent_to_a_private_network_that_is_not_named():
    """B-10."""
    async with answering() as taken:
        said = await refused(messenger(f"json://127.0.0.1:{taken.port}/"))
        assert "`outbound.allow`" in said
        assert str(taken.port) in said
        said = await refused(messenger(f"json://localhost:{taken.port}/"))
        assert "`outbound.allow`" in said
        own = messenger(
            f"json://127.0.0.1:{taken.port}/",
            f"127.0.0.1:{taken.port}",
            own_origins=frozenset({f"http://127.0.0.1:{taken.port}"}),
        )
        assert "this gateway itself" in await refused(own)
    assert taken.asked == []


async def test_who_does_not_answer_is_told_apart():
    (port,) = free_ports(1)
    assert await refused(messenger(f"json://127.0.0.1:{port}/", f"127.0.0.1:{port}")) == "nobody answers there"
    assert await refused(messenger("json://no.such.invalid/", "no.such.invalid")) == "its name cannot be resolved"
    async with answering() as taken:
        allowed = f"127.0.0.1:{taken.port}"
        assert "certificate" in await refused(messenger(f"jsons://{allowed}/", allowed)) or not taken.asked


async def test_a_target_that_is_silent_does_not_keep_us():
    async with answering() as taken:
        taken.silent = True
        allowed = f"127.0.0.1:{taken.port}"
        assert await refused(messenger(f"json://{allowed}/", allowed, timeout=4)) == "it took too long"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('Traceback tk_s3cret')", "ended without an answer"),
        ("import sys; sys.exit(3)", "ended without an answer"),
        ('print(\'{"word": "tk_s3cret", "status": "tk_s3cret", "objection": ""}\')', "did not take"),
    ],
)
async def test_what_the_program_prints_is_not_shown(tmp_path, program, said):
    path = tmp_path / "program.py"
    path.write_text(program)
    office = AppriseMessenger({"phone": f"json://h/{TOKEN}"}, OutboundPolicy(), program=(path.read_text(), ""))
    assert said in await refused(office)


async def test_the_program_gets_nothing_of_our_surroundings(tmp_path, monkeypatch):
    """Neither arguments nor environment hold a secret: the address comes by standard input."""
    monkeypatch.setenv("ENCRYPTION_KEY", TOKEN)
    path, seen = tmp_path / "program.py", tmp_path / "seen"
    path.write_text(
        "import os, sys, json\n"
        f"json.dump([sys.argv, dict(os.environ), json.load(sys.stdin)['url']], open({str(seen)!r}, 'w'))\n"
        'print(\'{"word": "sent", "status": 0, "objection": ""}\')\n'
    )
    await AppriseMessenger({"phone": f"json://h/{TOKEN}"}, OutboundPolicy(), program=(path.read_text(), "")).send(
        "phone", title="", text=""
    )
    argv, environment, url = json.loads(seen.read_text())
    assert url == f"json://h/{TOKEN}"
    assert TOKEN not in str(argv) + str(environment)
    assert not {"HTTP_PROXY", "HTTPS_PROXY", "HOME"} & environment.keys()


async def test_the_program_starts_nothing_and_writes_nothing(tmp_path):
    """Whatever a library in it would do: it is guarded before anything foreign is told what to send."""
    path = tmp_path / "program.py"
    path.write_text(
        "import sys, json, socket, subprocess, os\n"
        f"sys.path.insert(0, {str(SOURCE)!r})\n"
        "from doorward.outside import notify_child as child\n"
        "child._guard(child.OutboundPolicy(), mail=False, course=child._Course())\n"
        "tried = []\n"
        "for act in (lambda: subprocess.run(['/bin/true']), lambda: open('/tmp/x', 'w'), lambda: os.system('true'),\n"
        f"            lambda: socket.socket().connect(('127.0.0.1', {free_ports(1)[0]})),\n"
        "            lambda: socket.socket(socket.AF_UNIX).connect('/run/x')):\n"
        "    try:\n"
        "        act()\n"
        "        tried.append('done')\n"
        "    except PermissionError:\n"
        "        tried.append('kept')\n"
        "    except OSError as error:\n"
        "        tried.append(type(error).__name__)\n"
        "print(json.dumps({'word': 'objection', 'status': 0, 'objection': ' '.join(tried)}))\n"
    )
    office = AppriseMessenger({"phone": "json://h/"}, OutboundPolicy(), program=(path.read_text(), ""))
    assert await refused(office) == "kept kept kept _ObjectionError _ObjectionError"
