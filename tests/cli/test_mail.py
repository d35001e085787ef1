"""`doorward mail`, with a real SMTP server to talk to."""

from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller

from doorward.errors import ConflictError, InputError
from tests.integration.processes import free_ports

MAIL = "mail: {{host: 127.0.0.1, port: {port}, security: none, sender: 'Door <door@example.test>'}}\n"


class Sink:
    """What the server was given; it takes nothing for `full@example.test`."""

    def __init__(self):
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 -- the library's name
        if address == "full@example.test":
            return "552 The box is \x1b[31mfull"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 -- the library's name
        self.mails.append((envelope.mail_from, *envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def sink(place):
    """A server that takes our mail."""
    (port,) = free_ports(1)
    taken = Sink()
    controller = Controller(taken, hostname="127.0.0.1", port=port)
    controller.start()
    place.write(MAIL.format(port=port))
    try:
        yield taken
    finally:
        controller.stop()


def test_a_test_mail_arrives_and_is_listed(place):
    with sink(place) as taken:
        said = place.run("mail", "test", "Alice@example.test")
        assert said.exit_code == 0
        assert "took it" in said.stdout
        assert taken.mails == [("door@example.test", "alice@example.test")]
    (listed,) = place.answer("mail", "list")
    assert (listed["kind"], listed["state"], listed["tries"], listed["to"]) == ("test", "sent", 1, "")
    assert place.answer("mail", "list", "--state", "failed") == []
    assert "test" in place.run("mail", "list", "--state", "sent").stdout


def test_what_the_server_said_is_told_and_cannot_steer_the_terminal(place):
    with sink(place) as taken:
        said = place.run("mail", "test", "full@example.test")
        assert (said.exit_code, taken.mails) == (1, [])
        assert "It was not sent: " in said.stdout
        assert "552" in said.stdout
        assert "\x1b" not in said.stdout
    assert place.answer("mail", "list")[0]["state"] == "failed"


def test_a_mail_that_no_server_takes_waits(place):
    place.write(MAIL.format(port=free_ports(1)[0]))
    assert place.run("mail", "test", "alice@example.test").exit_code == 1
    (listed,) = place.answer("mail", "list", "--state", "waiting")
    assert (listed["to"], listed["tries"]) == ("alice@example.test", 1)
    assert listed["trouble"]


def test_an_invitation_goes_by_mail(place):
    """B-13."""
    with sink(place):
        said = place.run("invite", "create", "--email", "guest@example.test").stdout
        assert "on its way to guest@example.test" in said
        (listed,) = place.answer("mail", "list")
        assert (listed["kind"], listed["state"], listed["to"]) == ("invite", "waiting", "guest@example.test")


def test_without_mail_it_says_so(place):
    assert "no such mails" in place.run("mail", "list").stdout
    with pytest.raises(ConflictError, match="not set up"):
        place.run("mail", "test", "alice@example.test")
    with sink(place), pytest.raises(InputError):
        place.run("mail", "test", "nowhere")


def test_a_mail_that_waits_is_tried_again_when_that_is_said(place):
    place.write(MAIL.format(port=free_ports(1)[0]))
    place.run("mail", "test", "alice@example.test")
    (listed,) = place.answer("mail", "list", "--state", "waiting")
    assert place.answer("mail", "retry", listed["id"]) == {"retried": 1}
    assert place.answer("mail", "retry", "--all") == {"retried": 1}


def test_it_has_to_be_said_which_mail_is_tried_again(place):
    assert "No mail waits" in place.run("mail", "retry", "--all").stdout
    for words in ((), ("x", "--all")):
        with pytest.raises(InputError, match="--all"):
            place.run("mail", "retry", *words)
